"""Processes that the demonstration starts, and stops in any case."""

import os
import signal
import socket
import subprocess
import time

import requests

from .errors import DemoError

STARTUP_SECONDS = 30
STOP_SECONDS = 5
TAIL_LINES = 15


def free_port(wanted, *, taken=None):
    """The wanted port, or any free one if that is taken."""
    for port in (0,) if wanted == taken else (wanted, 0):
        with socket.socket() as probe:
            # As servers do: a port whose last connections are only just closed counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return probe.getsockname()[1]
    raise DemoError("There is no free port.")


class Process:
    """A command that runs in a process group of its own, its output in a log file."""

    def __init__(self, name, command, *, env, log):
        self.name, self.log = name, log
        self._command, self._env = command, env
        self._running = None

    def start(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we stop them in good order
            )

    def ask_to_end(self):
        if self._running is not None:
            self._running.terminate()

    def stop(self):
        """Ask it to end; what is left of its group after a while is killed."""
        if self._running is None:
            return
        self.ask_to_end()
        try:
            self._running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._running.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._running.wait()
        self._running = None

    def run(self):
        """From start to end."""
        self.start()
        try:
            if self._running.wait():
                raise self.failed("failed")
        finally:
            self.stop()

    def wait_until(self, is_ready):
        until = time.monotonic() + STARTUP_SECONDS
        while not is_ready():
            self.check_alive()
            if time.monotonic() > until:
                raise self.failed(f"was not ready after {STARTUP_SECONDS} s")
            time.sleep(0.1)

    def check_alive(self):
        if self._running is not None and self._running.poll() is not None:
            raise self.failed("has ended")

    def failed(self, what):
        return DemoError(f"The {self.name} {what}. {self.tail()}")

    def tail(self):
        lines = self.read_log().splitlines()[-TAIL_LINES:]
        return f"The end of {self.log}:\n" + "\n".join(f"    {line}" for line in lines)

    def read_log(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def answers(url):
    try:
        with local_session() as session:
            return session.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def local_session():
    """A session that no proxy setting of the machine leads astray."""
    session = requests.Session()
    session.trust_env = False
    return session
