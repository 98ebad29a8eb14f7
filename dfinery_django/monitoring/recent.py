"""Details of the last 48 hours: times to arrival, reasons of failures, the event that expires next.

Queries only; each is a range of an index, or ends after a fixed number of rows, as in ``overview``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, Q

from ..enums import UNFINISHED, EventStatus, Reason
from ..models import Event
from .destination_report import DestinationReport
from .overview import ARRIVAL_SAMPLE, DAY, databases, first_hour

MOST_FAILURE_GROUPS = 12


@dataclass(frozen=True)
class ArrivalTimes:
    """Times from capture to arrival of the last ``sample`` events that were delivered within 24 hours."""

    median_seconds: float
    p95_seconds: float
    sample: int


@dataclass(frozen=True)
class FailureGroup:
    """A group of events that failed or expired for one reason."""

    status: EventStatus
    code: Reason
    event_name: str
    count: int
    resendable: int
    example: Event  # the newest of them, with only its ``pk``, ``order_id`` and reason loaded


def arrival_times(now: dt.datetime) -> ArrivalTimes | None:
    """Return how long events took to arrive; ``None`` if none arrived within 24 hours."""
    spans: list[tuple[dt.datetime, float]] = []
    for using in databases():
        delivered = Event.objects.using(using).filter(status=EventStatus.DELIVERED, finished_at__gte=now - DAY)
        moments = delivered.order_by("-finished_at").values_list("finished_at", "created_at")[:ARRIVAL_SAMPLE]
        spans += [(end, max(0.0, (end - start).total_seconds())) for end, start in moments if end]
    seconds = sorted(each for _, each in sorted(spans, reverse=True)[:ARRIVAL_SAMPLE])
    if not seconds:
        return None
    return ArrivalTimes(_percentile(seconds, 50), _percentile(seconds, 95), len(seconds))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile by the nearest-rank method."""
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


def failures(now: dt.datetime) -> list[FailureGroup]:
    """Return the largest groups of events that failed or expired within 48 hours, with an example each.

    Those with events that can still be sent come first.
    """
    found: list[FailureGroup] = []
    for using in databases():
        events = Event.objects.using(using)
        lost = (EventStatus.FAILED, EventStatus.EXPIRED)
        undelivered = events.filter(finished_at__gte=first_hour(now), status__in=lost)
        still_processed = Q(status=EventStatus.FAILED, expires_at__gt=now)
        groups = undelivered.values_list("status", "reason_code", "event_name").annotate(
            count=Count("pk"), resendable=Count("pk", filter=still_processed), newest=Max("pk")
        )
        rows = list(groups.order_by("-resendable", "-count", "-newest")[:MOST_FAILURE_GROUPS])
        shown = events.only("order_id", "reason", "reason_data")
        examples = shown.in_bulk([newest for *_, newest in rows]) if rows else {}
        found += [
            FailureGroup(EventStatus(status), Reason(code), name, count, resendable, examples[newest])
            for status, code, name, count, resendable, newest in rows
            if newest in examples  # else deleted meanwhile
        ]
    return sorted(found, key=lambda each: (-each.resendable, -each.count))[:MOST_FAILURE_GROUPS]


def first_to_expire(report: DestinationReport | None) -> Event | None:
    """Return the event that expires next of a destination."""
    if report is None or report.expires_next_at is None:
        return None
    for using in databases():
        waiting = Event.objects.using(using).filter(destination=report.alias, status__in=UNFINISHED)
        event: Event | None = waiting.filter(expires_at=report.expires_next_at).only("event_name", "order_id").first()
        if event is not None:
            return event
    return None
