"""What django-q2 runs, and how a drain is asked for. The only file that imports django_q.

The dotted paths of the tasks are stored in django-q2's rows, so they are public names. Arguments are texts: no object
of ours is pickled. A site with a ``WAKE`` of its own may leave django_q out of ``INSTALLED_APPS``, where its models
can't be imported: each import of it stands in the function that needs it.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.apps import apps
from django.db import DatabaseError, router, transaction

from . import delivery, destinations, transactions, waking
from .conf import Settings, get_settings
from .database_clock import DatabaseClock
from .exceptions import ConfigurationError
from .models import Event, Incident, Repair
from .patience import PASSING_FAULTS
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

    :param destination: alias of ``TOKENS``; ``None``, as scheduled: all of them, side by side
    :returns: how many events were built, expired and settled, by status
    """
    settings = get_settings()
    linger_seconds = 0 if _runs_in_the_request() else LINGER_SECONDS
    with stop_asked_for() as should_stop:
        try:
            return dict(delivery.drain(destination, linger_seconds=linger_seconds, should_stop=should_stop))
        finally:
            if settings.ENABLED and linger_seconds:
                _look_once_more(settings, linger_seconds)


def _look_once_more(settings: Settings, within_seconds: float) -> None:
    """Ask for another drain if there is, or soon will be, something for it to do."""
    databases = destinations.outbox_databases()
    waking.outlast_notices(databases)
    for using in databases:
        try:
            now = DatabaseClock(using).ask().now()
            for alias in settings.TOKENS:  # all of them: the drain may have taken others along
                if destinations.has_due(alias, using, within_seconds=within_seconds, now=now):
                    waking.request_wake(using, alias)
        except PASSING_FAULTS:  # the other databases are looked into all the same
            logger.warning("Whether %r has more to deliver can't be seen; the next scheduled drain will see it", using)


def _runs_in_the_request() -> bool:
    """Whether the queue runs what it is given at once, as in django-q2's sync mode: there a drain must not wait."""
    if waking.is_asking():
        return True
    if not apps.is_installed("django_q"):
        return False
    from django_q.conf import Conf

    return bool(Conf.SYNC)


@contextmanager
def stop_asked_for() -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to end, by SIGTERM or by the cluster that it works for.

    SIGTERM takes effect, in the way it would have, once the drain has come to its end.
    """
    stopping = _cluster_stops()
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopping  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        yield lambda: bool(caught) or stopping()
    finally:
        signal.signal(signal.SIGTERM, before)
        if caught:
            os.kill(os.getpid(), signal.SIGTERM)


def _cluster_stops() -> Callable[[], bool]:
    """Whether django-q2's cluster is stopping: it waits for its workers, and tells them nothing.

    A worker is forked in the midst of its sentinel's work, whose frames, with the cluster's stop event, are below ours.
    """
    if not apps.is_installed("django_q"):
        return lambda: False
    from django_q.cluster import Sentinel

    frame = sys._getframe()  # noqa: SLF001
    while frame := frame.f_back:  # type: ignore[assignment]
        sentinel = frame.f_locals.get("self")
        if isinstance(sentinel, Sentinel):
            event = sentinel.stop_event
            return lambda: bool(event.is_set())
    return lambda: False


def reconcile() -> dict[str, int]:
    """Capture what signals missed: ``queryset.update()``, ``bulk_create()``, raw SQL.

    :returns: definition name -> how many events were captured
    """
    return sweep_all()


def prune(progress: Callable[[int], object] | None = None) -> int:
    """Delete events that finished more than ``RETENTION_DAYS`` ago, and traces of forgotten people that did their work.

    :param progress: called with the number of events of each chunk that is deleted
    :returns: how many events
    """
    days = get_settings().RETENTION_DAYS
    if not get_settings().ENABLED:
        return 0
    total = 0
    for using in destinations.outbox_databases():
        now = DatabaseClock(using).ask().now()  # what is deleted is gone: no machine's own clock decides that
        before = None if days is None else now - dt.timedelta(days=days)
        events = Event.objects.using(using)
        events.prune_traces(now=now)
        while before and (chunk := events.prune(before=before, limit=PRUNE_CHUNK, now=now)):
            total += chunk
            if progress:
                progress(chunk)
        if before:
            Repair.objects.using(using).filter(finished_at__lt=before).delete()
            Incident.objects.using(using).filter(last_at__lt=before).delete()
    return total


def wake(destination: str) -> None:
    """Ask django-q2 for a drain: the default of the setting ``WAKE``."""
    from django_q.tasks import async_task

    options = {"task_name": f"dfinery: drain {destination}", "save": False, **get_settings().Q_OPTIONS}
    # In autocommit its ORM broker closes and reopens the database connection; in a transaction it does not.
    database = queue_database()
    keeps_connection = transaction.atomic(using=database, savepoint=False) if database else nullcontext()
    with keeps_connection:
        async_task("dfinery_django.tasks.drain", destination, q_options=options)  # type: ignore[no-untyped-call]


def queue_database() -> str | None:
    """The alias of the database that django-q2's queue is in, if it is in one."""
    from django_q.conf import Conf

    options = get_settings().Q_OPTIONS
    is_elsewhere = Conf.BROKER_CLASS or Conf.IRON_MQ or Conf.SQS or "broker" in options
    runs_at_once = Conf.SYNC or options.get("sync")  # the drain itself, which talks to DFINERY: in no transaction
    return str(Conf.ORM) if Conf.ORM and not is_elsewhere and not runs_at_once else None


#: So that ``waking`` can write its note and the task in one transaction.
wake.queue_database = queue_database  # type: ignore[attr-defined]


def ensure_schedules() -> None:
    """Make django-q2's schedules for this app, or bring them up to date. Safe to repeat.

    :raises DatabaseError: if django-q2's tables are missing
    """
    from django_q.models import Schedule

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


def _is_enabled() -> bool:
    try:
        return get_settings().ENABLED
    except ConfigurationError:
        return True  # the checks tell what is wrong, and migrations go on as they did


def planned() -> dict[str, dt.datetime | None]:
    """When django-q2 will next do what this app needs; ``None`` where a schedule is missing.

    :returns: schedule name -> moment; nothing where django-q2 is not installed
    :raises DatabaseError: if django-q2's tables are missing
    """
    if not apps.is_installed("django_q"):
        return {}
    from django_q.models import Schedule

    using = router.db_for_write(Schedule)
    rows = Schedule.objects.using(using).filter(name__in=list(schedules())).exclude(repeats=0)
    with transactions.shielded(using):  # a page of a site with ATOMIC_REQUESTS goes on without django-q2's tables
        runs: dict[Any, Any] = dict(rows.values_list("name", "next_run"))
    return {name: runs.get(name) for name in schedules()}


#: So that the overview can tell what is missing, whatever queue is asked.
wake.planned = planned  # type: ignore[attr-defined]


def schedule_after_migrate(using: str, **kwargs: object) -> None:
    """``post_migrate``: a site need not know that schedules exist."""
    if not apps.is_installed("django_q") or not _is_enabled():
        return
    from django_q.models import Schedule

    if using != router.db_for_write(Schedule):
        return
    try:
        ensure_schedules()
    except DatabaseError:
        logger.warning("No schedules were made: django-q2's tables are missing. Run manage.py migrate once more.")
