"""How deliveries stand, in numbers: what waits, what became of the last 48 hours, each destination, the last drain.

The words are ``health``'s. Every query is a range of an index, over what is unfinished or what finished within 48
hours: however many older events are finished, they cost nothing. Settings that are wrong are told, not raised.
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
from django.utils.module_loading import import_string

from . import clock, consent, registry
from .columns import UtcHour
from .conf import Settings, get_settings
from .database_clock import EpochSeconds, ahead_by
from .deadlines import FAR_AHEAD
from .destinations import outbox_databases
from .exceptions import ConfigurationError, in_one_line
from .models import Destination, Event
from .reports import DestinationReport, Rows, counted, report_all
from .states import UNFINISHED, EventStatus

HOURS = 48
#: "Lately": what whoever looks once a day has not seen yet.
DAY = dt.timedelta(hours=24)
#: A schedule asks for a drain every minute: so long after the last one nobody delivers.
DRAINS_AT_LEAST_EVERY_SECONDS = 180
#: Times to arrival are those of so many events that arrived last.
ARRIVAL_SAMPLE = 1000

#: For so long a worker's clock that differed is told.
DIFFERED_LATELY = dt.timedelta(minutes=15)

_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Hour:
    """What finished in an hour, and what waits since then."""

    began_at: dt.datetime
    delivered: int = 0
    failed: int = 0
    expired: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Overview:
    """
    :ivar fault: what is wrong with the settings
    :ivar counts: by status: all that are unfinished; of the finished ones those of the last 48 hours
    :ivar lately: by status, how many finished within 24 hours
    :ivar resendable: how many failed events DFINERY would still process
    :ivar schedules: what the queue will ask for -> when next; ``None`` where that is missing
    :ivar schedules_fault: why that can't be read
    :ivar clock_ahead_seconds: by how much a clock is ahead of the database's: this machine's, or one of a worker lately
    :ivar dated_ahead: how many of those that are counted happened, by their date, more than an hour from now
    :ivar is_empty: whether no event was ever captured
    :ivar definition_faults: definition -> why it is not in force, or captures nothing
    """

    now: dt.datetime
    fault: str
    settings: Settings
    destinations: tuple[DestinationReport, ...]
    hours: tuple[Hour, ...]
    counts: Mapping[str, int]
    lately: Mapping[str, int]
    resendable: int
    last_delivered_at: dt.datetime | None
    schedules: Mapping[str, dt.datetime | None]
    schedules_fault: str
    is_empty: bool
    definition_count: int
    definition_faults: Mapping[str, str]
    clock_ahead_seconds: float = 0.0
    dated_ahead: int = 0

    @property
    def waiting(self) -> int:
        return sum(self.counts[status] for status in UNFINISHED)

    @property
    def first_to_expire(self) -> DestinationReport | None:
        """The destination whose event expires next of all."""
        return min((each for each in self.destinations if each.expires_next_at), key=_expiry, default=None)

    @property
    def oldest_waiting_at(self) -> dt.datetime | None:
        """When that happened which expires next."""
        first = self.first_to_expire
        return None if first is None else _expiry(first) - dt.timedelta(hours=self.settings.MAX_AGE_HOURS)

    @property
    def drained_at(self) -> dt.datetime | None:
        """Since when every destination has been looked after."""
        moments = [each.drained_at for each in self.destinations if each.has_token]
        return min(each for each in moments if each) if moments and all(moments) else None

    @property
    def undrained(self) -> tuple[DestinationReport, ...]:
        """Destinations that no drain has looked after for so long that nobody can be delivering."""
        seconds = max(DRAINS_AT_LEAST_EVERY_SECONDS, self.settings.DRAIN_SECONDS + 120)
        since = self.now - dt.timedelta(seconds=seconds)
        return tuple(
            each
            for each in self.destinations
            if each.has_token and (each.drained_at is None or each.drained_at < since)
        )


def _expiry(report: DestinationReport) -> dt.datetime:
    assert report.expires_next_at is not None  # noqa: S101 - only asked of those that have one
    return report.expires_next_at


def look(now: dt.datetime | None = None, *, with_schedules: bool = True) -> Overview:
    """Three queries a database, one for the queue's schedules; one more where nothing was delivered within 48 hours."""
    now = now or clock.now()
    fault, settings = settings_in_force()
    since = first_hour(now)
    rows: list[Destination] = []
    waiting: Rows = []
    finished: Rows = []
    for using in databases():
        rows += Destination.objects.using(using).annotate(epoch_seconds=EpochSeconds())
        waiting += _waiting(using, {*settings.TOKENS, *(row.alias for row in rows)}, now, settings)
        finished += _finished(using, since, now)
    last, is_empty = _last_delivered(waiting, finished)
    schedules, schedules_fault = _schedules(settings) if with_schedules and not fault else ({}, "")
    return Overview(
        now=now,
        fault=fault,
        settings=settings,
        destinations=report_all(rows, waiting, finished, now, settings),
        hours=_hours(waiting, finished, since, settings),
        counts=counted(waiting + finished, "count"),
        lately=counted(finished, "lately"),
        resendable=sum(row["resendable"] for row in finished),
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
    """By how much the worst clock that a destination's row knows of is ahead."""
    own = ahead_by(row.epoch_seconds)
    differed_at = row.clock_differed_at
    is_recent = differed_at is not None and abs(now - dt.timedelta(seconds=own) - differed_at) < DIFFERED_LATELY
    return max(own, row.clock_ahead_seconds if is_recent else 0.0, key=abs)


def _schedules(settings: Settings) -> tuple[Mapping[str, dt.datetime | None], str]:
    """What the site's queue plans, if its ``WAKE`` can tell, or why that can't be read."""
    try:
        planned = getattr(import_string(settings.WAKE), "planned", dict)
    except Exception:  # noqa: BLE001 - a module of the site's own; a check tells
        return {}, ""
    try:
        return planned(), ""
    except Exception as error:  # noqa: BLE001 - the queue's database, say
        return {}, in_one_line(error)


def settings_in_force() -> tuple[str, Settings]:
    """What is wrong with the settings, and the settings, or their defaults."""
    try:
        return "", get_settings()
    except ConfigurationError as error:
        return str(error), Settings()


def databases() -> list[str]:
    """The databases that hold events, as far as the settings tell."""
    try:
        return outbox_databases()
    except ConfigurationError:
        return [router.db_for_write(Event)]


def first_hour(now: dt.datetime) -> dt.datetime:
    """Where the 48 hours begin: whole hours, the one that is under way included."""
    return now.astimezone(dt.timezone.utc).replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * _HOUR


def _waiting(using: str, aliases: Iterable[str], now: dt.datetime, settings: Settings) -> Rows:
    """What is unfinished, from the index of the claim alone, by destination, status and hour of expiry."""
    soon = now + dt.timedelta(hours=settings.MAX_AGE_HOURS) / 2
    unfinished = Event.objects.using(using).unfinished().filter(destination__in=list(aliases))
    grouped = unfinished.values("status", alias=F("destination"), hour=UtcHour("expires_at"))
    return list(
        grouped.annotate(
            count=Count("pk"),
            at_risk=Count("pk", filter=Q(expires_at__lt=soon)),
            dated_ahead=Count("pk", filter=Q(expires_at__gt=now + FAR_AHEAD + 2 * (soon - now))),
            expires_next_at=Min("expires_at"),
        )
    )


def _finished(using: str, since: dt.datetime, now: dt.datetime) -> Rows:
    """What finished within 48 hours, by destination, status and hour."""
    finished = Event.objects.using(using).filter(finished_at__gte=since)
    # Not the plain column: SQLite would read the whole index of the claim, to have the groups in order.
    alias = Coalesce("destination", Value(""))
    grouped = finished.values("status", alias=alias, hour=UtcHour("finished_at"))
    return list(
        grouped.annotate(
            count=Count("pk"),
            lately=Count("pk", filter=Q(finished_at__gte=now - DAY)),
            resendable=Count("pk", filter=Q(status=EventStatus.FAILED, expires_at__gt=now)),
            dated_ahead=Count("pk", filter=Q(occurred_at__gt=now + FAR_AHEAD)),
            last=Max("finished_at"),
        )
    )


def _last_delivered(waiting: Rows, finished: Rows) -> tuple[dt.datetime | None, bool]:
    """When an event last arrived, and whether there was never any event."""
    moments = [row["last"] for row in finished if row["status"] == EventStatus.DELIVERED]
    is_empty = not waiting and not finished
    for using in databases() if not moments else ():
        ended = Event.objects.using(using).filter(finished_at__isnull=False).order_by("-finished_at")
        # Not the last delivered one: to find it might take reading all that failed since.
        latest = list(ended.values_list("status", "finished_at")[:ARRIVAL_SAMPLE])
        is_empty = is_empty and not latest
        moments += [moment for status, moment in latest if status == EventStatus.DELIVERED][:1]
    return max(moments, default=None), is_empty


def _hours(waiting: Rows, finished: Rows, since: dt.datetime, settings: Settings) -> tuple[Hour, ...]:
    starts = [since + number * _HOUR for number in range(HOURS)]
    counts: Counter[tuple[dt.datetime, str]] = Counter()
    for row in finished:
        counts[row["hour"], row["status"]] += row["count"]
    for row in waiting:
        happened = row["hour"] - dt.timedelta(hours=math.floor(settings.MAX_AGE_HOURS))
        # What waits for longer, or lies ahead by a clock that differs, stands at the edge rather than nowhere.
        counts[min(max(happened, starts[0]), starts[-1]), "waiting"] += row["count"]
    return tuple(
        Hour(
            start,
            delivered=counts[start, EventStatus.DELIVERED],
            failed=counts[start, EventStatus.FAILED],
            expired=counts[start, EventStatus.EXPIRED],
            waiting=counts[start, "waiting"],
        )
        for start in starts
    )
