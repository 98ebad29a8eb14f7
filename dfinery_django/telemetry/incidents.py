"""Incidents: one ERROR per incident, not one per event, since Sentry and mail_admins notify people of each ERROR.

An incident lasts while the same thing keeps happening with pauses shorter than ``QUIET``. Its row is shared by all
workers: only the one that begins it logs the ERROR.
"""

from __future__ import annotations

import datetime as dt

from .. import clock
from ..models import Incident

#: Longer than the night of most shops, shorter than it takes to fix a mapping and break it again.
QUIET = dt.timedelta(hours=6)


def begins(subject: str, *, using: str, now: dt.datetime | None = None) -> bool:
    """Record another occurrence of this fault; return whether it begins an incident: true for exactly one caller."""
    now = now or clock.now()
    key = Incident.key_of(subject)
    known = Incident.objects.using(using).filter(pk=key)
    if known.filter(last_at__gt=now - QUIET).update(last_at=now):
        return False
    if known.filter(last_at__lte=now - QUIET).update(last_at=now):
        return True
    return Incident.objects.using(using).get_or_create(key=key, defaults={"subject": subject, "last_at": now})[1]
