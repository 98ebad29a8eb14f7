"""Queues that come with the app, beside django-q2: a module each, with its tasks and its ``wake`` for ``WAKE``.

Only the module that ``WAKE`` names is imported. Nothing here knows the others' packages, which a site need not have.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

from ..conf import get_settings


def register_tasks() -> None:
    """Import the module of a queue of ours that ``WAKE`` names: a worker of Celery runs only tasks that it knows."""
    with suppress(Exception):  # of the site's setting or package; the system checks report it
        module = get_settings().WAKE.rpartition(".")[0]
        if module.startswith(f"{__name__}."):
            import_module(module)
