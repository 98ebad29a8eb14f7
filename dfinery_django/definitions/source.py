"""The source object of an event: its key as a text, its row, its database, and the deduplication key of its events.

The site's own code (``once_per``) may raise.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Context, Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router
from django.utils.functional import Promise

from ..db.tenants import database_and_schema
from ..exceptions import PayloadError
from ..mapping.annotations import loaded
from ..mapping.expressions import Expression, Path, annotations_of
from ..mapping.fetching import get_rows
from ..mapping.model_paths import trace
from ..schema import model_fields, types
from ..text.language import site_language
from ..text.reasons import ReasonText
from .definition import EventDefinition
from .needs import reads_of


class Source:
    """An object as the source of a definition's event in one database. Made once per firing, and handed on."""

    __slots__ = ("_key", "definition", "instance", "using")

    def __init__(self, definition: EventDefinition, instance: Any, using: str | None = None) -> None:
        self.definition, self.instance = definition, instance
        self.using = using or database_of(instance)
        self._key: str | None = None

    @property
    def key(self) -> str | None:
        """The key of the row that the definition watches, as a text; ``None`` for a row without a key yet."""
        if self._key is None:
            # A child model's instance has its parent's key, too.
            parts = [getattr(self.instance, field.attname) for field in self.definition.model_class._meta.pk_fields]
            if None not in parts:
                self._key = key_text(self.definition, parts if len(parts) > 1 else parts[0])
        return self._key

    def dedup_key(self) -> str | None:
        """Return the deduplication key of an event, or ``None`` where every firing is an event of its own."""
        if self.definition.identity is None:
            return None
        return firing_key(self.definition, self.key or "", self.using, *_identity(self))


def is_source(definition: EventDefinition, instance: Any) -> bool:
    """Return whether the definition makes events from this object: of its model, a proxy or a child of it."""
    model = definition.model_class
    return isinstance(instance, model._meta.concrete_model or model)


def key_text(definition: EventDefinition, key: Any) -> str:
    """Return a key of the watched model as the text that ``key_of`` parses; a composite one as JSON.

    A fresh instance may have another form of its key than a reloaded one: a UUID as text, a number as text.
    """
    fields = definition.model_class._meta.pk_fields
    if len(fields) == 1:
        return _part_text(fields[0], key)
    return json.dumps([_part_text(field, part) for field, part in zip(fields, key, strict=True)])


def _part_text(field: models.Field[Any, Any], value: Any) -> str:
    if type(value) is int and isinstance(field, models.IntegerField):
        return str(value)
    # As Django's serializers write it: the text that the field's to_python() parses.
    holder: Any = SimpleNamespace(**{field.attname: field.to_python(value)})
    return field.value_to_string(holder)


def key_of(definition: EventDefinition, text: str) -> Any:
    """Return the key of a text.

    :raises ValidationError, ValueError, TypeError: if it is not a key of that model, whose type may have changed since
    """
    return definition.model_class._meta.pk.to_python(text)


def fetch_sources(definition: EventDefinition, keys: Iterable[str], using: str) -> dict[str, models.Model]:
    """Return the existing rows of these keys, with all that the definition reads."""
    rows = get_rows(definition.model_class, reads_of(definition), _valid_keys(definition, keys), using=using)
    return {key_text(definition, row.pk): row for row in rows}


def existing_keys(definition: EventDefinition, keys: Iterable[str], using: str) -> set[str]:
    """Return those of these keys that a row has."""
    rows = definition.model_class._base_manager.using(using).filter(pk__in=_valid_keys(definition, keys))
    return {key_text(definition, pk) for pk in rows.values_list("pk", flat=True)}


def _valid_keys(definition: EventDefinition, keys: Iterable[str]) -> list[Any]:
    valid = []
    for key in keys:
        with suppress(ValidationError, ValueError, TypeError):  # the source counts as gone
            valid.append(key_of(definition, key))
    return valid


def database_of(instance: models.Model) -> str:
    """Return the database that an instance is written to."""
    # As Django's save() chooses it: an instance may have been read from a replica.
    return str(router.db_for_write(instance.__class__, instance=instance))


def dedup_key_from(*parts: str) -> str:
    """Return a hash of texts; different lone surrogates give different hashes."""
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()


def value_text(value: Any, path: str) -> str:
    """Return a unique text of any value: different for different values, the same for a reloaded copy.

    :raises PayloadError: for an object that differs from another only by its memory address
    """
    plain = value.value if isinstance(value, Enum) else value
    if isinstance(plain, Promise):
        plain = str(plain)
    if isinstance(plain, str) and "\x1f" not in plain:
        return "".join(plain)  # a subclass of str as a plain str
    return "\x1f" + json.dumps(_tagged(plain, path))


def _tagged(value: Any, path: str) -> Any:
    """Return kind and text of a value, for JSON, which separates the parts of nested values."""
    if isinstance(value, Enum):
        return _tagged(value.value, path)
    if isinstance(value, models.Model):
        return [(value._meta.concrete_model or type(value))._meta.label, *_key_parts(value, path)]
    if isinstance(value, (list, tuple, models.QuerySet)):
        return ["list", *(_tagged(each, path) for each in value)]
    if isinstance(value, (set, frozenset)):
        return ["set", *sorted((_tagged(each, path) for each in value), key=json.dumps)]
    if isinstance(value, Mapping):
        return ["dict", *sorted(([_tagged(key, path), _tagged(value[key], path)] for key in value), key=json.dumps)]
    for kinds, name, written in _PLAIN_KINDS:
        if isinstance(value, kinds):
            return [name, written(value)]
    text = str(value)
    if re.search(r" at 0x[0-9A-Fa-f]+", text):
        problem = ReasonText("no_key_text", kind=type(value).__name__)
        raise PayloadError(path, problem, ReasonText("give_key_text"))
    return [type(value).__qualname__, text]


def _key_parts(instance: models.Model, path: str) -> list[Any]:
    parts = [field.to_python(getattr(instance, field.attname)) for field in instance._meta.pk_fields]
    if None in parts:
        raise PayloadError(path, ReasonText("unsaved", kind=type(instance).__name__), ReasonText("save_first"))
    return [_tagged(part, path) for part in parts]


def _in_utc(moment: dt.datetime) -> str:
    try:
        return (moment.astimezone(dt.timezone.utc) if moment.utcoffset() is not None else moment).isoformat()
    except OverflowError:  # of the year 1 or 9999
        return moment.isoformat()


def _normal(number: Decimal) -> str:
    return str(number.normalize(Context(prec=max(1, len(number.as_tuple().digits)))))


_PLAIN_KINDS: tuple[tuple[Any, str, Callable[[Any], str]], ...] = (
    ((str, Promise), "str", str),
    (bool, "bool", str),  # before int, whose subclass it is
    (int, "int", hex),  # however long
    (Decimal, "Decimal", _normal),
    (dt.datetime, "datetime", _in_utc),
    ((bytes, bytearray, memoryview), "bytes", lambda value: bytes(value).hex()),
)


def firing_key(definition: EventDefinition, key: str, using: str, *identity: str) -> str:
    """Return the deduplication key of an event of a row, by ``Source.key`` and the values of ``once_per``."""
    schema = database_and_schema(using)[1]
    return dedup_key_from(definition.name, definition.source_label, key, *identity, *([schema] if schema else []))


def _identity(source: Source) -> list[str]:
    """Return the values of ``once_per`` as texts: the same for a fresh and a reloaded instance, in every language."""
    definition = source.definition
    if not definition.identity:
        return []
    with site_language(), loaded([source.instance], annotations_of(definition.identity), using=source.using):
        values = [each.resolve(source.instance) for each in definition.identity]
        if any(hasattr(value, "resolve_expression") for value in values):  # F() and the like: the row has the value
            row = definition.model_class._base_manager.using(source.using).get(pk=key_of(definition, source.key or ""))
            values = [each.resolve(row) for each in definition.identity]
        return [_identity_text(definition, *each) for each in zip(definition.identity, values, strict=True)]


def _identity_text(definition: EventDefinition, part: Expression, value: Any) -> str:
    field = trace(definition.model_class, part.path).field if isinstance(part, Path) else None
    value = model_fields.column_value(field, field.to_python(value)) if field and value is not None else value
    if isinstance(value, dt.datetime):
        # In the repeated hour at the end of summer time PostgreSQL's driver sets fold, and a fresh instance doesn't.
        return types.in_utc(value if value.tzinfo else value.replace(fold=0), "once_per").isoformat()
    if isinstance(value, Decimal):
        return str(value.normalize())
    return str(value.value if isinstance(value, Enum) else value)
