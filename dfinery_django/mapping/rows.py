"""Several rows: ``Rows``, those of a relation that match conditions; ``Joined``, what they say as one text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import and_
from typing import Any

from django.db import models, router
from django.db.models import Prefetch, Q, prefetch_related_objects
from django.db.models.manager import BaseManager

from ..db.savepoints import guarded_query
from ..exceptions import PayloadError
from ..schema.types import WireType, convert
from ..text.reasons import ReasonText
from .annotations import loaded
from .expressions import Expression, Path, annotations_of, expression, is_empty, is_index, is_list
from .model_paths import Hop, trace
from .reading import Read, RowSelection, selection_fault


class Each(Path):
    """All objects at the end of a path, behind each row of the relations on its way: ``packages.lines``."""

    def resolve(self, instance: Any) -> Any:
        if len(self.parts) == 1:
            return super().resolve(instance)
        values, are_several = [instance], False
        for part in self.parts:
            if any(_is_spread_before(part, value) for value in values):
                values, are_several = [row for value in values for row in _rows_before(part, value)], True
            values = [found for value in values if (found := self._step(value, part)) is not None]
        if not are_several:
            return values[0] if values else None
        return [row for value in values for row in _rows_in(value)]


def _is_spread_before(part: str, value: Any) -> bool:
    """Return whether a part of a path is an attribute of the rows, and not of what has them, such as ``first``."""
    return (isinstance(value, BaseManager) or is_list(value)) and not is_index(part) and not hasattr(value, part)


def _rows_before(part: str, value: Any) -> Iterable[Any]:
    return _rows_in(value) if _is_spread_before(part, value) else [value]


def _rows_in(value: Any) -> Iterable[Any]:
    """Return the rows of a manager or a list; any other object alone, and none for ``None``."""
    if isinstance(value, BaseManager):
        return value.all()
    return value if is_list(value) else [] if value is None else [value]


class Rows(Expression):
    """The lines that match, in order: ``Rows("positions", Q(canceled=False), order_by="number")``.

    For ``items``, and as the first argument of ``Joined``. All rows of a batch are read by one query.

    :param path: the path of a to-many relation
    :param conditions: as in ``filter()``, for the relation's model
    :param order_by: a field, or a tuple of fields; "-" before one reverses it. Default: the order of the model
    :param lookups: further conditions: ``canceled=False``
    """

    def __init__(self, path: str, /, *conditions: Any, order_by: Any = (), **lookups: Any) -> None:
        self.start, self.name = Path(path).path.rpartition(".")[::2]
        order = tuple(order_by) if isinstance(order_by, (tuple, list)) else (order_by,)
        given = [each if isinstance(each, Q) else Q(each) for each in conditions]
        self.selection = RowSelection(path, reduce(and_, given, Q(**lookups)), order)

    def resolve(self, instance: Any) -> Any:
        holders = _rows_in(Each(self.start).resolve(instance)) if self.start else [instance]
        return [row for holder in holders for row in self._rows_of(holder)]

    def _rows_of(self, holder: Any) -> list[Any]:
        kept = vars(holder).get(self.selection.attribute) if isinstance(holder, models.Model) else None
        return self._fetch(holder) if kept is None else kept

    def _fetch(self, holder: Any) -> list[Any]:
        """Read the rows of one object. They are not kept, since they may change."""
        hop = relation_of(type(holder), self.name)
        if hop is None or hop.model is None:
            problem = ReasonText("no_relation", name=self.name, kind=type(holder).__name__)
            raise PayloadError(self.selection.path, problem, ReasonText("map_relation"))
        if fault := selection_fault(self.selection, hop.model):
            raise fault.with_traceback(None)
        using = holder._state.db or router.db_for_read(type(holder), instance=holder)
        with guarded_query(using):
            if not hop.uses_django_descriptor:
                return list(self.selection.of(getattr(holder, self.name).all()))
            rows = self.selection.of(hop.model._base_manager.using(using))
            prefetch_related_objects([holder], Prefetch(self.name, rows, to_attr=self.selection.attribute))
        found: list[Any] = vars(holder).pop(self.selection.attribute)
        return found

    def paths(self) -> Sequence[str]:
        return (self.selection.path,)

    def reads(self) -> Sequence[Read]:
        return [Read((self.selection,))]

    def __repr__(self) -> str:
        return f"Rows({self.selection!r})"


class Joined(Expression):
    """The values of several rows as one text: ``Joined("discounts", "voucher_code")``.

    Each text appears once, in the order of the rows. Empty ones are skipped; if all are empty, the value is ``None``.

    :param rows: the path of a to-many relation, or ``Rows`` of it
    :param source: path or expression, from each row
    """

    def __init__(self, rows: str | Expression, source: Any, *, separator: str = ",") -> None:
        self.rows, self.source, self.separator = expression(rows), expression(source), separator

    def resolve(self, instance: Any) -> Any:
        found = self.rows.resolve(instance)
        rows = list(found.all() if isinstance(found, BaseManager) else found or ())
        with loaded(rows, annotations_of([self.source])):
            values = [self.source.resolve(row) for row in rows]
        texts = [convert(value, WireType.STRING, repr(self.source)) for value in values if not is_empty(value)]
        return self.separator.join(map(str, dict.fromkeys(texts))) or None

    def paths(self) -> Sequence[str]:
        return [f"{rows}.all.{path}" for rows in self.rows.paths() for path in self.source.paths()]

    def reads(self) -> Sequence[Read]:
        starts = self.rows.reads()
        return [*starts, *(read.behind(start.steps) for start in starts for read in self.source.reads())]

    def __repr__(self) -> str:
        return f"Joined({self.rows!r}, {self.source!r})"


def relation_of(model: Any, name: str) -> Hop | None:
    """Return a model's to-many relation of that name."""
    hops = trace(model, name).hops if isinstance(model, type) and issubclass(model, models.Model) else ()
    return hops[0] if hops and hops[0].is_many else None
