"""The state of delivery in numbers: waiting events, the last 48 hours, each destination, the last drain.

``health`` puts it into words. Every query is a range of an index, over events that are unfinished or finished within 48
hours: older events cost nothing. Wrong settings are reported, not raised.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import router
from django.db.models import Count, F, Max, Min, Q, Value
from django.db.models.functions import Coalesce

from .. import clock
from ..conf import Settings, get_settings
from ..db.columns import UtcHour
from ..db.database_clock import EpochSeconds, seconds_ahead
from ..definitions import consent, registry
from ..enums import UNFINISHED, EventStatus
from ..exceptions import ConfigurationError, error_line
from ..models import Destination, Event
from ..outbox.databases import outbox_databases
from ..outbox.wake_setting import wake_named
from .destination_report import DestinationReport, Grouped, report_all, sum_by_status

HOURS = 48
#: The period called "lately".
DAY = dt.timedelta(hours=24)
#: A schedule starts a drain every minute: if none began for this long, no worker runs.
DRAINS_AT_LEAST_EVERY_SECONDS = 180
#: Number of the latest deliveries from which times to arrival are computed.
ARRIVAL_SAMPLE = 1000
#: A worker's clock that differed is reported for this long.
DIFFERED_LATELY = dt.timedelta(minutes=15)
#: An event dated this far ahead of its capture is reported: what DFINERY does with it is not documented.
FAR_AHEAD = dt.timedelta(hours=1)

_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Hour:
    """Counts of events that finished in one hour, and of those waiting since that hour."""

    began_at: dt.datetime
    delivered: int = 0
    failed: int = 0
    expired: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Snapshot:
    """The state of delivery at one time."""

    now: dt.datetime
    fault: str
    settings: Settings
    destinations: tuple[DestinationReport, ...]
    hours: tuple[Hour, ...]
    counts: Mapping[str, int]  # by status: all unfinished events, and those that finished within 48 hours
    lately: Mapping[str, int]  # by status: events that finished within 24 hours
    resendable: int  # failed events that DFINERY would still process
    resendable_until: dt.datetime | None  # when the first of them expires
    last_delivered_at: dt.datetime | None
    schedules: Mapping[str, dt.datetime | None]  # name of the queue's schedule -> next run; ``None`` if it is missing
    schedules_fault: str
    is_empty: bool  # no event was ever captured
    definition_count: int
    definition_faults: Mapping[str, str]  # definition -> the reason why it is disabled or captures nothing
    clock_ahead_seconds: float = 0.0  # of the database's clock: this machine's or a recent worker's, the largest
    dated_ahead: int = 0  # events that are dated more than an hour ahead

    @property
    def waiting(self) -> int:
        return sum(self.counts[status] for status in UNFINISHED)

    @property
    def first_to_expire(self) -> DestinationReport | None:
        """The destination whose event expires next."""
        return min((each for each in self.destinations if each.expires_next_at), key=_next_expiry, default=None)

    @property
    def oldest_waiting_at(self) -> dt.datetime | None:
        """The time when the event that expires next happened."""
        first = self.first_to_expire
        return None if first is None else first.oldest_waiting_at

    @property
    def drained_at(self) -> dt.datetime | None:
        """The time of the last drain, of the destination whose last drain is the oldest."""
        moments = [each.drained_at for each in self.destinations if each.has_token]
        return min(each for each in moments if each) if moments and all(moments) else None

    @property
    def undrained(self) -> tuple[DestinationReport, ...]:
        """Destinations without a drain for so long that no worker can be running."""
        seconds = max(DRAINS_AT_LEAST_EVERY_SECONDS, self.settings.DRAIN_SECONDS + 120)
        since = self.now - dt.timedelta(seconds=seconds)
        watched = [each for each in self.destinations if each.has_token]
        return tuple(each for each in watched if each.drained_at is None or each.drained_at < since)


def _next_expiry(report: DestinationReport) -> dt.datetime:
    assert report.expires_next_at is not None  # noqa: S101 - callers pass reports that have one
    return report.expires_next_at


def look(now: dt.datetime | None = None, *, with_schedules: bool = True, with_events: bool = True) -> Snapshot:
    """Take a snapshot of the state of delivery.

    Three queries a database, one for the queue's schedules, and one more if nothing was delivered within 48 hours.
    Without events there is one query a database, and nothing is counted.
    """
    now = now or clock.now()
    fault, settings = settings_in_force()
    since = first_hour(now)
    rows, waiting, finished = list[Destination](), Grouped(), Grouped()
    for using in databases():
        rows += Destination.objects.using(using).annotate(epoch_seconds=EpochSeconds())
        if with_events:
            waiting += _group_waiting(using, {*settings.TOKENS, *(row.alias for row in rows)}, now, settings)
            finished += _group_finished(using, since, now)
    last, is_empty = _last_delivered(waiting, finished) if with_events else (None, False)
    schedules, schedules_fault = _planned_runs(settings) if with_schedules and not fault else ({}, "")
    return Snapshot(
        now=now,
        fault=fault,
        settings=settings,
        destinations=report_all(rows, waiting, finished, now, settings),
        hours=_by_hour(waiting, finished, since, settings),
        counts=sum_by_status(waiting + finished, "count"),
        lately=sum_by_status(finished, "lately"),
        resendable=sum(row["resendable"] for row in finished),
        resendable_until=min(filter(None, (row["resendable_until"] for row in finished)), default=None),
        last_delivered_at=last,
        schedules=schedules,
        schedules_fault=schedules_fault,
        is_empty=is_empty,
        definition_count=0 if fault else sum(1 for _ in registry.definitions()),
        clock_ahead_seconds=max((_ahead_by(row, now) for row in rows), key=abs, default=0.0),
        dated_ahead=sum(row["dated_ahead"] for row in waiting + finished),
        definition_faults={} if fault else {**registry.definition_faults(), **consent.consent_faults()},
    )


def _ahead_by(row: Any, now: dt.datetime) -> float:
    """Return the largest lead over the database's clock that a destination's row shows, in seconds."""
    own = seconds_ahead(row.epoch_seconds)
    differed_at = row.clock_differed_at
    is_recent = differed_at is not None and abs(now - dt.timedelta(seconds=own) - differed_at) < DIFFERED_LATELY
    return max(own, row.clock_ahead_seconds if is_recent else 0.0, key=abs)


def _planned_runs(settings: Settings) -> tuple[Mapping[str, dt.datetime | None], str]:
    """Return the next runs of the queue's schedules, if ``WAKE`` knows them, and the error if that fails."""
    try:
        wake = wake_named(settings.WAKE)
    except Exception:  # noqa: BLE001 - the site's own module; a check reports it
        return {}, ""
    try:
        return wake.planned(), ""
    except Exception as error:  # noqa: BLE001 - for example the queue's database
        return {}, error_line(error)


def settings_in_force() -> tuple[str, Settings]:
    """Return the error in the settings, if any, and the settings; their defaults if there is an error."""
    try:
        return "", get_settings()
    except ConfigurationError as error:
        return str(error), Settings()


def databases() -> list[str]:
    """Return the databases of outboxes; the default one if the settings are wrong."""
    try:
        return outbox_databases()
    except ConfigurationError:
        return [router.db_for_write(Event)]


def first_hour(now: dt.datetime) -> dt.datetime:
    """Return the start of the 48 hours: whole hours, the current one included."""
    return now.astimezone(dt.timezone.utc).replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * _HOUR


def _group_waiting(using: str, aliases: Iterable[str], now: dt.datetime, settings: Settings) -> Grouped:
    """Count unfinished events by destination, status and hour of expiry, from the claim's index alone."""
    unfinished = Event.objects.using(using).unfinished().filter(destination__in=list(aliases))
    grouped = unfinished.values("status", alias=F("destination"), hour=UtcHour("expires_at"))
    return list(
        grouped.annotate(
            count=Count("pk"),
            at_risk=Count("pk", filter=Q(expires_at__lt=now + settings.risk_age)),
            dated_ahead=Count("pk", filter=Q(expires_at__gt=now + FAR_AHEAD + settings.max_age)),
            expires_next_at=Min("expires_at"),
        )
    )


def _group_finished(using: str, since: dt.datetime, now: dt.datetime) -> Grouped:
    finished = Event.objects.using(using).filter(finished_at__gte=since)
    # Not the plain column: SQLite would read the claim's whole index to sort the groups.
    alias = Coalesce("destination", Value(""))
    grouped = finished.values("status", alias=alias, hour=UtcHour("finished_at"))
    is_resendable = Q(status=EventStatus.FAILED, expires_at__gt=now)
    counts = {
        "count": Count("pk"),
        "lately": Count("pk", filter=Q(finished_at__gte=now - DAY)),
        "resendable": Count("pk", filter=is_resendable),
        "resendable_until": Min("expires_at", filter=is_resendable),
        "dated_ahead": Count("pk", filter=Q(occurred_at__gt=now + FAR_AHEAD)),
    }
    return list(grouped.annotate(**counts, last=Max("finished_at")))


def _last_delivered(waiting: Grouped, finished: Grouped) -> tuple[dt.datetime | None, bool]:
    """Return the time of the last delivery, and whether the outbox is empty."""
    moments = [row["last"] for row in finished if row["status"] == EventStatus.DELIVERED]
    is_empty = not waiting and not finished
    for using in databases() if not moments else ():
        ended = Event.objects.using(using).filter(finished_at__isnull=False).order_by("-finished_at")
        # Not filtered by status: that could read every event that failed since the last delivery.
        latest = list(ended.values_list("status", "finished_at")[:ARRIVAL_SAMPLE])
        is_empty = is_empty and not latest
        moments += [moment for status, moment in latest if status == EventStatus.DELIVERED][:1]
    return max(moments, default=None), is_empty


def _by_hour(waiting: Grouped, finished: Grouped, since: dt.datetime, settings: Settings) -> tuple[Hour, ...]:
    starts = [since + index * _HOUR for index in range(HOURS)]
    counts: Counter[tuple[dt.datetime, str]] = Counter()
    for row in finished:
        counts[row["hour"], row["status"]] += row["count"]
    for row in waiting:
        happened = row["hour"] - dt.timedelta(hours=math.floor(settings.MAX_AGE_HOURS))
        # Events that wait for longer, or are dated ahead by a wrong clock, count at the edge.
        counts[min(max(happened, starts[0]), starts[-1]), "waiting"] += row["count"]
    kinds = ("delivered", "failed", "expired", "waiting")
    return tuple(Hour(start, **{kind: counts[start, kind] for kind in kinds}) for start in starts)
