"""Descriptions of what an expression reads, for fetching it for many rows: paths, selected rows, computed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from django.db import models, router
from django.db.models import Exists, Q, QuerySet

from .annotations import Annotation, compiling_fault, multiplies_rows, own_name, raise_if_from_database, the_row
from .rewriting import shown

M = TypeVar("M", bound=models.Model)


class RowSelection:
    """The rows of a to-many relation that match conditions, in an order of their own.

    :ivar attribute: the attribute of the relation's holder that has the rows once they are fetched
    """

    def __init__(self, path: str, conditions: Q, order_by: Sequence[Any]) -> None:
        self.path, self.conditions, self.order_by = path, conditions, tuple(order_by)
        self.attribute = own_name("rows")

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        conditions = [shown(self.conditions)] if self.conditions else []
        by = self.order_by[0] if len(self.order_by) == 1 else self.order_by
        order = [f"order_by={by!r}"] if self.order_by else []
        return ", ".join([repr(self.path), *conditions, *order])

    def of(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return those of the rows that match, each once, in order."""
        if self.conditions and multiplies_rows(QuerySet(rows.model).filter(self.conditions).query):
            rows = rows.filter(Exists(the_row(rows.model).filter(self.conditions)))
        elif self.conditions:
            rows = rows.filter(self.conditions)
        return rows.order_by(*((*self.order_by, "pk") if self.order_by else default_order(rows.model)))


@lru_cache(maxsize=1000)
def selection_fault(selection: RowSelection, model: type[models.Model]) -> Exception | None:
    """Return the error for which a model's rows can't be selected.

    :raises DatabaseError: if the database had to be asked for its version, and can't be reached
    """
    try:
        query: Any = selection.of(QuerySet(model)).query
    except Exception as error:  # noqa: BLE001 - the fault of this expression alone
        raise_if_from_database(error)
        return error
    if fault := compiling_fault(query, router.db_for_read(model)):
        return fault
    if multiplies_rows(query):  # joined when the order was compiled
        return ValueError(
            f"{selection!r} has an order that runs over a to-many relation, so that one row has several places"
        )
    return None


def default_order(model: type[models.Model]) -> Sequence[Any]:
    """Return the order of related rows: always one, so that lines keep it, and ``.first()`` needs no query."""
    return model._meta.ordering or ["pk"]


@dataclass(frozen=True)
class Read:
    """One thing that is read.

    :ivar steps: dotted paths and selections of rows, one behind the other
    :ivar annotation: computed for the objects at their end
    """

    steps: tuple[str | RowSelection, ...]
    annotation: Annotation | None = None

    def behind(self, steps: tuple[str | RowSelection, ...]) -> Read:
        """Return it as seen from an object that lies further back."""
        return replace(self, steps=(*steps, *self.steps))
