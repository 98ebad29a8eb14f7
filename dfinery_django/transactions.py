"""Our work inside the shop's transactions: what fails in it may neither break them nor hide that they are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import InterfaceError, OperationalError, connections, transaction


@contextmanager
def shielded(using: str) -> Iterator[None]:
    """Lets the site's own code query inside the shop's transaction: what fails there is rolled back to a savepoint.

    On PostgreSQL an error would otherwise take the checkout with it. The savepoint is opened before the first query,
    so that code that makes none costs none.
    """
    connection = connections[using]
    if connection.get_autocommit():  # in no transaction, and in none that the site begins and ends by hand
        yield
        return
    opened = ExitStack()

    def open_first(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not opening:
            opening.append(True)
            opened.enter_context(transaction.atomic(using=using))
        return execute(sql, parameters, many, context)

    opening: list[bool] = []
    with opened, connection.execute_wrapper(open_first):
        yield


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
