"""A pool of threads that send batches. A free thread takes the next batch, so that a slow answer delays only one.

No ORM here: finished jobs go back to the draining thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from .. import clock
from ..enums import Outcome
from ..protocols.base import Result
from .exchange import Batch, Exchange

#: A request that exceeds its deadline by this much hangs where no timeout applies: in the resolver.
GRACE_SECONDS = 2.0
#: Concurrency starts low and grows by one per so many answers, so that a low rate limit is not flooded.
INITIAL_CONCURRENCY, ANSWERS_PER_STEP = 5, 6
#: The interval at which a thread that waits for its slot checks that its job was not recalled.
SLOT_POLL_SECONDS = 0.05


@dataclass(eq=False)
class Job:
    """A batch in the pool. Times are of ``clock.monotonic()``."""

    batch: Batch
    begin_until: float  # after that it is returned unsent
    not_before: float = 0.0
    began_at: float = 0.0  # 0 until a thread begins it
    is_abandoned: bool = False
    generation: int = 0


class SenderPool:
    """The pool of threads for one destination.

    :param send_batch: sends one batch; never raises
    :param on_completion: called in a thread of the pool with each job and its exchange; ``None`` if it was not begun
    :param seconds: how long an exchange may take
    :param needs_decision: returns ``True`` if an accepted answer may change the destination's pace
    """

    def __init__(
        self,
        concurrency: int,
        send_batch: Callable[[Batch], Exchange],
        on_completion: Callable[[Job, Exchange | None], None],
        seconds: float,
        needs_decision: Callable[[Result], bool] = lambda result: False,
    ) -> None:
        self._concurrency, self._send_batch, self._seconds = concurrency, send_batch, seconds
        self._on_completion, self._needs_decision = on_completion, needs_decision
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = self._answers = self._generation = 0
        self._may_begin = threading.Event()
        self._may_begin.set()
        self._undecided: set[Job] = set()
        self.in_flight: set[Job] = set()

    def submit(self, job: Job) -> None:
        job.generation = self._generation
        self.in_flight.add(job)
        self._jobs.put(job)
        self._start_if_wanted()

    def finish(self, job: Job) -> bool:
        """Remove a finished job; return ``False`` if it was abandoned."""
        known = job in self.in_flight
        self.in_flight.discard(job)
        self._undecided.discard(job)
        self._answers += 1
        self._start_if_wanted()
        return known

    def resume(self) -> None:
        """Begin jobs again once every answer that needs a decision has been handled."""
        if not self._undecided:
            self._may_begin.set()

    def recall(self) -> list[Job]:
        """Take back the queued jobs; one that a thread has taken but not begun completes with ``None``."""
        self._generation += 1
        recalled: list[Job] = []
        with suppress(Empty):
            while job := self._jobs.get_nowait():
                recalled.append(job)
        self.in_flight.difference_update(recalled)
        return recalled

    def abandon_overdue(self) -> list[Job]:
        """Remove the jobs that hang; their threads are replaced, and end when they can."""
        limit = clock.monotonic() - self._seconds - GRACE_SECONDS
        overdue = [job for job in self.in_flight if 0 < job.began_at < limit]
        self.in_flight.difference_update(overdue)
        for job in overdue:
            job.is_abandoned = True
            self._threads -= 1
            self._start_thread()
        return overdue

    def close(self) -> None:
        """Let each thread end when it is free; jobs that are not begun yet are not sent."""
        self._generation += 1
        self._undecided.clear()
        self.resume()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _start_if_wanted(self) -> None:
        allowed = min(self._concurrency, INITIAL_CONCURRENCY + self._answers // ANSWERS_PER_STEP)
        if self._threads < min(allowed, len(self.in_flight)):
            self._start_thread()

    def _start_thread(self) -> None:
        self._threads += 1
        # A daemon: a thread that hangs in the resolver must not keep the process from ending.
        threading.Thread(target=self._work, name=f"dfinery-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while job := self._jobs.get():
            self._await_slot(job)
            self._may_begin.wait()
            if max(job.not_before, clock.monotonic()) > job.begin_until or job.generation != self._generation:
                self._on_completion(job, None)
                continue
            job.began_at = clock.monotonic()
            exchange = self._send_batch(job.batch)
            if job.is_abandoned:
                return  # its result is recorded already, and another thread has replaced this one
            is_good = exchange.result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED)
            if (not is_good or self._needs_decision(exchange.result)) and job.generation == self._generation:
                # The circuit may have to open: begin nothing more until that is decided.
                self._undecided.add(job)
                self._may_begin.clear()
            self._on_completion(job, exchange)

    def _await_slot(self, job: Job) -> None:
        while job.generation == self._generation and (left := job.not_before - clock.monotonic()) > 0:
            if job.not_before > job.begin_until:
                return  # it completes unsent at once
            time.sleep(min(left, SLOT_POLL_SECONDS))
