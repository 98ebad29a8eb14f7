"""Real processes for the tests: the shop, its clusters, and a far side that knows who sent."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfinery_django.sandbox import Sandbox
from dfinery_django.sandbox.http import ReceivedRequest, SentResponse
from tests.support.doubles import is_ci

ROOT = Path(__file__).parents[3]
REDIS = (os.environ.get("REDIS_HOST", "127.0.0.1"), int(os.environ.get("REDIS_PORT", "6379")))


def eventually(question: Callable[[], Any], *, seconds: float = 30, what: str = "") -> Any:
    """Ask again until the answer is true."""
    until = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < until, what or "it did not happen in time"
        time.sleep(0.05)
    return answer


def needs_redis() -> None:
    """Skip the test on a machine without Redis; in CI it must be there."""
    try:
        socket.create_connection(REDIS, timeout=1).close()
    except OSError as error:
        if is_ci():
            raise
        pytest.skip(f"no Redis: {error}")


class FarSide(Sandbox):
    """A pretend DFINERY that takes its time, and remembers who sent: each cluster has a token of its own."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.senders: Counter[str] = Counter()

    def answer(self, request: ReceivedRequest) -> SentResponse:
        self.stopping.wait(self.seconds)
        with self._lock:
            self.senders[(request.headers.get("Authorization") or "").removeprefix("Bearer ")] += 1
        return super().answer(request)

    @property
    def event_ids(self) -> Counter[str]:
        """How often each event arrived."""
        return Counter(arrival.event_id for arrival in self.arrivals)


class Shop:
    """The shop's process: ``shop.ask("pay", 3)`` calls a function of ``tests.system.clusters.shop`` there."""

    def __init__(self, name: str, broker: str, url: str, *, own_cluster: bool = False, lease: int = 60) -> None:
        self.environment = {
            **{key: value for key, value in os.environ.items() if key != "Q_CLUSTER_NAME"},
            "DJANGO_SETTINGS_MODULE": "tests.system.clusters.settings",
            "PYTHONPATH": str(ROOT),
            "CLUSTERS_NAME": name,
            "CLUSTERS_BROKER": broker,
            "CLUSTERS_URL": url,
            "CLUSTERS_OWN": "yes" if own_cluster else "",
            "CLUSTERS_LEASE": str(lease),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.clusters.shop"],
            cwd=ROOT, env=self.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, function: str, *args: Any, **kwargs: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([function, args, kwargs]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the shop broke down over {function}()"
        return json.loads(answer)

    def close(self) -> None:
        with self.process:  # closes its pipes and waits for it
            pass


class Cluster:
    """``manage.py qcluster`` in a process group of its own."""

    def __init__(self, shop: Shop, token: str, *, queue: str | None = None) -> None:
        environment = {**shop.environment, "CLUSTERS_TOKEN": token} | ({"Q_CLUSTER_NAME": queue} if queue else {})
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "django", "qcluster"], cwd=ROOT, env=environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    @property
    def worker_pid(self) -> int:
        """The process that works off tasks; the newest, if one was replaced."""

        def found() -> list[str]:
            return re.findall(r"ready for work at (\d+)", "".join(self.said))

        return int(eventually(found, what="no worker came up")[-1])

    def stop(self) -> None:
        """SIGTERM, as ``docker stop`` sends it."""
        self.process.terminate()
        self.process.wait(timeout=60)
        eventually(lambda: not self.is_there(), what="a process of the cluster stayed")

    def is_there(self) -> bool:
        """Whether any process of it is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """kill -9, all of it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._listener.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        print("".join(self.said))  # for whoever reads why a test failed
