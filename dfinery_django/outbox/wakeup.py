"""The wake-up: a drain is requested after the commit, unless the destination's wake-up flag is set already.

The flag is the column ``wake_requested_at``. A wake-up must cost a checkout next to nothing, and a failed one costs
nothing: the scheduled drain finds the event as well. The statements are raw SQL, since the ORM takes longer to compile
them than the database to execute them.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections, transaction

from .. import clock
from ..conf import get_settings
from ..db import savepoints, sql, tenants
from ..db.outage import log_failure
from ..db.retry import is_conflict
from ..models import Destination
from .wake_setting import Wake, wake_named

#: A flag that was set this long ago and not cleared by a drain counts as lost.
LOST_AFTER = dt.timedelta(seconds=60)
#: How long a seen flag (``remember_flag``) is trusted at commit before it is read again. A drain that begins in between
#: clears the flag and finds no event yet, so it claims once more after this time.
TRUSTED_SECONDS = 0.25

_TABLE = Destination._meta.db_table
_REQUESTED_AT: Any = Destination._meta.get_field("wake_requested_at")
_FLAG_IS_SET = f"SELECT 1 FROM {_TABLE} WHERE alias = %s AND wake_requested_at BETWEEN %s AND %s"  # noqa: S608  # nosec B608
#: For PostgreSQL. A transaction with a snapshot (repeatable read) may see a flag that is cleared since, and a
#: serializable one must not read the row that each drain writes, or it would be aborted.
_FLAG_SET_AT = (
    f"SELECT extract(epoch FROM wake_requested_at)::float8 FROM {_TABLE} WHERE alias = %s "  # noqa: S608  # nosec B608
    "AND current_setting('transaction_isolation') = 'read committed'"
)
_SET_FLAG = (
    f"UPDATE {_TABLE} SET wake_requested_at = %s "  # noqa: S608  # nosec B608
    "WHERE alias = %s AND (wake_requested_at IS NULL OR wake_requested_at NOT BETWEEN %s AND %s)"
)

_thread = threading.local()
_suppressors: set[object] = set()


@contextmanager
def wakeups_suppressed() -> Iterator[None]:
    """Suppress wake-ups in all threads of the process, so that tests can look at what would be sent."""
    suppressor = object()
    _suppressors.add(suppressor)
    try:
        yield
    finally:
        _suppressors.discard(suppressor)


def wake_on_commit(using: str, destination: str) -> None:
    """Request a drain when the caller's transaction commits, or at once outside a transaction."""
    hook = _wake_hook(tenants.database_and_schema(using), destination)
    # One wake-up per transaction, however many events it captures. A hook that is registered already can only be
    # dropped by a rollback that drops this event as well.
    connection = connections[using]
    if not sql.sql_for(connection).is_hook_pending(hook, hook, connection):
        savepoints.after_commit(hook, using)


@lru_cache(maxsize=256)
def _wake_hook(place: tuple[str, str | None], destination: str) -> Callable[[], None]:
    # Not a partial: when one fails, Django 5.2's robust on_commit raises and drops later callbacks.
    def wake_dfinery() -> None:
        try:
            request_wake(place[0], destination)
        except Exception as error:  # noqa: BLE001 - logged
            savepoints.restore_autocommit(place[0])
            for alias in connections:  # the queue may have a database of its own
                savepoints.raise_or_recover(error, alias)
            is_lasting = isinstance(error, ImportError)  # such as the client of a broker
            then = "see manage.py check" if is_lasting else "the next scheduled one will deliver"
            log_failure(f"No drain could be requested; {then}", error=error)

    return wake_dfinery


def flag_query(using: str, destination: str) -> tuple[str, tuple[str]] | None:
    """Return the SELECT of the flag to send along with the INSERT, which saves a query after commit; or ``None``."""
    connection = connections[using]
    # Execute wrappers may put their own statements before ours (django-pghistory does).
    if not sql.sql_for(connection).can_piggyback(connection) or connection.execute_wrappers:
        return None
    seen = _seen_flags.setdefault(connection, {}).get(_flag_key(connection, destination))
    if seen and seen.outlives and clock.monotonic() - seen.looked_at < TRUSTED_SECONDS / 2:
        return None  # a busy shop: the last order has just seen it
    return _FLAG_SET_AT, (destination,)


def remember_flag(using: str, destination: str, answer: tuple[Any, ...] | None, looked_at: float) -> None:
    """Remember the answer to ``flag_query`` of that (monotonic) time; an unexpected one clears what was remembered."""
    connection = connections[using]
    flags, key = _seen_flags.setdefault(connection, {}), _flag_key(connection, destination)
    match answer:
        case (None,):
            flags[key] = _SeenFlag(False, looked_at)
        case (float() as asked_at,):
            is_set = abs(clock.now().timestamp() - asked_at) <= LOST_AFTER.total_seconds()
            flags[key] = _SeenFlag(is_set, looked_at)
        case _:
            flags.pop(key, None)


@dataclass
class _SeenFlag:
    is_set: bool
    looked_at: float  # monotonic
    outlives: bool = False  # whether it may be used beyond its transaction

    @property
    def is_trusted(self) -> bool:
        """Return whether it is set, and was seen so recently that a drain that cleared it since looks once more."""
        return self.is_set and clock.monotonic() - self.looked_at < TRUSTED_SECONDS


#: Connection -> destination, and where -> its flag as last seen.
_seen_flags: WeakKeyDictionary[Any, dict[Any, _SeenFlag]] = WeakKeyDictionary()


def _flag_key(connection: Any, destination: str) -> Any:
    return tenants.database_and_schema(connection.alias), destination


def _seen_flag(using: str, destination: str) -> _SeenFlag | None:
    """Return the flag as the INSERT of this transaction has seen it, if it has."""
    connection = connections[using]
    flags, key = _seen_flags.setdefault(connection, {}), _flag_key(connection, destination)
    if seen := flags.get(key):
        # Still in a transaction means a test, and the next one must not see its flags. A flag that was not set is of no
        # further use, since it is set now.
        seen.outlives = seen.is_set and not connection.in_atomic_block
        if not seen.outlives:
            del flags[key]
    return seen


def _is_flag_set(using: str, destination: str) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute(_FLAG_IS_SET, [destination, *_not_lost_range(using)])
        return cursor.fetchone() is not None


def clear_seen_flags(**kwargs: object) -> None:
    """Clear the seen flags of this thread's connections: a drain begins here, or a test has emptied its tables."""
    for connection in connections.all(initialized_only=True):
        _seen_flags.pop(connection, None)


def wait_out_seen_flags(databases: Iterable[str]) -> None:
    """Wait until flags seen before now are trusted no more: their transactions have committed, or read them again."""
    if any(sql.sql_for(each).can_piggyback(each) for each in map(connections.__getitem__, databases)):
        time.sleep(TRUSTED_SECONDS + 0.05)


def request_wake(using: str, destination: str) -> None:
    """Request a drain, unless the wake-up flag is set already."""
    if _suppressors or not get_settings().ENABLED:
        return
    if seen := _seen_flag(using, destination):  # so there is a row of the destination
        # One statement if it may not be set, also where it was set a while ago: it changes nothing if it still is.
        if not seen.is_trusted:
            _set_flag_and_wake(using, destination)
        return
    if _is_flag_set(using, destination):  # a SELECT before the UPDATE: in a busy shop it is the only cost of a save
        return
    if not _set_flag_and_wake(using, destination) and _insert_destination(using, destination):
        _set_flag_and_wake(using, destination)


def _set_flag_and_wake(using: str, destination: str) -> bool:
    """Set the wake-up flag and request a drain; return ``False`` if it was set already, or has no row yet."""
    now = _moment_parameter(clock.now(), using)
    flag = (_SET_FLAG, [now, destination, *_not_lost_range(using)])
    wake = wake_named(get_settings().WAKE)
    # A queue in this very database is written in one transaction with the flag, which saves the shop a commit.
    # Other queues are not: the lock of the destination's row must not wait for a network.
    is_here = wake.queue_database() == using
    if is_here and (row := wake.queue_row(destination)):
        insert = partial(sql.sql_for(connections[using]).insert_if_updated, row, flag, using=using)
        return _despite_conflict(using, insert)
    if is_here:
        return _despite_conflict(using, _wake_in_transaction, using, flag, wake, destination)
    is_set_now = _despite_conflict(using, _is_changed, using, flag)
    if is_set_now:
        _call(wake, destination)
    return is_set_now


#: "repeatable read" and "serializable" refuse a statement if a drain has written the destination's row meanwhile.
_despite_conflict = partial(savepoints.retry_once, after=is_conflict)


def _wake_in_transaction(using: str, flag: tuple[str, list[Any]], wake: Wake, destination: str) -> bool:
    with transaction.atomic(using=using):
        is_set_now = _is_changed(using, flag)
        if is_set_now:
            _call(wake, destination)
    return is_set_now


def _is_changed(using: str, update: tuple[str, list[Any]]) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute(*update)
        return bool(cursor.rowcount)


def _call(wake: Wake, destination: str) -> None:
    _thread.is_requesting = True
    try:
        wake(destination)
    finally:
        _thread.is_requesting = False


def _insert_destination(using: str, destination: str) -> bool:
    """Return ``True`` if the destination had no row: its first event ever."""
    return Destination.objects.using(using).get_or_create(alias=destination)[1]


def is_requesting() -> bool:
    """Return whether this thread is requesting a drain: then a drain that begins here runs in the shop's request."""
    return getattr(_thread, "is_requesting", False)


def _not_lost_range(using: str) -> list[Any]:
    now = clock.now()
    # A flag far in the future was written before the clock was set back.
    return [_moment_parameter(now - LOST_AFTER, using), _moment_parameter(now + LOST_AFTER, using)]


def _moment_parameter(moment: dt.datetime, using: str) -> Any:
    return _REQUESTED_AT.get_db_prep_value(moment, connections[using], prepared=True)
