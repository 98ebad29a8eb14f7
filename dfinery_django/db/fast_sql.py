"""The statements of a checkout, compiled once. All that reads the insides of Django or of a driver for speed is here.

The ORM takes longer to compile such a statement than the database to execute it, so its SQL is cached. A savepoint
takes two round trips, so it is sent along with the INSERT where the driver can. ``sql`` decides who may use this, and
says what each function promises.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from enum import Enum
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connections, models, transaction
from django.db.models.sql import InsertQuery

from . import plain_sql
from .savepoints import before_reading, savepoint, savepoint_guard

MOST_ROWS = 500  # rows per statement, even where the database would accept more

_Statement = tuple[str, tuple[Any, ...]]
_NEEDS_NO_QUOTING = re.compile(r"[A-Za-z0-9_.:-]*").fullmatch
#: Connection -> key of a hook -> its last position among the hooks of the connection.
_hook_positions: WeakKeyDictionary[Any, dict[Any, int]] = WeakKeyDictionary()


def _literal(value: Any) -> str | None:
    """Return a value as SQL that is the same for every database; ``None`` if it needs quoting.

    In a cached statement it is faster than a parameter, whose type the driver looks up and which it quotes each time.
    """
    plain = value.value if isinstance(value, Enum) else value
    if plain is None or type(plain) is int:
        return "NULL" if plain is None else str(plain)
    return f"'{plain}'" if type(plain) is str and _NEEDS_NO_QUOTING(plain) else None


def _with_literals(sql: str, literals: Sequence[str | None]) -> str:
    """Return a statement with literals in place of its parameters, except where they are ``None``."""
    head, *rest = sql.split("%s")
    return head + "".join((each or "%s") + text for each, text in zip(literals, rest, strict=True))


def _inline(sql: str, parameters: tuple[Any, ...], place: int = -1) -> tuple[str, tuple[Any, ...], int]:
    """Return the statement with literals, the parameters left, and the new index of the one that stays in any case."""
    if sql.count("%s") != len(parameters):  # a literal per cent sign
        return sql, parameters, place
    literals = [None if number == place else _literal(each) for number, each in enumerate(parameters)]
    rest = tuple(each for each, inlined in zip(parameters, literals, strict=True) if inlined is None)
    return _with_literals(sql, literals), rest, literals[: max(place, 0)].count(None)


_inlined = lru_cache(maxsize=256)(_inline)


# ── INSERT ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _insert_ignoring(fields: Sequence[Any], rows: list[Any], using: str, unique: str = "") -> tuple[str, Sequence[Any]]:
    connection, model = connections[using], type(rows[0])
    query = InsertQuery(model)
    query.insert_values(fields, rows)
    [(sql, parameters)] = query.get_compiler(using).as_sql()
    # Not the ORM's IGNORE, which ignores all errors: MySQL and MariaDB would store "???" for a text that the
    # column can't store, and SQLite would drop a row that violates any constraint.
    key = connection.ops.quote_name(str(model._meta.pk.column))
    target = f"({unique}) " if unique else ""  # with it, the database looks into that index alone
    unless = f"DUPLICATE KEY UPDATE {key} = {key}" if connection.vendor == "mysql" else f"CONFLICT {target}DO NOTHING"
    return f"{sql} ON {unless}", parameters


def insert_rows(rows: Sequence[models.Model], *, unique: str, using: str) -> None:
    connection = connections[using]
    fields = [field for field in rows[0]._meta.concrete_fields if not isinstance(field, models.AutoField)]
    size = min(connection.ops.bulk_batch_size(fields, rows), MOST_ROWS)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for start in range(0, len(rows), size):
            cursor.execute(*_insert_ignoring(fields, [*rows[start : start + size]], using))


@lru_cache(maxsize=256)
def _insert_statement(
    model: Any, using: str, unique: str, shared: tuple[str, ...], values: tuple[Any, ...]
) -> tuple[str, list[models.Field[Any, Any]]]:
    """Return the INSERT of a row with these values of the shared columns, and the fields of its parameters."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    sql, _ = _insert_ignoring(fields, [model()], using, unique)
    literals = dict(zip(shared, map(_literal, values), strict=True))
    sql = _with_literals(sql, [literals.get(field.attname) for field in fields])
    return sql, [field for field in fields if literals.get(field.attname) is None]


def _takes_several(connection: Any) -> bool:
    """Return whether one round trip may have several statements: PostgreSQL with client-side parameter binding."""
    return connection.vendor == "postgresql" and not connection.settings_dict["OPTIONS"].get("server_side_binding")


def can_piggyback(connection: Any) -> bool:
    # psycopg 3 keeps the results of all statements of a round trip.
    return _takes_several(connection) and connection.Database.__name__ == "psycopg"


def _as_parameter(field: models.Field[Any, Any], value: Any, connection: Any) -> Any:
    if type(value) is str:
        return value
    if connection.vendor == "postgresql" and type(value) is uuid.UUID:
        return str(value)  # the driver takes longer to adapt a UUID or datetime than to quote a text
    if connection.vendor == "postgresql" and type(value) is dt.datetime and value.tzinfo:
        return str(value.astimezone(dt.timezone.utc))  # raises for years and offsets that only Python knows
    return field.get_db_prep_save(value, connection)


def insert_row(
    row: models.Model, *, unique: str, using: str, may_exist: bool = True, shared: tuple[str, ...] = (),
    piggyback: _Statement | None = None,
) -> tuple[Any, ...] | None:  # fmt: skip
    columns, connection = row.__dict__, connections[using]
    if connection.vendor == "mysql" and may_exist and _is_known(row, unique, connection):
        return None
    sql, fields = _insert_statement(type(row), using, unique, shared, tuple([columns[name] for name in shared]))
    values = [_as_parameter(field, columns[field.attname], connection) for field in fields]
    if piggyback:
        question, parameters, _ = _inlined(*piggyback)
        sql, values = f"{sql}; {question}", [*values, *parameters]
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


def _is_known(row: models.Model, unique: str, connection: Any) -> bool:
    """Return whether the row's unique value is stored.

    On MySQL and MariaDB an INSERT of an existing key locks the gap around it until the shop's transaction ends, and
    two checkouts wait for each other. A SELECT locks nothing.
    """
    value = row.__dict__[unique]
    if value is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {row._meta.db_table} WHERE {unique} = %s", [value])  # noqa: S608  # nosec B608
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


# ── INSERT after an UPDATE ─────────────────────────────────────────────────────────────────────────────────────────
def insert_if_updated(row: models.Model, update: tuple[str, Sequence[Any]], *, using: str) -> bool:
    connection, (sql, parameters) = connections[using], update
    # An execute wrapper may put a statement before ours: the count of rows would be that one's.
    if connection.vendor != "postgresql" or connection.execute_wrappers:
        return plain_sql.insert_if_updated(row, update, using=using)
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    table, columns = quote(row._meta.db_table), [quote(str(field.column)) for field in fields]
    marks = ", ".join(["%s"] * len(fields))
    insert = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {marks} FROM updated"  # noqa: S608  # nosec B608
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    # One statement is a transaction of its own: a BEGIN and a COMMIT would be two more round trips.
    with nullcontext() if connection.get_autocommit() else savepoint(using), connection.cursor() as cursor:
        cursor.execute(f"WITH updated AS ({sql} RETURNING 1) {insert}", [*parameters, *values])
        return bool(cursor.rowcount)


# ── SELECT ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def row_matches(rows: Callable[[Any], models.QuerySet[Any]], key: Any, using: str) -> bool:
    try:
        sql, parameters = _learned(rows, using).statement(key)
    except EmptyResultSet:  # {"status__in": []}
        return False
    before_reading(using)
    connection = connections[using]
    # In atomic() the shop notices if an error ends it; a transaction that it commits by hand needs the savepoint guard.
    with nullcontext() if connection.in_atomic_block else savepoint_guard(using), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone() is not None


class _LearnedStatement:
    """The SQL of a queryset of one key: compiled for two, and the parameter in which they differ is the key's place."""

    def __init__(self, rows: Callable[[Any], models.QuerySet[Any]], using: str) -> None:
        self._rows, self._using = rows, using
        self._compiled: list[_Statement] = []
        #: The statement, its parameters, and the index of the key among them.
        self._cached: tuple[str, tuple[Any, ...], int] | None = None
        self._key_field: Any = None

    def statement(self, key: Any) -> _Statement:
        if self._cached is None:
            rows = self._rows(key)
            sql, parameters = rows.query.exists().get_compiler(self._using).as_sql()
            if len(self._compiled) < 2:
                self._learn(rows.model, key, (sql, tuple(parameters)))
            return sql, tuple(parameters)
        sql, parameters, place = self._cached
        return sql, (*parameters[:place], self._parameter(key), *parameters[place + 1 :])

    def _parameter(self, key: Any) -> Any:
        return self._key_field.get_db_prep_value(key, connections[self._using])

    def _learn(self, model: type[models.Model], key: Any, compiled: _Statement) -> None:
        # A site's own manager may filter by tenant; a composite key has several places.
        is_plain = type(model._base_manager) is models.Manager and len(model._meta.pk_fields) == 1
        if not is_plain or compiled in self._compiled:
            return
        self._key_field = model._meta.pk
        self._compiled = [*self._compiled, compiled][:2]  # a new list: other threads may learn at the same time
        if len(pair := self._compiled) == 2:
            (sql, first), (other_sql, second) = pair
            places = [place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]]
            if sql == other_sql and len(places) == 1 and second[places[0]] == self._parameter(key):
                self._cached = _inline(sql, first, places[0])


_learned = lru_cache(maxsize=256)(_LearnedStatement)


# ── Commit ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def is_hook_pending(key: Any, hook: Any, connection: Any) -> bool:
    # Only a rollback can drop it, and that also rolls back all that was written since the hook was added.
    # An import may add thousands of the shop's own callbacks: try the hook's last position first.
    hooks, positions = connection.run_on_commit, _hook_positions.setdefault(connection, {})
    position = positions.get(key, 0)
    if position >= len(hooks) or hooks[position][1] is not hook:
        position = positions[key] = next((index for index, entry in enumerate(hooks) if entry[1] is hook), len(hooks))
    return bool(position < len(hooks))
