"""The wire type of a model field, and the column's plain value of an object that the field returns.

Third-party fields return objects: phone numbers, countries, money, translated text. The column's value is sent. It is
found through the field's own methods; no package is named. Reads no row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from django.db import connection, models
from django.db.models.base import ModelState

from ..exceptions import PayloadError
from .objects import has_own_text, is_plain
from .types import WireType, convert

_TYPES: tuple[tuple[tuple[type[models.Field[Any, Any]], ...], WireType], ...] = (
    ((models.BooleanField,), WireType.BOOLEAN),
    ((models.DecimalField, models.FloatField), WireType.DOUBLE),
    ((models.IntegerField, models.AutoField), WireType.LONG),
    ((models.CharField, models.TextField, models.UUIDField, models.GenericIPAddressField), WireType.STRING),
    ((models.FileField, models.FilePathField), WireType.STRING),  # the file's name
    ((models.DateField, models.TimeField), WireType.STRING),  # ISO 8601 text; DateTimeField is a DateField
)
COLLECTIONS = (list, tuple, set, frozenset)
#: Texts for any kind of field: a number, a word (and base64), a date, a list, a mapping, a time zone, a code.
_SAMPLES = ("1", "text", "2026-01-01", '["a"]', '{"lower": "1", "upper": "2"}', "Asia/Seoul", "KR")


def wire_type_of(field: Any) -> WireType | None:
    """Return the type of a field by its class, else by its internal type."""
    field = getattr(field, "output_field", field)  # GeneratedField
    stored_as = getattr(models, field.get_internal_type() or "", object)
    return next((each for kinds, each in _TYPES if isinstance(field, kinds) or issubclass(stored_as, kinds)), None)


def is_none_of(field: Any, value: Any, choices: Iterable[Any]) -> bool:
    """Return whether a field's value can be told to be none of these choices."""
    if value in (None, "") or hasattr(value, "resolve_expression"):
        return False
    try:
        wanted = field.to_python(value)
        return not isinstance(wanted, COLLECTIONS) and wanted not in [field.to_python(each) for each in choices]
    except Exception:  # noqa: BLE001 - a third-party field fails
        return False


def plain_value(holder: Any, name: str, value: Any) -> Any:
    """Return an attribute's value; of an object in a column, the column's plain value."""
    if is_plain(value) or not isinstance(holder, models.Model):
        return value
    field = _column_behind(holder.__class__, name)
    return value if field is None else column_value(field, value)


@lru_cache(maxsize=5000)
def _column_behind(model: type[models.Model], name: str) -> Any:
    """Return the column of an attribute; of ``customer_id``, the one that it points to."""
    columns: tuple[Any, ...] = model._meta.concrete_fields
    field = model._meta.pk if name == "pk" else next((f for f in columns if name in (f.attname, f.name)), None)
    if field is not None and field.is_relation and name not in (field.attname, "pk"):
        return None
    while field is not None and field.is_relation:
        field = getattr(field, "target_field", None)
    return getattr(field, "output_field", field)


def column_value(field: Any, value: Any) -> Any:
    """Return the stored value of an object in a column, else its text, else the object itself.

    Translated text is often stored as JSON: its text is the one in the active language.
    """
    if value is None or is_plain(value):
        return value
    reloaded = _call_or_keep(field.to_python, value)  # a fresh instance may hold another form
    value = value if is_plain(reloaded) else reloaded
    stored = _call_or_keep(field.get_prep_value, value)
    has_text = has_own_text(value)
    if is_plain(stored) and not _is_structure(stored) and (has_text or stored != str(value)):
        return stored
    return str(value) if has_text and wire_type_of(field) is WireType.STRING else value


def _call_or_keep(convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except Exception:  # noqa: BLE001 - a third-party field fails
        return value


def _is_structure(stored: Any) -> bool:
    if not isinstance(stored, str) or not stored.startswith(("{", "[")):
        return False
    try:
        json.loads(stored)
    except ValueError:
        return False
    return True


def field_fault(field: Any) -> PayloadError | None:
    """Return the error for which no value of a field can be sent; ``None`` if one can, or the field takes no sample."""
    fault, field = None, getattr(field, "output_field", field)
    for value in _sample_values(field):
        try:
            convert(column_value(field, value), wire_type_of(field), field.name)
        except PayloadError as error:
            fault = error
        except Exception:  # noqa: BLE001, S112 - a third-party object whose methods fail  # nosec B112
            continue
        else:
            return None
    return fault


def _sample_values(field: Any) -> Iterator[Any]:
    """Yield the field's objects for samples: its default, a choice, texts. Calls no callable of the site."""
    default = () if callable(field.default) or not field.has_default() else (field.default,)
    choices = field.flatchoices[:1] if isinstance(field.choices, (list, tuple)) else ()
    for sample in (*default, *(choice for choice, _ in choices), *_SAMPLES):
        try:
            value = _loaded(field, field.clean(sample, None))
        except Exception:  # noqa: BLE001, S112 - the field refuses this sample  # nosec B112
            continue
        if value is not None:
            yield value


def _loaded(field: Any, value: Any) -> Any:
    """Return a value as if loaded from the database, through the descriptor that the field puts on its model."""
    if hasattr(field, "from_db_value"):
        value = field.from_db_value(field.get_prep_value(value), None, connection)
    try:
        row = field.model.__new__(field.model)  # no __init__: neither defaults nor signals
        row._state = ModelState()
        setattr(row, field.attname, value)
        return getattr(row, field.attname)
    except Exception:  # noqa: BLE001 - an attribute that needs others, or an output_field
        return value
