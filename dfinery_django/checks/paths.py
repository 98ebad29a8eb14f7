"""Checks of a definition's paths: names, the field at the end, the user, the moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage
from django.db import models
from django.db.models.constants import LOOKUP_SEP

from ..definitions.conditions import has_djangos_descriptor
from ..definitions.definition import EventDefinition
from ..mapping.annotations import prepare
from ..mapping.expressions import annotations_of, is_index
from ..mapping.model_paths import Trace, trace
from ..outbox.reconcile import recency_lookup
from ..schema.model_fields import field_fault, wire_type_of
from . import message_of
from .hints import path_hint, path_names, with_article


def check_paths(definition: EventDefinition) -> Iterator[CheckMessage]:
    """Check that each path leads to a value that can be sent. A missing name is told once."""
    by_use, told = definition.paths_by_use(), set()
    for path, part in dict.fromkeys((path, use) for use, paths in by_use.items() for path in paths):
        followed = trace(definition.model_class, path, through_many=part in ("items", "item"))
        if followed.missing:
            place = (*(hop.name for hop in followed.hops), followed.missing[1])
            if place not in told:
                yield _missing_part(definition, path, followed, *followed.missing)
            told.add(place)
        elif part == "items" and followed.ends_in_relation and (hint := _one_item_hint(path, followed)):
            yield message_of(
                "E008", f"Event {definition.name!r}: items={path!r} ends in one object, not in rows.", hint
            )
        elif followed.ends_in_relation and part not in ("items", "user"):
            hint = f"Let the path go on to one of its fields: {path + '.pk'!r}."
            yield message_of("E008", f"Event {definition.name!r}: {path!r} ends in an object, not a value.", hint)
        elif followed.field and part in ("value", "item"):
            yield from _check_column(definition, path, followed.field)


def _one_item_hint(path: str, followed: Trace) -> str:
    """Return what to write instead of a path of items that ends in one object; "" if it ends in rows."""
    rows, _, last = path.rpartition(".")
    if not followed.hops[-1].is_many:
        return f'Write "items": "self", and begin the paths of item_attributes with {path + "."!r}.'
    if last in ("first", "last") or is_index(last):
        return f"Write {rows.removesuffix('.all')!r} for all rows, or a callable that returns a list of those you want."
    return ""


def _missing_part(definition: EventDefinition, path: str, followed: Trace, model: Any, part: str) -> CheckMessage:
    is_moment = path in _moment_paths(definition)
    # A time that each save changes is no time when it happened.
    unfit = [each.name for each in model._meta.fields if _is_auto_now(each)] if is_moment else []
    hint = path_hint(model, part, unfit=unfit)
    if part in path_names(model):
        hint = _several_hint(definition, path, followed, part)
    elif is_index(part) and followed.hops[-1:] and followed.hops[-1].is_many:
        hint = f"A relation has no places: write '.first', or '.all.{part}' for the row at that place."
    elif LOOKUP_SEP in part:
        hint = f"A path has dots: {path.replace(LOOKUP_SEP, '.')!r}."
    if is_moment:
        hint += " Or leave event_datetime out: the moment of the save counts."
    return message_of("E008", f"Event {definition.name!r}: {model._meta.label} has no {part!r} ({path!r}).", hint)


def _several_hint(definition: EventDefinition, path: str, followed: Trace, part: str) -> str:
    """Return what to write for a path that goes on behind several rows, as if behind one."""
    whole, parts = trace(definition.model_class, path, through_many=True), path.split(".")
    many = [hop.name for hop in whole.hops if hop.is_many]
    taken = sum(each in ("first", "last") for each in parts)
    hint = f"There may be several: write '.first.{part}' for the first alone"
    if isinstance(whole.field, (models.IntegerField, models.DecimalField, models.FloatField)) and not taken:
        lookup = LOOKUP_SEP.join([*(hop.relation.name for hop in whole.hops), whole.field.name])
        hint += f', or one value of all: Sum("{lookup}")'
    if len(many) - taken <= 1:
        return f"{hint}; or map them as items."
    items = ".".join(parts[: len(parts) - parts[::-1].index(many[-1])])
    return f'{hint}. Or map them as items, which may go through both: "items": "{items}".'


def _check_column(definition: EventDefinition, path: str, field: Any) -> Iterator[CheckMessage]:
    if fault := field_fault(field):
        kind = with_article(type(field).__name__)
        message = f"Event {definition.name!r}: {path!r} ends in {kind} ({field}), and {fault.problem}: "
        yield message_of("W010", f"{message}its events would fail.", fault.remedy)


def check_user_path(definition: EventDefinition) -> Iterator[CheckMessage]:
    """Find a ``user`` that is a plain column, which has no attributes of a user."""
    path = definition.user
    has_paths = any(each.paths() for each in definition.user_expressions.values())
    if not isinstance(path, str) or not has_paths or definition.overrides("get_user_attributes"):
        return
    followed = trace(definition.model_class, path)
    if _is_plain_column(followed.field):
        source = definition.source_label
        hint = f"Write the path of the foreign key to the customer, or map user_attributes with paths from {source}."
        if key := _foreign_key(definition, followed, path):
            hint = f'Write "user": "{key}".'
        kind = with_article(type(followed.field).__name__)
        message = f"Event {definition.name!r}: 'user' leads to {kind} ({followed.field}), not to a user."
        yield message_of("E008", message, hint)


def _is_plain_column(field: Any) -> bool:
    """Return whether instances have a text, number, boolean or date there: no JSON, no object of others."""
    is_converted = hasattr(field, "from_db_value") or not wire_type_of(field) if field else True
    return not is_converted and has_djangos_descriptor(field.model, field.attname)


def _foreign_key(definition: EventDefinition, followed: Trace, path: str) -> str:
    """Return the path of the foreign key whose column a path ends in: of ``customer_id``, ``customer``."""
    model = followed.hops[-1].model if followed.hops else definition.model_class
    start, _, last = path.rpartition(".")
    keys = [each.name for each in model._meta.fields if each.is_relation and each.attname == last] if model else []
    return ".".join(filter(None, (start, *keys))) if keys else ""


def check_moment(definition: EventDefinition) -> Iterator[CheckMessage]:
    """Find an ``event_datetime`` that every save of the row changes."""
    for source, field in _moment_fields(definition) if definition.condition != "saved" else ():
        if _is_auto_now(field):
            yield message_of(
                "W021",
                f"Event {definition.name!r}: its event_datetime {source} ends in a field with auto_now=True ({field}): "
                "an old row that is edited gets a new time, and reconcile would send it as new.",
                "Map the field that says when it happened, or leave event_datetime out: the moment of the save counts.",
            )


def check_reconcile_by(definition: EventDefinition) -> Iterator[CheckMessage]:
    """Find a ``reconcile_by`` that leads to no ``DateTimeField``, or to several."""
    if fault := reconcile_by_fault(definition):
        names = [each.name for each in definition.model_class._meta.fields if isinstance(each, models.DateTimeField)]
        known = f" Those of {definition.source_label}: {', '.join(map(repr, names))}." if names else ""
        yield message_of(
            "E020",
            f"Event {definition.name!r}: reconcile_by {definition.reconcile_by!r} can't be used: {fault}.",
            f"Write the path of a DateTimeField of the row, or of one row that it is related to.{known}",
        )


def reconcile_by_fault(definition: EventDefinition) -> str:
    """Return why ``reconcile_by`` can't be used, or ""."""
    path = definition.reconcile_by
    if path is None or recency_lookup(definition):
        return ""
    if not isinstance(path, str):
        return f"{with_article(type(path).__name__)} is no path"
    followed = trace(definition.model_class, path, through_many=True)
    if followed.missing:
        model, part = followed.missing
        return f"{model._meta.label} has no {part!r}"
    if many := [hop.name for hop in followed.hops if hop.is_many]:
        return f"{many[0]!r} leads to several rows"
    if followed.field is None:
        return "it ends in an object" if followed.ends_in_relation else "no query knows it, since it is no column"
    kind = with_article(type(followed.field).__name__)
    if isinstance(followed.field, models.DateField):
        return f"{followed.field} is {kind}, and a day is too coarse for the last 48 hours"
    return f"{followed.field} is {kind}"


def has_unknown_moment(definition: EventDefinition) -> bool:
    """Return whether ``event_datetime`` has a name that does not exist."""
    return any(trace(definition.model_class, path).missing for path in _moment_paths(definition))


def _moment_paths(definition: EventDefinition) -> list[str]:
    return [*definition.moment.paths()] if definition.moment else []


def _moment_fields(definition: EventDefinition) -> Iterator[tuple[str, Any]]:
    """Yield each source of the moment with the field that it ends in."""
    for path in _moment_paths(definition):
        yield repr(path), trace(definition.model_class, path).field
    for annotation in annotations_of([definition.moment] if definition.moment else []):
        yield repr(annotation), prepare(annotation, definition.model_class).output_field


def _is_auto_now(field: Any) -> bool:
    return bool(getattr(field, "auto_now", False))
