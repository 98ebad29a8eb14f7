"""Everything that runs during a demonstration: the shop, django-q2's cluster and the pretend DFINERY."""

import fcntl
import os
import sys

from .errors import DemoError
from .processes import Process, answers, free_port, local_session

ADMIN_EMAIL, ADMIN_PASSWORD = "admin@example.com", "admin"


class Stage:
    """
    :param say: called with a line for each step, before it begins
    """

    def __init__(self, base_dir, var_dir, *, port, sandbox_port, say=lambda text: None):
        self._say = say
        self.port = free_port(port)
        self.sandbox_port = free_port(sandbox_port, taken=self.port)
        self.shop_url = f"http://127.0.0.1:{self.port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self._manage = [sys.executable, str(base_dir / "manage.py")]
        self._lock = None
        self._logs = var_dir / "log"
        # Never the developer's own shop.sqlite3.
        self._database = var_dir / "demo.sqlite3"
        self._store = var_dir / "demo-arrivals.jsonl"
        self._env = {
            **os.environ,
            "SHOP_DATABASE": str(self._database),
            "DFINERY_BASE_URL": self.sandbox_url,
            "DFINERY_API_TOKEN": "sandbox-token",  # a real one has no business in a demonstration
            "DJANGO_DEBUG": "1",
            "DJANGO_SUPERUSER_PASSWORD": ADMIN_PASSWORD,
            "PYTHONUNBUFFERED": "1",
        }
        self.sandbox = self._process(
            "sandbox", "dfinery", "sandbox", "--port", str(self.sandbox_port), "--store", str(self._store)
        )
        self.cluster = self._process("cluster", "qcluster")
        self.shop = self._process("shop", "runserver", "--noreload", f"127.0.0.1:{self.port}")
        self._processes = [self.sandbox, self.cluster, self.shop]

    def build(self):
        """An empty database, stocked."""
        self._claim()
        self._clear()
        for text, name, *arguments in (
            ("Creating the tables of an empty database (migrate)…", "migrate", "migrate", "--no-input"),
            ("Stocking the shelves…", "stock", "stock"),
            (
                "Creating the administrator…", "admin", "createsuperuser", "--no-input",
                *("--email", ADMIN_EMAIL, "--name", "Admin"),
            ),
        ):  # fmt: skip
            self._say(text)
            self._process(name, *arguments).run()

    def open(self):
        self._say("Starting the sandbox (dfinery sandbox), the workers (qcluster) and the shop (runserver)…")
        for process in self._processes:
            process.start()
        self.wait_for_sandbox()
        self._say(f"The sandbox answers: {self.sandbox_url}")
        self.cluster.wait_until(lambda: "running." in self.cluster.read_log())
        self._say("The workers wait for events.")
        self.shop.wait_until(lambda: answers(self.shop_url))
        self._say(f"The shop is open: {self.shop_url}")

    def live_through_the_past(self):
        """Two days of business before today; how many events there are of each status. The cluster rests meanwhile."""
        self._say("Making two days of earlier orders for the administration; the workers rest meanwhile…")
        self.cluster.stop()
        process = self._process("past", "past")
        process.run()
        self.cluster.start()
        return process.read_log().splitlines()[-1]

    def close(self):
        for process in self._processes:
            process.ask_to_end()  # all at once: then they are waited for one by one
        for process in self._processes:
            process.stop()
        if self._lock:
            self._lock.close()

    def wait_for_sandbox(self):
        self.sandbox.wait_until(lambda: answers(f"{self.sandbox_url}/events.json"))

    def check_alive(self):
        for process in self._processes:
            process.check_alive()

    def tables(self):
        """What the shop's tables say, as JSON text. Read in a process of its own, which knows the database."""
        process = self._process("orders", "orders_json")
        process.log.unlink(missing_ok=True)
        process.run()
        return process.read_log()

    def arrivals(self):
        """What the sandbox holds, in the order in which it arrived."""
        with local_session() as session:
            return session.get(f"{self.sandbox_url}/events.json", timeout=10).json()["events"]

    def _process(self, name, *arguments):
        return Process(name, [*self._manage, *arguments], env=self._env, log=self._logs / f"{name}.log")

    def _claim(self):
        """One demonstration at a time: they would take each other's database away."""
        self._lock = self._database.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError("Another demonstration runs in this directory.") from None

    def _clear(self):
        for suffix in ("", "-wal", "-shm"):
            self._database.with_name(self._database.name + suffix).unlink(missing_ok=True)
        self._store.unlink(missing_ok=True)
        for log in self._logs.glob("*.log"):
            log.unlink()
