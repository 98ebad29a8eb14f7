"""The events of one destination in one database that a drain has claimed: claim, record, requeue.

Every write is fenced by its lease and may be repeated, so that a database error can be retried.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import clock
from ..conf import Settings
from ..db.database_clock import REPORTED_SECONDS, DatabaseClock
from ..db.retry import DATABASE_ERRORS, STOP_GRACE_SECONDS, T, retry
from ..db.savepoints import raise_or_recover
from ..enums import EventStatus, Reason
from ..models import Destination, Event
from ..models.queryset import POISON_LAPSES, EventQuerySet
from ..telemetry.notify import notify
from ..text.reasons import ReasonText
from . import circuit, rate_limit
from .exchange import Batch, Exchange, by_lease
from .expiry import margin, warn_of_risk

LAPSED_POLL_SECONDS = 1.0
#: A drain that waits for events sets the wake-up flag again after this time: less than that after which others adopt.
HOLD_EVERY_SECONDS = 1.0
#: A poison event is sent alone; if that lease lapses too, it fails with this reason.
SENDER_LOST = ReasonText("sender_lost", count=POISON_LAPSES + 1)
#: A step takes no longer than this, so that every kind of work gets its share of a round.
SHARE_SECONDS = 0.5
MIN_BATCH = 20
DELIVERED_FIELDS = ("status", "due_at", "lapse_count", "reason_code", "reason", "reason_data", "finished_at")
RESULT_FIELDS = (*DELIVERED_FIELDS, "attempt_count")


class BatchSize:
    """The number of events that a step takes: halved after a step that took too long, else doubled."""

    def __init__(self, maximum: int) -> None:
        self.maximum = self.size = maximum

    def adapt(self, began_at: float) -> None:
        is_long = clock.monotonic() - began_at > SHARE_SECONDS
        self.size = max(MIN_BATCH, self.size // 2) if is_long else min(self.maximum, 2 * self.size)


class LaneStore:
    """The database side of a lane.

    :param retry_until: ``clock.monotonic()`` after which a database error is no longer retried
    """

    def __init__(
        self,
        alias: str,
        using: str,
        settings: Settings,
        retry_until: float = 0,
        should_stop: Callable[[], bool] = lambda: False,
        database_clock: DatabaseClock | None = None,
    ) -> None:
        self.alias, self.using, self.settings = alias, using, settings
        self.retry_until, self.should_stop = retry_until, should_stop
        self.clock = database_clock or DatabaseClock(using)
        self.tally: Counter[str] = Counter()
        self.lapsed_at = self.held_at = float("-inf")
        self.has_compared_clocks = False
        self.margin = margin(settings)
        self.destination = self.retry(lambda: circuit.destination_row(alias, using))
        self.drained_before = self.destination.drained_at
        self.first_at = self.now()  # when the first event of a claim may be sent; others follow at the rate

    def now(self) -> dt.datetime:
        return self.clock.now()

    @property
    def events(self) -> EventQuerySet:
        return Event.objects.using(self.using).filter(destination=self.alias)

    @property
    def retry_deadline(self) -> float:
        return max(self.retry_until, clock.monotonic() + STOP_GRACE_SECONDS)

    def retry(self, step: Callable[[], T]) -> T:
        return retry(step, using=self.using, until=self.retry_deadline, should_stop=self.should_stop)

    def begin(self, wire: str) -> None:
        """Prepare the destination's row for a drain with this ``fingerprint``."""
        ahead = self.retry(self.clock.refresh).ahead_seconds
        now = self.now()
        differs = {"clock_ahead_seconds": ahead, "clock_differed_at": now} if abs(ahead) > REPORTED_SECONDS else {}
        # Before the first claim: an event captured from now on requests a drain of its own.
        self.retry(lambda: self.set_wake_requested(None, drained_at=now, **differs))
        self.retry(lambda: warn_of_risk(self.alias, self.using, now))
        self.retry(lambda: circuit.probe_if_fixed(self.destination, wire))
        self.retry(lambda: circuit.block_without_token(self.destination, self.settings, wire, now))

    def set_wake_requested(self, at: dt.datetime | None, **others: Any) -> None:
        Destination.objects.using(self.using).filter(pk=self.alias).update(wake_requested_at=at, **others)

    def compare_clocks(self, exchanges: Sequence[Exchange]) -> None:
        """Remember, once in a drain, by how much this machine's clock differs from that of an answer."""
        dated = [each for each in exchanges if each.result.answered_at is not None]
        if not dated or self.has_compared_clocks or clock.is_travelling():
            return
        self.has_compared_clocks, latest = True, dated[-1]
        ended_at = latest.started_at + dt.timedelta(milliseconds=latest.duration_ms)
        ahead = ended_at.timestamp() - (latest.result.answered_at or 0)
        if abs(ahead) > REPORTED_SECONDS:
            differs = {"clock_ahead_seconds": ahead, "clock_differed_at": self.now()}
            try:
                Destination.objects.using(self.using).filter(pk=self.alias).update(**differs)
            except DATABASE_ERRORS as error:  # a later drain compares again
                raise_or_recover(error, self.using)

    def has_due(self, within_seconds: float = 0) -> bool:
        """Return ``True`` if there is work now, or within so many seconds."""

        def check() -> bool:
            now = self.clock.refresh().now()
            return circuit.has_due(self.alias, self.using, within_seconds=within_seconds, now=now)

        return self.retry(check)

    def hold_wake_flag(self) -> None:
        """Set the wake-up flag while the drain waits for events: who commits meanwhile requests no other drain."""
        if clock.monotonic() - self.held_at >= HOLD_EVERY_SECONDS:
            self.held_at = clock.monotonic()  # first: whatever interrupts the statement, the flag is released
            self.retry(lambda: self.set_wake_requested(self.now()))

    def release_wake_flag(self) -> None:
        """Clear the wake-up flag that ``hold_wake_flag`` has set."""
        if self.held_at > float("-inf"):
            self.retry(lambda: self.set_wake_requested(None))
            self.held_at = float("-inf")

    def claim(self, wanted: int, *, is_busy: bool, probe_seconds: float) -> list[Event]:
        now = self.now()
        self.destination.refresh_from_db()
        is_closed, is_paced = self.destination.closed_until is not None, self.destination.rate is not None
        claimable = self._unexpired(now).filter(status__in=(EventStatus.PENDING, EventStatus.SENDING)).due(now)
        if (is_closed and is_busy) or ((is_closed or is_paced) and not claimable.exists()):
            return []
        places = circuit.reserve(self.destination, wanted, now, probe_seconds)
        slots, self.first_at = rate_limit.reserve_slots(self.destination, places, now)
        claimed: list[Event] = []
        if slots and clock.monotonic() - self.lapsed_at >= LAPSED_POLL_SECONDS:
            claimed += self._claim_from(EventStatus.SENDING, slots, now)
            # Where some leases have lapsed there may be more: look again without a pause.
            self.lapsed_at = float("-inf") if claimed else clock.monotonic()
        if slots and not claimed:  # one claim per step, since a step may be repeated
            claimed += self._claim_from(EventStatus.PENDING, slots, now)
        circuit.release(self.destination, places - len(claimed), now)
        rate_limit.release_slots(self.destination, slots - len(claimed))
        return claimed

    def _unexpired(self, now: dt.datetime) -> EventQuerySet:
        return self.events.filter(expires_at__gt=now + self.margin)

    def _claim_from(self, status: EventStatus, limit: int, now: dt.datetime) -> list[Event]:
        # One status at a time: the index then has the events in the order in which they expire.
        events, lease_seconds = self._unexpired(now).filter(status=status), self.settings.LEASE_SECONDS
        claimed = events.claim(limit=limit, now=now, lease_seconds=lease_seconds, into=EventStatus.SENDING)
        return self._fail_poison_events(claimed) if status == EventStatus.SENDING else claimed

    def _fail_poison_events(self, claimed: list[Event]) -> list[Event]:
        """Fail the events whose lease lapsed even when they were sent alone; return the others."""
        lost = [event for event in claimed if event.lapse_count > POISON_LAPSES]
        now = self.now()
        leases = by_lease([lost])
        for event in lost:
            event.finish(EventStatus.FAILED, Reason.WORKER_LOST, SENDER_LOST, now)
        notify(self.record(leases), self.using)
        return [event for event in claimed if event not in lost]

    def record(self, leases: dict[dt.datetime, list[Event]]) -> list[Event]:
        """Write the results of events; return those whose lease was still ours."""
        recorded: list[Event] = []
        for lease, events in leases.items():
            delivered = [each for each in events if each.status == EventStatus.DELIVERED]
            others = [each for each in events if each.status != EventStatus.DELIVERED]
            on_delivery = DELIVERED_FIELDS if self.settings.KEEP_PAYLOADS else (*DELIVERED_FIELDS, "payload")
            for group, fields in ((delivered, on_delivery), (others, RESULT_FIELDS)):
                write = functools.partial(self.events.record_results, group, fields, status=EventStatus.SENDING)
                recorded += self.retry(functools.partial(write, lease=lease))
        self.tally.update(event.status for event in recorded)
        return recorded

    def requeue(self, unsent: Iterable[Batch]) -> None:
        """Return claimed events that were not sent, and what was reserved for them."""
        leases = by_lease(unsent)
        for lease, events in leases.items():
            self.retry(functools.partial(self.events.requeue, events, lease=lease, now=self.now()))
        count = sum(map(len, leases.values()))
        self.retry(lambda: circuit.release(self.destination, count, self.now()))

    def seconds_to_begin(self, batch: Batch, request_seconds: float) -> float:
        """Return for how many seconds a batch may still be begun: its lease and its events' time must outlast it."""
        now = self.now()
        leased = min(event.due_at for event in batch if event.due_at) - now
        left = min(event.expires_at for event in batch) - self.margin - now
        return float(min(leased.total_seconds() - request_seconds, left.total_seconds()))
