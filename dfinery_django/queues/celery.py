"""Celery as the queue: ``"WAKE": "dfinery_django.queues.celery.wake"``.

The tasks' names are public: ``task_routes`` and beat's entries have them. A settings module may import this module.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from typing import Any

from celery import current_app, shared_task
from celery.schedules import crontab
from celery.signals import worker_shutting_down

from .. import tasks
from ..conf import Problem, Settings, get_settings
from ..outbox.wake_setting import Wake

#: Seconds that a checkout waits for a broker that does not answer. Without these options, Celery tries a broker that
#: refuses connections again for six seconds, even with ``retry=False``.
BROKER_SECONDS = 1
_TRANSPORT_OPTIONS = {"max_retries": 0, "socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
#: Seconds after which a task that no worker took is dropped: without it they would pile up while no worker runs. Long
#: enough for machines whose clocks differ.
EXPIRE_SECONDS = 600
#: A byte that the processes of a worker share: they are forked from the one that is told to stop, and see it change.
_stopping = mmap.mmap(-1, 1)


@shared_task(name="dfinery_django.queues.celery.drain", ignore_result=True)  # type: ignore[no-untyped-call, untyped-decorator]
def drain(destination: str | None = None) -> None:
    """Deliver what is due."""
    tasks.drain(destination, should_stop=is_stopping)


@shared_task(name="dfinery_django.queues.celery.reconcile", ignore_result=True)  # type: ignore[no-untyped-call, untyped-decorator]
def reconcile() -> None:
    """Capture what signals missed."""
    tasks.reconcile()


@shared_task(name="dfinery_django.queues.celery.prune", ignore_result=True)  # type: ignore[no-untyped-call, untyped-decorator]
def prune() -> None:
    """Delete what finished long ago."""
    tasks.prune()


def beat_schedule(dfinery: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return the entries for ``CELERY_BEAT_SCHEDULE``.

    :param dfinery: the setting ``DFINERY``, for its ``RECONCILE_MINUTES``
    """
    given = dfinery if isinstance(dfinery, Mapping) else {}  # a check reports what else it is
    minutes = given.get("RECONCILE_MINUTES", Settings.RECONCILE_MINUTES)
    entries = {"dfinery: drain": _entry("drain", 60)}
    if isinstance(minutes, int) and minutes > 0:  # a check reports another value
        entries["dfinery: reconcile"] = _entry("reconcile", minutes * 60)
    # At a time of day: an interval of a day begins anew whenever beat loses its file, as in a new container.
    entries["dfinery: prune"] = _entry("prune", crontab(hour=4, minute=0))
    return entries


def _entry(task: str, schedule: Any) -> dict[str, Any]:
    return {"task": f"{__name__}.{task}", "schedule": schedule, "options": {"expires": EXPIRE_SECONDS}}


def is_stopping() -> bool:
    """Return whether this worker has been told to stop."""
    return _stopping[0] != 0


def _remember_stop(**kwargs: object) -> None:
    _stopping[0] = 1


worker_shutting_down.connect(_remember_stop, weak=False)  # type: ignore[no-untyped-call]


def send_drain(destination: str) -> None:
    """Send the task to the broker, over a connection of its own, since those of Celery's pool wait for longer."""
    options = {"connect_timeout": BROKER_SECONDS, "transport_options": _TRANSPORT_OPTIONS}
    with current_app.connection_for_write(**options) as connection:
        drain.apply_async([destination], connection=connection, retry=False, expires=EXPIRE_SECONDS)


def celery_problems() -> Iterator[Problem]:
    """Yield what is wrong with Celery's configuration."""
    conf, needed = current_app.conf, get_settings().longest_drain_seconds
    if conf.task_always_eager:
        yield Problem(
            "W023",
            "CELERY_TASK_ALWAYS_EAGER is on: every checkout waits until its event is delivered.",
            "Use it in tests only, and run a worker.",
        )
    limits = [each for each in (conf.task_time_limit, conf.task_soft_time_limit) if each]
    if limits and min(limits) < needed:
        yield Problem(
            "W002",
            f"Celery's time limit of a task is {min(limits):g} s, but a drain may take {needed:g} s.",
            f'CELERY_TASK_TIME_LIMIT = {needed + 1:g}, or a smaller DFINERY["DRAIN_SECONDS"].',
        )
    yield from _broker_problems()


def _broker_problems() -> Iterator[Problem]:
    url = current_app.conf.broker_write_url
    if not url:
        yield Problem(
            "W018",
            "Celery's app names no broker, or is not loaded: Celery would look for a RabbitMQ on this machine.",
            'CELERY_BROKER_URL = "redis://host:6379/0", and import the app in your project\'s __init__.py: '
            "from .celery import app as celery_app",
        )
        return
    try:
        with current_app.connection_for_write() as connection:
            connection.transport  # noqa: B018 - imports the client
    except Exception as error:  # noqa: BLE001 - of the client's package, or the URL is wrong
        yield Problem(
            "W019",
            f"Celery's broker can't be used: {type(error).__name__}: {error}. No drain can be queued.",
            'pip install "celery[redis]" for redis://…, or what else your CELERY_BROKER_URL needs.',
        )


def celery_services() -> tuple[str, ...]:
    """Return the commands that run beside the web server."""
    return "celery -A <your project> worker", "celery -A <your project> beat"


#: Queues a drain with Celery.
wake = Wake(send_drain, problems=celery_problems, services=celery_services)
