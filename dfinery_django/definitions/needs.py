"""All that a definition reads of its instances, seen from them: for fetching, for types, for checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError
from ..mapping.annotations import Annotation, is_djangos, prepare
from ..mapping.expressions import Computed, Expression, Path
from ..mapping.model_paths import model_behind, wire_type
from ..mapping.reading import Read, RowSelection
from ..mapping.rewriting import shown
from ..mapping.rows import Rows
from ..schema.model_fields import wire_type_of
from ..schema.properties import Scope
from ..schema.types import WireType

if TYPE_CHECKING:
    from .definition import EventDefinition

Steps = tuple[str | RowSelection, ...]
#: ``items`` of an event whose only item is the instance: no model can have a field of that name.
ITSELF = "self"


def steps_to(definition: EventDefinition, start: str) -> Steps | None:
    """Return the steps to where an attribute's paths start: none at the instance, ``None`` if it is unknown.

    :raises ConfigurationError: if nothing can start there
    """
    source = getattr(definition, start) if start else None
    if is_djangos(source) or (start == "user" and isinstance(source, Rows)):
        written = repr(source) if isinstance(source, Rows) else shown(source)
        words = f"Event {definition.name!r}: {start}={written}, which is no object whose fields could be mapped."
        known = "the path of the user" if start == "user" else "the path of the lines, Rows(…)"
        raise ConfigurationError(f"{words} Write {known} or a callable.")
    if isinstance(source, Rows):
        return (source.selection,)
    if source is None or (start, source) == ("items", ITSELF):
        return ()
    return (source,) if isinstance(source, str) else None


@lru_cache(maxsize=1000)
def reads_of(definition: EventDefinition) -> Sequence[Read]:
    """Return all that is read of an instance and its related objects, for fetching rows in bulk."""
    return [read for _, read in named_reads(definition)]


def named_reads(definition: EventDefinition) -> Iterator[tuple[str, Read]]:
    """Yield what is read, with the name of the field or attribute that it is read for."""
    yield from ((start, Read(steps)) for start in ("items", "user") if (steps := steps_to(definition, start)))
    keys = [("once_per", each) for each in definition.identity or ()]
    moments = [("event_datetime", definition.moment)] if definition.moment else []
    yield from ((name, read) for name, source in keys + moments for read in source.reads())
    for _, start, expressions in definition.mappings():
        steps = steps_to(definition, start)
        if steps is not None and not (start == "items" and definition.items is None):
            yield from ((name, read.behind(steps)) for name, each in expressions.items() for read in each.reads())


@lru_cache(maxsize=1000)
def annotations_at(definition: EventDefinition) -> Sequence[Annotation]:
    """Return what the database computes for the instance itself."""
    return [read.annotation for read in reads_of(definition) if read.annotation and not read.steps]


@lru_cache(maxsize=1000)
def model_types(definition: EventDefinition) -> Mapping[tuple[Scope, str], WireType | None]:
    """Return the types of the fields whose sources end in a model's field, or are computed."""
    return {
        (scope, name): _model_type(definition, start, each)
        for scope, start, expressions in definition.mappings()
        for name, each in expressions.items()
    }


def _model_type(definition: EventDefinition, start: str, source: Expression) -> WireType | None:
    steps = steps_to(definition, start)
    if isinstance(source, Path) and steps is not None:
        return wire_type(definition.model_class, f"{definition.prefix_of(start)}{source.path}", through_many=True)
    model = model_behind(definition.model_class, steps) if isinstance(source, Computed) and steps is not None else None
    field = prepare(source.annotation, model).output_field if model and isinstance(source, Computed) else None
    return wire_type_of(field) if field else None
