"""The result of a ``Q`` for values in memory, as a database would have it; ``None`` where only the database knows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

#: Characters of which every collation tells one from another, but for case: ASCII, Korean syllables, Chinese.
_SAFE_TEXT = re.compile("[ -~가-힣一-鿿]*").fullmatch
#: The largest number that fits into each of Django's integer fields.
_FITS_EACH_INTEGER = 32767


def leaves(query: Q) -> Iterator[Any]:
    """Yield the lookups ``(name, value)`` and the expressions of a ``Q``, at any depth."""
    for child in query.children:
        if isinstance(child, Q):
            yield from leaves(child)
        else:
            yield child


@dataclass(frozen=True)
class Place:
    """The place of a leaf in a ``Q``."""

    negated: bool = False  # by an odd number of negations
    under_xor: bool = False


def evaluate(query: Q, compare: Callable[[Any, Place], bool | None], place: Place = Place()) -> bool | None:
    """Return the result of a ``Q``, where ``None`` stands for "true or false".

    A comparison with NULL counts as false. In ``filter()`` it does so, too: Django adds ``IS NOT NULL`` below a
    negation, and elsewhere an unknown result excludes a row as a false one does. Only ``XOR`` differs by database.
    """
    children = [each for each in query.children if not isinstance(each, Q) or any(True for _ in leaves(each))]
    if not children:
        return True  # Django leaves out what is empty, even negated
    place = Place(place.negated is not query.negated, place.under_xor or query.connector == Q.XOR)
    results = [evaluate(each, compare, place) if isinstance(each, Q) else compare(each, place) for each in children]
    decisive = query.connector == Q.OR
    if query.connector != Q.XOR and decisive in results:
        return decisive is not query.negated
    if None in results:
        return None
    is_true = results.count(True) % 2 == 1 if query.connector == Q.XOR else not decisive
    return is_true is not query.negated


def is_usual(value: Any, choices: list[Any]) -> bool:
    """Return whether a comparison is true or false to each database: Django simplifies what no row can match."""
    numbers = [each for each in choices if isinstance(each, (int, float, Decimal))]
    return value is not None and bool(choices) and all(0 <= each <= _FITS_EACH_INTEGER for each in numbers)


def is_one_of(field: Any, value: Any, choices: list[Any], vendor: str) -> bool | None:
    """Return whether a column's value is one of these, to a database of this vendor."""
    if value is None:
        return False
    stored, wanted = stored_value(field, value), [stored_value(field, choice) for choice in choices]
    if stored in wanted and not _is_nan(stored) and not _is_rounded(field, stored):
        return True
    return False if all(_differ_surely(field, stored, each, vendor) for each in wanted) else None


def _is_nan(value: Any) -> bool:
    """Return whether it is a NaN, which each database stores in its own way."""
    return bool(value != value)


def _is_rounded(field: Any, value: Any) -> bool:
    """Return whether the database may store another number than this one."""
    return isinstance(field, models.DecimalField) and value != round(value, field.decimal_places)


def _differ_surely(field: Any, one: Any, other: Any, vendor: str) -> bool:
    """Return whether two values that differ in Python do so in the database as well."""
    if isinstance(one, str) and isinstance(other, str):
        while field.is_relation:
            field = field.target_field
        if getattr(field, "db_collation", None):
            return False
        # Collations ignore case, accents, blanks at the end, and more.
        return vendor != "mysql" or bool(_SAFE_TEXT(one + other) and one.lower().rstrip() != other.lower().rstrip())
    if isinstance(one, Decimal):
        is_rounded = _is_rounded(field, one) or _is_rounded(field, other)
        return not is_rounded and (vendor != "sqlite" or float(one) != float(other))
    return not (_is_nan(one) or _is_nan(other))


def stored_value(field: Any, value: Any) -> Any:
    """Return the value as stored in the column: an enum member's value, a related object's key."""
    if isinstance(value, models.Model):
        value = getattr(value, field.target_field.attname)
    stored = field.get_prep_value(value)
    if isinstance(stored, dt.datetime) and stored.tzinfo:
        return stored.astimezone(dt.timezone.utc)  # times of the repeated hour are never equal between zones
    return stored
