"""The choice between two ways to the same statements: ``fast_sql`` and its twin ``plain_sql``.

The fast one reads the insides of Django and of its drivers, so it serves only versions that are tested. All others get
the plain one, by the ORM: an order then takes 0.3 ms longer. The same tests run over both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import django
from django.db import connections, models

from . import plain_sql

TESTED_DJANGO = frozenset({(5, 2), (6, 0), (6, 1)})
#: Vendor and driver of the tested databases -> how the driver's version begins; sqlite3 has Python's.
TESTED_DRIVERS = {
    ("postgresql", "psycopg"): "3.",
    ("postgresql", "psycopg2"): "2.9",
    ("mysql", "MySQLdb"): "2.",
    ("sqlite", "sqlite3"): "",
}


class Statements(Protocol):
    """The functions of both twins. An error leaves the caller's transaction usable; a known key is no error."""

    def insert_row(
        self, row: models.Model, *, unique: str, using: str, may_exist: bool, shared: tuple[str, ...],
        piggyback: tuple[str, tuple[Any, ...]] | None,
    ) -> tuple[Any, ...] | None:  # fmt: skip
        """Insert a row, unless its value of the column ``unique`` is known.

        :param may_exist: whether that is likely
        :param shared: columns whose values many rows share
        :param piggyback: a SELECT of one row, and its parameters, for the same round trip; needs ``can_piggyback``
        :returns: the row of ``piggyback``; ``None`` without one
        """

    def insert_rows(self, rows: Sequence[models.Model], *, unique: str, using: str) -> None:
        """Insert the rows that don't exist yet, and skip those that do."""

    def row_matches(self, rows: Callable[[Any], models.QuerySet[Any]], key: Any, using: str) -> bool:
        """Return whether the queryset of a key has a row.

        :param rows: hashable; makes querysets that differ in nothing but the key
        """

    def insert_if_updated(self, row: models.Model, update: tuple[str, Sequence[Any]], *, using: str) -> bool:
        """Execute an UPDATE, and insert the row if it has changed one: both or neither.

        :returns: whether it has
        """

    def can_piggyback(self, connection: Any) -> bool:
        """Return whether ``insert_row`` accepts ``piggyback``."""

    def is_hook_pending(self, key: Any, hook: Any, connection: Any) -> bool:
        """Return whether a hook certainly waits for the commit; if not, adding it once more does no harm.

        :param key: the key under which the hook's last position is cached
        """


def sql_for(connection: Any) -> Statements:
    """Return the twin that serves a connection."""
    return _twin(django.VERSION[:2], connection.vendor, connection.Database)


@lru_cache
def _twin(version: tuple[int, ...], vendor: str, driver: Any) -> Statements:
    begins = TESTED_DRIVERS.get((vendor, driver.__name__.partition(".")[0]))
    if version in TESTED_DJANGO and begins is not None and _version_of(driver).startswith(begins):
        from . import fast_sql  # what it imports may have moved in other versions

        return fast_sql
    return plain_sql


def _version_of(driver: Any) -> str:
    if driver.__name__ == "MySQLdb":  # since 2.3 it has only this
        return ".".join(map(str, driver.version_info))
    return getattr(driver, "__version__", "")


def insert_missing(rows: Sequence[models.Model], *, using: str, unique: str = "pk") -> None:
    """Insert the rows that don't exist yet, and skip those that do."""
    if rows:
        sql_for(connections[using]).insert_rows(rows, unique=unique, using=using)
