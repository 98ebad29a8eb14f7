"""Can a database hold every text? Customers write emoji, and names in any script.

MySQL and MariaDB make new tables in the charset of their database, which on older servers is latin1 or utf8mb3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import models

FULL_CHARSET = "utf8mb4"
_NARROW_SQL = (
    "SELECT DISTINCT table_name FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND character_set_name <> %s"
)


def narrow_tables(connection: Any, tables: Iterable[str]) -> list[str]:
    """Which of these have a text column that can't hold every text: MySQL and MariaDB only."""
    if connection.vendor != "mysql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_NARROW_SQL, [FULL_CHARSET])
        found = {str(name) for (name,) in cursor.fetchall()}
    return sorted(found.intersection(tables))


def tables_of(app_models: Iterable[type[models.Model]]) -> set[str]:
    return {model._meta.db_table for model in app_models}


def conversion_sql(connection: Any, table: str) -> str:
    """The statement after which all text columns of a table hold every text."""
    return f"ALTER TABLE {connection.ops.quote_name(table)} CONVERT TO CHARACTER SET {FULL_CHARSET}"


def charset_faults(connection: Any, tables: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What keeps a database from holding every text: in words, and the remedy."""
    if connection.vendor == "postgresql":
        encoding = _query_value(connection, "SHOW server_encoding")
        if encoding != "UTF8":
            yield f"has the encoding {encoding}", "Move it to a database that was created with ENCODING 'UTF8'."
    elif connection.vendor == "mysql":
        charset = _query_value(connection, "SELECT @@character_set_client")
        if charset != FULL_CHARSET:
            hint = f'"OPTIONS": {{"charset": "{FULL_CHARSET}"}}, and no other charset in its "init_command".'
            yield f"is spoken to in the charset {charset}", hint
        if narrow := narrow_tables(connection, tables):
            hint = f"Once: {'; '.join(conversion_sql(connection, table) for table in narrow)};"
            yield f"has tables in another charset than {FULL_CHARSET}: {', '.join(narrow)}", hint


def _query_value(connection: Any, sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])
