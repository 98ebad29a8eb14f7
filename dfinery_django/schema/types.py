"""Lossless conversion of a Python value to a JSON value of its field's type.

DFINERY stores a value by its JSON type, and the same field with another type becomes another field in its reports. So
the field decides the type, not the value: ``4000000`` in a Double field is sent as ``4000000.0``. This module knows
neither fields, models nor mappings.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.functional import Promise

from ..clock import EPOCH
from ..exceptions import PayloadError
from ..text.reasons import ReasonText
from .objects import EXACT_SCALARS, amount_of, is_plain, is_text

#: A value on the wire: JSON string, integer, number with a decimal point, true/false.
Wire = str | int | float | bool

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
LONGEST_NUMBER = 300
#: MariaDB stores no date before the year 1000, and Python reads no year after 9999. One day at either end is left for
#: the time zone in which a page shows it.
FIRST_MOMENT = dt.datetime(1000, 1, 2, tzinfo=dt.timezone.utc)
LAST_MOMENT = dt.datetime(9999, 12, 30, tzinfo=dt.timezone.utc)
_MAP_A_REAL_DATE = ReasonText("map_real_date")
MAP_SCALAR = ReasonText("map_scalar")
_SEND_AS_TEXT = ReasonText("send_as_text")


class WireType(str, enum.Enum):
    """The four types that DFINERY knows (an integer counts as Long)."""

    STRING = "string"
    LONG = "long"
    DOUBLE = "double"
    BOOLEAN = "boolean"

    @property
    def label(self) -> str:
        """The type in the spelling of DFINERY's page: ``Double``."""
        return self.value.capitalize()


def convert(value: Any, wire_type: WireType | None, path: str) -> Wire:
    """Convert a value to the JSON value of a type, or of its own type if that is ``None``.

    :param path: the value's place in the payload, for the error
    :raises PayloadError: if it can't be converted without loss
    """
    plain = _normalized(value, path)
    return _CONVERTERS[wire_type or _type_of(plain, path)](plain, path)


def infer(value: Any, path: str = "value") -> WireType:
    """Return a value's own type, or raise ``PayloadError`` if it can't be sent."""
    return _type_of(_normalized(value, path), path)


def epoch_milliseconds(value: Any, path: str = "event_datetime") -> int:
    """Return a datetime as milliseconds since 1970 in UTC; see ``in_utc``."""
    # Integer arithmetic: the microseconds of a float would sometimes be off by one.
    return (in_utc(value, path) - EPOCH) // dt.timedelta(milliseconds=1)


def as_moment(value: Any, path: str = "event_datetime") -> dt.datetime:
    """Return a plain datetime in UTC that every database and driver can handle; a naive one is in the site's time zone.

    :raises PayloadError: if it is not a datetime, or not between ``FIRST_MOMENT`` and ``LAST_MOMENT``
    """
    moment = in_utc(value, path)
    if not FIRST_MOMENT <= moment <= LAST_MOMENT:
        raise PayloadError(path, ReasonText("not_storable_date", date=str(moment.date())), _MAP_A_REAL_DATE)
    return moment


def hours_after(moment: dt.datetime, hours: float, path: str = "event_datetime") -> dt.datetime:
    """Return the moment so many hours later, or raise ``PayloadError`` if it can't be stored."""
    try:
        return as_moment(moment + dt.timedelta(hours=hours), path)
    except (OverflowError, PayloadError):
        problem = ReasonText("date_too_late", date=str(moment.date()), hours=f"{hours:g}")
        raise PayloadError(path, problem, _MAP_A_REAL_DATE) from None


def in_utc(value: Any, path: str) -> dt.datetime:
    """Convert a datetime of any class and time zone to a plain one in UTC; a naive one is in the site's time zone.

    :raises PayloadError: if it is not a datetime, or its time zone or the calendar has no such moment in UTC
    """
    if not isinstance(value, dt.datetime):
        raise PayloadError(path, ReasonText("not_a_moment", kind=_kind(value)), ReasonText("map_datetime"))
    if type(value) is dt.datetime and value.tzinfo is dt.timezone.utc:
        return value
    try:
        # By its parts: the methods of a foreign class may return anything.
        zone = value.tzinfo if timezone.is_aware(value) else timezone.get_default_timezone()
        parts = value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
        return dt.datetime(*parts, tzinfo=zone, fold=value.fold).astimezone(dt.timezone.utc)
    except Exception:  # noqa: BLE001 - year 1 or 9999, which shops use for "never"; or the site's time zone raises
        raise PayloadError(path, ReasonText("no_utc_date", kind=_kind(value)), _MAP_A_REAL_DATE) from None


def _normalized(value: Any, path: str) -> Any:
    """Return the value that a reloaded instance has: without enums, lazy or marked text and subclasses.

    The text of a subclass may vary, also between versions of Python; the column has the plain value.
    """
    if type(value) in EXACT_SCALARS:
        return _text(value, path) if type(value) is str else value
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, (Promise, str)):
        return _text(str.__str__(value) if issubclass(type(value), str) else str(value), path)
    if isinstance(value, UUID):
        return UUID.__str__(value)
    if isinstance(value, dt.datetime):
        return in_utc(value, path).isoformat().replace("+00:00", "Z")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    for kind, exact in _EXACT:
        if issubclass(type(value), kind):
            return exact(value)
    return value if is_plain(value) else amount_of(value)


_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__index__),
    (float, float.__float__),
    (Decimal, Decimal),
)


def _text(text: str, path: str) -> str:
    try:
        return text.encode().decode()  # SafeString and other subclasses become plain str
    except UnicodeEncodeError:
        raise PayloadError(path, ReasonText("lone_surrogate"), ReasonText("decode_utf8")) from None


def _type_of(value: Any, path: str) -> WireType:
    for kinds, wire_type in _OWN_TYPES:
        if isinstance(value, kinds):
            return wire_type
    if is_text(value):
        return WireType.STRING
    raise PayloadError(path, ReasonText("unsendable", kind=_kind(value)), _remedy(value))


_OWN_TYPES: tuple[tuple[type | tuple[type, ...], WireType], ...] = (
    (str, WireType.STRING),
    (bool, WireType.BOOLEAN),  # before int, whose subclass it is
    (int, WireType.LONG),
    ((float, Decimal), WireType.DOUBLE),
)


def _kind(value: object) -> str:
    return type(value).__name__


def _remedy(value: object) -> str:
    if hasattr(value, "resolve_expression"):
        return ReasonText("reload_first")
    if hasattr(value, "_meta"):
        return ReasonText("map_field")
    if hasattr(value, "amount"):
        return ReasonText("map_amount")
    if isinstance(value, (dict, list, tuple, set)):
        return ReasonText("map_entry")
    return MAP_SCALAR


def _as_string(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        _refuse_not_finite(value, path)
        _refuse_endless(value, path)
    if isinstance(value, Decimal):
        return format(value, "f")
    _type_of(value, path)
    return _text(str(value), path)


def _as_boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, WireType.BOOLEAN, path, "map_boolean")
    return value


def _as_long(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise _mismatch(value, WireType.LONG, path, "map_integer")
    _refuse_not_finite(value, path)
    if not LONG_MIN <= value <= LONG_MAX:
        raise PayloadError(path, ReasonText("beyond_64_bits"), _SEND_AS_TEXT)
    if value != int(value):
        raise _mismatch(value, WireType.LONG, path, "round_fraction")
    return int(value)


def _as_double(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise _mismatch(value, WireType.DOUBLE, path, "map_number")
    if isinstance(value, int):
        return _double_of_int(value, path)
    _refuse_not_finite(value, path)
    number = float(value)
    # A Double is a 64-bit float. A decimal survives if its shortest text reads back as the same decimal.
    if isinstance(value, Decimal) and Decimal(repr(number)) != value:
        raise PayloadError(path, ReasonText("too_many_digits", value=str(value)), ReasonText("round_it"))
    return number


def _double_of_int(value: int, path: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number != value:
        raise PayloadError(path, ReasonText("inexact_double"), _SEND_AS_TEXT)
    return number


def _refuse_not_finite(value: int | float | Decimal, path: str) -> None:
    is_finite = value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or math.isfinite(value)
    if not is_finite:
        raise PayloadError(path, ReasonText("not_finite", value=str(value)), ReasonText("leave_field_out"))


def _refuse_endless(value: int | float | Decimal, path: str) -> None:
    """Refuse a number with more than ``LONGEST_NUMBER`` digits: it is a mistake, and ``str(int)`` has a limit too."""
    exponent = value.adjusted() if isinstance(value, Decimal) else 0
    digits = value.bit_length() / 3 if isinstance(value, int) else 0
    if abs(exponent) > LONGEST_NUMBER or digits > LONGEST_NUMBER:
        raise PayloadError(path, ReasonText("endless_number", count=LONGEST_NUMBER), ReasonText("round_in_callable"))


def _mismatch(value: Any, wire_type: WireType, path: str, remedy: str) -> PayloadError:
    is_plain_kind = _kind(value) in ("bool", "int", "float", "Decimal", "str")
    return PayloadError(path, _mismatch_text(value, wire_type), ReasonText(remedy) if is_plain_kind else _remedy(value))


def _mismatch_text(value: Any, wire_type: WireType) -> ReasonText:
    """Name a number as it is, and only the type of any other value: it may be personal."""
    is_short = not isinstance(value, int) or value.bit_length() < 99
    if isinstance(value, (int, float, Decimal)) and is_short:
        return ReasonText("wrong_value", kind=_kind(value), value=repr(value), type=wire_type.label)
    return ReasonText("wrong_kind", kind=_kind(value), type=wire_type.label)


_CONVERTERS: dict[WireType, Callable[[Any, str], Wire]] = {
    WireType.STRING: _as_string,
    WireType.LONG: _as_long,
    WireType.DOUBLE: _as_double,
    WireType.BOOLEAN: _as_boolean,
}
