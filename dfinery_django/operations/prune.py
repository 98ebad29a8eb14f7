"""Deleting what is finished and old."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from ..conf import get_settings
from ..db.database_clock import DatabaseClock
from ..models import Event, Incident, Repair

PRUNE_CHUNK = 500


def prune_database(using: str, progress: Callable[[int], object] | None) -> int:
    """Delete events, bulk actions and incidents that finished over ``RETENTION_DAYS`` ago; return how many events."""
    now = DatabaseClock(using).refresh().now()  # no machine's own clock may decide what is deleted
    days = get_settings().RETENTION_DAYS
    before = None if days is None else now - dt.timedelta(days=days)
    events, total = Event.objects.using(using), 0
    events.prune_tombstones(now=now)
    while before and (chunk := events.prune(before=before, limit=PRUNE_CHUNK, now=now)):
        total += chunk
        if progress:
            progress(chunk)
    if before:
        Repair.objects.using(using).filter(finished_at__lt=before).delete()
        Incident.objects.using(using).filter(last_at__lt=before).delete()
    return total
