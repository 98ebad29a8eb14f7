"""Rows that exist, to try paths on. Nothing that is read here stays: the caller rolls its transaction back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, models, router, transaction
from django.db.models.manager import BaseManager

from ..db.savepoints import savepoint_guard
from ..exceptions import error_text
from ..mapping.expressions import Path
from ..mapping.rows import Each
from ..schema.types import WireType, convert
from ..text.language import site_language

_MOST_ROWS = 20


class SampleRows:
    """The newest rows of a model; none where they can't be read, and then all paths are equally good."""

    def __init__(self, rows: Sequence[Any] = (), fault: str = "") -> None:
        self.rows, self.fault = list(rows), fault

    def values(self, path: str) -> list[Any]:
        """Return the value of a path in each row; an error is a value, too."""
        return [_value(row, Path(path)) for row in self.rows]

    def evidence(self, path: str, *, is_amount: bool = False) -> tuple[int, str] | None:
        """Return points to add, and words, for how many rows have a value; ``None`` if the path can't be meant."""
        if not self.rows:
            return 0, ""
        values = self.values(path)
        filled = [each for each in values if each not in (None, "")]
        # Where one row raises, its event would fail.
        if any(isinstance(each, Exception) or (is_amount and not _is_amount(each)) for each in filled):
            return None
        if is_amount:
            filled = [each for each in filled if each]
        missing = len(values) - len(filled)
        points = 4 if not missing else -round(25 * missing / len(values))
        return points, f"filled in {len(filled)} of {len(values)} rows"

    def behind(self, path: str) -> SampleRows:
        """Return the related rows behind a relation, as samples of their own."""
        found: list[Any] = []
        for each in (_value(row, Each(path)) for row in self.rows):
            if isinstance(each, BaseManager):
                with savepoint_guard(each.db):
                    found += _readable(each)
            elif isinstance(each, models.Model):
                found.append(each)
            elif isinstance(each, (list, tuple)):
                found += each
        return SampleRows(found[:_MOST_ROWS])


def _readable(manager: Any) -> list[Any]:
    try:
        return list(manager.all()[:_MOST_ROWS])
    except Exception:  # noqa: BLE001 - the site's own manager
        return []


def _value(row: Any, path: Path) -> Any:
    try:
        with savepoint_guard(row._state.db or "default"):
            return path.resolve(row)
    except Exception as error:  # noqa: BLE001 - the site's own code
        return error


def _is_amount(value: Any) -> bool:
    if isinstance(value, (str, bool)):
        return False
    try:
        convert(value, WireType.DOUBLE, "")
    except Exception:  # noqa: BLE001 - a type of the site's own
        return False
    return True


def newest(model: type[models.Model], when: Any = None) -> SampleRows:
    """Return the newest rows of a model, by its moment of creation if its keys don't count up.

    :param when: lookups that the rows match
    """
    using = router.db_for_read(model)
    try:
        with savepoint_guard(using):
            rows = model._base_manager.using(using).filter(**when) if when else model._base_manager.using(using)
            return SampleRows([*rows.order_by(f"-{_newest_by(model)}")[:_MOST_ROWS]])
    except Exception as error:  # noqa: BLE001 - no table, no server, or a column whose values its field can't read
        return SampleRows(fault=" ".join(error_text(error).split()))


def _newest_by(model: type[models.Model]) -> str:
    moments = [each.name for each in model._meta.fields if isinstance(each, models.DateTimeField) and not each.null]
    return moments[0] if moments and not isinstance(model._meta.pk, models.IntegerField) else "pk"


@contextmanager
def rolled_back(aliases: Iterable[str]) -> Iterator[None]:
    """Read in the site's language, within transactions that are rolled back: a property may write.

    A database that can't be reached is left out: its rows are then missing.
    """
    with ExitStack() as stack:
        stack.enter_context(site_language())
        for using in aliases:
            if _is_reachable(using):
                stack.enter_context(transaction.atomic(using=using))
                stack.callback(transaction.set_rollback, True, using=using)
        yield


def _is_reachable(using: str) -> bool:
    try:
        connections[using].ensure_connection()
    except (DatabaseError, ImproperlyConfigured):
        return False
    return True
