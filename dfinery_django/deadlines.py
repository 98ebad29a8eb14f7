"""The 48 hours: events whose time is over are ended, and it is said in time when that is near."""

from __future__ import annotations

import datetime as dt
import logging

from . import clock
from .conf import Settings, get_settings
from .destinations import current
from .endings import notify
from .logs import about
from .models import Destination, Event
from .queries import EventQuerySet
from .signals import events_at_risk

logger = logging.getLogger("dfinery_django")

#: An event dated so far ahead of its capture is worth a word: what DFINERY does with it is not documented.
FAR_AHEAD = dt.timedelta(hours=1)
#: A batch is a share of a round: deliveries go on beside it, however many events are late.
EXPIRE_BATCH = 500


def margin(settings: Settings) -> dt.timedelta:
    """How long before its time is over an event is too late: a request may take so long."""
    return dt.timedelta(seconds=settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT)


def expire(events: EventQuerySet, *, now: dt.datetime, limit: int = EXPIRE_BATCH) -> int:
    """Finish a batch of events whose time is over, with a signal for each.

    :returns: how many; 0 when there is none
    """
    expired = events.expire(limit=limit, now=now, margin=margin(get_settings()))
    notify(expired, events.db)
    return len(expired)


def expire_strays(using: str, *, now: dt.datetime | None = None) -> int:
    """Expire a batch of events whose destination is no longer in ``TOKENS``: no lane is theirs."""
    # Each that ever had events has a row. Asking events for other destinations than ours would read all of them.
    strays = Destination.objects.using(using).exclude(alias__in=list(get_settings().TOKENS))
    aliases = list(strays.values_list("alias", flat=True))
    if not aliases:
        return 0
    return expire(Event.objects.using(using).filter(destination__in=aliases), now=now or clock.now())


def warn_of_risk(alias: str, using: str, now: dt.datetime) -> None:
    """Say once that events have waited for more than half of their time, while there is still some left to act."""
    soon = now + dt.timedelta(hours=get_settings().MAX_AGE_HOURS) / 2
    at_risk = Event.objects.using(using).unfinished()
    at_risk = at_risk.filter(destination=alias, expires_at__gt=now, expires_at__lt=soon)
    row = Destination.objects.using(using).filter(pk=current(alias, using).pk)
    # Counted only when there is something to say: a backlog may have a million rows, and this is asked every minute.
    if not at_risk.exists():
        row.filter(warned_at__isnull=False).update(warned_at=None)
    elif row.filter(warned_at=None).exists():
        found = {"count": at_risk.count(), "oldest": at_risk.oldest_waiting()}
        if row.filter(warned_at=None).update(warned_at=now):  # one of several workers
            words = "%s events for %s have waited for more than half of their time, the oldest since %s"
            extra = about(destination=alias, count=found["count"])
            logger.error(words, found["count"], alias, found["oldest"], extra=extra)
            events_at_risk.send_robust(sender=Destination, destination=alias, **found)
