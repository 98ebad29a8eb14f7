"""The tasks that a queue runs, and the default ``WAKE``.

The dotted paths are stored in django-q2's rows, so they are public names. Arguments are texts: nothing is pickled. A
worker may find our task although the app was uninstalled: the module can be imported all the same, and the task ends
with a warning. Web processes import it for ``wake`` alone, so each task imports what it does.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.apps import apps

from . import django_q2
from .conf import get_settings
from .outbox.wake_setting import Wake

logger = logging.getLogger("dfinery_django")

#: Seconds that a drain waits for what is due soon (a just committed order's lines, a first retry) before it ends.
LINGER_SECONDS = 8.0


def drain(destination: str | None = None, *, should_stop: Callable[[], bool] | None = None) -> dict[str, int]:
    """Deliver what is due, within ``DRAIN_SECONDS``.

    :param destination: alias of ``TOKENS``; ``None``, as scheduled: all of them, side by side
    :param should_stop: returns ``True`` once the queue's worker stops: the drain then ends early
    :returns: how many events were built and expired, and how many have which new status
    """
    if _is_uninstalled():
        return {}
    from .db import tenants
    from .delivery import worker
    from .outbox import wakeup

    settings = get_settings()
    # A queue that runs the task in the request that queues it: there a drain must not wait.
    is_inline = wakeup.is_requesting() or django_q2.runs_inline()
    linger_seconds = 0 if is_inline else LINGER_SECONDS
    # The scheduled drain alone, so that one worker watches. Where each tenant has one, they would take all workers.
    watches = destination is None and not is_inline and not tenants.is_per_tenant("dfinery_django")
    watch_seconds = settings.WATCH_SECONDS if watches else 0
    if destination is None:
        django_q2.skip_missed_runs("dfinery_django.tasks.drain")
    with stop_requested(should_stop) as is_stopping:
        try:
            counts = worker.drain(
                destination, linger_seconds=linger_seconds, watch_seconds=watch_seconds, should_stop=is_stopping
            )
            return dict(counts)
        finally:
            if linger_seconds:
                request_follow_up(linger_seconds)


def _is_uninstalled() -> bool:
    """Return ``True`` if the app is no longer installed: a schedule or a queued task outlived it."""
    if apps.is_installed("dfinery_django"):
        return False
    logger.warning(
        "A task of dfinery_django was found, but the app is not in INSTALLED_APPS. Delete django-q2's schedules whose "
        'names begin with "dfinery: ".'
    )
    return True


def request_follow_up(within_seconds: float) -> None:
    """Request another drain if there is work for it now or soon: after one that held wake-up flags."""
    from .db.database_clock import DatabaseClock
    from .db.retry import DATABASE_ERRORS
    from .delivery import circuit
    from .outbox import wakeup
    from .outbox.databases import outbox_databases

    settings, databases = get_settings(), outbox_databases()
    if not settings.ENABLED:
        return
    wakeup.wait_out_seen_flags(databases)
    for using in databases:
        try:
            now = DatabaseClock(using).refresh().now()
            for alias in settings.TOKENS:  # all of them: the drain may have adopted others
                if circuit.has_due(alias, using, within_seconds=within_seconds, now=now):
                    wakeup.wake_on_commit(using, alias)  # at once
        except DATABASE_ERRORS:  # the other databases are checked all the same
            logger.warning("Database %r could not be checked for more events; the next scheduled drain will", using)


@contextmanager
def stop_requested(queue_is_stopping: Callable[[], bool] | None = None) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns ``True`` once the process should end, by SIGTERM or because its queue stops.

    SIGTERM takes effect after the drain has ended.

    :param queue_is_stopping: default: whether django-q2's cluster stops
    """
    stopping = queue_is_stopping or django_q2.cluster_is_stopping()
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
    from .outbox.reconcile import sweep_all

    django_q2.skip_missed_runs("dfinery_django.tasks.reconcile")
    return sweep_all()


def prune(progress: Callable[[int], object] | None = None) -> int:
    """Delete events that finished more than ``RETENTION_DAYS`` ago, and tombstones that are no longer needed.

    :param progress: called with the number of events of each deleted chunk
    :returns: how many events
    """
    if _is_uninstalled() or not get_settings().ENABLED:
        return 0
    from .operations.prune import prune_database
    from .outbox.databases import outbox_databases

    django_q2.skip_missed_runs("dfinery_django.tasks.prune")
    return sum(prune_database(using, progress) for using in outbox_databases())


#: Queues a drain with django-q2: the default of the setting ``WAKE``.
wake = Wake(django_q2.queue_drain, django_q2.queue_database, django_q2.planned, queue_row=django_q2.queue_row)
