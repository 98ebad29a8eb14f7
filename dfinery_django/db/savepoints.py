"""Guards for our work inside the shop's transactions: an error may neither break them nor hide that they are broken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import DatabaseError, connections, models, transaction

from .outage import log_failure
from .retry import DATABASE_ERRORS, T, is_transient

#: Errors with which MySQL and MariaDB roll back the whole transaction, unknown to Django: a deadlock, a full lock
#: table, a row that has changed since the snapshot.
_ROLLED_BACK = frozenset({1213, 1206, 1020})
_LOCK_TIMEOUT = 1205
#: Django 6.1: the modes in which an object loads its missing fields.
FETCH_ONE = getattr(models, "FETCH_ONE", None)
_LOADING_MODES = (FETCH_ONE, getattr(models, "FETCH_PEERS", None))
#: Databases on which a failed query does not end its transaction, so that none needs a savepoint.
_FORGIVING_VENDORS = ("sqlite", "mysql")
#: Takes SQLite's write lock and changes nothing.
_TAKE_WRITE_LOCK = "UPDATE dfinery_django_destination SET alias = alias WHERE 0"


class savepoint:  # noqa: N801 - used as a function
    """A savepoint within a transaction, also within one that the site commits by hand."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._atomic = transaction.atomic(using=using)

    def __enter__(self) -> None:
        connection = connections[self._using]
        is_by_hand = not connection.in_atomic_block
        try:
            self._atomic.__enter__()
        except BaseException:
            if is_by_hand:  # otherwise Django would stay in an atomic block, and refuse to commit
                connection.in_atomic_block = False
            raise

    def __exit__(self, *exc_info: Any) -> None:
        self._atomic.__exit__(*exc_info)


def guarded_query(using: str) -> AbstractContextManager[None]:
    """Return a savepoint where a failed query would end the transaction around it."""
    connection = connections[using]
    if connection.get_autocommit() or connection.vendor in _FORGIVING_VENDORS:
        return nullcontext()
    return savepoint(using)


class savepoint_guard:  # noqa: N801 - used as a function; a generator takes three times as long, in each checkout
    """A savepoint around the site's own code in the shop's transaction, to which a failed query is rolled back.

    Otherwise an error would end the checkout's transaction on PostgreSQL. The savepoint is opened before the first
    query, so that code without queries costs none.

    :param instance: the object that the code gets; it may load missing fields even if its fetch mode (Django 6.1)
        forbids it
    """

    def __init__(self, using: str, instance: Any = None) -> None:
        self._using, self._instance = using, instance
        self._savepoint: Any = None
        self._has_queried = False
        self._fetch_modes: list[tuple[Any, Any]] = []

    def __enter__(self) -> None:
        connection = connections[self._using]
        self._wrappers = None if connection.get_autocommit() else connection.execute_wrappers
        if FETCH_ONE is not None and self._instance is not None:
            self._fetch_modes = _allow_lazy_loading(self._instance)
        if self._wrappers is not None:  # without a transaction there is nothing to guard
            self._wrappers.append(self._open_first)

    def __exit__(self, *exc_info: Any) -> None:
        for state, mode in self._fetch_modes:
            state.fetch_mode = mode
        if self._wrappers is not None:
            self._wrappers.pop()
        if self._savepoint is not None:
            self._savepoint.__exit__(*exc_info)

    def _open_first(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not self._has_queried:
            self._has_queried = True  # before the savepoint, whose own statement comes here too
            before_reading(self._using)
            opened = savepoint(self._using)
            opened.__enter__()
            self._savepoint = opened
        return execute(sql, parameters, many, context)


def _allow_lazy_loading(instance: Any) -> list[tuple[Any, Any]]:
    """Let an object and its loaded relations load missing fields; return their states and former modes."""
    former, objects, seen = [], [instance], set()
    while objects:
        each = objects.pop()
        state = getattr(each, "_state", None)
        if state is None or id(state) in seen:
            continue
        seen.add(id(state))
        if state.fetch_mode not in _LOADING_MODES:
            former.append((state, state.fetch_mode))
            state.fetch_mode = FETCH_ONE
        objects += state.fields_cache.values()
        for prefetched in getattr(each, "_prefetched_objects_cache", {}).values():
            objects += getattr(prefetched, "_result_cache", None) or ()
    return former


def before_reading(using: str) -> None:
    """Take SQLite's write lock before a SELECT of ours that may be the first statement of the shop's transaction.

    Unless ``transaction_mode`` says otherwise, SQLite would begin a read transaction there, and refuse the shop's own
    write at once while another process writes: only a transaction that begins with a write waits for the lock.
    """
    connection = connections[using]
    if connection.vendor != "sqlite" or not connection.in_atomic_block:
        return
    if (getattr(connection, "transaction_mode", None) or "DEFERRED").upper() == "DEFERRED":
        try:
            with connection.cursor() as cursor:
                cursor.execute(_TAKE_WRITE_LOCK)
        except DatabaseError:  # it reads already, or our tables are missing: no harm is done
            pass


def retry_once(
    using: str, step: Callable[..., T], *arguments: Any, after: Callable[[BaseException], bool] = is_transient
) -> T:
    """Run a step that may be repeated, and retry it once after such a database error."""
    try:
        return step(*arguments)
    except DATABASE_ERRORS as error:
        if not after(error):
            raise
        raise_or_recover(error, using)
        return step(*arguments)


def after_commit(hook: Callable[[], None], using: str) -> None:
    """Call a hook when the caller's transaction commits, or at once if there is none."""
    # Django has no commit hook for a site that commits by hand, with autocommit off: the scheduled drain must do.
    if connections[using].in_atomic_block or connections[using].get_autocommit():
        transaction.on_commit(hook, using=using, robust=True)


def raise_or_recover(error: Exception, using: str) -> None:
    """Raise an error that has ended the shop's transaction; outside of one, close a lost connection.

    Django, or the server, silently rolls such a transaction back at its end, which would look like a commit. After the
    close, the next query opens a new connection.
    """
    if isinstance(error, transaction.TransactionManagementError):
        return  # it was broken before
    connection = connections[using]
    if connection.in_atomic_block or (connection.connection is not None and not connection.autocommit):
        if _has_transaction_ended(error, connection):
            raise error
    elif isinstance(error, DATABASE_ERRORS) and connection.connection is not None and not connection.is_usable():
        connection.close()


def restore_autocommit(using: str) -> None:
    """Close a connection that our commit hook has left without a transaction and without autocommit.

    The next ``atomic()`` on it would fail, and so would all later ones.
    """
    connection = connections[using]
    if connection.connection is not None and not connection.in_atomic_block and not connection.autocommit:
        connection.close()


def swallow(error: Exception, using: str, words: str, *names: Any) -> None:
    """Log an error instead of raising it in the shop's code, unless ``raise_or_recover`` raises it."""
    raise_or_recover(error, using)
    log_failure(words, *names, error=error)


def _has_transaction_ended(error: Exception, connection: Any) -> bool:
    """Return whether a transaction, even one by hand, has ended or can only be rolled back."""
    # PyMySQL's is_usable() would open a new connection instead of reporting a lost one.
    is_open = getattr(connection.connection, "open", True)
    if connection.needs_rollback or not is_open or not connection.is_usable():
        return True
    code = error.args[0] if connection.vendor == "mysql" and error.args else None
    if code == _LOCK_TIMEOUT:
        with connection.connection.cursor() as cursor:
            cursor.execute("SELECT @@innodb_rollback_on_timeout")
            return bool(cursor.fetchone()[0])
    return code in _ROLLED_BACK
