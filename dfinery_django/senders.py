"""Threads that exchange bytes. Whoever is free takes the next batch, so that one slow answer holds up one place.

No ORM here: what lands is handed back to the thread that drains.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from . import clock
from .exchange import Batch, Exchange
from .states import Outcome

#: A request that outlasts its own deadline by so much hangs where no timeout reaches it: in the resolver.
GRACE_SECONDS = 2.0


@dataclass(eq=False)
class Job:
    """A batch on its way.

    :ivar begin_until: ``clock.monotonic()`` after which it is handed back unsent
    :ivar began_at: when a thread began it; 0 before
    """

    batch: Batch
    begin_until: float
    began_at: float = 0.0
    is_given_up: bool = False
    generation: int = 0


class Senders:
    """A pool of threads for one destination.

    :param places: requests in flight at most
    :param exchange: sends one batch; never raises
    :param land: told of each job and its exchange, in a thread of the pool; ``None`` for one that was not begun
    :param seconds: how long an exchange may take
    """

    def __init__(
        self,
        places: int,
        exchange: Callable[[Batch], Exchange],
        land: Callable[[Job, Exchange | None], None],
        seconds: float,
    ) -> None:
        self._places, self._exchange, self._land, self._seconds = places, exchange, land, seconds
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = 0
        self._generation = 0
        self._may_begin = threading.Event()
        self._may_begin.set()
        self.out: set[Job] = set()

    def submit(self, job: Job) -> None:
        job.generation = self._generation
        self.out.add(job)
        self._jobs.put(job)
        if self._threads < min(self._places, len(self.out)):
            self._start_thread()

    def take(self, job: Job) -> bool:
        """Note that a job has landed; false if it had been given up."""
        known = job in self.out
        self.out.discard(job)
        return known

    def go_on(self) -> None:
        """Begin jobs again, after an answer that asked for a decision."""
        self._may_begin.set()

    def recall(self) -> list[Job]:
        """Take back what no thread has begun; what a thread holds unbegun lands as ``None``."""
        self._generation += 1
        back: list[Job] = []
        try:
            while job := self._jobs.get_nowait():
                back.append(job)
        except Empty:
            pass
        self.out.difference_update(back)
        return back

    def give_up_overdue(self) -> list[Job]:
        """Take out what hangs; its threads are replaced, and end when they can."""
        limit = clock.monotonic() - self._seconds - GRACE_SECONDS
        overdue = [job for job in self.out if 0 < job.began_at < limit]
        self.out.difference_update(overdue)
        for job in overdue:
            job.is_given_up = True
            self._threads -= 1
            self._start_thread()
        return overdue

    def close(self) -> None:
        """Let the threads end, each when it is free; what none has begun is not begun any more."""
        self._generation += 1
        self.go_on()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _start_thread(self) -> None:
        self._threads += 1
        # A daemon: no thread that hangs in the resolver keeps the process from ending.
        threading.Thread(target=self._work, name=f"dfinery-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while job := self._jobs.get():
            self._may_begin.wait()
            if clock.monotonic() > job.begin_until or job.generation != self._generation:
                self._land(job, None)
                continue
            job.began_at = clock.monotonic()
            made = self._exchange(job.batch)
            if job.is_given_up:
                return  # its event is settled, and another thread has this one's place
            is_good = made.result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED)
            if not is_good and job.generation == self._generation:
                # The destination may have to close: nothing more is begun until that is decided.
                self._may_begin.clear()
            self._land(job, made)
