"""The 48 hours: events whose time is over expire, with the reason, and a warning comes in time before that."""

from __future__ import annotations

import datetime as dt
import functools
import logging

from .. import clock
from ..conf import Settings, get_settings
from ..models import Destination, Event
from ..models.queryset import EventQuerySet
from ..signals import events_at_risk
from ..telemetry.notify import notify
from ..text.log_fields import log_extra
from ..text.reasons import ReasonText, restore
from .circuit import destination_row

logger = logging.getLogger("dfinery_django")
#: Events expire in batches, so that deliveries go on however many are late.
EXPIRE_BATCH = 500
#: If the drain before the present one began longer ago, it is the reason why events expired.
LONG_WITHOUT_DRAIN = dt.timedelta(hours=1)


def margin(settings: Settings) -> dt.timedelta:
    """Return how long before its expiry an event is too late to send: as long as a request may take."""
    return dt.timedelta(seconds=settings.request_seconds)


def expire(
    events: EventQuerySet,
    *,
    now: dt.datetime,
    limit: int = EXPIRE_BATCH,
    destination: Destination | None = None,
    drained_before: dt.datetime | None = None,
) -> int:
    """Expire a batch of events whose time is over, with a signal for each; return how many.

    :param destination: theirs, if it is configured
    :param drained_before: when the drain before the present one began; ``None``: there was none
    """
    why = functools.partial(expiry_reason, destination=destination, drained_before=drained_before, now=now)
    expired = events.expire(limit=limit, now=now, why=why, margin=margin(get_settings()))
    notify(expired, events.db)
    return len(expired)


def expiry_reason(
    event: Event, *, destination: Destination | None, drained_before: dt.datetime | None, now: dt.datetime
) -> ReasonText:
    """Return why an event was not delivered in time."""
    if event.created_at >= event.expires_at:
        hours = f"{(event.expires_at - event.occurred_at).total_seconds() / 3600:g}"
        return ReasonText("expired_at_capture", captured=event.created_at, hours=hours)
    tried = _tried_reason(event)
    if destination is not None and destination.paused_by:
        who, since = destination.paused_by, destination.paused_at or now
        paused = ReasonText("expired_paused", destination=event.destination, who=who, since=since)
        return ReasonText("joined", first=paused, then=tried) if tried else paused
    return tried or _untried_reason(event, destination, drained_before, now)


def _tried_reason(event: Event) -> ReasonText | None:
    last = restore(event.reason_data, event.reason)
    if event.attempt_count and last:
        return ReasonText("expired_tried", count=event.attempt_count, last=last)
    return ReasonText("expired_waiting", last=last) if last else None


def _untried_reason(
    event: Event, destination: Destination | None, drained_before: dt.datetime | None, now: dt.datetime
) -> ReasonText:
    if destination is None:
        return ReasonText("expired_unconfigured", destination=event.destination)
    if destination.closed_until is not None:
        why = restore(destination.closed_data, destination.closed_reason)
        since = destination.closed_at or now
        return ReasonText("expired_stopped", destination=event.destination, since=since, why=why)
    if drained_before is None:
        return ReasonText("expired_no_worker_ever")
    if now - drained_before > LONG_WITHOUT_DRAIN:
        return ReasonText("expired_without_worker", since=drained_before)
    return ReasonText("expired_in_queue")


def expire_strays(using: str, *, now: dt.datetime | None = None) -> int:
    """Expire a batch of events whose destination is no longer in ``TOKENS``, so that no lane handles them."""
    # Every destination that ever had events has a row; to exclude ours from the events would read all of them.
    strays = Destination.objects.using(using).exclude(alias__in=list(get_settings().TOKENS))
    if not (aliases := list(strays.values_list("alias", flat=True))):
        return 0
    return expire(Event.objects.using(using).filter(destination__in=aliases), now=now or clock.now())


def warn_of_risk(alias: str, using: str, now: dt.datetime) -> None:
    """Log once that events have waited for more than half of their time, while there is still time to act."""
    soon = now + get_settings().risk_age
    at_risk = Event.objects.using(using).unfinished()
    at_risk = at_risk.filter(destination=alias, expires_at__gt=now, expires_at__lt=soon)
    row = Destination.objects.using(using).filter(pk=destination_row(alias, using).pk)
    # Counted only for a warning: a backlog may have a million rows, and this runs every minute.
    if not at_risk.exists():
        row.filter(warned_at__isnull=False).update(warned_at=None)
    elif row.filter(warned_at=None).exists():
        found = {"count": at_risk.count(), "oldest": at_risk.oldest_waiting()}
        if row.filter(warned_at=None).update(warned_at=now):  # one of several workers
            words = "%s events for %s have waited for more than half of their time, the oldest since %s"
            extra = log_extra(destination=alias, count=found["count"])
            logger.error(words, found["count"], alias, found["oldest"], extra=extra)
            events_at_risk.send_robust(sender=Destination, destination=alias, **found)
