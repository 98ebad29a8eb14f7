"""Has a save made a dict ``when`` true? Judged from the instance where that is certain, else by one query.

The state before a save is read from the database, never kept on instances: two instances of one order are alive
at once in real shops, and snapshots lie. Conditions compare raw database values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from inspect import getattr_static
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db import connections, models
from django.db.models import lookups as builtin
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.fields.related_lookups import RelatedExact, RelatedIn, RelatedIsNull
from django.db.models.query_utils import DeferredAttribute

from .definitions import EventDefinition
from .patience import is_transient
from .sources import by_key, key_of, source_key
from .storing import literal, with_literals
from .transactions import before_reading, savepoint_guard

#: Lookups that are judged in memory, where the field's own is one of Django's plain ones: JSON, arrays and the like
#: compare in ways that only the database knows.
_PLAIN = frozenset({"exact", "in", "isnull"})
_PLAIN_LOOKUPS = frozenset(
    {builtin.Exact, builtin.In, builtin.IsNull, builtin.IntegerFieldExact, RelatedExact, RelatedIn, RelatedIsNull}
)


def lookups(definition: EventDefinition) -> Mapping[str, Any] | None:
    """The lookups of a definition whose ``when`` is a dict."""
    condition = definition.condition
    return condition if isinstance(condition, Mapping) else None


def held_before(definition: EventDefinition, instance: models.Model, using: str, update_fields: Any) -> bool:
    """In ``pre_save``: whether the stored row already matches. One query, only if the instance matches now.

    ``True`` also stands for "this save can't make it true".
    """
    if not _touches(definition, update_fields):
        return True
    if _is_new(definition, instance) or _matches_in_memory(definition, instance, update_fields) is False:
        return False  # a receiver that runs after this one may still change the instance
    return _stored_matches(definition, instance, using)


def holds_after(definition: EventDefinition, instance: models.Model, using: str, update_fields: Any) -> bool:
    """In ``post_save``: whether the stored row matches now. No query where the instance tells."""
    verdict = _matches_in_memory(definition, instance, update_fields)
    return _stored_matches(definition, instance, using) if verdict is None else verdict


def still_holds(definition: EventDefinition, instance: Any, using: str) -> bool:
    """Ask the condition of a signal's definition again, of the row as it is now.

    A signal tells what is about to be stored, and perhaps never is. What a save has made true is not asked again. A
    callable that can't judge a fresh instance is not believed to say no.
    """
    when = definition.condition if definition.signal else None
    if isinstance(when, Mapping):
        return holds_after(definition, instance, using, None)
    if not callable(when):
        return True
    try:
        with savepoint_guard(using):
            return bool(when(instance, False) or when(instance, True))  # whether it was new is not known any more
    except Exception as error:
        if is_transient(error):
            raise
        return True  # it may read what only the instance had that the signal carried


def _is_new(definition: EventDefinition, instance: models.Model) -> bool:
    """Whether the save can only insert. An instance made with a key by hand may overwrite a row."""
    keys = definition.model_class._meta.pk_fields
    return instance._state.adding and all(field.has_default() or field.has_db_default() for field in keys)


def _touches(definition: EventDefinition, update_fields: Any) -> bool:
    """Whether a save of these fields can change what the condition reads."""
    if update_fields is None:
        return True
    wanted, own = lookups(definition) or {}, list(_own_fields(definition))
    # The database works out generated fields and expressions from others.
    reads_others = any(hasattr(value, "resolve_expression") for value in wanted.values())
    return reads_others or not own or any(field.generated or _is_among(field, update_fields) for field in own)


def _is_among(field: models.Field[Any, Any], update_fields: Any) -> bool:
    return field.name in update_fields or field.attname in update_fields


def _own_fields(definition: EventDefinition) -> Iterable[models.Field[Any, Any]]:
    for key in lookups(definition) or ():
        field = _own_field(definition.model_class, key.split(LOOKUP_SEP)[0])
        if field is not None:
            yield field


def _own_field(model: type[models.Model], name: str) -> models.Field[Any, Any] | None:
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, models.Field) and field.concrete and not field.many_to_many else None


def _matches_in_memory(definition: EventDefinition, instance: models.Model, update_fields: Any) -> bool | None:
    """The verdict of the values that a save writes; ``None`` if they can't tell."""
    verdicts = [
        _judge(definition, instance, key, wanted, update_fields) for key, wanted in (lookups(definition) or {}).items()
    ]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _judge(
    definition: EventDefinition, instance: models.Model, key: str, wanted: Any, update_fields: Any
) -> bool | None:
    field, lookup = _plain_field(definition, key)
    if field is None or field.attname not in instance.__dict__:
        return None
    if update_fields is not None and not _is_among(field, update_fields):
        return None  # another instance may have written it since this one was loaded
    value = instance.__dict__[field.attname]
    try:
        if _is_disputed(field, instance, value):
            return None
        if hasattr(value, "resolve_expression") or hasattr(wanted, "resolve_expression"):
            return None
        if lookup == "isnull" or wanted is None:
            return (value is None) == (wanted is not False)
        choices = [choice for choice in wanted if choice is not None] if lookup == "in" else [wanted]
        return _raw(field, value) in [_raw(field, choice) for choice in choices]
    except Exception:  # noqa: BLE001 - what can't be compared here, the database compares
        return None


@lru_cache(maxsize=1024)
def _plain_field(definition: EventDefinition, key: str) -> tuple[models.Field[Any, Any] | None, str]:
    """The field that a lookup compares, if it can be compared in memory, and how."""
    name, _, lookup = key.partition(LOOKUP_SEP)
    field = _own_field(definition.model_class, name)
    return (field if field is not None and _is_plain_lookup(field, lookup) else None), lookup


def _is_plain_lookup(field: models.Field[Any, Any], lookup: str) -> bool:
    """Whether a field of the instance can be compared in memory: what the database works out is not there yet."""
    lookup = lookup or "exact"
    if lookup not in _PLAIN or field.generated or field.get_lookup(lookup) not in _PLAIN_LOOKUPS:
        return False
    return type(field).pre_save.__module__.startswith("django.")  # another may save what the instance does not hold


def _is_disputed(field: Any, instance: models.Model, value: Any) -> bool:
    """Whether the field's descriptor, which a save asks, says otherwise than the instance, as a translated field's."""
    if _has_djangos_descriptor(type(instance), field.attname):
        return False
    return bool(_raw(field, getattr(instance, field.attname)) != _raw(field, value))


@lru_cache(maxsize=1024)
def _has_djangos_descriptor(model: type[models.Model], attname: str) -> bool:
    return type(getattr_static(model, attname, None)) in (DeferredAttribute, ForeignKeyDeferredAttribute)


def _raw(field: Any, value: Any) -> Any:
    """The value as the column has it: an enum member's value, a related object's key, a number's text."""
    if isinstance(value, models.Model):
        value = getattr(value, field.target_field.attname)
    return field.get_prep_value(value)


def _stored_matches(definition: EventDefinition, instance: models.Model, using: str) -> bool:
    text = source_key(definition, instance)
    if text is None:
        return False
    look, key = _look(definition, using), key_of(definition, text)
    if not look.is_plain:
        with savepoint_guard(using):
            return look.rows(key).exists()
    try:
        sql, parameters = look.statement(key)
    except EmptyResultSet:  # {"status__in": []}
        return False
    before_reading(using)
    connection = connections[using]
    # Of atomic() the shop is told if this ends it; from one that it commits by hand an error is kept away.
    with nullcontext() if connection.in_atomic_block else savepoint_guard(using), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone() is not None


@lru_cache(maxsize=256)
def _look(definition: EventDefinition, using: str) -> _Look:
    return _Look(definition, using)


class _Look:
    """The question whether the row of a key matches the lookups: a checkout pays for it.

    Where they are plain, the ORM takes longer to write it than the database to answer, so it is written twice, for two
    keys; from where they differ one sees where the key goes.
    """

    def __init__(self, definition: EventDefinition, using: str) -> None:
        self.definition, self.using = definition, using
        self._wanted = lookups(definition) or {}
        self.is_plain = all(_is_plain(definition, each, value) for each, value in self._wanted.items())
        self._written: list[tuple[str, tuple[Any, ...]]] = []
        #: The statement, its parameters, and which of them is the key.
        self._known: tuple[str, tuple[Any, ...], int] | None = None

    def rows(self, key: Any) -> models.QuerySet[models.Model]:
        return by_key(self.definition, key, self.using).filter(**self._wanted)

    def statement(self, key: Any) -> tuple[str, tuple[Any, ...]]:
        """SQL and parameters."""
        if self._known is None:
            query = self.rows(key).query.exists()
            sql, parameters = query.get_compiler(self.using).as_sql()
            if len(self._written) < 2:
                self._learn(key, (sql, tuple(parameters)))
            return sql, tuple(parameters)
        sql, parameters, place = self._known
        return sql, (*parameters[:place], self._parameter(key), *parameters[place + 1 :])

    def _parameter(self, key: Any) -> Any:
        return self.definition.model_class._meta.pk.get_db_prep_value(key, connections[self.using])

    def _learn(self, key: Any, written: tuple[str, tuple[Any, ...]]) -> None:
        model = self.definition.model_class
        # A manager of the site's own may filter by whom it serves; a composite key goes to several places.
        if type(model._base_manager) is not models.Manager or len(model._meta.pk_fields) > 1:
            return
        if written in self._written:
            return
        self._written.append(written)
        if len(self._written) == 2:
            (sql, first), (other_sql, second) = self._written
            places = [place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]]
            if sql == other_sql and len(places) == 1 and second[places[0]] == self._parameter(key):
                self._known = _written_out(sql, first, places[0])


def _written_out(sql: str, parameters: tuple[Any, ...], place: int) -> tuple[str, tuple[Any, ...], int]:
    """The statement with the other parameters written out, as far as they can be; those left; where that one is now."""
    if sql.count("%s") != len(parameters):  # a per cent sign of another meaning
        return sql, parameters, place
    literals = [None if number == place else literal(each) for number, each in enumerate(parameters)]
    left = tuple(each for each, is_written in zip(parameters, literals, strict=True) if is_written is None)
    return with_literals(sql, literals), left, literals[:place].count(None)


def _is_plain(definition: EventDefinition, key: str, wanted: Any) -> bool:
    field, _ = _plain_field(definition, key)
    return field is not None and not hasattr(wanted, "resolve_expression")
