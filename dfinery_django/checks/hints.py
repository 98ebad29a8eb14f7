"""Hints that name what a model has: its fields and a field's choices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.db import models

from ..conf import FIELD_LIKENESS, nearest
from ..definitions.readable import method_names

_MOST_CHOICES = 20


def path_names(model: Any) -> Iterator[str]:
    """Yield the names of a model's fields and relations, as a path has them."""
    for field in model._meta.get_fields():
        yield (field.get_accessor_name() or field.name if field.auto_created and not field.concrete else field.name)


def near_hint(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the name that ``word`` nearly is; "" if there is none."""
    near = nearest(word, known, cutoff=FIELD_LIKENESS)
    return f"Did you mean {near!r}?" if near else ""


def path_hint(model: type[models.Model], part: str, *, unfit: Collection[str] = ()) -> str:
    """Return a sentence with the nearest name that a path can read, or with all fields but those that are unfit."""
    names = sorted({*path_names(model)} - {*unfit})
    return near_hint(part, [*names, "pk", *method_names(model)]) or f"Known: {', '.join(names)}."


def choices_of(field: Any) -> list[tuple[Any, str]]:
    """Return a field's stored values with their labels, without groups. Calls no callable of the site."""
    pairs = field.flatchoices if isinstance(field.choices, (list, tuple)) else ()
    return [(stored_form(value), str(label)) for value, label in pairs if value not in (None, "")]


def with_article(noun: str) -> str:
    """Return ``an IntegerField``, ``a CharField``."""
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"


def stored_form(value: Any) -> Any:
    """Return the value of an enum's member; any other as it is."""
    return getattr(value, "value", value)


def choices_words(choices: Collection[tuple[Any, str]]) -> str:
    """Return stored values as a list in words. A number says little, so its label stands behind it."""
    words = [repr(value) if isinstance(value, str) else f"{value!r} ({label})" for value, label in choices]
    return ", ".join([*words[:_MOST_CHOICES], *(["…"] if len(words) > _MOST_CHOICES else [])])
