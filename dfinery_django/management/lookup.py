"""The object that a command line names: by its key, by fields, or the newest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import FieldError, ValidationError
from django.core.management.base import CommandError
from django.db import DatabaseError, models
from django.db.models import F

from ..conf import FIELD_LIKENESS, did_you_mean
from ..definitions.definition import EventDefinition
from ..outbox.reconcile import moment_lookup
from .exit_codes import wrong_use

#: What a value of another type raises.
_WRONG_VALUES = (ValidationError, ValueError, TypeError)


def find_object(
    model: type[models.Model], words: Sequence[str], using: str, *, newest_by: str | None = None
) -> models.Model:
    """Return the object, past the filters of the shop's own managers.

    :param words: a key, or any number of ``field=value``
    :param newest_by: a field of the model; of several objects, the one whose value is the largest is meant
    :raises CommandError: if none or several are found, or a word is wrong
    """
    lookups = _lookups(model, words)
    named = " ".join([model._meta.label, *words])
    try:
        rows = model._base_manager.using(using).filter(**lookups)
        if newest_by:
            rows = rows.order_by(F(newest_by).desc(nulls_last=True), "-pk")
        found = list(rows[: 1 if newest_by else 2])
        count = rows.count() if len(found) > 1 else len(found)
    except FieldError as error:
        names = tuple(each.name for each in model._meta.concrete_fields)
        unknown = next((each for each in lookups if each.partition("__")[0] not in names), "")
        hint = did_you_mean(unknown, names, cutoff=FIELD_LIKENESS) if unknown else str(error)
        raise wrong_use(f"{model._meta.label} has no field {unknown or named!r}. {hint}") from error
    except _WRONG_VALUES as error:
        raise wrong_use(f"{named}: {' '.join(getattr(error, 'messages', [str(error)]))}") from error
    except DatabaseError as error:
        raise CommandError(f"{model._meta.label} can't be read: {str(error).strip()}") from error
    if not found:
        raise wrong_use(f"There is no {named} in database {using!r}.")
    if count > 1:
        raise wrong_use(f"{count} rows match {named}: add another field=value, or --last for the newest of them.")
    return found[0]


def newest_by(model: type[models.Model], definitions: Iterable[EventDefinition]) -> str:
    """Return the field that tells the newest object: the key if it is a number, since those count up.

    Else the first ``event_datetime`` that is a column; else the key, unless it is in no order.
    """
    key: Any = model._meta.pk
    while key.is_relation:  # a child's link to its parent
        key = key.target_field
    moments = () if isinstance(key, models.IntegerField) else map(moment_lookup, definitions)
    if lookup := next(filter(None, moments), None):
        return lookup
    if isinstance(key, models.UUIDField):
        raise wrong_use(
            f"No event_datetime is a column of {model._meta.label}, whose keys are in no order: name an object by its "
            "key, or by field=value."
        )
    return model._meta.pk.name


def _lookups(model: type[models.Model], words: Sequence[str]) -> Mapping[str, Any]:
    pairs = [word.partition("=") for word in words]
    if all(equals for _, equals, _ in pairs):
        return {name: value for name, _, value in pairs}
    if len(words) > 1:
        raise wrong_use(f"{' '.join(words)!r} is neither one key nor a list of field=value.")
    text, pk = words[0], model._meta.pk
    try:
        return {"pk": pk.to_python(text)}
    except _WRONG_VALUES as error:
        message = f"{text!r} is no key of {model._meta.label}, whose {pk.name!r} is a {type(pk).__name__}."
        unique = [each.name for each in model._meta.concrete_fields if each.unique and not each.primary_key]
        hint = f" By another unique field: {' or '.join(f'{name}={text}' for name in unique)}." if unique else ""
        raise wrong_use(message + hint) from error
