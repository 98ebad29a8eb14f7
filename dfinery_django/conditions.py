"""Has a save made a dict ``when`` true? Judged from the instance where that is certain, else by one query.

The state before a save is read from the database, never kept on instances: two instances of one order are alive
at once in real shops, and snapshots lie. Conditions compare raw database values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models, transaction
from django.db.models.constants import LOOKUP_SEP

from .definitions import EventDefinition

#: Lookups that are judged in memory.
_PLAIN = frozenset({"exact", "in", "isnull"})


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
    if _is_new(instance) or _matches_in_memory(definition, instance) is False:
        return False  # a receiver that runs after this one may still change the instance
    return _stored_matches(definition, instance, using)


def holds_after(definition: EventDefinition, instance: models.Model, using: str, update_fields: Any) -> bool:
    """In ``post_save``: whether the stored row matches now. No query where the instance tells."""
    verdict = _matches_in_memory(definition, instance)
    if verdict is None or (verdict and not _wrote_all(definition, update_fields)):
        return _stored_matches(definition, instance, using)
    return verdict


def source_pk(definition: EventDefinition, instance: models.Model) -> Any:
    """The key of the row that the definition watches; a child model's instance has its parent's."""
    pk = definition.model_class._meta.pk
    value = getattr(instance, pk.attname)
    # A fresh instance may hold another form of its key than a reloaded one: a UUID as text, a number as text.
    return value if value is None else pk.to_python(value)


def _is_new(instance: models.Model) -> bool:
    """Whether the save can only insert. An instance made with a key by hand may overwrite a row."""
    pk = instance._meta.pk
    return instance._state.adding and (instance.pk is None or pk.has_default() or pk.has_db_default())


def _touches(definition: EventDefinition, update_fields: Any) -> bool:
    """Whether a save of these fields can change what the condition reads."""
    if update_fields is None:
        return True
    own = _own_names(definition)
    return not own or bool(own & set(update_fields))


def _wrote_all(definition: EventDefinition, update_fields: Any) -> bool:
    return update_fields is None or all(
        {field.name, field.attname} & set(update_fields) for field in _own_fields(definition)
    )


def _own_names(definition: EventDefinition) -> set[str]:
    return {name for field in _own_fields(definition) for name in (field.name, field.attname)}


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


def _matches_in_memory(definition: EventDefinition, instance: models.Model) -> bool | None:
    """The verdict of the instance's own values; ``None`` if they can't tell."""
    verdicts = [_judge(definition, instance, key, wanted) for key, wanted in (lookups(definition) or {}).items()]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _judge(definition: EventDefinition, instance: models.Model, key: str, wanted: Any) -> bool | None:
    name, _, lookup = key.partition(LOOKUP_SEP)
    lookup = lookup or "exact"
    field = _own_field(definition.model_class, name)
    if field is None or lookup not in _PLAIN or field.attname not in instance.__dict__:
        return None
    value = instance.__dict__[field.attname]
    if hasattr(value, "resolve_expression") or hasattr(wanted, "resolve_expression"):
        return None
    try:
        if lookup == "isnull" or wanted is None:
            return (value is None) == (wanted is not False)
        choices = wanted if lookup == "in" else (wanted,)
        return _raw(field, value) in [_raw(field, choice) for choice in choices]
    except Exception:  # noqa: BLE001 - what can't be compared here, the database compares
        return None


def _raw(field: models.Field[Any, Any], value: Any) -> Any:
    """The value as the column has it: an enum member's value, a related object's key, a number's text."""
    if isinstance(value, models.Model):
        value = value.pk
    return field.get_prep_value(value)


def _stored_matches(definition: EventDefinition, instance: models.Model, using: str) -> bool:
    wanted = lookups(definition) or {}
    rows = definition.model_class._base_manager.using(using).filter(pk=source_pk(definition, instance), **wanted)
    if all(_is_plain(definition, key, value) for key, value in wanted.items()):
        return rows.exists()
    with shielded(using):
        return rows.exists()


@contextmanager
def shielded(using: str) -> Iterator[None]:
    """Lets the site's own code query inside the shop's transaction: what fails there is rolled back to a savepoint.

    On PostgreSQL an error would otherwise take the checkout with it. The savepoint is opened before the first query,
    so that code that makes none costs none.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        yield
        return
    opened = ExitStack()

    def open_first(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not opening:
            opening.append(True)
            opened.enter_context(transaction.atomic(using=using))
        return execute(sql, parameters, many, context)

    opening: list[bool] = []
    with opened, connection.execute_wrapper(open_first):
        yield


def _is_plain(definition: EventDefinition, key: str, wanted: Any) -> bool:
    name, _, lookup = key.partition(LOOKUP_SEP)
    return (
        (lookup or "exact") in _PLAIN
        and not hasattr(wanted, "resolve_expression")
        and _own_field(definition.model_class, name) is not None
    )
