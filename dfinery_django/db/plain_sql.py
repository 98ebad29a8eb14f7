"""The statements of a checkout by the plain ORM: the twin of ``fast_sql``, where nothing is known of the versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from django.db import IntegrityError, connections, models, transaction

from .savepoints import before_reading, raise_or_recover, savepoint, savepoint_guard


def insert_row(row: models.Model, *, unique: str, using: str, may_exist: bool = True, **hints: Any) -> None:
    value = getattr(row, unique)
    known = type(row)._base_manager.using(using).filter(**{unique: value})
    try:
        # Not a savepoint guard, which opens none where a site's execute wrapper refuses the first statement.
        with nullcontext() if connections[using].get_autocommit() else savepoint(using):
            before_reading(using)
            # An INSERT of a known key would lock it on MySQL and MariaDB until the shop's transaction ends.
            if not (may_exist and value is not None and known.exists()):
                known.bulk_create([row])  # unlike save(), sends no signals to the site's receivers
    except IntegrityError as error:
        raise_or_recover(error, using)
        # Not ignore_conflicts, which ignores more. A row that was committed after the snapshot of a "repeatable read"
        # is not found here: then the error is logged, and the event is there.
        with savepoint_guard(using):
            if value is None or not known.exists():
                raise


def insert_rows(rows: Sequence[models.Model], *, unique: str, using: str) -> None:
    with transaction.atomic(using=using):
        for row in rows:
            insert_row(row, unique=unique, using=using)


def row_matches(rows: Callable[[Any], models.QuerySet[Any]], key: Any, using: str) -> bool:
    with savepoint_guard(using):
        return rows(key).exists()


def insert_if_updated(row: models.Model, update: tuple[str, Sequence[Any]], *, using: str) -> bool:
    with transaction.atomic(using=using):
        with connections[using].cursor() as cursor:
            cursor.execute(*update)
            is_changed = bool(cursor.rowcount)
        if is_changed:
            row.save(using=using, force_insert=True)
    return is_changed


def can_piggyback(connection: Any) -> bool:
    return False


def is_hook_pending(key: Any, hook: Any, connection: Any) -> bool:
    return False
