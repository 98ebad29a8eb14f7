"""What django-q2 runs, and how a drain is asked for. The only file that imports django_q.

The dotted paths of the tasks are stored in django-q2's rows, so they are public names. Arguments are texts: no object
of ours is pickled.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from contextlib import nullcontext

from django.db import DatabaseError, router, transaction
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.tasks import async_task

from . import delivery, destinations
from .conf import get_settings
from .models import Event
from .outbox import request_wake
from .reconcile import sweep_all

logger = logging.getLogger("dfinery_django")

#: A drain waits so long for what is due soon (a just committed order's lines, a first retry) before it ends.
LINGER_SECONDS = 8.0
PRUNE_CHUNK = 500
#: Schedule name -> task, minutes between runs.
SCHEDULES = {
    "dfinery: drain": ("dfinery_django.tasks.drain", 1),
    "dfinery: prune": ("dfinery_django.tasks.prune", 24 * 60),
}
RECONCILE_SCHEDULE = "dfinery: reconcile"


def schedules() -> dict[str, tuple[str, int]]:
    """Schedule name -> task, minutes between runs, as the settings want it."""
    minutes = get_settings().RECONCILE_MINUTES
    reconciling = {RECONCILE_SCHEDULE: ("dfinery_django.tasks.reconcile", minutes)} if minutes else {}
    return SCHEDULES | reconciling


def drain(destination: str | None = None) -> dict[str, int]:
    """Deliver what is due, within ``DRAIN_SECONDS``.

    :param destination: alias of ``TOKENS``; ``None``, as scheduled: all, each in its own task if there are several
    :returns: how many events were built, expired and settled, by status
    """
    settings = get_settings()
    aliases = list(settings.TOKENS) if destination is None else [destination]
    databases = delivery.outbox_databases()
    if destination is None and settings.ENABLED:
        for using in databases:
            delivery.expire_stray(using)
            for alias in aliases:
                destinations.warn_of_risk(alias, using, timezone.now())
    if len(aliases) > 1:
        for alias in aliases:
            wake(alias)
        return {}
    total: Counter[str] = Counter()
    for alias in aliases:
        for using in databases:
            # In django-q2's sync mode this runs in the request: there it must not wait.
            linger_seconds = 0 if Conf.SYNC else LINGER_SECONDS
            budget = settings.DRAIN_SECONDS / len(databases)
            total += delivery.drain(alias, using=using, budget_seconds=budget, linger_seconds=linger_seconds)
            if linger_seconds and delivery.has_due(alias, using, within_seconds=linger_seconds):
                request_wake(using, alias)
    return dict(total)


def reconcile() -> dict[str, int]:
    """Capture what signals missed: ``queryset.update()``, ``bulk_create()``, raw SQL.

    :returns: definition name -> how many events were captured
    """
    return sweep_all()


def prune() -> int:
    """Delete events that finished more than ``RETENTION_DAYS`` ago.

    :returns: how many
    """
    days = get_settings().RETENTION_DAYS
    if days is None:
        return 0
    before = timezone.now() - dt.timedelta(days=days)
    total = 0
    for using in delivery.outbox_databases():
        while chunk := Event.objects.using(using).prune(before=before, limit=PRUNE_CHUNK):
            total += chunk
    return total


def wake(destination: str) -> None:
    """Ask django-q2 for a drain: the default of the setting ``WAKE``."""
    options = {"task_name": f"dfinery: drain {destination}", "save": False, **get_settings().Q_OPTIONS}
    # In autocommit its ORM broker closes and reopens the database connection; in a transaction it does not.
    keeps_connection = transaction.atomic(using=str(Conf.ORM)) if Conf.ORM and not Conf.SYNC else nullcontext()
    with keeps_connection:
        async_task("dfinery_django.tasks.drain", destination, q_options=options)  # type: ignore[no-untyped-call]


def ensure_schedules() -> None:
    """Make django-q2's schedules for this app, or bring them up to date. Safe to repeat.

    :raises DatabaseError: if django-q2's tables are missing
    """
    using = router.db_for_write(Schedule)
    cluster = get_settings().Q_OPTIONS.get("cluster")
    with transaction.atomic(using=using):
        if not get_settings().RECONCILE_MINUTES:
            Schedule.objects.using(using).filter(name=RECONCILE_SCHEDULE).delete()
        for name, (task, minutes) in schedules().items():
            wanted = {"func": task, "schedule_type": Schedule.MINUTES, "minutes": minutes, "cluster": cluster}
            named = Schedule.objects.using(using).filter(name=name)
            if not named.update(**wanted):
                named.create(name=name, repeats=-1, **wanted)


def schedule_after_migrate(using: str, **kwargs: object) -> None:
    """``post_migrate``: a site need not know that schedules exist."""
    if using != router.db_for_write(Schedule):
        return
    try:
        ensure_schedules()
    except DatabaseError:
        logger.warning("No schedules were made: django-q2's tables are missing. Run manage.py migrate once more.")
