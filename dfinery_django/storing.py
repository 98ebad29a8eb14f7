"""The INSERT of an event: the one statement that a checkout waits for.

The ORM takes longer to write it than the database to execute it, so it is written once; and a savepoint takes two trips
to the server, so it goes along where it can.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, connections, models, transaction
from django.db.models.sql import InsertQuery

from .states import EventStatus
from .transactions import savepoint

#: What an event has that was just captured, and the same as SQL.
_FRESH: dict[str, tuple[Any, str]] = {
    "status": (EventStatus.CAPTURED, f"'{EventStatus.CAPTURED.value}'"),
    "finished_at": (None, "NULL"),
    **dict.fromkeys(("attempt_count", "lapse_count"), (0, "0")),
    **dict.fromkeys(("payload", "order_id", "reason_code", "reason"), ("", "''")),
}
#: What all captured events of a definition have in common.
_SHARED = ("definition", "event_name", "destination", "source")
#: Rows of one statement, whatever the database would take.
MOST_ROWS = 500
_NEEDS_NO_QUOTING = re.compile(r"[A-Za-z0-9_.:-]*").fullmatch


def literal(value: Any) -> str | None:
    """A value as SQL that every database reads alike, for a statement that is written once; ``None`` if it is no such.

    As a parameter it would cost more: the driver looks up its type and quotes it, each time.
    """
    if type(value) is int:
        return str(value)
    return f"'{value}'" if type(value) is str and _NEEDS_NO_QUOTING(value) else None


def with_literals(sql: str, literals: Sequence[str | None]) -> str:
    """A statement with its parameters written out, except those that are ``None``."""
    head, *rest = sql.split("%s")
    return head + "".join((each or "%s") + text for each, text in zip(literals, rest, strict=True))


def _literals(event: models.Model) -> tuple[tuple[str, str], ...]:
    """Column, SQL: what stands in the statement that stores a captured event, and is no parameter of it."""
    values = event.__dict__
    if any(values[name] != value for name, (value, _) in _FRESH.items()):
        return ()
    return _fresh_literals(tuple(values[name] for name in _SHARED))


@lru_cache(maxsize=256)
def _fresh_literals(shared: tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    fresh = [(name, written) for name, (_, written) in _FRESH.items()]
    return (*fresh, *((name, said) for name, said in zip(_SHARED, map(literal, shared), strict=True) if said))


@lru_cache(maxsize=256)
def _insert(model: Any, using: str, literals: tuple[tuple[str, str], ...]) -> tuple[str, list[models.Field[Any, Any]]]:
    """The statement that stores a row unless the same is there, as Django writes it, and the fields it takes."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    sql, _ = _unless_there(fields, [model()], using)
    # Named, it looks into that index alone whether the row is there, not into each that is unique.
    sql = sql.replace("ON CONFLICT DO NOTHING", "ON CONFLICT (dedup_key) DO NOTHING")
    said = dict(literals)
    sql = with_literals(sql, [said.get(field.name) for field in fields])
    return sql, [field for field in fields if field.name not in said]


def _unless_there(fields: Sequence[Any], rows: list[models.Model], using: str) -> tuple[str, Sequence[Any]]:
    """The statement, with its parameters, that inserts rows and leaves alone those that are there."""
    connection, model = connections[using], type(rows[0])
    query = InsertQuery(model)
    query.insert_values(fields, rows)
    [(sql, parameters)] = query.get_compiler(using).as_sql()
    # Never IGNORE, as the ORM writes it: it ignores all errors. MySQL and MariaDB store "???" for a text that the
    # column can't hold, and SQLite drops a row that breaks any constraint.
    key = connection.ops.quote_name(str(model._meta.pk.column))
    unless = f"DUPLICATE KEY UPDATE {key} = {key}" if connection.vendor == "mysql" else "CONFLICT DO NOTHING"
    return f"{sql} ON {unless}", parameters


def insert_missing(rows: Sequence[models.Model], *, using: str) -> None:
    """Insert those that are not there yet, and leave alone those that are."""
    if not rows:
        return
    connection = connections[using]
    fields = [field for field in rows[0]._meta.concrete_fields if not isinstance(field, models.AutoField)]
    size = min(connection.ops.bulk_batch_size(fields, rows), MOST_ROWS)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for start in range(0, len(rows), size):
            cursor.execute(*_unless_there(fields, [*rows[start : start + size]], using))


def _takes_several(connection: Any) -> bool:
    """Whether one trip to the server may carry several statements: PostgreSQL, where Django itself fills them in."""
    return connection.vendor == "postgresql" and not connection.settings_dict["OPTIONS"].get("server_side_binding")


def answers_along(connection: Any) -> bool:
    """Whether ``store`` can answer a question: by psycopg 3, which keeps the results of all statements of a trip."""
    return _takes_several(connection) and connection.Database.__name__ == "psycopg"


def _prepared(field: models.Field[Any, Any], value: Any, connection: Any) -> Any:
    if type(value) is str:
        return value
    if connection.vendor == "postgresql" and type(value) is uuid.UUID:
        return str(value)  # the driver takes longer to write them than to quote a text
    if connection.vendor == "postgresql" and type(value) is dt.datetime and value.tzinfo:
        return str(value.astimezone(dt.timezone.utc))  # years and offsets that only Python knows are refused
    return field.get_db_prep_save(value, connection)


def store(event: models.Model, *, using: str, along: tuple[str, Sequence[Any]] | None = None) -> tuple[Any, ...] | None:
    """Store an event unless the same is there. What fails leaves the caller's transaction as it was.

    :param along: a SELECT of one row and its parameters, asked on the same trip; where ``answers_along``
    :returns: its answer; ``None`` if there was none to ask, or no row
    """
    sql, fields = _insert(type(event), using, _literals(event))
    connection = connections[using]
    if connection.vendor == "mysql" and _is_known(event, connection):
        return None
    values = [_prepared(field, event.__dict__[field.attname], connection) for field in fields]
    if along:
        sql, values = f"{sql}; {along[0]}", [*values, *along[1]]
    found: tuple[Any, ...] | None = None
    if connection.get_autocommit():
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            found = _answer(cursor, 1) if along else None
    elif connection.vendor == "sqlite":  # a statement that fails undoes itself alone
        with connection.cursor() as cursor:
            had_begun = connection.connection.in_transaction
            try:
                cursor.execute(sql, values)
            except DatabaseError:
                # A full disk ends the whole transaction, which Django has to be told.
                connection.needs_rollback |= had_begun and not connection.connection.in_transaction
                raise
    elif not _takes_several(connection):
        with savepoint(using), connection.cursor() as cursor:
            cursor.execute(sql, values)
    else:
        with connection.cursor() as cursor:
            try:
                cursor.execute(f"SAVEPOINT dfinery; {sql}; RELEASE SAVEPOINT dfinery", values)
            except DatabaseError:
                if not connection.is_usable():  # else nothing of it has reached the server
                    cursor.execute("ROLLBACK TO SAVEPOINT dfinery; RELEASE SAVEPOINT dfinery")
                raise
            found = _answer(cursor, 2) if along else None
    return found


def _is_known(event: Any, connection: Any) -> bool:
    """Whether the same event is there, where that may well be.

    On MySQL and MariaDB an INSERT that meets its like locks the gap around it until the shop's transaction ends, and
    two checkouts wait for each other. A look locks nothing.
    """
    if not event.may_be_known or event.dedup_key is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {event._meta.db_table} WHERE dedup_key = %s", [event.dedup_key])  # noqa: S608  # nosec B608
        return cursor.fetchone() is not None


def _answer(cursor: Any, before: int) -> tuple[Any, ...] | None:
    """The row of the question, which comes after so many other results; ``None`` where it is not found."""
    try:
        results = cursor.cursor  # the driver's own: it has them all, and Django's wrapper takes longer to hand on calls
        for _ in range(before):
            if not results.nextset():
                return None
        row: tuple[Any, ...] | None = results.fetchone()
    except Exception:  # noqa: BLE001 - a site's own cursor may add statements; the event is stored, whatever they say
        return None
    return row
