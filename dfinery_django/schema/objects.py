"""Recognition of foreign value objects (phone numbers, countries, money) by what their classes define.

No class or package is named. This module knows neither models nor the wire.
"""

from __future__ import annotations

import datetime as dt
import enum
import numbers
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

#: Types of values that need no conversion; nearly all values have one.
EXACT_SCALARS = frozenset({str, bool, int, float, Decimal})
_SCALARS = (str, int, float, Decimal, UUID, dt.date, dt.time, Promise)
#: Attributes of models, expressions, managers, money, collections and functions.
_NON_TEXT_ATTRIBUTES = ("_meta", "resolve_expression", "get_queryset", "amount", "__iter__", "__call__")


def is_plain(value: Any) -> bool:
    """Return whether a value is a scalar, or an object that its column or its own text has to represent."""
    if type(value) in EXACT_SCALARS:
        return True
    return isinstance(value.value if isinstance(value, enum.Enum) else value, _SCALARS)


def has_own_text(value: Any) -> bool:
    """Return whether a class defines its own ``__str__``; Python's defaults don't count."""
    definer = next(each for each in type(value).__mro__ if "__str__" in vars(each))
    return definer.__module__ not in ("builtins", "datetime")


def is_text(value: Any) -> bool:
    """Return whether an object without a column is a text: a country or phone number that a callable returns."""
    if not has_own_text(value) or isinstance(value, (numbers.Number, BaseException)):
        return False
    return not any(hasattr(value, name) for name in _NON_TEXT_ATTRIBUTES)


def amount_of(value: Any) -> Any:
    """Return the amount of a money object; any other object as it is. A row that has both columns is not money."""
    if hasattr(value, "_meta") or not (hasattr(value, "amount") and hasattr(value, "currency")):
        return value
    amount = value.amount
    if isinstance(amount, Decimal):
        return Decimal(amount)
    return amount if type(amount) in (int, float) else value
