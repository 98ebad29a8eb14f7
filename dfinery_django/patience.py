"""Doing a step again after a fault of the database that passes: an outage, a deadlock, a lock, a lost connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connections

from . import clock

T = TypeVar("T")

logger = logging.getLogger("dfinery_django")

#: Faults that may pass. An ``InternalError`` is PostgreSQL's after a failover: the server has become read-only.
PASSING_FAULTS = (OperationalError, InterfaceError, InternalError)
SHORTEST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
#: Who was asked to stop is patient for so long.
LAST_PATIENCE_SECONDS = 5.0

_LAST = frozenset({1153, 1264, 1265, 1300, 1364, 1366, 1406, 1048, 3140, 4025})


def is_passing(error: BaseException) -> bool:
    """Whether it is a fault of a database that passes by itself."""
    code = error.args[0] if error.args else None
    return isinstance(error, PASSING_FAULTS) and code not in _LAST


def _never() -> bool:
    return False


def patiently(step: Callable[[], T], *, using: str, until: float, should_stop: Callable[[], bool] = _never) -> T:
    """Run a step that may be repeated, again and again while the database fails.

    :param step: safe to repeat, even where it was done and only the answer was lost
    :param until: ``clock.monotonic()`` after which the fault is raised
    :param should_stop: once true, patience is over within ``LAST_PATIENCE_SECONDS`` of the first fault
    :raises OperationalError, InterfaceError, InternalError: when time is up, or in a transaction, which it has ended
    """
    pause, began_at = SHORTEST_PAUSE_SECONDS, clock.monotonic()
    while True:
        try:
            return step()
        except PASSING_FAULTS as error:
            connection = connections[using]
            ends_at = min(until, began_at + LAST_PATIENCE_SECONDS) if should_stop() else until
            if connection.in_atomic_block or clock.monotonic() + pause > ends_at:
                raise
            if pause == SHORTEST_PAUSE_SECONDS:
                logger.warning("The database failed; it is tried again: %s", str(error).strip())
            if isinstance(error, InternalError):
                connection.close()  # usable, but read-only: after a failover another server is the primary
            connection.close_if_unusable_or_obsolete()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
