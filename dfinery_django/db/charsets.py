"""Checks that a database can store every text: emoji, and names in any script.

MySQL and MariaDB create tables in the charset of their database, which on older servers is latin1 or utf8mb3.
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
    """Return the tables with a text column that can't store every text (only on MySQL and MariaDB)."""
    if connection.vendor != "mysql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_NARROW_SQL, [FULL_CHARSET])
        found = {str(name) for (name,) in cursor.fetchall()}
    return sorted(found.intersection(tables))


def tables_of(app_models: Iterable[type[models.Model]]) -> set[str]:
    """Return the names of the models' tables."""
    return {model._meta.db_table for model in app_models}


def conversion_sql(connection: Any, table: str) -> str:
    """Return the statement that lets all text columns of a table store every text."""
    return f"ALTER TABLE {connection.ops.quote_name(table)} CONVERT TO CHARACTER SET {FULL_CHARSET}"


def charset_faults(connection: Any, tables: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the faults for which a database can't store every text, each with its remedy."""
    if connection.vendor == "postgresql":
        if (encoding := _query_value(connection, "SHOW server_encoding")) != "UTF8":
            yield f"has the encoding {encoding}", "Move it to a database that was created with ENCODING 'UTF8'."
    elif connection.vendor == "mysql":
        if (charset := _query_value(connection, "SELECT @@character_set_client")) != FULL_CHARSET:
            hint = f'"OPTIONS": {{"charset": "{FULL_CHARSET}"}}, and no other charset in its "init_command".'
            yield f"has connections in the charset {charset}", hint
        if narrow := narrow_tables(connection, tables):
            hint = f"Once: {'; '.join(conversion_sql(connection, table) for table in narrow)};"
            yield f"has tables in another charset than {FULL_CHARSET}: {', '.join(narrow)}", hint


def _query_value(connection: Any, sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])
