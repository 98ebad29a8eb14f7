"""What goes wrong is an ERROR once, not once for each event: Sentry and mail_admins tell people of each.

An incident lasts while its like keeps happening with pauses shorter than ``QUIET``. The row is shared by all workers:
whoever begins it tells.
"""

from __future__ import annotations

import datetime as dt
import hashlib

from django.db import models

from . import clock
from .columns import MomentField

#: Longer than the night of most shops, shorter than it takes to mend a mapping and break it again.
QUIET = dt.timedelta(hours=6)


class Incident(models.Model):
    """Something that goes on going wrong: events of one definition that fail for one reason, events that expire."""

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
    """Note that it happened again; true for exactly one caller while the incident lasts.

    :param subject: what goes wrong, the same text each time
    """
    now = now or clock.now()
    key = hashlib.sha256(subject.encode(errors="replace")).hexdigest()
    known = Incident.objects.using(using).filter(pk=key)
    if known.filter(last_at__gt=now - QUIET).update(last_at=now):
        return False
    if known.filter(last_at__lte=now - QUIET).update(last_at=now):
        return True
    return Incident.objects.using(using).get_or_create(key=key, defaults={"subject": subject, "last_at": now})[1]
