"""What an object of others says of itself: a text, an amount, nothing. Asks its class; names none.

The shop's columns and callables hand out phone numbers, countries, money. Knows nothing of models and of the wire.
"""

from __future__ import annotations

import datetime as dt
import enum
import numbers
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

#: What a value may be without being looked at: nearly all are.
EXACT_SCALARS = frozenset({str, bool, int, float, Decimal})
_SCALARS = (str, int, float, Decimal, UUID, dt.date, dt.time, Promise)
#: What models, expressions, managers, money, collections and functions have.
_NON_TEXT_ATTRIBUTES = ("_meta", "resolve_expression", "get_queryset", "amount", "__iter__", "__call__")


def is_plain(value: Any) -> bool:
    """Whether a value is a scalar by itself, and no object that a column, or its own text, has to speak for."""
    if type(value) in EXACT_SCALARS:
        return True
    return isinstance(value.value if isinstance(value, enum.Enum) else value, _SCALARS)


def has_own_text(value: Any) -> bool:
    """Whether a class says what its text is; what Python makes of any object is none."""
    speaker = next(each for each in type(value).__mro__ if "__str__" in vars(each))
    return speaker.__module__ not in ("builtins", "datetime")


def is_text(value: Any) -> bool:
    """Whether an object that stands in no column is a text: a country or phone number that a callable returns."""
    if not has_own_text(value) or isinstance(value, (numbers.Number, BaseException)):
        return False
    return not any(hasattr(value, name) for name in _NON_TEXT_ATTRIBUTES)


def amount_of(value: Any) -> Any:
    """What a money object holds; any other object as it is. A row that has both columns is no money."""
    if hasattr(value, "_meta") or not (hasattr(value, "amount") and hasattr(value, "currency")):
        return value
    amount = value.amount
    if isinstance(amount, Decimal):
        return Decimal(amount)
    return amount if type(amount) in (int, float) else value
