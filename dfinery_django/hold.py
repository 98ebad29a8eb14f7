"""The rows of one destination in one database, as a drain has them in hand: claimed, written, given back.

Every write is fenced by its lease and may be repeated, so that a fault of the database is waited out.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from . import clock, destinations, pacing
from .conf import Settings
from .database_clock import REPORTED_SECONDS, DatabaseClock
from .deadlines import margin, warn_of_risk
from .endings import tell
from .exchange import Batch, by_lease
from .models import Destination, Event
from .patience import STOP_GRACE_SECONDS, retry
from .queries import LAPSES_TO_SUSPECT, EventQuerySet
from .states import EventStatus, Reason

T = TypeVar("T")

LOOK_FOR_LAPSED_SECONDS = 1.0
#: A suspect is sent alone; if that lease lapses too, it fails.
WORKER_LOST = (
    f"{LAPSES_TO_SUSPECT + 1} workers in a row ended while sending it. If something else stopped them, resend it."
)
#: No kind of work takes longer at a time, so that each has its share of every round.
SHARE_SECONDS = 0.5
LEAST_AT_ONCE = 20
DELIVERED_FIELDS = ("status", "due_at", "lapse_count", "reason_code", "reason", "finished_at")
SETTLED_FIELDS = (*DELIVERED_FIELDS, "attempt_count")


class Portion:
    """How many events a step takes: fewer after it took longer than its share."""

    def __init__(self, most: int) -> None:
        self.most = self.size = most

    def done_since(self, began_at: float) -> None:
        is_long = clock.monotonic() - began_at > SHARE_SECONDS
        self.size = max(LEAST_AT_ONCE, self.size // 2) if is_long else min(self.most, 2 * self.size)


class Hold:
    """
    :param patient_until: ``clock.monotonic()`` after which a fault of the database is no longer waited out
    :ivar first_at: when the first event of the last claim may be sent, the others at the destination's pace
    """

    def __init__(
        self,
        alias: str,
        using: str,
        settings: Settings,
        patient_until: float,
        should_stop: Callable[[], bool],
        database_clock: DatabaseClock | None,
    ) -> None:
        self.alias, self.using, self.settings = alias, using, settings
        self.patient_until, self.should_stop = patient_until, should_stop
        self.clock = database_clock or DatabaseClock(using)
        self.tally: Counter[str] = Counter()
        self.lapsed_at = float("-inf")
        self.margin = margin(settings)
        self.destination = self.patiently(lambda: destinations.current(alias, using))
        self.first_at = self.now()

    def now(self) -> dt.datetime:
        return self.clock.now()

    @property
    def events(self) -> EventQuerySet:
        return Event.objects.using(self.using).filter(destination=self.alias)

    @property
    def patience(self) -> float:
        return max(self.patient_until, clock.monotonic() + STOP_GRACE_SECONDS)

    def patiently(self, step: Callable[[], T]) -> T:
        return retry(step, using=self.using, until=self.patience, should_stop=self.should_stop)

    def begin(self, wire: str) -> None:
        """What a drain does first.

        :param wire: the ``fingerprint`` of the token and address now in force
        """
        ahead = self.patiently(self.clock.refresh).ahead_seconds
        now = self.now()
        differs = {"clock_ahead_seconds": ahead, "clock_differed_at": now} if abs(ahead) > REPORTED_SECONDS else {}
        # Cleared before the first claim: what is captured from here on asks for a drain of its own.
        self.patiently(lambda: self.set_wake_requested(None, drained_at=now, **differs))
        self.patiently(lambda: warn_of_risk(self.alias, self.using, now))
        self.patiently(lambda: destinations.try_mended(self.destination, wire))
        self.patiently(lambda: destinations.hold(self.destination, self.settings, wire, now))

    def set_wake_requested(self, at: dt.datetime | None, **others: Any) -> None:
        Destination.objects.using(self.using).filter(pk=self.alias).update(wake_requested_at=at, **others)

    def keep_watch(self, seconds: float) -> bool:
        """Whether something is due within so many seconds; if so, whoever commits need not ask for another drain."""

        def look() -> bool:
            now = self.clock.refresh().now()
            found = destinations.has_due(self.alias, self.using, within_seconds=seconds, now=now)
            if found:
                self.set_wake_requested(now)
            return found

        return self.patiently(look)

    def claim(self, wanted: int, *, is_busy: bool, probe_seconds: float) -> list[Event]:
        now = self.now()
        self.destination.refresh_from_db()
        is_bound = self.destination.closed_until is not None or self.destination.rate is not None
        if is_bound and not self._ready(now).exists():
            return []
        if self.destination.closed_until is not None and is_busy:
            return []
        places = destinations.reserve(self.destination, wanted, now, probe_seconds)
        slots, self.first_at = pacing.reserve(self.destination, places, now)
        claimed: list[Event] = []
        if slots and clock.monotonic() - self.lapsed_at >= LOOK_FOR_LAPSED_SECONDS:
            claimed += self._claim_from(EventStatus.SENDING, slots, now)
            # Where some have lapsed there may be more: nobody need wait for the next look.
            self.lapsed_at = float("-inf") if claimed else clock.monotonic()
        if slots and not claimed:  # one claim a step: a step may be repeated
            claimed += self._claim_from(EventStatus.PENDING, slots, now)
        destinations.release(self.destination, places - len(claimed), now)
        pacing.release(self.destination, slots - len(claimed))
        return claimed

    def _ready(self, now: dt.datetime) -> EventQuerySet:
        return self._in_time(now).filter(status__in=(EventStatus.PENDING, EventStatus.SENDING)).due(now)

    def _in_time(self, now: dt.datetime) -> EventQuerySet:
        return self.events.filter(expires_at__gt=now + self.margin)

    def _claim_from(self, status: EventStatus, limit: int, now: dt.datetime) -> list[Event]:
        # One status at a time: the index then has the events in the order in which they expire.
        ready = self._in_time(now).filter(status=status)
        lease_seconds = self.settings.LEASE_SECONDS
        claimed = ready.claim(limit=limit, now=now, lease_seconds=lease_seconds, into=EventStatus.SENDING)
        return self._drop_killers(claimed) if status == EventStatus.SENDING else claimed

    def _drop_killers(self, claimed: list[Event]) -> list[Event]:
        """Fail what was sent alone and not settled even then; the rest goes on."""
        lost = [event for event in claimed if event.lapse_count > LAPSES_TO_SUSPECT]
        now = self.now()
        leases = by_lease([lost])
        for event in lost:
            event.finish(EventStatus.FAILED, Reason.WORKER_LOST, WORKER_LOST, now)
        tell(self.write(leases), self.using)
        return [event for event in claimed if event not in lost]

    def write(self, leases: dict[dt.datetime, list[Event]]) -> list[Event]:
        """Settle events as they stand; those that still were ours."""
        settled: list[Event] = []
        for lease, events in leases.items():
            delivered = [each for each in events if each.status == EventStatus.DELIVERED]
            others = [each for each in events if each.status != EventStatus.DELIVERED]
            on_delivery = DELIVERED_FIELDS if self.settings.KEEP_PAYLOADS else (*DELIVERED_FIELDS, "payload")
            for group, fields in ((delivered, on_delivery), (others, SETTLED_FIELDS)):
                write = functools.partial(self.events.settle, group, fields, status=EventStatus.SENDING, lease=lease)
                settled += self.patiently(write)
        self.tally.update(event.status for event in settled)
        return settled

    def give_back(self, unsent: Iterable[Batch]) -> None:
        """Return what was claimed and not sent, and what was reserved for it."""
        leases = by_lease(unsent)
        for lease, events in leases.items():
            self.patiently(functools.partial(self.events.give_back, events, lease=lease, now=self.now()))
        count = sum(map(len, leases.values()))
        self.patiently(lambda: destinations.release(self.destination, count, self.now()))

    def begins_in(self, batch: Batch, request_seconds: float) -> float:
        """For how many seconds from now a batch may still be begun: its lease, and its events' time, outlast it."""
        now = self.now()
        leased = min(event.due_at for event in batch if event.due_at) - now
        left = min(event.expires_at for event in batch) - self.margin - now
        return float(min(leased.total_seconds() - request_seconds, left.total_seconds()))
