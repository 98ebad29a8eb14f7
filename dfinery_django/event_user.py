"""Who an event is about, decided when it happens.

Between capture and build a user may be deleted, and a mapping with a fallback would then name another person. So
what the instance itself holds of ``user_id`` (a foreign key's column, a column of its own) is kept with the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models

from . import schema
from .definitions import EventDefinition
from .display import searchable
from .expressions import Coalesce, Expression, Hashed, Path, Value, is_empty
from .modelfields import column_value
from .models import Event
from .payloads import Properties, convert_properties

#: Longest description of a source that is kept with an event.
SOURCE_LENGTH = 255


@dataclass(frozen=True)
class _Source:
    """One place that ``user_id`` may come from.

    :ivar label: tells it from the others of its definition, and from those of a mapping that was changed since
    :ivar read: the value that the instance holds; raises ``LookupError`` if it holds none. ``None``: it takes a query
    :ivar is_reference: whether the value is the key of another row, the user's
    """

    label: str
    read: Callable[[Any], Any] | None
    is_reference: bool = False


def known_user(definition: EventDefinition, instance: Any) -> tuple[str, str]:
    """Return source and ``user_id`` as far as the instance tells without a query; two empty texts if it does not."""
    for source in _sources(definition):
        try:
            if source.read is None:
                break
            value = source.read(instance)
            if is_empty(value):
                continue
            user_id = _as_sent(definition, value)
        except Exception:  # noqa: BLE001 - building says what is wrong with it
            break
        return (source.label, user_id) if user_id.strip() and searchable(user_id) == user_id else ("", "")
    return "", ""


def with_known_user(event: Event, definition: EventDefinition, instance: Any, user: Properties) -> Properties:
    """Return the attributes of the person whom the event was captured for.

    A guest whose order has been given to a user since, by a source that comes first in the mapping, is that user.

    :param user: as the row says now
    """
    place = _place_of(event, definition)
    if place is None or user.get(schema.USER_ID) == event.user_id:
        return user
    sources = _sources(definition)
    if any(not is_empty(_read(source, instance)) for source in sources[:place]):
        event.user_source, _ = known_user(definition, instance)
        return user
    is_another = sources[place].is_reference and not is_empty(_read(sources[place], instance))
    return {schema.USER_ID: event.user_id} if is_another else {**user, schema.USER_ID: event.user_id}


def _place_of(event: Event, definition: EventDefinition) -> int | None:
    """Return the place in the mapping of what the event's user was read from, if the mapping still has it."""
    labels = [source.label for source in _sources(definition)] if event.user_source and event.user_id else []
    return labels.index(event.user_source) if event.user_source in labels else None


def _as_sent(definition: EventDefinition, value: Any) -> str:
    sent = convert_properties({schema.USER_ID: value}, "user", definition.type_of, schema.PATHS["user"])
    return str(sent.get(schema.USER_ID, ""))


def _read(source: _Source, instance: Any) -> Any:
    try:
        return source.read(instance) if source.read else None
    except LookupError:  # the row has it: building reads it afresh
        return None


@lru_cache(maxsize=256)
def _sources(definition: EventDefinition) -> tuple[_Source, ...]:
    """Return the places that ``user_id`` is read from, in order; none where the site's own code decides."""
    kind, prefix = type(definition), definition.prefix_of("user")
    is_mapped = kind.get_user_attributes is EventDefinition.get_user_attributes
    is_mapped = is_mapped and kind.get_user_source is EventDefinition.get_user_source
    mapped = definition.user_expressions.get(schema.USER_ID)
    if not is_mapped or prefix is None or mapped is None:
        return ()
    found = (_source(definition.model_class, prefix, each) for each in _flat(mapped))
    return tuple(source for source in found if len(source.label) <= SOURCE_LENGTH)


def _flat(mapped: Expression) -> Iterator[Expression]:
    if isinstance(mapped, Coalesce):
        for each in mapped.sources:
            yield from _flat(each)
    else:
        yield mapped


def _source(model: type[models.Model], prefix: str, mapped: Expression) -> _Source:
    label = f"{prefix}{mapped!r}"
    if isinstance(mapped, Value):
        return _Source(label, mapped.resolve)
    is_hashed = isinstance(mapped, Hashed)
    path = mapped.sources[0] if isinstance(mapped, Hashed) else mapped
    column = _column(model, prefix + path.path) if isinstance(path, Path) else None
    if column is None:
        return _Source(label, None)
    attname, field, is_reference = column

    def read(instance: Any) -> Any:
        value = instance.__dict__[attname]  # a deferred field is a KeyError
        if hasattr(value, "resolve_expression"):
            raise LookupError(attname)
        value = column_value(field, field.to_python(value))
        return Hashed(Value(value)).resolve(instance) if is_hashed else value

    return _Source(label, read, is_reference)


def _column(model: type[models.Model], path: str) -> tuple[str, models.Field[Any, Any], bool] | None:
    """Return attribute, type and whether it is another row's key of a path that ends in a column of the model."""
    first, _, rest = path.partition(".")
    try:
        field: Any = model._meta.pk if first == "pk" else model._meta.get_field(first)
    except FieldDoesNotExist:
        return None
    if not isinstance(field, models.Field) or not field.concrete or field.many_to_many:
        return None
    if not field.is_relation:
        return None if rest else (field.attname, field, False)
    target: Any = field.target_field  # type: ignore[attr-defined]
    names = {target.name, target.attname, *(["pk"] if target.primary_key else [])}
    if rest not in names if first == field.name != "pk" else bool(rest):
        return None
    while target.is_relation:
        target = target.target_field
    return field.attname, target, True
