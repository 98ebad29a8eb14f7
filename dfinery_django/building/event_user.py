"""The user of an event, decided at capture.

Between capture and build a user may be deleted, and a mapping with a fallback would then name another person. So
the ``user_id`` that the instance itself has (a foreign key's column, a column of its own) is stored with the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.db import models

from ..definitions.conditions import own_field
from ..definitions.definition import EventDefinition
from ..mapping.expressions import Coalesce, Expression, Hashed, Path, Value, is_empty
from ..mapping.phone import Phone
from ..models import Event
from ..schema import model_fields, properties
from ..schema.payload import Properties, convert_properties
from ..text.escape import searchable

SOURCE_LENGTH = 255  # the maximum length of a source's label, the width of ``Event.user_source``


@dataclass(frozen=True)
class _UserIdSource:
    label: str  # unique among the sources of its definition, and of a mapping that was changed since
    #: Returns the instance's value; raises ``LookupError`` if it is not loaded. ``None``: it takes a query.
    read: Callable[[Any], Any] | None
    is_reference: bool = False  # whether the value is the key of another row, the user's


def known_user(definition: EventDefinition, instance: Any) -> tuple[str, str]:
    """Return the source's label and ``user_id`` if the instance has it without a query, else two empty texts."""
    for source in _user_id_sources(definition):
        try:
            if source.read is None:
                break
            value = source.read(instance)
            if is_empty(value):
                continue
            user_id = sent_user_id(definition, value)
        except Exception:  # noqa: BLE001 - building reports it
            break
        return (source.label, user_id) if user_id.strip() and searchable(user_id) == user_id else ("", "")
    return "", ""


def with_known_user(event: Event, definition: EventDefinition, instance: Any, user: Properties) -> Properties:
    """Return the attributes of the user at capture; ``user`` has those that are read from the row now.

    If an earlier source of the mapping has a value since (a guest order got its user), ``user`` is returned.
    """
    sources = _user_id_sources(definition) if event.user_source and event.user_id else ()
    labels = [source.label for source in sources]
    if event.user_source not in labels or user.get(properties.USER_ID) == event.user_id:
        return user
    place = labels.index(event.user_source)
    if any(not is_empty(_read_source(source, instance)) for source in sources[:place]):
        event.user_source, _ = known_user(definition, instance)
        return user
    is_another = sources[place].is_reference and not is_empty(_read_source(sources[place], instance))
    return {properties.USER_ID: event.user_id} if is_another else {**user, properties.USER_ID: event.user_id}


def sent_user_id(definition: EventDefinition, value: Any) -> str:
    """Return a value of ``user_id`` as it is sent; empty for ``None``.

    :raises PayloadError: if it can't be sent
    """
    sent = convert_properties({properties.USER_ID: value}, "user", definition.type_of, properties.PATHS["user"])
    return str(sent.get(properties.USER_ID, ""))


def _read_source(source: _UserIdSource, instance: Any) -> Any:
    try:
        return source.read(instance) if source.read else None
    except LookupError:  # not loaded
        return None


@lru_cache(maxsize=256)
def _user_id_sources(definition: EventDefinition) -> tuple[_UserIdSource, ...]:
    """Return the sources of ``user_id``, in order; none where hooks of the site override the mapping."""
    prefix, mapped = definition.prefix_of("user"), definition.user_expressions.get(properties.USER_ID)
    is_overridden = any(map(definition.overrides, ("get_user_attributes", "get_user_source")))
    if is_overridden or prefix is None or mapped is None:
        return ()
    found = (_user_id_source(definition.model_class, prefix, each) for each in _alternatives(mapped))
    # One whose label can't be stored must not be passed over, as a later source would be taken for the user.
    return tuple(each if len(each.label) <= SOURCE_LENGTH else replace(each, read=None) for each in found)


def _alternatives(mapped: Expression) -> Iterator[Expression]:
    if isinstance(mapped, Coalesce):
        for each in mapped.sources:
            yield from _alternatives(each)
    else:
        yield mapped


def _user_id_source(model: type[models.Model], prefix: str, mapped: Expression) -> _UserIdSource:
    label = f"{prefix}{mapped!r}"
    if isinstance(mapped, Value):
        return _UserIdSource(label, mapped.resolve)
    path, wrap = _unwrapped(mapped)
    column = _source_column(model, prefix + path.path) if isinstance(path, Path) else None
    if column is None:
        return _UserIdSource(label, None)
    attname, field, is_reference = column

    def read(instance: Any) -> Any:
        value = instance.__dict__[attname]  # a deferred field is a KeyError
        if hasattr(value, "resolve_expression"):
            raise LookupError(attname)
        return wrap(Value(model_fields.column_value(field, field.to_python(value)))).resolve(instance)

    return _UserIdSource(label, read, is_reference)


def _unwrapped(mapped: Expression) -> tuple[Expression, Callable[[Expression], Expression]]:
    """Return what ``Hashed`` and ``Phone`` read, and a function that puts them around another source."""
    if isinstance(mapped, Hashed):
        inner, wrap = _unwrapped(mapped.sources[0])
        return inner, lambda source: Hashed(wrap(source))
    if isinstance(mapped, Phone):
        inner, wrap, region = *_unwrapped(mapped.source), mapped.region
        return inner, lambda source: Phone(wrap(source), region)
    return mapped, lambda source: source


def _source_column(model: type[models.Model], path: str) -> tuple[str, models.Field[Any, Any], bool] | None:
    """Return (attname, field, is another row's key) of a path that ends in a column of the model."""
    first, _, rest = path.partition(".")
    if (field := own_field(model, first)) is None:
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
