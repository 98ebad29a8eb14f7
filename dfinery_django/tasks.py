"""The tasks that a queue runs, and the default ``WAKE``.

The dotted paths are stored in django-q2's rows, so they are public names. Arguments are texts: nothing is pickled. A
worker may find our task although the app was uninstalled: the module can be imported all the same, and the task ends
with a warning.
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
    from .patience import DATABASE_ERRORS
    from .reconcile import sweep_all

logger = logging.getLogger("dfinery_django")

#: Seconds that a drain waits for what is due soon (a just committed order's lines, a first retry) before it ends.
LINGER_SECONDS = 8.0
PRUNE_CHUNK = 500


def drain(destination: str | None = None) -> dict[str, int]:
    """Deliver what is due, within ``DRAIN_SECONDS``.

    :param destination: alias of ``TOKENS``; ``None``, as scheduled: all of them, side by side
    :returns: how many events were built and expired, and how many have which new status
    """
    if _is_uninstalled():
        return {}
    settings = get_settings()
    # A queue that runs the task in the request that queues it: there a drain must not wait.
    is_inline = waking.is_requesting() or django_q2.runs_inline()
    linger_seconds = 0 if is_inline else LINGER_SECONDS
    if destination is None:
        django_q2.skip_missed_runs("dfinery_django.tasks.drain")
    with stop_requested() as should_stop:
        try:
            return dict(delivery.drain(destination, linger_seconds=linger_seconds, should_stop=should_stop))
        finally:
            if settings.ENABLED and linger_seconds:
                _request_follow_up(settings, linger_seconds)


def _is_uninstalled() -> bool:
    """Return ``True`` if the app is no longer installed: a schedule or a queued task outlived it."""
    if apps.is_installed("dfinery_django"):
        return False
    logger.warning(
        "A task of dfinery_django was found, but the app is not in INSTALLED_APPS. Delete django-q2's schedules whose "
        'names begin with "dfinery: ".'
    )
    return True


def _request_follow_up(settings: Settings, within_seconds: float) -> None:
    """Request another drain if there is work for it now or soon."""
    databases = destinations.outbox_databases()
    waking.wait_out_seen_flags(databases)
    for using in databases:
        try:
            now = DatabaseClock(using).refresh().now()
            for alias in settings.TOKENS:  # all of them: the drain may have adopted others
                if destinations.has_due(alias, using, within_seconds=within_seconds, now=now):
                    waking.request_wake(using, alias)
        except DATABASE_ERRORS:  # the other databases are checked all the same
            logger.warning("Database %r could not be checked for more events; the next scheduled drain will", using)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns ``True`` once the process should end, by SIGTERM or because its cluster stops.

    SIGTERM takes effect after the drain has ended.
    """
    stopping = django_q2.cluster_is_stopping()
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopping  # only the main thread handles signals
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received) or stopping()
    finally:
        signal.signal(signal.SIGTERM, before)
        if received:
            os.kill(os.getpid(), signal.SIGTERM)


def reconcile() -> dict[str, int]:
    """Capture what signals missed: ``queryset.update()``, ``bulk_create()``, raw SQL.

    :returns: definition name -> how many events were captured
    """
    if _is_uninstalled():
        return {}
    django_q2.skip_missed_runs("dfinery_django.tasks.reconcile")
    return sweep_all()


def prune(progress: Callable[[int], object] | None = None) -> int:
    """Delete events that finished more than ``RETENTION_DAYS`` ago, and tombstones that are no longer needed.

    :param progress: called with the number of events of each deleted chunk
    :returns: how many events
    """
    if _is_uninstalled() or not get_settings().ENABLED:
        return 0
    django_q2.skip_missed_runs("dfinery_django.tasks.prune")
    return sum(prune_database(using, progress) for using in destinations.outbox_databases())


def prune_database(using: str, progress: Callable[[int], object] | None) -> int:
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


def wake(destination: str) -> None:
    """Queue a drain with django-q2: the default of the setting ``WAKE``."""
    django_q2.queue_drain(destination)


#: With it ``waking`` writes its wake-up flag and the task in one transaction.
wake.queue_database = django_q2.queue_database  # type: ignore[attr-defined]
#: With it the overview shows missing schedules, for any queue.
wake.planned = django_q2.planned  # type: ignore[attr-defined]
