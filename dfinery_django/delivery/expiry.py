"""The 48 hours: events whose time is over expire, and a warning comes in time before that."""

from __future__ import annotations

import datetime as dt
import logging

from .. import clock
from ..conf import Settings, get_settings
from ..models import Destination, Event
from ..models.queryset import EventQuerySet
from ..signals import events_at_risk
from ..telemetry.notify import notify
from ..text.log_fields import log_extra
from .circuit import destination_row

logger = logging.getLogger("dfinery_django")
#: Events expire in batches, so that deliveries go on however many are late.
EXPIRE_BATCH = 500


def margin(settings: Settings) -> dt.timedelta:
    """Return how long before its expiry an event is too late to send: as long as a request may take."""
    return dt.timedelta(seconds=settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT)


def expire(events: EventQuerySet, *, now: dt.datetime, limit: int = EXPIRE_BATCH) -> int:
    """Expire a batch of events whose time is over, with a signal for each; return how many."""
    expired = events.expire(limit=limit, now=now, margin=margin(get_settings()))
    notify(expired, events.db)
    return len(expired)


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
