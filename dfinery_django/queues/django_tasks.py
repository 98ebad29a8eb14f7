"""Django's own tasks as the queue: ``"WAKE": "dfinery_django.queues.django_tasks.wake"``.

Django has tasks since 6.0; for 5.2 the package django-tasks has them. The dotted paths are in queues' rows, so they are
public names. ``Q_OPTIONS`` may name the ``backend``, the ``queue_name`` and the ``priority``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.db import router

from .. import tasks
from ..conf import Problem, did_you_mean, get_settings
from ..outbox.wake_setting import Wake

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import task, task_backends
    from django.tasks.backends.dummy import DummyBackend
    from django.tasks.backends.immediate import ImmediateBackend
else:
    from django_tasks import task, task_backends
    from django_tasks.backends.dummy import DummyBackend
    from django_tasks.backends.immediate import ImmediateBackend

OPTIONS = ("backend", "queue_name", "priority")


def task_options() -> dict[str, Any]:
    """Return what ``Q_OPTIONS`` says of tasks."""
    given = get_settings().Q_OPTIONS
    return {each: given[each] for each in OPTIONS if each in given}


# A task is checked against its backend when it is made: without the options, one that lacks the queue "default" fails.
@task(**task_options())  # type: ignore[untyped-decorator]
def drain(destination: str | None = None) -> None:
    """Deliver what is due."""
    tasks.drain(destination)


@task(**task_options())  # type: ignore[untyped-decorator]
def reconcile() -> None:
    """Capture what signals missed."""
    tasks.reconcile()


@task(**task_options())  # type: ignore[untyped-decorator]
def prune() -> None:
    """Delete what finished long ago."""
    tasks.prune()


def enqueue_drain(destination: str) -> None:
    """Enqueue the task."""
    drain.using(**task_options()).enqueue(destination)


def tasks_database() -> str | None:
    """Return the alias of the database that the queue is in, if it is in one."""
    if not apps.is_installed("django_tasks_db"):
        return None
    from django_tasks_db.backend import DatabaseBackend
    from django_tasks_db.models import DBTaskResult

    return str(router.db_for_write(DBTaskResult)) if isinstance(_backend(), DatabaseBackend) else None


def _backend() -> Any:
    return task_backends[get_settings().Q_OPTIONS.get("backend", "default")]


def tasks_problems() -> Iterator[Problem]:
    """Yield what is wrong with the tasks' backend, and with ``Q_OPTIONS``."""
    for each in get_settings().Q_OPTIONS:
        if each not in OPTIONS:
            message = f"DFINERY['Q_OPTIONS'] has {each!r}, which Django's tasks don't know."
            yield Problem("W004", message, did_you_mean(each, OPTIONS))
    backend = _backend()
    for fault in backend.check():  # such as an app that is not in INSTALLED_APPS
        yield Problem("W019", f"TASKS: {fault.msg}. No drain can be queued.", f"{fault.hint}.")
    hint = 'TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}, and run manage.py db_worker.'
    if isinstance(backend, ImmediateBackend):
        message = "TASKS has ImmediateBackend: every checkout waits until its event is delivered."
        yield Problem("W023", message, hint)
    elif isinstance(backend, DummyBackend):
        yield Problem("W023", "TASKS has DummyBackend, which runs no task: no checkout has its event delivered.", hint)


def tasks_services() -> tuple[str, ...]:
    """Return the commands that run beside the web server."""
    options = get_settings().Q_OPTIONS
    flags = [f" --{flag} {options[key]}" for key, flag in _FLAGS.items() if key in options]
    return f"python manage.py db_worker{''.join(flags)}", "python manage.py dfinery schedule --loop"


_FLAGS = {"queue_name": "queue-name", "backend": "backend"}

#: Queues a drain with Django's tasks.
wake = Wake(enqueue_drain, tasks_database, problems=tasks_problems, services=tasks_services)
