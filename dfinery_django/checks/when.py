"""Checks of a ``when`` that is a dict or a ``Q``: its lookups, types of values, choices, whose rows it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db import models, router
from django.db.models import Q
from django.db.models.constants import LOOKUP_SEP

from ..conf import get_settings, nearest
from ..db.retry import DATABASE_ERRORS
from ..definitions.conditions import condition_query, is_plain_lookup
from ..definitions.definition import EventDefinition
from ..definitions.in_memory import leaves
from ..definitions.readable import method_names
from ..mapping.annotations import compiling_fault
from ..outbox.reconcile import obstacle
from ..schema.model_fields import COLLECTIONS, is_none_of
from . import message_of
from .hints import choices_of, choices_words, near_hint, stored_form, with_article

_USUAL_HINT = 'Write lookups as in filter(): {"status": "paid"}'


def check_when(definition: EventDefinition) -> Iterator[CheckMessage]:
    """Check each lookup: the model can be filtered by it, and its value is one that the field may have."""
    query = condition_query(definition) or Q()
    found = list(_check_leaves(definition, query))
    if not found and (error := _filter_error(definition, query)):
        found.append(_refused(definition, error, _USUAL_HINT))
    yield from found
    if all(each.id == "dfinery.W020" for each in found):
        yield from _check_own_saves(definition, query)


def _check_leaves(definition: EventDefinition, query: Q) -> Iterator[CheckMessage]:
    for leaf in leaves(query):
        lookup, wanted = leaf if isinstance(leaf, (tuple, list)) and len(leaf) == 2 else ("", leaf)
        if error := _filter_error(definition, leaf):
            yield _refused(definition, error, _leaf_hint(definition, lookup, wanted, error))
        elif lookup:
            yield from _check_wanted(definition, lookup, wanted)


def _filter_error(definition: EventDefinition, condition: Any) -> Exception | None:
    """Return why the model can't be filtered by a condition in its database. No row is read."""
    try:
        rows = definition.model_class._base_manager.all()
    except Exception:  # noqa: BLE001 - a manager of the site that works only where a tenant is chosen
        rows = models.QuerySet(definition.model_class)
    try:
        query = rows.filter(condition if hasattr(condition, "resolve_expression") else Q(condition)).query
    except (FieldError, ValueError, TypeError, AttributeError, ValidationError) as error:
        return error
    try:
        return compiling_fault(query, router.db_for_write(definition.model_class))
    except DATABASE_ERRORS:
        return None  # the database had to be asked for its version, and can't be reached


def _refused(definition: EventDefinition, error: Exception, hint: str) -> CheckMessage:
    words = " ".join(getattr(error, "messages", [str(error)]))
    return message_of("E009", f"Event {definition.name!r}: when: {words}", hint)


def _follow(model: Any, lookup: str) -> tuple[Any, Any, list[str]]:
    """Return the last field of a lookup, the model that a next part would be looked for in, and the parts left over."""
    field, parts = None, lookup.split(LOOKUP_SEP)
    for index, part in enumerate(parts):
        try:
            field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        except FieldDoesNotExist:
            return field, model, parts[index:]
        if not field.is_relation or field.related_model is None:
            return field, model, parts[index + 1 :]
        model = field.related_model
    return field, model, []


def _leaf_hint(definition: EventDefinition, lookup: Any, wanted: Any, error: Exception) -> str:
    name = getattr(wanted, "name", None)  # of F("limit")
    if isinstance(name, str) and hasattr(wanted, "resolve_expression") and repr(name) in str(error):
        return _field_hint(definition.model_class, name)
    return _lookup_hint(definition, lookup, error) if lookup else _USUAL_HINT


def _lookup_hint(definition: EventDefinition, lookup: Any, error: Exception) -> str:
    field, model, rest = _follow(definition.model_class, str(lookup))
    if not isinstance(error, FieldError):
        return _value_hint(field, rest)
    if not rest:
        return _USUAL_HINT
    if field is None or field.is_relation:
        return _field_hint(model, rest[0])
    known = sorted(field.get_lookups())
    return near_hint(rest[0], known) or f"Known: {', '.join(known)}."


def _field_hint(model: type[models.Model], part: str) -> str:
    label = model._meta.label
    if "." in part:
        return f"In lookups, write two underscores for a dot: {part.replace('.', LOOKUP_SEP)!r}."
    if part in method_names(model):
        return f"{part!r} is no column of {label}, so no query knows it. Write a callable: (instance, created) -> bool."
    return near_hint(part, [each.name for each in model._meta.get_fields()]) or f"Write a field of {label}."


def _value_hint(field: Any, rest: list[str]) -> str:
    if not isinstance(field, models.Field):
        return _USUAL_HINT
    words = f"{field} is {with_article(type(field).__name__)}."
    if rest[-1:] == ["in"]:
        words += " Write a list of values."
    if field.is_relation:
        return f"{words} Write the key of a row, or go on to a field of it: '{field.name}__…'."
    choices = choices_of(field)
    return f"{words} Its choices: {choices_words(choices)}." if choices else words


def _check_wanted(definition: EventDefinition, lookup: str, wanted: Any) -> Iterator[CheckMessage]:
    """Find values that are none of their field's choices: no row would ever match."""
    field, _, rest = _follow(definition.model_class, lookup)
    if not isinstance(field, models.Field) or field.is_relation or rest not in ([], ["exact"], ["in"]):
        return
    choices = choices_of(field) if is_plain_lookup(field, "".join(rest)) else []
    for value in (wanted if isinstance(wanted, COLLECTIONS) else ()) if rest == ["in"] else (wanted,):
        if choices and is_none_of(field, value, [stored for stored, _ in choices]):
            shown = stored_form(value)
            yield message_of(
                "W020",
                f"Event {definition.name!r} waits for {lookup.removesuffix('__in')} {shown!r}, which is none of the "
                f"choices of {field}: {choices_words(choices)}.",
                _choice_hint(shown, choices),
            )


def _choice_hint(value: Any, choices: list[tuple[Any, str]]) -> str:
    for stored, label in choices:
        if label == str(value):
            return f"Write the stored value, not its label: {stored!r}."
    near = nearest(value, [stored for stored, _ in choices if isinstance(stored, str)])
    return f"Did you mean {near!r}?" if near else "Write the stored value, not its label."


def _check_own_saves(definition: EventDefinition, query: Q) -> Iterator[CheckMessage]:
    """Find a condition about related rows alone: they are saved by themselves, and those saves are not watched."""
    relations = [_relation_to_others(definition.model_class, leaf) for leaf in leaves(query)]
    if definition.signal or not relations or not all(relations):
        return
    own, others = definition.source_label, list(dict.fromkeys(each.related_model._meta.label for each in relations))
    names, any_name = " and ".join(others), " or ".join(others)
    reason = obstacle(definition) or ("" if get_settings().RECONCILE_MINUTES else "RECONCILE_MINUTES is 0")
    found_by = f"Nothing finds it later: {reason}." if reason else "Only reconcile finds it."
    calls = f"call capture({definition.name!r}, …) where rows of {any_name} are saved"
    hint = f"{', or '.join([*_way_to_watch(query, relations), calls])}."
    if not reason:
        soon = f"If {get_settings().RECONCILE_MINUTES} min later is soon enough, reconcile does"
        hint += f' {soon}: SILENCED_SYSTEM_CHECKS = ["dfinery.W024"].'
    yield message_of(
        "W024",
        f"Event {definition.name!r}: its when asks for rows of {names} alone. A save of {any_name} does not fire it, "
        f"and a save of {own} after that finds it true already. {found_by}",
        f"{hint[0].upper()}{hint[1:]}",
    )


def _relation_to_others(model: Any, leaf: Any) -> Any:
    """Return the relation that a lookup begins with, if others hold it: a reverse or a to-many one; else ``None``."""
    if not isinstance(leaf, (tuple, list)) or hasattr(leaf[1], "resolve_expression"):
        return None  # it may read any column
    try:
        field: Any = model._meta.get_field(leaf[0].split(LOOKUP_SEP)[0])
    except FieldDoesNotExist:  # "pk", or an annotation of the site's manager
        return None
    is_reverse = field.auto_created and not field.concrete
    if not (field.is_relation and (is_reverse or field.one_to_many or field.many_to_many)):
        return None
    # A row of a child model is a row of the watched one, too.
    return None if issubclass(field.related_model, model) else field


def _way_to_watch(query: Q, relations: Sequence[Any]) -> Iterator[str]:
    """Yield how to watch the related model instead, if it is one, and has a foreign key back."""
    relation = relations[0]
    if len(set(relations)) > 1 or not relation.auto_created or relation.many_to_many:
        return
    rest = {leaf[0].partition(LOOKUP_SEP)[2] or "pk": leaf[1] for leaf in leaves(query)}
    is_plain = (
        query.connector == Q.AND and not query.negated and all(isinstance(each, tuple) for each in query.children)
    )
    when = "…"  # the site's to say
    if is_plain and rest == {"isnull": False}:
        when = '"created"'
    elif is_plain and "isnull" not in rest:
        when = f"{{{', '.join(f'{json.dumps(name)}: {_as_written(value)}' for name, value in rest.items())}}}"
    label, back = relation.related_model._meta.label, relation.field.name
    yield f'watch these rows: "model": "{label}", "when": {when}, with paths through "{back}.…"'


def _as_written(value: Any) -> str:
    value = stored_form(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
