"""Incidents: one ERROR per incident, not one per event, since Sentry and mail_admins notify people of each ERROR.

An incident lasts while the same thing keeps happening with pauses shorter than ``QUIET``. Its row is shared by all
workers: only the one that begins it logs the ERROR.
"""

from __future__ import annotations

import datetime as dt
import hashlib

from django.db import models

from . import clock
from .columns import MomentField

#: Longer than the night of most shops, shorter than it takes to fix a mapping and break it again.
QUIET = dt.timedelta(hours=6)


class Incident(models.Model):
    """A fault that goes on: events of one definition that fail for one reason, events that expire."""

    # A hash: MariaDB and MySQL compare text without regard to case.
    key = models.CharField(max_length=64, primary_key=True, editable=False)
    subject = models.TextField()
    last_at = MomentField()

    class Meta:
        app_label = "dfinery_django"
        default_permissions = ()

    def __str__(self) -> str:
        return self.subject


def begins(subject: str, *, using: str, now: dt.datetime | None = None) -> bool:
    """Record another occurrence, and return whether it begins an incident: true for exactly one caller.

    :param subject: the fault, the same text each time
    """
    now = now or clock.now()
    key = hashlib.sha256(subject.encode(errors="replace")).hexdigest()
    known = Incident.objects.using(using).filter(pk=key)
    if known.filter(last_at__gt=now - QUIET).update(last_at=now):
        return False
    if known.filter(last_at__lte=now - QUIET).update(last_at=now):
        return True
    return Incident.objects.using(using).get_or_create(key=key, defaults={"subject": subject, "last_at": now})[1]
