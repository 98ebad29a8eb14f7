"""The use of django-q2: queued drains, schedules, the queue's database, the cluster's stop.

A site with a ``WAKE`` of its own may leave django_q out of ``INSTALLED_APPS``, and then its models can't be imported:
so each function imports what it needs. Those for schedules raise ``DatabaseError`` if its tables are missing.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections, router, transaction
from django.utils import timezone

from .conf import get_settings
from .db import savepoints, tenants
from .exceptions import ConfigurationError
from .schema.types import as_moment

logger = logging.getLogger("dfinery_django")

#: Schedule name -> task, minutes between runs.
SCHEDULES = {
    "dfinery: drain": ("dfinery_django.tasks.drain", 1),
    "dfinery: prune": ("dfinery_django.tasks.prune", 24 * 60),
}
RECONCILE_SCHEDULE = "dfinery: reconcile"


def schedules() -> dict[str, tuple[str, int]]:
    """Return schedule name -> (task, minutes between runs), by the settings."""
    minutes = get_settings().RECONCILE_MINUTES
    reconciling = {RECONCILE_SCHEDULE: ("dfinery_django.tasks.reconcile", minutes)} if minutes else {}
    return SCHEDULES | reconciling


def queue_drain(destination: str) -> None:
    """Queue a drain of a destination."""
    database = queue_database()
    if database and (row := queue_row(destination)):
        row.save(using=database, force_insert=True)
    else:
        _async_drain(destination)


def queue_row(destination: str) -> Any:
    """Return the row with which django-q2's ORM broker would queue a drain, not stored yet.

    So it can be stored together with the wake-up flag. And that broker closes and reopens the connection in autocommit.
    """
    broker = _row_broker()(get_settings().Q_OPTIONS.get("cluster"))
    _async_drain(destination, broker=broker)
    broker.connection = None  # which is the broker: no work for the garbage collector
    return broker.row


@lru_cache
def _row_broker() -> Any:
    from django_q.brokers.orm import ORM
    from django_q.models import OrmQ

    class RowBroker(ORM):
        """Fills the row as the ORM broker does, in any version of django-q2, and keeps it instead of storing it."""

        row: Any = None

        def get_connection(self, list_key: str | None = None) -> Any:  # type: ignore[override]
            return self  # in place of ``OrmQ.objects``

        def create(self, **fields: Any) -> Any:
            self.row = OrmQ(**fields)
            return self.row

        def enqueue(self, task: Any) -> str:
            super().enqueue(task)  # type: ignore[no-untyped-call]
            return "(unless a drain is queued already)"  # django-q2 logs it as the number of the row

    return RowBroker


def _async_drain(destination: str, **options: Any) -> None:
    from django_q.tasks import async_task

    options = {"task_name": f"dfinery: drain {destination}", "save": False, **get_settings().Q_OPTIONS, **options}
    async_task("dfinery_django.tasks.drain", destination, q_options=options)  # type: ignore[no-untyped-call]


def queue_database() -> str | None:
    """Return the alias of the database that django-q2's queue is in, if it is in one."""
    from django_q.conf import Conf

    options = get_settings().Q_OPTIONS
    is_elsewhere = Conf.BROKER_CLASS or Conf.IRON_MQ or Conf.SQS or "broker" in options
    is_inline = Conf.SYNC or options.get("sync")  # runs the drain itself, which must not be in a transaction
    return str(Conf.ORM) if Conf.ORM and not is_elsewhere and not is_inline else None


def runs_inline() -> bool:
    """Return ``True`` if django-q2 runs tasks in the caller's process: its sync mode."""
    if not apps.is_installed("django_q"):
        return False
    from django_q.conf import Conf

    return bool(Conf.SYNC)


def cluster_is_stopping() -> Callable[[], bool]:
    """Return a function that returns ``True`` once django-q2's cluster stops; elsewhere it never does."""
    event = _stop_event_on_stack() if apps.is_installed("django_q") else None
    return (lambda: bool(event.is_set())) if event else lambda: False


def _stop_event_on_stack() -> Any:
    """Return the stop event of the cluster that this worker belongs to, if there is one.

    django-q2 does not notify its workers. But a worker is forked from its sentinel, whose frames are on the stack
    below ours. In a version of django-q2 where none is found, a drain ends after ``DRAIN_SECONDS``.
    """
    from django_q import cluster

    frame = sys._getframe()  # noqa: SLF001
    while frame := frame.f_back:  # type: ignore[assignment]
        sentinel = frame.f_locals.get("self")
        if isinstance(sentinel, getattr(cluster, "Sentinel", ())):
            return getattr(sentinel, "stop_event", None)
    return None


def ensure_schedules() -> None:
    """Create or update django-q2's schedules for this app. Safe to repeat."""
    rows, cluster = _schedule_rows(), get_settings().Q_OPTIONS.get("cluster")
    with transaction.atomic(using=rows.db):
        if not get_settings().RECONCILE_MINUTES:
            rows.filter(name=RECONCILE_SCHEDULE).delete()
        for name, (task, minutes) in schedules().items():
            wanted = {"func": task, "schedule_type": rows.model.MINUTES, "minutes": minutes, "cluster": cluster}
            named = rows.filter(name=name)
            if not named.update(**wanted):
                named.create(name=name, repeats=-1, **wanted)


def remove_schedules() -> int:
    """Delete django-q2's schedules for this app; return how many."""
    return int(_schedule_rows().filter(name__in=[*SCHEDULES, RECONCILE_SCHEDULE]).delete()[0])


def skip_missed_runs(task: str) -> None:
    """Skip the runs that the schedule of a task (dotted path) missed while no cluster ran.

    With ``catch_up``, its default, django-q2 would run each of them, one after the other. One run does the work of all.
    """
    if not apps.is_installed("django_q") or not get_settings().ENABLED:
        return
    minutes, rows = dict(schedules().values()).get(task, 1), _schedule_rows()
    now = timezone.now()  # as django-q2 writes it: naive where USE_TZ is false
    try:
        with transaction.atomic(using=rows.db):
            missed = rows.filter(func=task, next_run__lt=now)
            missed.filter(name__startswith="dfinery: ").update(next_run=now + dt.timedelta(minutes=minutes))
    except DatabaseError as error:
        logger.warning("django-q2's schedules can't be read: %s", type(error).__name__)


def planned() -> dict[str, dt.datetime | None]:
    """Return schedule name -> next run: in the past if no cluster has run it yet, ``None`` if there is no schedule."""
    if not apps.is_installed("django_q"):
        return {}
    rows = _schedule_rows().filter(name__in=list(schedules())).exclude(repeats=0)
    with savepoints.savepoint_guard(rows.db):  # with ATOMIC_REQUESTS, missing tables must not break the page
        runs: dict[Any, Any] = dict(rows.values_list("name", "next_run"))
    # django-q2's moments are naive if USE_TZ is false.
    return {name: as_moment(runs[name]) if runs.get(name) else None for name in schedules()}


def schedule_after_migrate(using: str, **kwargs: object) -> None:
    """Create the schedules at ``post_migrate``, and remove them with the tables."""
    if not apps.is_installed("django_q"):
        return
    from .models import Event

    if tenants.is_per_tenant("dfinery_django"):
        return  # a scheduled task runs in no tenant's schema: such a site has schedules of its own
    has_tables = Event._meta.db_table in connections[using].introspection.table_names()
    try:
        if not has_tables and using == router.db_for_write(Event):
            remove_schedules()
        elif _is_enabled() and using == _schedule_rows().db:
            ensure_schedules()
    except DatabaseError:
        if has_tables:  # otherwise another app was migrated, and ours will be
            logger.warning("No schedules were made: django-q2's tables are missing. Run manage.py migrate once more.")


def _schedule_rows() -> Any:
    from django_q.models import Schedule

    return Schedule.objects.using(router.db_for_write(Schedule))


def _is_enabled() -> bool:
    try:
        return get_settings().ENABLED
    except ConfigurationError:
        return True  # the checks report the mistake, and migrations go on
