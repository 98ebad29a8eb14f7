"""The INSERT of an event: the one statement that a checkout waits for.

The ORM takes longer to compile it than the database to execute it, so its SQL is cached. A savepoint takes two round
trips, so it is sent along with the INSERT where the driver can.
"""

from __future__ import annotations

import datetime as dt
import uuid
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, connections, models

from ..db.savepoints import savepoint
from ..db.sql import _insert_ignoring, _Statement, literal, with_literals
from ..enums import EventStatus

#: The values of a row that was just captured, and the same as SQL.
_FRESH_VALUES: dict[str, tuple[Any, str]] = {
    "status": (EventStatus.CAPTURED, f"'{EventStatus.CAPTURED.value}'"),
    "finished_at": (None, "NULL"),
    **dict.fromkeys(("attempt_count", "lapse_count"), (0, "0")),
    **dict.fromkeys(("payload", "order_id", "reason_code", "reason"), ("", "''")),
}
#: The fields that all captured events of a definition have in common.
_SHARED_FIELDS = ("definition", "event_name", "destination", "source")
_Literals = tuple[tuple[str, str], ...]


def _literals(event: models.Model) -> _Literals:
    """Return (column, SQL) of the values that the INSERT of a captured event has as literals."""
    values = event.__dict__
    if any(values[name] != value for name, (value, _) in _FRESH_VALUES.items()):
        return ()
    return _fresh_literals(tuple(values[name] for name in _SHARED_FIELDS))


@lru_cache(maxsize=256)
def _fresh_literals(shared: tuple[Any, ...]) -> _Literals:
    fresh = [(name, sql) for name, (_, sql) in _FRESH_VALUES.items()]
    return (*fresh, *((name, sql) for name, sql in zip(_SHARED_FIELDS, map(literal, shared), strict=True) if sql))


@lru_cache(maxsize=256)
def _insert_statement(model: Any, using: str, literals: _Literals) -> tuple[str, list[models.Field[Any, Any]]]:
    """Return Django's statement that stores a row unless its key exists, and the fields of its parameters."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    sql, _ = _insert_ignoring(fields, [model()], using)
    # With its target named, it looks into that index alone, not into each unique one.
    sql = sql.replace("ON CONFLICT DO NOTHING", "ON CONFLICT (dedup_key) DO NOTHING")
    written = dict(literals)
    sql = with_literals(sql, [written.get(field.name) for field in fields])
    return sql, [field for field in fields if field.name not in written]


def _takes_several(connection: Any) -> bool:
    """Return whether one round trip may have several statements: PostgreSQL with client-side parameter binding."""
    return connection.vendor == "postgresql" and not connection.settings_dict["OPTIONS"].get("server_side_binding")


def supports_piggyback(connection: Any) -> bool:
    """Return whether ``store`` accepts ``piggyback``: psycopg 3 keeps the results of all statements of a round trip."""
    return _takes_several(connection) and connection.Database.__name__ == "psycopg"


def _as_parameter(field: models.Field[Any, Any], value: Any, connection: Any) -> Any:
    if type(value) is str:
        return value
    if connection.vendor == "postgresql" and type(value) is uuid.UUID:
        return str(value)  # the driver takes longer to adapt a UUID or datetime than to quote a text
    if connection.vendor == "postgresql" and type(value) is dt.datetime and value.tzinfo:
        return str(value.astimezone(dt.timezone.utc))  # raises for years and offsets that only Python knows
    return field.get_db_prep_save(value, connection)


def insert_event(event: models.Model, *, using: str, piggyback: _Statement | None = None) -> tuple[Any, ...] | None:
    """Store an event unless its key exists. A failure leaves the caller's transaction usable.

    :param piggyback: a SELECT of one row and its parameters, for the same round trip; needs ``supports_piggyback``
    :returns: the row of ``piggyback``; ``None`` without one
    """
    sql, fields = _insert_statement(type(event), using, _literals(event))
    connection = connections[using]
    if connection.vendor == "mysql" and _is_stored(event, connection):
        return None
    values = [_as_parameter(field, event.__dict__[field.attname], connection) for field in fields]
    if piggyback:
        sql, values = f"{sql}; {piggyback[0]}", [*values, *piggyback[1]]
    found: tuple[Any, ...] | None = None
    if connection.get_autocommit():
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            found = _piggyback_row(cursor, 1) if piggyback else None
    elif connection.vendor == "sqlite":  # a failed statement undoes only itself
        with connection.cursor() as cursor:
            had_begun = connection.connection.in_transaction
            try:
                cursor.execute(sql, values)
            except DatabaseError:
                # A full disk ends the whole transaction, which Django doesn't notice by itself.
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
                if not connection.is_usable():  # otherwise nothing of it has reached the server
                    cursor.execute("ROLLBACK TO SAVEPOINT dfinery; RELEASE SAVEPOINT dfinery")
                raise
            found = _piggyback_row(cursor, 2) if piggyback else None
    return found


def _is_stored(event: Any, connection: Any) -> bool:
    """Return whether the same event is stored, for definitions where that is likely.

    On MySQL and MariaDB an INSERT of an existing key locks the gap around it until the shop's transaction ends, and
    two checkouts wait for each other. A SELECT locks nothing.
    """
    if not event.may_be_known or event.dedup_key is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {event._meta.db_table} WHERE dedup_key = %s", [event.dedup_key])  # noqa: S608  # nosec B608
        return cursor.fetchone() is not None


def _piggyback_row(cursor: Any, before: int) -> tuple[Any, ...] | None:
    """Return the row of the piggyback SELECT, after ``before`` other results; ``None`` if it is not found."""
    try:
        results = cursor.cursor  # the driver's own is faster than Django's wrapper
        for _ in range(before):
            if not results.nextset():
                return None
        row: tuple[Any, ...] | None = results.fetchone()
    except Exception:  # noqa: BLE001 - a site's own cursor may add statements; the event is stored in any case
        return None
    return row
