"""Open, closed, half-open, paused: what results do to a destination, and whether it may be sent to.

No event has to know: a closed destination offers no rows to claim, a half-open one exactly one, as a probe.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.db.models import Count, Min

from .backoff import ceiling_seconds
from .conf import get_settings
from .models import Destination, Event
from .protocols.base import Result
from .signals import destination_blocked, destination_recovered, events_at_risk
from .states import Outcome, Reason

logger = logging.getLogger("dfinery_django")

#: So many requests in a row without a proper answer close a destination for a while.
FAILURES_TO_CLOSE = 5
#: However far off the reset that a rate limit announces, the destination is probed this often.
LONGEST_THROTTLE_SECONDS = 3600.0
#: An outage passes by itself, and one probe a minute is no burden to anybody.
LONGEST_OUTAGE_SECONDS = 60.0
#: A refused token or wrong address is not mended within seconds: its first probe comes later than a retry.
FIRST_BLOCKED_SECONDS = 30.0

_FIELDS = ["closed_until", "closed_code", "closed_reason", "failure_count"]


def current(alias: str, using: str) -> Destination:
    """The destination's row, made if it isn't there yet."""
    return Destination.objects.using(using).get_or_create(alias=alias)[0]


def warn_of_risk(alias: str, using: str, now: dt.datetime) -> None:
    """Say once that events have waited for more than half of their time, while there is still some left to act."""
    soon = now + dt.timedelta(hours=get_settings().MAX_AGE_HOURS) / 2
    at_risk = Event.objects.using(using).unfinished().filter(destination=alias, expires_at__lt=soon)
    found = at_risk.aggregate(count=Count("pk"), oldest=Min("occurred_at"))
    row = Destination.objects.using(using).filter(pk=current(alias, using).pk)
    if not found["count"]:
        row.filter(warned_at__isnull=False).update(warned_at=None)
    elif row.filter(warned_at=None).update(warned_at=now):
        words = "%s events for %s have waited for more than half of their time, the oldest since %s"
        logger.error(words, found["count"], alias, found["oldest"])
        events_at_risk.send_robust(sender=Destination, destination=alias, **found)


def note(destination: Destination, results: list[Result], now: dt.datetime) -> None:
    """Take results in the order in which they came; saved only if they change something."""
    before = [getattr(destination, field) for field in _FIELDS]
    was_blocked = destination.closed_code == Reason.BLOCKED
    was_closed = destination.closed_until is not None
    for result in results:
        _note_one(destination, result, now)
    if before == [getattr(destination, field) for field in _FIELDS]:
        return
    changes = {field: getattr(destination, field) for field in _FIELDS}
    Destination.objects.using(destination._state.db).filter(pk=destination.pk).update(**changes)
    if destination.closed_code == Reason.BLOCKED and not was_blocked:
        logger.error("Delivery to %s is stopped. %s", destination.alias, destination.closed_reason)
        reason = destination.closed_reason
        destination_blocked.send_robust(sender=Destination, destination=destination, reason=reason)
    elif was_closed and destination.closed_until is None:
        logger.info("Delivery to %s goes on", destination.alias)
        destination_recovered.send_robust(sender=Destination, destination=destination)


def _note_one(destination: Destination, result: Result, now: dt.datetime) -> None:
    if result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED):
        destination.failure_count = 0
        destination.closed_until, destination.closed_code, destination.closed_reason = None, Reason.NONE, ""
        return
    if destination.closed_until is None or destination.closed_until <= now:
        # Requests that were under way when it closed don't lengthen the wait.
        destination.failure_count += 1
    if result.outcome == Outcome.THROTTLED:
        _close(destination, Reason.THROTTLED, result.message, now, _throttle_seconds(destination, result, now))
    elif result.outcome == Outcome.BLOCKED:
        wait = max(FIRST_BLOCKED_SECONDS, ceiling_seconds(destination.failure_count))
        _close(destination, Reason.BLOCKED, result.message, now, wait)
    elif destination.failure_count >= FAILURES_TO_CLOSE or destination.closed_until is not None:
        failures = max(1, destination.failure_count - FAILURES_TO_CLOSE + 1)
        wait = min(ceiling_seconds(failures), LONGEST_OUTAGE_SECONDS)
        _close(destination, Reason.TRANSIENT, result.message, now, wait)


def _throttle_seconds(destination: Destination, result: Result, now: dt.datetime) -> float:
    if result.reset_at is None or result.reset_at <= now.timestamp():
        return ceiling_seconds(destination.failure_count)
    return min(result.reset_at - now.timestamp(), LONGEST_THROTTLE_SECONDS)


def _close(destination: Destination, code: Reason, reason: str, now: dt.datetime, seconds: float) -> None:
    if destination.closed_until is not None and destination.closed_until > now and destination.closed_code == code:
        return  # closed already, by a request that came back first
    destination.closed_until = now + dt.timedelta(seconds=seconds)
    destination.closed_code, destination.closed_reason = code, reason
