"""SQL beyond the ORM: literals in cached statements, an INSERT that skips rows that exist."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db import connections, models, transaction
from django.db.models.sql import InsertQuery

#: Rows per statement, even where the database would accept more.
MOST_ROWS = 500
_Statement = tuple[str, Sequence[Any]]
_NEEDS_NO_QUOTING = re.compile(r"[A-Za-z0-9_.:-]*").fullmatch


def literal(value: Any) -> str | None:
    """Return a value as SQL that is the same for every database; ``None`` if it needs quoting.

    In a cached statement it is faster than a parameter, whose type the driver looks up and which it quotes each time.
    """
    if type(value) is int:
        return str(value)
    return f"'{value}'" if type(value) is str and _NEEDS_NO_QUOTING(value) else None


def with_literals(sql: str, literals: Sequence[str | None]) -> str:
    """Return a statement with literals in place of its parameters, except where they are ``None``."""
    head, *rest = sql.split("%s")
    return head + "".join((each or "%s") + text for each, text in zip(literals, rest, strict=True))


def _insert_ignoring(fields: Sequence[Any], rows: list[models.Model], using: str) -> _Statement:
    """Return the statement, with its parameters, that inserts rows and skips existing ones."""
    connection, model = connections[using], type(rows[0])
    query = InsertQuery(model)
    query.insert_values(fields, rows)
    [(sql, parameters)] = query.get_compiler(using).as_sql()
    # Not the ORM's IGNORE, which ignores all errors: MySQL and MariaDB would store "???" for a text that the
    # column can't store, and SQLite would drop a row that violates any constraint.
    key = connection.ops.quote_name(str(model._meta.pk.column))
    unless = f"DUPLICATE KEY UPDATE {key} = {key}" if connection.vendor == "mysql" else "CONFLICT DO NOTHING"
    return f"{sql} ON {unless}", parameters


def insert_missing(rows: Sequence[models.Model], *, using: str) -> None:
    """Insert the rows that don't exist yet, and skip those that do."""
    if not rows:
        return
    connection = connections[using]
    fields = [field for field in rows[0]._meta.concrete_fields if not isinstance(field, models.AutoField)]
    size = min(connection.ops.bulk_batch_size(fields, rows), MOST_ROWS)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for start in range(0, len(rows), size):
            cursor.execute(*_insert_ignoring(fields, [*rows[start : start + size]], using))
