"""The wake-up: a drain is asked for after the commit, unless one is asked for already.

Law: it costs a checkout next to nothing, and its failure nothing at all: the scheduled drain finds the event, too.
Its statements are SQL of our own, since the ORM takes longer to write such a one than the database to execute it.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connections, transaction
from django.utils.module_loading import import_string

from . import clock, transactions
from .conf import get_settings
from .logs import log_rate_limited
from .models import Destination
from .storing import answers_along, literal, with_literals
from .tenants import database_and_schema

#: A wake-up that was asked for this long ago and not answered counts as lost.
LOST_AFTER = dt.timedelta(seconds=60)
#: So long a transaction may take from its look at the note (``notice``) to its commit without another look. A drain
#: that begins in between clears the note and finds no event yet, so it looks once more when that time has passed.
TRUSTED_SECONDS = 0.25

_TABLE = Destination._meta.db_table
_REQUESTED_AT: Any = Destination._meta.get_field("wake_requested_at")
_IS_ASKED = f"SELECT 1 FROM {_TABLE} WHERE alias = %s AND wake_requested_at BETWEEN %s AND %s"  # noqa: S608  # nosec B608
#: For PostgreSQL. A transaction that sees the database as it was when it began may see a note that is answered since;
#: and a serializable one must not read the row that each drain writes, or it is the one that is ended.
_ASKED_AT = (
    f"SELECT extract(epoch FROM wake_requested_at)::float8 FROM {_TABLE} WHERE alias = %s "  # noqa: S608  # nosec B608
    "AND current_setting('transaction_isolation') = 'read committed'"
)
_ASK_NOW = (
    f"UPDATE {_TABLE} SET wake_requested_at = %s "  # noqa: S608  # nosec B608
    "WHERE alias = %s AND (wake_requested_at IS NULL OR wake_requested_at NOT BETWEEN %s AND %s)"
)

#: Where a connection keeps what was noticed.
_NOTICED = "_dfinery_noticed"

_here = threading.local()
_holders: set[object] = set()


@contextmanager
def held_back() -> Iterator[None]:
    """Within it no drain is asked for, in any thread of the process: tests look at what would be sent."""
    holder = object()
    _holders.add(holder)
    try:
        yield
    finally:
        _holders.discard(holder)


def wake_on_commit(using: str, destination: str) -> None:
    """Ask for a drain when the caller's transaction commits, at once if there is none."""
    hook = _hook(database_and_schema(using), destination)
    # One wake-up per transaction, however many events it captures. A hook that is still listed here can only be
    # dropped by a rollback that takes this event with it.
    if not transactions.is_hook_pending(hook, hook, connections[using]):
        transactions.after_commit(hook, using)


@lru_cache(maxsize=256)
def _hook(place: tuple[str, str | None], destination: str) -> Callable[[], None]:
    # A plain function: Django 5.2's robust on_commit trips over a partial that fails, and drops later callbacks.
    def wake_dfinery() -> None:
        try:
            request_wake(place[0], destination)
        except Exception as error:  # noqa: BLE001 - told
            transactions.restore_autocommit(place[0])
            for alias in connections:  # the queue may have a database of its own
                transactions.raise_or_recover(error, alias)
            log_rate_limited("No drain could be asked for; the next scheduled one will do", error=error)

    return wake_dfinery


@lru_cache(maxsize=256)
def _asked_at(destination: str) -> tuple[str, list[Any]]:
    written = literal(destination)
    return (with_literals(_ASKED_AT, [written]), []) if written else (_ASKED_AT, [destination])


def question(using: str, destination: str) -> tuple[str, list[Any]] | None:
    """What the event's INSERT may find out on its way, which saves a look after the commit; ``None``: it can't."""
    connection = connections[using]
    # Those who wrap what is executed may put statements of their own before ours (django-pghistory does).
    if not answers_along(connection) or connection.execute_wrappers:
        return None
    noticed = _notices(connection).get(_key(connection, destination))
    if noticed and noticed.outlives and clock.monotonic() - noticed.looked_at < TRUSTED_SECONDS / 2:
        return None  # the shop is in a rush: the last order saw it
    return _asked_at(destination)


def notice(using: str, destination: str, answer: tuple[Any, ...] | None, looked_at: float) -> None:
    """Take the answer to ``question``; without one, or with one to another question, nothing is known.

    :param looked_at: ``clock.monotonic()`` before it was asked
    """
    connection = connections[using]
    key = _key(connection, destination)
    match answer:
        case (None,):
            _notices(connection)[key] = _Notice(False, looked_at)
        case (float() as asked_at,):
            is_asked = abs(clock.now().timestamp() - asked_at) <= LOST_AFTER.total_seconds()
            _notices(connection)[key] = _Notice(is_asked, looked_at)
        case _:
            _notices(connection).pop(key, None)


@dataclass
class _Notice:
    is_asked: bool
    looked_at: float
    #: Whether it is of use beyond its transaction.
    outlives: bool = False


def _notices(connection: Any) -> dict[Any, _Notice]:
    found: dict[Any, _Notice] = connection.__dict__.setdefault(_NOTICED, {})
    return found


def _key(connection: Any, destination: str) -> Any:
    return database_and_schema(connection.alias), destination


def _noticed(using: str, destination: str) -> bool | None:
    connection = connections[using]
    key = _key(connection, destination)
    noticed = _notices(connection).get(key)
    if noticed is None:
        return None
    # What is not committed is a test, whose successor must not find what it noticed; nor is a drain that was not asked
    # for of use again, since it is asked for now.
    noticed.outlives = noticed.is_asked and not connection.in_atomic_block
    if not noticed.outlives:
        del _notices(connection)[key]
    return noticed.is_asked if clock.monotonic() - noticed.looked_at < TRUSTED_SECONDS else None


def forget_notices(**kwargs: object) -> None:
    """On this thread's connections: a drain begins here, or a test has emptied its tables."""
    for connection in connections.all(initialized_only=True):
        connection.__dict__.pop(_NOTICED, None)


def outlast_notices(databases: Iterable[str]) -> None:
    """Wait until nobody trusts what was noticed before now: all of that is committed, or looks again."""
    if any(answers_along(connections[using]) for using in databases):
        time.sleep(TRUSTED_SECONDS + 0.05)


def request_wake(using: str, destination: str) -> None:
    """Ask for a drain, unless one is asked for already."""
    if _holders or not get_settings().ENABLED:
        return
    # A look before the UPDATE: in a busy shop it is all that a save pays.
    noticed = _noticed(using, destination)
    if _is_asked(using, destination) if noticed is None else noticed:
        return
    wake = import_string(get_settings().WAKE)
    # A queue in this very database is written to in one transaction with the note, which saves the shop a commit.
    # No other queue is: what waits for a network must not hold the lock of the destination's row.
    is_here = getattr(wake, "queue_database", _unknown)() == using
    with transaction.atomic(using=using) if is_here else nullcontext():
        if _ask(using, destination):
            _here.is_asking = True
            try:
                wake(destination)
            finally:
                _here.is_asking = False


def is_asking() -> bool:
    """Whether this thread asks for a drain right now: a drain that finds so runs in the shop's request."""
    return getattr(_here, "is_asking", False)


def _unknown() -> str | None:
    return None


def _is_asked(using: str, destination: str) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute(_IS_ASKED, [destination, *_unlost(using)])
        return cursor.fetchone() is not None


def _ask(using: str, destination: str) -> bool:
    """Note that a drain is asked for; ``False`` if somebody else was first."""
    with connections[using].cursor() as cursor:
        cursor.execute(_ASK_NOW, [_prepared(clock.now(), using), destination, *_unlost(using)])
        if cursor.rowcount:
            return True
    known = Destination.objects.using(using)
    return known.get_or_create(alias=destination, defaults={"wake_requested_at": clock.now()})[1]


def _unlost(using: str) -> list[Any]:
    """Between which times a wake-up was asked for that is not lost, as the database takes them."""
    now = clock.now()
    # One from the future was written before the clock was set back.
    return [_prepared(now - LOST_AFTER, using), _prepared(now + LOST_AFTER, using)]


def _prepared(moment: dt.datetime, using: str) -> Any:
    return _REQUESTED_AT.get_db_prep_value(moment, connections[using], prepared=True)
