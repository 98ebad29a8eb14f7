"""The callable that ``WAKE`` names. No models here: ``tasks`` can be imported although the app was uninstalled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.utils.module_loading import import_string

from ..conf import Problem


@dataclass(frozen=True)
class Wake:
    """A callable that requests a drain, and knows its queue. A site's own may be any function of an alias."""

    request: Callable[[str], object]
    #: Returns the database of the queue, if it is in one: the wake-up flag and the task are then one transaction.
    queue_database: Callable[[], str | None] = str
    #: Returns the next run of each schedule, ``None`` for a missing one; the overview shows them.
    planned: Callable[[], Mapping[str, dt.datetime | None]] = dict
    #: Returns what ``manage.py check`` should say of the queue.
    problems: Callable[[], Iterable[Problem]] = tuple
    #: Returns the commands that have to run beside the web server.
    services: Callable[[], tuple[str, ...]] = tuple
    #: Returns the row that ``request`` would store in that database, not stored yet; ``None`` if it stores none.
    queue_row: Callable[[str], Any] = lambda destination: None

    def __call__(self, destination: str) -> None:
        self.request(destination)


def wake_named(path: str) -> Wake:
    """Return what ``WAKE`` names.

    :raises ImportError: if there is no such callable
    """
    wake = import_string(path)
    if isinstance(wake, Wake):
        return wake
    known = {each.name: getattr(wake, each.name) for each in fields(Wake)[1:] if hasattr(wake, each.name)}
    return Wake(wake, **known)
