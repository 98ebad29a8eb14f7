"""Our work inside the shop's transactions: what fails in it may neither break them nor hide that they are broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, connections, transaction


class shielded:  # noqa: N801 - used as a function; a generator takes three times as long, in each checkout
    """Lets the site's own code query inside the shop's transaction: what fails there is rolled back to a savepoint.

    On PostgreSQL an error would otherwise take the checkout with it. The savepoint is opened before the first query,
    so that code that makes none costs none.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._savepoint: Any = None
        self._has_queried = False

    def __enter__(self) -> None:
        connection = connections[self._using]
        # Not where there is no transaction, nor in one that the site begins and ends by hand.
        self._wrappers = None if connection.get_autocommit() else connection.execute_wrappers
        if self._wrappers is not None:
            self._wrappers.append(self._open_first)

    def __exit__(self, *exc_info: Any) -> None:
        if self._wrappers is not None:
            self._wrappers.pop()
        if self._savepoint is not None:
            self._savepoint.__exit__(*exc_info)

    def _open_first(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not self._has_queried:
            self._has_queried = True  # before the savepoint, whose own statement passes here as well
            savepoint = transaction.atomic(using=self._using)
            savepoint.__enter__()
            self._savepoint = savepoint
        return execute(sql, parameters, many, context)


def after_commit(hook: Callable[[], None], using: str) -> None:
    """Call it when the caller's transaction commits, at once if there is none."""
    # A site that commits by hand, with autocommit off, is told nothing by Django: the scheduled drain will do.
    if connections[using].in_atomic_block or connections[using].get_autocommit():
        transaction.on_commit(hook, using=using, robust=True)


def before_swallowing(error: Exception, using: str) -> None:
    """What a fault of the database needs before it ends here instead of in the shop's code.

    One that has ended the shop's own transaction is raised: Django rolls such a transaction back at its end without a
    word, which would look like a commit. Outside of one, a lost connection is closed: it may have been left between
    transaction and autocommit, and the next ``atomic()`` on it would fail in a way that no later one recovers from.

    :raises OperationalError, InterfaceError: the error given
    """
    if isinstance(error, (OperationalError, InterfaceError)):
        connection = connections[using]
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        elif connection.needs_rollback or not connection.is_usable():
            raise error
