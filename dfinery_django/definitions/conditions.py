"""Evaluation of a ``when`` that is a dict or a ``Q`` around a save: in memory where that is certain, else by one query.

The state before a save is read from the database, never kept on instances: real shops have two instances of one order
at once, and snapshots would be stale. Conditions compare raw database values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from inspect import getattr_static
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models
from django.db.models import Q, lookups as builtin
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.fields.related_lookups import RelatedExact, RelatedIn, RelatedIsNull
from django.db.models.query_utils import DeferredAttribute

from ..db import plain_sql, retry, savepoints, sql
from ..schema.model_fields import COLLECTIONS
from .definition import EventDefinition
from .in_memory import Place, evaluate, is_one_of, is_usual, leaves, stored_value
from .source import Source, key_of

#: Lookups that are evaluated in memory, where the field's lookup class is one of Django's plain ones: JSON, arrays and
#: the like compare in ways that only the database knows.
_IN_MEMORY_LOOKUPS = frozenset({"exact", "in", "isnull"})
_PLAIN_LOOKUP_CLASSES = frozenset(
    {builtin.Exact, builtin.In, builtin.IsNull, builtin.IntegerFieldExact, RelatedExact, RelatedIn, RelatedIsNull}
)
#: The leaf of a ``Q`` that only the database can evaluate: ``Exists(…)``, or a value like ``F("limit")``.
EXPRESSION = ("", None)


@lru_cache(maxsize=256)
def condition_query(definition: EventDefinition) -> Q | None:
    """Return the condition of a definition whose ``when`` is a dict of lookups or a ``Q``."""
    condition = definition.condition
    if isinstance(condition, Mapping):
        return Q(*condition.items())
    return condition if isinstance(condition, Q) else None


def _lookup_of(leaf: Any) -> tuple[str, Any]:
    """Return name and value of a leaf; ``EXPRESSION`` if it is none of plain values."""
    is_pair = isinstance(leaf, (tuple, list)) and len(leaf) == 2 and isinstance(leaf[0], str)
    return EXPRESSION if not is_pair or _has_expression(leaf[1]) else (leaf[0], leaf[1])


def _has_expression(wanted: Any) -> bool:
    """Return whether a value is an expression, or has one among several: ``total__in=[F("limit"), 0]``."""
    if isinstance(wanted, COLLECTIONS):
        return any(hasattr(each, "resolve_expression") for each in wanted)
    return hasattr(wanted, "resolve_expression")


@lru_cache(maxsize=256)
def lookups_of(definition: EventDefinition) -> tuple[tuple[str, Any], ...]:
    """Return the lookups of a definition's condition; in place of an expression ``EXPRESSION``."""
    return tuple(map(_lookup_of, leaves(condition_query(definition) or Q())))


def may_join_many(definition: EventDefinition) -> bool:
    """Return whether a row may match once for each of several related rows; an expression is taken to."""
    return any(each is EXPRESSION or _joins_many(definition.model_class, each[0]) for each in lookups_of(definition))


def _joins_many(model: Any, lookup: str) -> bool:
    for part in lookup.split(LOOKUP_SEP):
        try:
            field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        except FieldDoesNotExist:
            return False  # a transform, or a comparison
        if field.one_to_many or field.many_to_many:
            return True
        if not field.related_model:
            return False
        model = field.related_model
    return False


def held_before(source: Source, update_fields: Any) -> bool:
    """Return, in ``pre_save``, whether the stored row already matches. One query, only if the instance matches now.

    Also ``True`` if this save can't make the condition true.
    """
    if not _touches(source.definition, update_fields):
        return True
    if _is_new(source.definition, source.instance) or _matches_in_memory(source, update_fields) is False:
        return False  # a receiver that runs after this one may still change the instance
    return _stored_matches(source)


def holds_after(source: Source, update_fields: Any) -> bool:
    """Return, in ``post_save``, whether the stored row matches now. No query where the instance is enough."""
    matches = _matches_in_memory(source, update_fields)
    return _stored_matches(source) if matches is None else matches


def still_holds(source: Source) -> bool:
    """Return whether the condition of a signal's definition holds for the row as it is stored now.

    A signal may announce a change that is never stored. Conditions of saves are not evaluated again. A callable that
    fails on a fresh instance counts as true.
    """
    when = source.definition.condition if source.definition.signal else None
    if when is not None and condition_query(source.definition) is not None:
        return holds_after(source, None)
    if not callable(when):
        return True
    try:
        return says_yes(source)
    except Exception as error:
        if retry.is_transient(error):
            raise
        return True  # it may read an attribute that only the signal's instance had


def says_yes(source: Source) -> bool:
    """Return whether a callable ``when`` says yes to a row of which nobody knows whether it was created or changed."""
    when: Any = source.definition.condition
    with savepoints.savepoint_guard(source.using, source.instance):
        return bool(when(source.instance, False) or when(source.instance, True))


def _is_new(definition: EventDefinition, instance: models.Model) -> bool:
    """Return whether the save can only insert. An instance with a key set by hand may overwrite a row."""
    keys = definition.model_class._meta.pk_fields
    return instance._state.adding and all(field.has_default() or field.has_db_default() for field in keys)


def _touches(definition: EventDefinition, update_fields: Any) -> bool:
    """Return whether a save of these fields can change the result of the condition."""
    if update_fields is None:
        return True
    wanted = lookups_of(definition)
    found = [own_field(definition.model_class, key.split(LOOKUP_SEP)[0]) for key, _ in wanted]
    own = [field for field in found if field is not None]
    # The database computes generated fields and expressions from other fields.
    reads_others = any(each is EXPRESSION for each in wanted)
    return reads_others or not own or any(field.generated or _is_among(field, update_fields) for field in own)


def _is_among(field: models.Field[Any, Any], update_fields: Any) -> bool:
    return field.name in update_fields or field.attname in update_fields


def own_field(model: type[models.Model], name: str) -> models.Field[Any, Any] | None:
    """Return the field of that name that is a column of the model's own rows."""
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, models.Field) and field.concrete and not field.many_to_many else None


def _matches_in_memory(source: Source, update_fields: Any) -> bool | None:
    """Return whether the values that a save writes match; ``None`` if only the database knows."""
    return evaluate(condition_query(source.definition) or Q(), partial(_compare_in_memory, source, update_fields))


def _compare_in_memory(source: Source, update_fields: Any, leaf: Any, place: Place) -> bool | None:
    instance, (key, wanted) = source.instance, _lookup_of(leaf)
    field, lookup = _plain_field(source.definition, key)
    if field is None or field.attname not in instance.__dict__:
        return None
    if update_fields is not None and not _is_among(field, update_fields):
        return None  # another instance may have written it since this one was loaded
    value = instance.__dict__[field.attname]
    try:
        if _descriptor_disagrees(field, instance, value):
            return None
        if hasattr(value, "resolve_expression"):
            return None
        if lookup == "isnull" or wanted is None:
            return (value is None) == (wanted is not False)
        choices = [choice for choice in wanted if choice is not None] if lookup == "in" else [wanted]
        if place.under_xor and not is_usual(value, choices):
            return None
        if place.negated and value is None and lookup == "in" and None in wanted:
            return None  # Django 6.1 finds it, and earlier versions don't
        return is_one_of(field, value, choices, connections[source.using].vendor)
    except Exception:  # noqa: BLE001 - the database compares it instead
        return None


@lru_cache(maxsize=1024)
def _plain_field(definition: EventDefinition, key: str) -> tuple[models.Field[Any, Any] | None, str]:
    name, _, lookup = key.partition(LOOKUP_SEP)
    field = own_field(definition.model_class, name)
    return (field if field is not None and is_plain_lookup(field, lookup) else None), lookup


def is_plain_lookup(field: models.Field[Any, Any], lookup: str) -> bool:
    """Return whether a field of the instance can be compared in memory; a generated one has no value yet."""
    lookup = lookup or "exact"
    if lookup not in _IN_MEMORY_LOOKUPS or field.generated or field.get_lookup(lookup) not in _PLAIN_LOOKUP_CLASSES:
        return False
    return type(field).pre_save.__module__.startswith("django.")  # others may save another value than the instance's


def _descriptor_disagrees(field: Any, instance: models.Model, value: Any) -> bool:
    """Return whether the field's descriptor, which a save reads, has another value, like a translated field's."""
    if has_djangos_descriptor(type(instance), field.attname):
        return False
    return bool(stored_value(field, getattr(instance, field.attname)) != stored_value(field, value))


@lru_cache(maxsize=1024)
def has_djangos_descriptor(model: type[models.Model], attname: str) -> bool:
    """Return whether an attribute is the column's value as it is, not what a descriptor of others makes of it."""
    return type(getattr_static(model, attname, None)) in (DeferredAttribute, ForeignKeyDeferredAttribute)


def _stored_matches(source: Source) -> bool:
    if source.key is None:
        return False
    rows, key = _matching_rows(source.definition, source.using), key_of(source.definition, source.key)
    statements = sql.sql_for(connections[source.using]) if rows.is_plain else plain_sql
    return statements.row_matches(rows, key, source.using)


class _MatchingRows:
    """The queryset of a key's row, if it matches the lookups."""

    def __init__(self, definition: EventDefinition, using: str) -> None:
        self._model, self._using = definition.model_class, using
        self._wanted = condition_query(definition) or Q()
        self.is_plain = all(_plain_field(definition, key)[0] is not None for key, _ in lookups_of(definition))

    def __call__(self, key: Any) -> models.QuerySet[models.Model]:
        return self._model._base_manager.using(self._using).filter(pk=key).filter(self._wanted)


#: Its cost is part of the checkout, and the same object stands for the same statement.
_matching_rows = lru_cache(maxsize=256)(_MatchingRows)
