"""The workers, and what is done to them: killed one by one, by group, all at once; told to end; frozen and thawed.

Each worker leads a process group of its own, as under a service manager: when it ends, what is left of its group is
killed and it is started again. Its leader is reaped last, so that no number here ever means somebody else's process.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .settings import CELERY_APP, DATABASE, LEASE_SECONDS, QUEUE

COMMANDS = {
    "qcluster": ["django", "qcluster"],
    "drain": ["django", "dfinery", "drain", "--forever"],
    "schedule": ["django", "dfinery", "schedule", "--loop"],
    "db_worker": ["django", "db_worker", "--interval", "0.2", "--no-startup-delay"],
    "celery": ["celery", "-A", CELERY_APP, "worker", "--concurrency", "2"],
    "beat": ["celery", "-A", CELERY_APP, "beat", "--max-interval", "1"],
}
CREWS = {
    "django-q2": ("qcluster", "drain", "qcluster", "drain"),
    "django-tasks": ("schedule", "db_worker", "db_worker", "db_worker"),
    "celery": ("beat", "celery", "celery", "celery"),
}
CREW = CREWS[QUEUE]
#: Of whom the clock is wrong, and by how many seconds. A SQLite file is on one machine, and has that one's clock.
CLOCKS = {} if DATABASE == "sqlite" else {1: "120"}
ROOT = Path(__file__).parents[3]
#: A worker that was told to end has so long; then its group is killed.
END_SECONDS = 10.0


@dataclass
class Mishap:
    """What was done to processes.

    :ivar until: epoch seconds; later than ``at`` for those that were frozen
    """

    kind: str
    pids: frozenset[int]
    at: float = field(default_factory=time.time)
    until: float = 0.0


def group_members(group: int) -> set[int]:
    """The living processes of a process group."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    return {int(pid) for pid, of, state in rows if int(of) == group and not state.startswith("Z")}


class Worker:
    def __init__(self, kind: str, folder: Path, number: int, clock: str) -> None:
        with (folder / f"{kind}-{number}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *COMMANDS[kind]], stdout=log, stderr=log, start_new_session=True, cwd=folder,
                env={**os.environ, "CHAOS_CLOCK": clock, "CHAOS_PROGRAM": kind, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        self.pid = self._process.pid
        self.thaw_at = self.kill_at = float("inf")

    @property
    def has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self.pid not in self.members()
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def members(self) -> frozenset[int]:
        return frozenset(group_members(self.pid))

    def signal_group(self, number: int) -> None:
        # The leader, not reaped yet, keeps the group's number ours.
        os.killpg(self.pid, number)

    def bury(self) -> None:
        self.signal_group(signal.SIGKILL)
        self._process.wait()


class Crew:
    def __init__(self, folder: Path, draw: random.Random) -> None:
        self._folder, self._draw = folder, draw
        self._started = 0
        self._workers: dict[int, Worker] = {}
        self._start_at = dict.fromkeys(range(len(CREW)), 0.0)
        self.mishaps: list[Mishap] = []

    def tend(self) -> None:
        """Thaw, bury and start whoever's time has come."""
        now = time.monotonic()
        for place, worker in list(self._workers.items()):
            if now >= worker.thaw_at:
                self._thaw(worker)
            if worker.has_ended and worker.kill_at == float("inf"):
                worker.kill_at = now + self._draw.uniform(0, 1.0)  # its orphans go on for a moment
            if now >= worker.kill_at:
                self._bury(place)
        for place, start_at in list(self._start_at.items()):
            if now >= start_at:
                self._started += 1
                self._workers[place] = Worker(CREW[place], self._folder, self._started, CLOCKS.get(place, "0"))
                del self._start_at[place]

    def harm(self) -> None:
        """Do one of the harms to whoever is there."""
        if not self._workers:
            return
        harms: list[tuple[int, Callable[[int], None]]] = [
            (7, self._kill_one), (4, self._kill_group), (2, self._kill_all), (4, self._tell_to_end), (4, self._freeze)
        ]  # fmt: skip
        chosen = self._draw.choices([harm for _, harm in harms], [weight for weight, _ in harms])[0]
        chosen(self._draw.choice(sorted(self._workers)))

    def heal(self) -> None:
        """Thaw everybody; from here on workers are only started."""
        for worker in self._workers.values():
            if worker.thaw_at != float("inf"):
                self._thaw(worker)

    def end(self, patience_seconds: float = 0) -> list[str]:
        """End all of them, in good order as far as they are quick enough. Nothing of any group is left.

        :returns: the kinds of those that were not
        """
        until = time.monotonic() + patience_seconds
        for worker in self._workers.values():
            if patience_seconds and not worker.has_ended:
                os.kill(worker.pid, signal.SIGTERM)
        while time.monotonic() < until and not all(worker.has_ended for worker in self._workers.values()):
            time.sleep(0.05)
        late = [CREW[place] for place, worker in self._workers.items() if not worker.has_ended]
        for place in list(self._workers):
            self._workers.pop(place).bury()
        return late

    def _note(self, kind: str, pids: frozenset[int]) -> Mishap:
        self.mishaps.append(Mishap(kind, pids))
        return self.mishaps[-1]

    def _kill_one(self, place: int) -> None:
        members = self._workers[place].members()
        if members:
            pid = self._draw.choice(sorted(members))
            self._note("kill -9 of a process", frozenset({pid}))
            os.kill(pid, signal.SIGKILL)

    def _kill_group(self, place: int) -> None:
        self._note("kill -9 of a process group", self._workers[place].members())
        self._bury(place)

    def _kill_all(self, place: int) -> None:
        pids = [worker.members() for worker in self._workers.values()]
        self._note("kill -9 of the machine", frozenset().union(*pids))
        for each in list(self._workers):
            self._bury(each)

    def _tell_to_end(self, place: int) -> None:
        worker = self._workers[place]
        if not worker.has_ended:
            self._note("SIGTERM", frozenset({worker.pid}))
            os.kill(worker.pid, signal.SIGTERM)
            worker.kill_at = time.monotonic() + END_SECONDS

    def _freeze(self, place: int) -> None:
        worker = self._workers[place]
        if worker.thaw_at == float("inf"):
            self._note("frozen past its lease", worker.members())
            worker.signal_group(signal.SIGSTOP)
            worker.thaw_at = time.monotonic() + LEASE_SECONDS + self._draw.uniform(0.5, 2.5)

    def _thaw(self, worker: Worker) -> None:
        worker.thaw_at = float("inf")
        for mishap in self.mishaps:
            if mishap.kind == "frozen past its lease" and worker.pid in mishap.pids and not mishap.until:
                mishap.until = time.time()
        worker.signal_group(signal.SIGCONT)

    def _bury(self, place: int) -> None:
        worker = self._workers.pop(place)
        orphans = worker.members()
        if orphans and not any(orphans <= mishap.pids for mishap in self.mishaps[-1:]):
            self._note("kill -9 of what was left of a group", orphans)
        worker.bury()
        self._start_at[place] = time.monotonic() + self._draw.uniform(0.1, 1.5)
