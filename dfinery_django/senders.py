"""Threads that exchange bytes. Whoever is free takes the next batch, so that one slow answer holds up one place.

No ORM here: what lands is handed back to the thread that drains.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from . import clock
from .exchange import Batch, Exchange
from .protocols.base import Result
from .states import Outcome

#: A request that outlasts its own deadline by so much hangs where no timeout reaches it: in the resolver.
GRACE_SECONDS = 2.0
#: So many requests are in flight at first, and one more after so many answers: who allows few is not flooded.
FIRST_PLACES, ANSWERS_A_PLACE = 5, 6
#: How often who waits for a turn looks whether it is still wanted.
LOOK_SECONDS = 0.05


@dataclass(eq=False)
class Job:
    """A batch on its way.

    :ivar begin_until: ``clock.monotonic()`` after which it is handed back unsent
    :ivar turn_at: ``clock.monotonic()`` before which it is not begun
    :ivar began_at: when a thread began it; 0 before
    """

    batch: Batch
    begin_until: float
    turn_at: float = 0.0
    began_at: float = 0.0
    is_given_up: bool = False
    generation: int = 0


class Senders:
    """A pool of threads for one destination.

    :param places: requests in flight at most
    :param exchange: sends one batch; never raises
    :param land: told of each job and its exchange, in a thread of the pool; ``None`` for one that was not begun
    :param seconds: how long an exchange may take
    :param asks: whether an answer that is no refusal asks for a decision all the same
    """

    def __init__(
        self,
        places: int,
        exchange: Callable[[Batch], Exchange],
        land: Callable[[Job, Exchange | None], None],
        seconds: float,
        asks: Callable[[Result], bool] = lambda result: False,
    ) -> None:
        self._places, self._exchange, self._land, self._seconds, self._asks = places, exchange, land, seconds, asks
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = 0
        self._answers = 0
        self._generation = 0
        self._may_begin = threading.Event()
        self._may_begin.set()
        self._asking: set[Job] = set()
        self.out: set[Job] = set()

    def submit(self, job: Job) -> None:
        job.generation = self._generation
        self.out.add(job)
        self._jobs.put(job)
        self._start_if_wanted()

    def take(self, job: Job) -> bool:
        """Note that a job has landed; false if it had been given up."""
        known = job in self.out
        self.out.discard(job)
        self._asking.discard(job)
        self._answers += 1
        self._start_if_wanted()
        return known

    def go_on(self) -> None:
        """Begin jobs again, after an answer that asked for a decision, unless another one has come since."""
        if not self._asking:
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
        self._asking.clear()
        self.go_on()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _start_if_wanted(self) -> None:
        places = min(self._places, FIRST_PLACES + self._answers // ANSWERS_A_PLACE)
        if self._threads < min(places, len(self.out)):
            self._start_thread()

    def _start_thread(self) -> None:
        self._threads += 1
        # A daemon: no thread that hangs in the resolver keeps the process from ending.
        threading.Thread(target=self._work, name=f"dfinery-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while job := self._jobs.get():
            self._await_turn(job)
            self._may_begin.wait()
            if max(job.turn_at, clock.monotonic()) > job.begin_until or job.generation != self._generation:
                self._land(job, None)
                continue
            job.began_at = clock.monotonic()
            made = self._exchange(job.batch)
            if job.is_given_up:
                return  # its event is settled, and another thread has this one's place
            is_good = made.result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED)
            if (not is_good or self._asks(made.result)) and job.generation == self._generation:
                # The destination may have to close: nothing more is begun until that is decided.
                self._asking.add(job)
                self._may_begin.clear()
            self._land(job, made)

    def _await_turn(self, job: Job) -> None:
        """Sleep until it is a job's turn, or it is called back."""
        while job.generation == self._generation and (left := job.turn_at - clock.monotonic()) > 0:
            if job.turn_at > job.begin_until:
                return  # handed back at once
            time.sleep(min(left, LOOK_SECONDS))
