"""Our work inside the shop's transactions: what fails in it may neither break them nor hide that they are broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, connections, models, transaction

from .logs import log_rate_limited
from .patience import DATABASE_ERRORS, is_transient

T = TypeVar("T")

#: MySQL's and MariaDB's errors that roll back all of the transaction, of which Django knows nothing: a deadlock, a lock
#: table that is full, a row that has changed since the snapshot.
_ROLLED_BACK = frozenset({1213, 1206, 1020})
_LOCK_TIMEOUT = 1205
#: Django 6.1: the modes in which what an object lacks is loaded.
FETCH_ONE = getattr(models, "FETCH_ONE", None)
_LOADING_MODES = (FETCH_ONE, getattr(models, "FETCH_PEERS", None))
#: Takes SQLite's write lock, and changes nothing.
_TAKE_WRITE_LOCK = "UPDATE dfinery_django_destination SET alias = alias WHERE 0"


class savepoint:  # noqa: N801 - used as a function
    """Within a transaction, be it one that the site commits by hand."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._atomic = transaction.atomic(using=using)

    def __enter__(self) -> None:
        connection = connections[self._using]
        is_by_hand = not connection.in_atomic_block
        try:
            self._atomic.__enter__()
        except BaseException:
            if is_by_hand:  # Django would think itself in an atomic block for ever, where nobody may commit
                connection.in_atomic_block = False
            raise

    def __exit__(self, *exc_info: Any) -> None:
        self._atomic.__exit__(*exc_info)


class savepoint_guard:  # noqa: N801 - used as a function; a generator takes three times as long, in each checkout
    """Lets the site's own code query inside the shop's transaction: what fails there is rolled back to a savepoint.

    On PostgreSQL an error would otherwise take the checkout with it. The savepoint is opened before the first query,
    so that code that makes none costs none.

    :param instance: what that code is given: it may load whatever it lacks (Django 6.1's fetch modes can forbid it)
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
        if self._wrappers is not None:  # without a transaction there is nothing to keep whole
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
            self._has_queried = True  # before the savepoint, whose own statement passes here as well
            before_reading(self._using)
            opened = savepoint(self._using)
            opened.__enter__()
            self._savepoint = opened
        return execute(sql, parameters, many, context)


def _allow_lazy_loading(instance: Any) -> list[tuple[Any, Any]]:
    """Let an object, and those that it has loaded already, load what they lack; their states and former modes."""
    former, waiting, seen = [], [instance], set()
    while waiting:
        each = waiting.pop()
        state = getattr(each, "_state", None)
        if state is None or id(state) in seen:
            continue
        seen.add(id(state))
        if state.fetch_mode not in _LOADING_MODES:
            former.append((state, state.fetch_mode))
            state.fetch_mode = FETCH_ONE
        waiting += state.fields_cache.values()
        for prefetched in getattr(each, "_prefetched_objects_cache", {}).values():
            waiting += getattr(prefetched, "_result_cache", None) or ()
    return former


def before_reading(using: str) -> None:
    """Before a SELECT of ours that may be the first statement of the shop's transaction.

    SQLite, unless ``transaction_mode`` says otherwise, would begin to read there, and refuse the shop's own write at
    once if another process writes: only a transaction that begins with a write waits for its turn.
    """
    connection = connections[using]
    if connection.vendor != "sqlite" or not connection.in_atomic_block:
        return
    if (getattr(connection, "transaction_mode", None) or "DEFERRED").upper() == "DEFERRED":
        try:
            with connection.cursor() as cursor:
                cursor.execute(_TAKE_WRITE_LOCK)
        except DatabaseError:  # it reads already, or our tables are missing: nothing is worse for it
            pass


def retry_once(using: str, step: Callable[..., T], *arguments: Any) -> T:
    """Run a step that may be repeated, and once more after a fault of the database that may pass."""
    try:
        return step(*arguments)
    except DATABASE_ERRORS as error:
        if not is_transient(error):
            raise
        raise_or_recover(error, using)
        return step(*arguments)


def after_commit(hook: Callable[[], None], using: str) -> None:
    """Call it when the caller's transaction commits, at once if there is none."""
    # A site that commits by hand, with autocommit off, is told nothing by Django: the scheduled drain will do.
    if connections[using].in_atomic_block or connections[using].get_autocommit():
        transaction.on_commit(hook, using=using, robust=True)


def is_hook_pending(key: Any, hook: Any, connection: Any) -> bool:
    """Whether this hook still waits for the commit.

    One that does can only be dropped by a rollback that takes with it what was written since it was listed.

    :param key: where the place of the last such hook is remembered
    """
    # An import may list thousands of the shop's own callbacks: first a look where the hook was found before.
    listed, places = connection.run_on_commit, connection.__dict__.setdefault("_dfinery_hooks", {})
    if places.get(key, 0) >= len(listed) or listed[places.get(key, 0)][1] is not hook:
        places[key] = next((place for place, entry in enumerate(listed) if entry[1] is hook), len(listed))
    return bool(places[key] < len(listed))


def raise_or_recover(error: Exception, using: str) -> None:
    """What an error needs before it ends here instead of in the shop's code.

    One that has ended the shop's own transaction is raised: Django, or the server, rolls such a transaction back at its
    end without a word, which would look like a commit. Outside of one, a lost connection is closed, so that whoever
    comes next has a new one.

    :raises Exception: the error given
    """
    if isinstance(error, transaction.TransactionManagementError):
        return  # it was broken before we came
    connection = connections[using]
    if connection.in_atomic_block or (connection.connection is not None and not connection.autocommit):
        if _has_transaction_ended(error, connection):
            raise error
    elif isinstance(error, DATABASE_ERRORS) and connection.connection is not None and not connection.is_usable():
        connection.close()


def restore_autocommit(using: str) -> None:
    """Close a connection that a hook of ours has left between a transaction and autocommit, in which it was called.

    The next ``atomic()`` on it would fail in a way that no later one recovers from.
    """
    connection = connections[using]
    if connection.connection is not None and not connection.in_atomic_block and not connection.autocommit:
        connection.close()


def swallow(error: Exception, using: str, words: str, *names: Any) -> None:
    """Let an error end here, in the log, instead of in the shop's code.

    :raises Exception: as ``before_swallowing``
    """
    raise_or_recover(error, using)
    log_rate_limited(words, *names, error=error)


def _has_transaction_ended(error: Exception, connection: Any) -> bool:
    """Whether the transaction is over, or can only be rolled back. It may be one that the site commits by hand."""
    # PyMySQL knows that it is lost, and would make a new connection to answer whether it is usable.
    is_open = getattr(connection.connection, "open", True)
    if connection.needs_rollback or not is_open or not connection.is_usable():
        return True
    code = error.args[0] if connection.vendor == "mysql" and error.args else None
    if code == _LOCK_TIMEOUT:
        with connection.connection.cursor() as cursor:
            cursor.execute("SELECT @@innodb_rollback_on_timeout")
            return bool(cursor.fetchone()[0])
    return code in _ROLLED_BACK
