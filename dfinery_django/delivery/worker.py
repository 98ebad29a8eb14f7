"""The drain: one loop over lanes (a destination in a database each), until nothing is due or the budget is used up.

All lanes share the one thread that touches the database, and each has a thread pool of its own: a slow or stopped
destination delays no other.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from django.db import connections

from .. import clock
from ..conf import Settings, get_settings
from ..db.database_clock import DatabaseClock
from ..db.retry import DATABASE_ERRORS, STOP_GRACE_SECONDS, T, retry
from ..enums import Outcome
from ..models import Destination, Event, unreadable
from ..operations import bulk_action
from ..outbox import wakeup
from ..outbox.databases import outbox_databases
from ..telemetry import counters
from ..text.log_fields import log_extra
from .exchange import Send
from .expiry import expire_strays
from .http_client import options_of, refuse_live_host, shared_client
from .lane import POLL_SECONDS, Completion, Lane
from .lane_store import LaneStore

logger = logging.getLogger("dfinery_django")

#: The pause in which results gather before the drain handles them: fast answers come by the dozen.
GATHER_SECONDS = 0.01
#: A destination whose drain was requested this long ago has no worker: any running drain adopts it.
ADOPT_AFTER_SECONDS = 2.0
#: While a drain watches for new events, the interval at which it also looks for other work, such as lapsed leases.
WATCH_ROUND_SECONDS = 1.0
#: The pause of a drain that found no bulk action before it polls again.
BULK_ACTION_POLL_SECONDS = 1.0


def drain(
    destination: str | None = None,
    *,
    using: str | None = None,
    budget_seconds: float | None = None,
    linger_seconds: float = 0,
    watch_seconds: float = 0,
    send: Send | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Deliver what is due.

    :param destination: alias of ``TOKENS``; default: all of them, side by side
    :param using: database alias; default: every database that has an outbox
    :param budget_seconds: wall clock; default: the setting ``DRAIN_SECONDS``. So that all requests end in time, none is
        begun in its last ``CONNECT_TIMEOUT + READ_TIMEOUT`` seconds, which count for half of the budget at most
    :param linger_seconds: how long to wait for what is due soon. After such a drain the caller must look for what is
        due: checkouts that saw the wake-up flag set requested no other drain
    :param watch_seconds: how long to wait for new events, even if nothing is due soon; afterwards as above
    :param send: exchanges a request for a response; default: the pooled client
    :param should_stop: polled; once true, requests in flight end and are recorded, all other events are requeued
    :returns: how many events were ``built``, ``expired``, and recorded by status
    """
    settings = get_settings()
    aliases = [alias for alias in settings.TOKENS if destination in (None, alias)]
    if not settings.ENABLED or not aliases:
        return Counter()
    budget = budget_seconds or settings.DRAIN_SECONDS
    databases = [using] if using else outbox_databases()
    wakeup.clear_seen_flags()  # what this thread saw is out of date: the drain clears the flags
    if send is None:
        refuse_live_host(settings.BASE_URL)
        connections_kept = settings.CONCURRENCY * len(settings.TOKENS) * len(outbox_databases())
        send = shared_client(connections=connections_kept, **options_of(settings)).send
    running, began_at = _Drain(databases, settings, send, budget, should_stop), clock.monotonic()
    try:
        running.run(aliases, linger_seconds, watch_seconds)
    finally:
        running.close()  # even if the task's timeout ends it
    total = +sum((lane.tally for lane in running.lanes), Counter())  # without zeros
    if total:
        extra = log_extra(duration_ms=round((clock.monotonic() - began_at) * 1000))
        logger.info("Drained: %s", ", ".join(f"{number} {what}" for what, number in total.items()), extra=extra)
    return total


class _Drain:
    def __init__(
        self, databases: list[str], settings: Settings, send: Send, budget: float, should_stop: Callable[[], bool]
    ) -> None:
        self.databases, self.settings, self.send, self.should_stop = databases, settings, send, should_stop
        self.begin_until = clock.monotonic() + settings.beginning_seconds(budget)
        self.completed: SimpleQueue[Completion] = SimpleQueue()
        self.lanes: list[Lane] = []
        self.adopted_at = clock.monotonic()
        self.clocks = {using: DatabaseClock(using) for using in databases}
        self.with_strays = set(databases)
        self.bulk_action_polled_at = dict.fromkeys(databases, float("-inf"))
        self.failed_databases: set[str] = set()
        self.errors: list[Exception] = []

    def run(self, aliases: list[str], linger_seconds: float, watch_seconds: float = 0) -> None:
        """Drain these destinations; raise the first error after the results at hand are recorded."""
        linger_until, watch_until = clock.monotonic() + linger_seconds, clock.monotonic() + watch_seconds
        for using in self.databases:
            self._retry(using, functools.partial(unreadable.quarantine_any, Event._base_manager.using(using)), 0)
            counters.absorb(Event.objects.using(using))
        for alias in aliases:
            self._add_lanes(alias)
        while clock.monotonic() < self.begin_until and not self.should_stop():
            if not self._round() and not self._watch(watch_until) and not self._linger(linger_until):
                break
        self._finish()
        if self.errors:
            raise self.errors[0]

    def close(self) -> None:
        self._for_each_lane(lambda lane: lane.store.release_wake_flag())
        for lane in self.lanes:
            lane.close()

    def _guarded(self, using: str, step: Callable[[], T], otherwise: T) -> T:
        """Run a step; an error stops the lanes of that database only."""
        if using in self.failed_databases:
            return otherwise
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - raised at the end
            self.failed_databases.add(using)
            self.errors.append(error)
            return otherwise

    def _retry(self, using: str, step: Callable[[], T], otherwise: T) -> T:
        until = max(self._retry_until, clock.monotonic() + STOP_GRACE_SECONDS)
        retried = functools.partial(retry, step, using=using, until=until, should_stop=self.should_stop)
        return self._guarded(using, retried, otherwise)

    @property
    def _retry_until(self) -> float:
        # With several databases, to wait for one would delay the lanes of the others.
        return self.begin_until if len(self.databases) == 1 else 0

    def _for_each_lane(self, step: Callable[[Lane], object]) -> list[object]:
        return [self._guarded(lane.using, functools.partial(step, lane), None) for lane in self.lanes]

    @property
    def _is_busy(self) -> bool:
        return any(lane.is_busy for lane in self.lanes if lane.using not in self.failed_databases)

    def _add_lanes(self, alias: str) -> None:
        for using in self.databases:
            self._guarded(using, functools.partial(self._add_lane, alias, using), None)

    def _add_lane(self, alias: str, using: str) -> None:
        store = LaneStore(alias, using, self.settings, self._retry_until, self.should_stop, self.clocks[using])
        lane = Lane(store, self.send, self.completed, self.begin_until)
        self.lanes.append(lane)
        store.begin(lane.wire)

    def _round(self) -> bool:
        """Step each lane once; return ``False`` if there was nothing to do."""
        self._adopt()
        advance = self._advance_bulk_action
        worked: list[object] = [self._guarded(each, functools.partial(advance, each), False) for each in self.databases]
        worked += [*self._for_each_lane(lambda lane: lane.step()), *map(self._expire_strays, self.databases)]
        is_busy = self._is_busy
        self._collect(wait_seconds=0 if any(worked) or not is_busy else POLL_SECONDS)
        return any(worked) or is_busy

    def _collect(self, wait_seconds: float) -> None:
        with suppress(Empty):
            completion = self.completed.get(timeout=wait_seconds) if wait_seconds else self.completed.get_nowait()
            if completion[2] is not None and completion[2].result.outcome == Outcome.ACCEPTED:
                time.sleep(GATHER_SECONDS)
            while True:
                lane, job, exchange = completion
                lane.handle_completion(job, exchange)
                completion = self.completed.get_nowait()
        self._for_each_lane(lambda lane: lane.record_if_due())

    def _expire_strays(self, using: str) -> bool:
        """Expire a batch of events that have no lane; return ``False`` if there are no more of them."""
        if using not in self.with_strays:
            return False
        found = self._retry(using, lambda: expire_strays(using, now=self.clocks[using].refresh().now()), 0)
        if not found:
            self.with_strays.discard(using)
        return bool(found)

    def _linger(self, linger_until: float) -> bool:
        """Sleep for a moment if something is due soon; return ``False`` if the drain should end."""
        left = linger_until - clock.monotonic()
        goes_on = any(lane.resumes_soon for lane in self.lanes if lane.using not in self.failed_databases)
        if not goes_on and left > 0:
            goes_on = any(self._for_each_lane(lambda lane: lane.waits_for_due(left)))
        if goes_on:
            time.sleep(POLL_SECONDS)
        return goes_on

    def _watch(self, watch_until: float) -> bool:
        """Wait for new events, with the wake-up flags set; return ``False`` if the time for it is over."""
        if clock.monotonic() >= watch_until or self.failed_databases:
            return False
        self._for_each_lane(lambda lane: lane.store.hold_wake_flag())
        until = min(watch_until, self.begin_until, clock.monotonic() + WATCH_ROUND_SECONDS)
        pause = POLL_SECONDS
        while clock.monotonic() < until and not self.should_stop():
            time.sleep(pause)
            looked_at = clock.monotonic()
            if any(self._for_each_lane(lambda lane: lane.store.has_due())):
                break
            # Where many events wait for a retry, the look takes longer.
            pause = min(max(POLL_SECONDS, 4 * (clock.monotonic() - looked_at)), WATCH_ROUND_SECONDS)
        return True

    def _adopt(self) -> None:
        """Add lanes for destinations that wait for a worker: a slow one must not starve the others."""
        if len(self.settings.TOKENS) == 1 or clock.monotonic() - self.adopted_at < ADOPT_AFTER_SECONDS / 2:
            return
        self.adopted_at = clock.monotonic()
        waiting: set[str] = set()
        for using in self.databases:
            waiting |= self._retry(using, functools.partial(_waiting_destinations, using, self.clocks[using]), set())
        for alias in waiting.intersection(self.settings.TOKENS) - {lane.alias for lane in self.lanes}:
            self._add_lanes(alias)

    def _advance_bulk_action(self, using: str) -> bool:
        """Process one chunk of a bulk action beside the deliveries; return ``False`` if there is none."""
        if clock.monotonic() - self.bulk_action_polled_at[using] < BULK_ACTION_POLL_SECONDS:
            return False
        try:
            found = bulk_action.advance(using)
        except DATABASE_ERRORS:
            # The next drain retries it: a selection that times out must not delay deliveries.
            logger.exception("A bulk action was interrupted by a database error; the next drain continues it")
            connections[using].close_if_unusable_or_obsolete()
            self.bulk_action_polled_at[using] = float("inf")
            return False
        if found is None:
            self.bulk_action_polled_at[using] = clock.monotonic()
            return False
        for alias in set(self.settings.TOKENS) - {lane.alias for lane in self.lanes}:
            self._add_lanes(alias)  # no other drain is requested for the events that are due again
        for lane in self.lanes:
            lane.built_at = lane.claimed_at = float("-inf")  # poll at once: the drain may be about to end
        return True

    def _finish(self) -> None:
        self.failed_databases.clear()  # results of requests are worth another try
        self._for_each_lane(lambda lane: lane.stop())
        # Not after the requests in flight: who commits meanwhile must not rely on this drain.
        self._for_each_lane(lambda lane: lane.store.release_wake_flag())
        while self._is_busy:
            self._collect(wait_seconds=POLL_SECONDS)
            self._for_each_lane(lambda lane: lane.stop())  # a rejected batch was halved and submitted again
        for using in self.databases:
            counters.flush(using)


def _waiting_destinations(using: str, database_clock: DatabaseClock) -> set[str]:
    since = database_clock.refresh().now() - dt.timedelta(seconds=ADOPT_AFTER_SECONDS)
    waiting = Destination.objects.using(using).filter(wake_requested_at__lt=since)
    return set(waiting.values_list("alias", flat=True))
