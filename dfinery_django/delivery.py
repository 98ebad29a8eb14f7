"""The drain: one loop over lanes (a destination in a database each), until nothing is due or time is up.

All lanes share the one thread that touches the database, and each has senders of its own: a slow or closed destination
holds up no other.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections import Counter
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from django.db import connections

from . import __version__, clock, repair, totals, unreadable, waking
from .client import Client, options_of, refuse_live_host, shared_client
from .conf import Settings, get_settings
from .database_clock import DatabaseClock
from .deadlines import expire_strays
from .destinations import outbox_databases
from .exchange import Send
from .lanes import LOOK_AGAIN_SECONDS, Landing, Lane
from .logs import log_extra
from .models import Destination, Event
from .patience import DATABASE_ERRORS, STOP_GRACE_SECONDS, retry
from .states import Outcome

T = TypeVar("T")

logger = logging.getLogger("dfinery_django")

#: How long the drain lets results gather before it looks at them: at the speed of the wire they come by the dozen.
GATHER_SECONDS = 0.01
#: A destination whose drain was asked for this long ago has no worker: whoever drains takes it along.
ADOPT_AFTER_SECONDS = 2.0
#: How often a drain that found no repair to do looks again.
LOOK_FOR_REPAIRS_SECONDS = 1.0


def drain(
    destination: str | None = None,
    *,
    using: str | None = None,
    budget_seconds: float | None = None,
    linger_seconds: float = 0,
    send: Send | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Deliver what is due.

    :param destination: alias of ``TOKENS``; default: all of them, side by side
    :param using: database alias; default: every database that holds events
    :param budget_seconds: wall clock; default: the setting ``DRAIN_SECONDS``. No request is begun in its last
        ``CONNECT_TIMEOUT + READ_TIMEOUT`` seconds, or its second half if that is shorter, so that all end in time
    :param linger_seconds: wait up to so long for what is due soon
    :param send: exchanges a request for a response; default: the pooled client
    :param should_stop: asked now and then; once true, requests under way end and are settled, the rest is given back
    :returns: how many events were ``built``, ``expired``, and settled by status
    """
    settings = get_settings()
    aliases = [alias for alias in settings.TOKENS if destination in (None, alias)]
    if not settings.ENABLED or not aliases:
        return Counter()
    budget = budget_seconds or settings.DRAIN_SECONDS
    databases = [using] if using else outbox_databases()
    waking.forget_notices()  # this drain answers them
    if send is None:
        refuse_live_host(settings.BASE_URL)
    run, began_at = _Drain(databases, settings, send or _client(settings).send, budget, should_stop), clock.monotonic()
    try:
        run.run(aliases, linger_seconds)
    finally:
        run.close()  # even where the time-out of the task ends it
    total = +sum((lane.tally for lane in run.lanes), Counter())  # without zeros
    if total:
        extra = log_extra(duration_ms=round((clock.monotonic() - began_at) * 1000))
        logger.info("Drained: %s", ", ".join(f"{number} {what}" for what, number in total.items()), extra=extra)
    return total


def _client(settings: Settings) -> Client:
    return shared_client(
        connections=settings.CONCURRENCY * len(settings.TOKENS) * len(outbox_databases()),
        user_agent=f"dfinery-django/{__version__}",
        **options_of(settings),
    )


class _Drain:
    def __init__(
        self, databases: list[str], settings: Settings, send: Send, budget: float, should_stop: Callable[[], bool]
    ) -> None:
        self.databases, self.settings, self.send, self.should_stop = databases, settings, send, should_stop
        requests_end = min(settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT, budget / 2)
        self.begin_until = clock.monotonic() + budget - requests_end
        self.landed: SimpleQueue[Landing] = SimpleQueue()
        self.lanes: list[Lane] = []
        self.looked_at = clock.monotonic()
        self.clocks = {using: DatabaseClock(using) for using in databases}
        self.with_strays = set(databases)
        self.repaired_at = dict.fromkeys(databases, float("-inf"))
        self.lost: set[str] = set()
        self.faults: list[Exception] = []

    def run(self, aliases: list[str], linger_seconds: float) -> None:
        """
        :raises Exception: the first fault, once the results in hand are written
        """
        patience = clock.monotonic() + linger_seconds
        for using in self.databases:
            self._patiently(using, functools.partial(unreadable.quarantine_any, Event._base_manager.using(using)), 0)
            totals.absorb(Event.objects.using(using))
        for alias in aliases:
            self._open(alias)
        while clock.monotonic() < self.begin_until and not self.should_stop():
            if not self._round() and not self._linger(patience):
                break
        self._finish()
        if linger_seconds:
            self._each(lambda lane: lane.hold.set_wake_requested(None))  # callers look for work once more (has_due)
        if self.faults:
            raise self.faults[0]

    def close(self) -> None:
        for lane in self.lanes:
            lane.close()

    def _guarded(self, using: str, step: Callable[[], T], otherwise: T) -> T:
        """A fault costs the lanes of its own database; the others go on."""
        if using in self.lost:
            return otherwise
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - raised at the end
            self.lost.add(using)
            self.faults.append(error)
            return otherwise

    def _patiently(self, using: str, step: Callable[[], T], otherwise: T) -> T:
        """The same with a step that may be repeated, however often the database fails meanwhile."""
        until = max(self._patient_until, clock.monotonic() + STOP_GRACE_SECONDS)
        patient = functools.partial(retry, step, using=using, until=until, should_stop=self.should_stop)
        return self._guarded(using, patient, otherwise)

    @property
    def _patient_until(self) -> float:
        # One that waits for its database holds up those of the others.
        return self.begin_until if len(self.databases) == 1 else 0

    def _each(self, step: Callable[[Lane], object]) -> list[object]:
        return [self._guarded(lane.using, functools.partial(step, lane), None) for lane in self.lanes]

    @property
    def _is_busy(self) -> bool:
        return any(lane.is_busy for lane in self.lanes if lane.using not in self.lost)

    def _open(self, alias: str) -> None:
        for using in self.databases:
            self._guarded(using, functools.partial(self._open_in, alias, using), None)

    def _open_in(self, alias: str, using: str) -> None:
        lane = Lane(
            alias,
            using,
            self.settings,
            self.send,
            self.landed,
            self.begin_until,
            self._patient_until,
            self.should_stop,
            self.clocks[using],
        )
        self.lanes.append(lane)
        lane.begin()

    def _round(self) -> bool:
        """Once around all lanes; false when there was nothing to do."""
        self._adopt()
        repaired = sum(self._guarded(using, functools.partial(self._repair, using), False) for using in self.databases)
        worked = [*self._each(lambda lane: lane.step()), *map(self._expire_strays, self.databases), repaired]
        is_busy = self._is_busy
        self._collect(wait_seconds=0 if any(worked) or not is_busy else LOOK_AGAIN_SECONDS)
        return any(worked) or is_busy

    def _collect(self, wait_seconds: float) -> None:
        try:
            landing = self.landed.get(timeout=wait_seconds) if wait_seconds else self.landed.get_nowait()
            if landing[2] is not None and landing[2].result.outcome == Outcome.ACCEPTED:
                time.sleep(GATHER_SECONDS)
            while True:
                lane, job, made = landing
                lane.land(job, made)
                landing = self.landed.get_nowait()
        except Empty:
            pass
        self._each(lambda lane: lane.settle_if_due())

    def _expire_strays(self, using: str) -> bool:
        """A batch of what no lane looks after; false once there is nothing left of it."""
        if using not in self.with_strays:
            return False
        found = self._patiently(using, lambda: expire_strays(using, now=self.clocks[using].refresh().now()), 0)
        if not found:
            self.with_strays.discard(using)
        return bool(found)

    def _linger(self, patience: float) -> bool:
        """Nap for a moment if something is due soon; false when it is time to end."""
        left = patience - clock.monotonic()
        if any(lane.goes_on_soon for lane in self.lanes if lane.using not in self.lost):
            time.sleep(LOOK_AGAIN_SECONDS)
            return True
        if left <= 0 or not any(self._each(lambda lane: lane.hold.keep_watch(left))):
            return False
        time.sleep(LOOK_AGAIN_SECONDS)
        return True

    def _adopt(self) -> None:
        """Take along destinations that wait for a worker: one that is slow must not starve the others."""
        if len(self.settings.TOKENS) == 1 or clock.monotonic() - self.looked_at < ADOPT_AFTER_SECONDS / 2:
            return
        self.looked_at = clock.monotonic()
        waiting: set[str] = set()
        for using in self.databases:
            waiting |= self._patiently(using, functools.partial(_waiting, using, self.clocks[using]), set())
        for alias in waiting.intersection(self.settings.TOKENS) - {lane.alias for lane in self.lanes}:
            self._open(alias)

    def _repair(self, using: str) -> bool:
        """Do a chunk of what an operator wants done to many events, beside the deliveries; false if there is none."""
        if clock.monotonic() - self.repaired_at[using] < LOOK_FOR_REPAIRS_SECONDS:
            return False
        try:
            found = repair.advance(using)
        except DATABASE_ERRORS:
            # It is tried again by the next drain: a selection that times out must not hold up deliveries.
            logger.exception("A repair could not go on")
            connections[using].close_if_unusable_or_obsolete()
            self.repaired_at[using] = float("inf")
            return False
        if found is None:
            self.repaired_at[using] = clock.monotonic()
            return False
        for alias in set(self.settings.TOKENS) - {lane.alias for lane in self.lanes}:
            self._open(alias)  # whatever is due again is nobody else's to notice
        for lane in self.lanes:
            lane.built_at = lane.claimed_at = float("-inf")  # it looks at once: the drain may be about to end
        return True

    def _finish(self) -> None:
        self.lost.clear()  # what came back from the wire is worth another try
        self._each(lambda lane: lane.stop())
        while self._is_busy:
            self._collect(wait_seconds=LOOK_AGAIN_SECONDS)
            self._each(lambda lane: lane.stop())  # a batch that was refused meanwhile has been halved
        for using in self.databases:
            totals.flush(using)


def _waiting(using: str, database_clock: DatabaseClock) -> set[str]:
    """Destinations whose drain was asked for a while ago."""
    since = database_clock.refresh().now() - dt.timedelta(seconds=ADOPT_AFTER_SECONDS)
    waiting = Destination.objects.using(using).filter(wake_requested_at__lt=since)
    return set(waiting.values_list("alias", flat=True))
