"""The tasks that a queue runs, and how a drain is asked for.

The dotted paths are stored in django-q2's rows, so they are public names. Arguments are texts: no object of ours is
pickled. A worker may find a task of ours although the app has been taken out: it can be imported all the same, and ends
quietly.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.apps import apps

from . import django_q2
from .conf import Settings, get_settings

if apps.is_installed("dfinery_django"):  # else its models can't be imported
    from . import delivery, destinations, waking
    from .database_clock import DatabaseClock
    from .models import Event, Incident, Repair
    from .patience import FAULTS
    from .reconcile import sweep_all

logger = logging.getLogger("dfinery_django")

#: A drain waits so long for what is due soon (a just committed order's lines, a first retry) before it ends.
LINGER_SECONDS = 8.0
PRUNE_CHUNK = 500


def drain(destination: str | None = None) -> dict[str, int]:
    """Deliver what is due, within ``DRAIN_SECONDS``.

    :param destination: alias of ``TOKENS``; ``None``, as scheduled: all of them, side by side
    :returns: how many events were built, expired and settled, by status
    """
    if _is_taken_out():
        return {}
    settings = get_settings()
    linger_seconds = 0 if _runs_in_the_request() else LINGER_SECONDS
    if destination is None:
        django_q2.skip_missed_runs("dfinery_django.tasks.drain")
    with stop_asked_for() as should_stop:
        try:
            return dict(delivery.drain(destination, linger_seconds=linger_seconds, should_stop=should_stop))
        finally:
            if settings.ENABLED and linger_seconds:
                _look_once_more(settings, linger_seconds)


def _is_taken_out() -> bool:
    """Whether the app is no longer installed: a schedule or a queued task outlived it."""
    if apps.is_installed("dfinery_django"):
        return False
    logger.warning(
        "A task of dfinery_django was found, but the app is not in INSTALLED_APPS. Delete django-q2's schedules whose "
        'names begin with "dfinery: ".'
    )
    return True


def _look_once_more(settings: Settings, within_seconds: float) -> None:
    """Ask for another drain if there is, or soon will be, something for it to do."""
    databases = destinations.outbox_databases()
    waking.wait_out_seen_flags(databases)
    for using in databases:
        try:
            now = DatabaseClock(using).ask().now()
            for alias in settings.TOKENS:  # all of them: the drain may have taken others along
                if destinations.has_due(alias, using, within_seconds=within_seconds, now=now):
                    waking.request_wake(using, alias)
        except FAULTS:  # the other databases are looked into all the same
            logger.warning("Whether %r has more to deliver can't be seen; the next scheduled drain will see it", using)


def _runs_in_the_request() -> bool:
    """Whether the queue runs what it is given at once: there a drain must not wait."""
    return waking.is_requesting() or django_q2.runs_at_once()


@contextmanager
def stop_asked_for() -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to end, by SIGTERM or by the cluster that it works for.

    SIGTERM takes effect, in the way it would have, once the drain has come to its end.
    """
    stopping = django_q2.cluster_stops()
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


def reconcile() -> dict[str, int]:
    """Capture what signals missed: ``queryset.update()``, ``bulk_create()``, raw SQL.

    :returns: definition name -> how many events were captured
    """
    if _is_taken_out():
        return {}
    django_q2.skip_missed_runs("dfinery_django.tasks.reconcile")
    return sweep_all()


def prune(progress: Callable[[int], object] | None = None) -> int:
    """Delete events that finished more than ``RETENTION_DAYS`` ago, and traces of forgotten people that did their work.

    :param progress: called with the number of events of each chunk that is deleted
    :returns: how many events
    """
    if _is_taken_out() or not get_settings().ENABLED:
        return 0
    django_q2.skip_missed_runs("dfinery_django.tasks.prune")
    return sum(_prune(using, progress) for using in destinations.outbox_databases())


def _prune(using: str, progress: Callable[[int], object] | None) -> int:
    now = DatabaseClock(using).ask().now()  # what is deleted is gone: no machine's own clock decides that
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


def wake(destination: str) -> None:
    """Ask django-q2 for a drain: the default of the setting ``WAKE``."""
    django_q2.queue_drain(destination)


#: So that ``waking`` can write its note and the task in one transaction.
wake.queue_database = django_q2.queue_database  # type: ignore[attr-defined]
#: So that the overview can tell what is missing, whatever queue is asked.
wake.planned = django_q2.planned  # type: ignore[attr-defined]
