"""One Python value -> one JSON value of its field's type: lossless, or refused with a remedy."""

from __future__ import annotations

import datetime as dt
import enum
import fractions
import ipaddress
import json
import pathlib
import string
import time
import uuid
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F, IntegerChoices, TextChoices
from django.utils import timezone
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given, settings, strategies as st

from dfinery_django.exceptions import PayloadError
from dfinery_django.schema.payload import Payload, convert_properties
from dfinery_django.schema.properties import PREDEFINED, Scope
from dfinery_django.schema.types import WireType, as_moment, convert, epoch_milliseconds, infer
from tests.shop.models import Order

S, L, D, B = WireType.STRING, WireType.LONG, WireType.DOUBLE, WireType.BOOLEAN

NAN, INFINITY = float("nan"), float("inf")
AN_ID = uuid.UUID("0166a71c-caf4-462d-8201-9c30c40f2354")
SEOUL = dt.timezone(dt.timedelta(hours=9))
UTC = dt.timezone.utc


class Grade(TextChoices):
    GOLD = "gold", "Gold member"


class Level(IntegerChoices):
    TWO = 2, "Two"


class Rate(enum.Enum):
    HALF = Decimal("0.5")


class Rank(enum.IntEnum):
    TWO = 2


class Own:
    """Subclasses of what Python has that write themselves otherwise."""

    def __str__(self) -> str:
        return "otherwise"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return "otherwise"


class OwnInt(Own, int): ...


class OwnFloat(Own, float): ...


class OwnDecimal(Own, Decimal): ...


class OwnStr(Own, str): ...


class OwnId(Own, uuid.UUID): ...


class Money:
    """As money libraries have it."""

    amount = Decimal("10.00")


@pytest.mark.parametrize(
    ("value", "wire_type", "text"),
    [
        # Double
        (4000000, D, "4000000.0"),
        (-3, D, "-3.0"),
        (2**53, D, "9007199254740992.0"),
        (Decimal("4000000"), D, "4000000.0"),
        (Decimal("19.90"), D, "19.9"),
        (Decimal("-1234567890.12"), D, "-1234567890.12"),
        (Decimal("1E+22"), D, "1e+22"),
        (1.5, D, "1.5"),
        (5e-324, D, "5e-324"),
        (Level.TWO, D, "2.0"),
        (Rate.HALF, D, "0.5"),
        # Long
        (1, L, "1"),
        (Decimal("3"), L, "3"),
        (Decimal("3.00"), L, "3"),
        (Decimal("2E+3"), L, "2000"),
        (3.0, L, "3"),
        (2**53 + 1, L, "9007199254740993"),
        (2**63 - 1, L, "9223372036854775807"),
        (-(2**63), L, "-9223372036854775808"),
        (Level.TWO, L, "2"),
        # String
        ("", S, '""'),
        ("가나다", S, '"가나다"'),
        (12, S, '"12"'),
        (2**64, S, '"18446744073709551616"'),
        (1.5, S, '"1.5"'),
        (Decimal("10.50"), S, '"10.50"'),
        (Decimal("1E+3"), S, '"1000"'),
        (True, S, '"true"'),
        (False, S, '"false"'),
        (AN_ID, S, f'"{AN_ID}"'),
        (lazystr("lazy"), S, '"lazy"'),
        (gettext_lazy("no such message"), S, '"no such message"'),
        (mark_safe("<b>"), S, '"<b>"'),
        (Grade.GOLD, S, '"gold"'),
        (Level.TWO, S, '"2"'),
        (dt.date(2026, 1, 31), S, '"2026-01-31"'),
        (dt.time(23, 59), S, '"23:59:00"'),
        (dt.datetime(2026, 1, 1, 0, 30, tzinfo=SEOUL), S, '"2025-12-31T15:30:00Z"'),
        (dt.datetime(2026, 1, 1, 0, 30, 0, 250, tzinfo=UTC), S, '"2026-01-01T00:30:00.000250Z"'),
        (dt.datetime(2026, 1, 1, 0, 30), S, '"2025-12-31T15:30:00Z"'),  # noqa: DTZ001 - the site's zone is Seoul
        # a subclass is what it holds, not what it shows
        (Rank.TWO, S, '"2"'),
        (OwnInt(7), S, '"7"'),
        (OwnInt(7), L, "7"),
        (OwnInt(7), D, "7.0"),
        (OwnFloat(1.5), S, '"1.5"'),
        (OwnFloat(1.5), None, "1.5"),
        (OwnDecimal("1.50"), S, '"1.50"'),
        (OwnDecimal("1.50"), D, "1.5"),
        (OwnStr("text"), S, '"text"'),
        (OwnId(str(AN_ID)), S, f'"{AN_ID}"'),
        # objects that are a text
        (zoneinfo.ZoneInfo("Asia/Seoul"), S, '"Asia/Seoul"'),
        (pathlib.PurePosixPath("a/b"), None, '"a/b"'),
        (ipaddress.ip_address("::1"), S, '"::1"'),
        # Boolean
        (True, B, "true"),
        (False, B, "false"),
        # by itself
        (True, None, "true"),
        (7, None, "7"),
        (7.0, None, "7.0"),
        (Decimal("7"), None, "7.0"),
        ("7", None, '"7"'),
        (AN_ID, None, f'"{AN_ID}"'),
        (Rate.HALF, None, "0.5"),
    ],
)
def test_conversion_is_lossless(value: Any, wire_type: WireType | None, text: str) -> None:
    """A value goes out as its field's type, with nothing lost."""
    assert json.dumps(convert(value, wire_type, "field"), ensure_ascii=False) == text


@pytest.mark.parametrize("value", [mark_safe("text"), lazystr("text"), Grade.GOLD, Level.TWO])
def test_only_plain_types_come_out(value: Any) -> None:
    """Fresh and reloaded instances agree: no subclass of str or int survives conversion."""
    assert type(convert(value, None, "field")) in (str, int)


@pytest.mark.parametrize(
    ("value", "wire_type", "problem", "remedy"),
    [
        # text and booleans are no numbers, numbers are no booleans
        ("12", L, "is not a Long", "whole number"),
        ("12.0", D, "is not a Double", "Map a number"),
        (Grade.GOLD, L, "is not a Long", "whole number"),
        (True, L, "bool True is not a Long", "whole number"),
        (False, D, "bool False is not a Double", "Map a number"),
        (1, B, "int 1 is not a Boolean", "BooleanField"),
        ("true", B, "is not a Boolean", "BooleanField"),
        (1.5, L, "is not a Long", "round it"),
        (Decimal("0.01"), L, "is not a Long", "round it"),
        # what no Double or Long holds
        *[(value, kind, "not a finite number", "None") for value in (NAN, INFINITY, -INFINITY) for kind in (S, L, D)],
        *[(Decimal(text), kind, "finite", "None") for text in ("NaN", "sNaN", "-Infinity") for kind in (S, L, D)],
        (NAN, None, "not a finite number", "None"),
        (2**63, L, "64 bits", "text"),
        (-(2**63) - 1, None, "64 bits", "text"),
        (1e19, L, "64 bits", "text"),
        (2**53 + 1, D, "too large for a Double", "text"),
        (10**400, D, "too large for a Double", "text"),
        (Decimal("123456789012345678.12"), D, "more digits than a Double", "Round it"),
        (Decimal("0.12345678901234567890"), None, "more digits than a Double", "Round it"),
        # what is no text
        ("\ud800", S, "lone surrogate", "UTF-8"),
        (lazystr("a\udfff"), None, "lone surrogate", "UTF-8"),
        (b"bytes", S, "a bytes can't be sent", "Map a path"),
        (b"bytes", None, "a bytes can't be sent", "Map a path"),
        (bytearray(b"1"), L, "a bytearray is not a Long", "Map a path"),
        (dt.timedelta(days=1), S, "a timedelta can't be sent", "Map a path"),
        (1j, None, "a complex can't be sent", "Map a path"),
        (fractions.Fraction(1, 3), S, "a Fraction can't be sent", "Map a path"),
        (ValueError("x"), S, "a ValueError can't be sent", "Map a path"),
        (KeyError, S, "a type can't be sent", "Map a path"),
        (Order._base_manager, S, "a Manager can't be sent", "Map a path"),
        (object(), S, "a object can't be sent", "Map a path"),
        (None, S, "a NoneType can't be sent", "Map a path"),
        # nested values
        *[(nested, kind, nested_type, "only in items") for kind in (*WireType, None)
          for nested, nested_type in (([1], "a list"), ({"a": 1}, "a dict"), ((1,), "a tuple"), ({1}, "a set"))],
        # objects of the shop
        *[(Order(), kind, "a Order", "'.pk'") for kind in (*WireType, None)],
        *[(Money(), kind, "a Money", "'.amount'") for kind in (*WireType, None)],
        *[(F("total") + 1, kind, "a CombinedExpression", "reload the object") for kind in (*WireType, None)],
    ],
)  # fmt: skip
def test_what_would_lose_something_is_refused(
    value: Any, wire_type: WireType | None, problem: str, remedy: str
) -> None:
    """What can't become its field's type is refused, with where, what is wrong and what to change."""
    with pytest.raises(PayloadError) as caught:
        convert(value, wire_type, "items[0].price")
    assert caught.value.path == "items[0].price"
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("wire_type", [L, D])
@pytest.mark.parametrize("exponent", ["1E+999999", "1E-999999", "-9.9E+999999"])
def test_huge_exponents_are_refused_at_once(exponent: str, wire_type: WireType) -> None:
    """A number with a huge exponent is refused without ever being written out."""
    started = time.process_time()
    with pytest.raises(PayloadError):
        convert(Decimal(exponent), wire_type, "price")
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    ("value", "wire_type"),
    [(1, L), (1.0, D), (Decimal(1), D), (True, B), ("1", S), (AN_ID, S), (Grade.GOLD, S), (Level.TWO, L),
     (dt.date(2026, 1, 1), S), (lazystr("1"), S)],
)  # fmt: skip
def test_a_value_has_a_type_by_itself(value: Any, wire_type: WireType) -> None:
    """The first value of an undeclared field decides its type."""
    assert infer(value) is wire_type


@pytest.mark.parametrize(
    ("moment", "milliseconds"),
    [
        (dt.datetime(2023, 6, 2, 2, 28, 25, tzinfo=UTC), 1685672905000),
        (dt.datetime(2023, 6, 2, 11, 28, 25, tzinfo=SEOUL), 1685672905000),
        (dt.datetime(2023, 6, 2, 11, 28, 25), 1685672905000),  # noqa: DTZ001 - the site's zone is Seoul
        (dt.datetime(2023, 6, 2, 2, 28, 25, 999999, tzinfo=UTC), 1685672905999),
        (dt.datetime(2023, 6, 2, 2, 28, 25, 1000, tzinfo=UTC), 1685672905001),
        (dt.datetime(1970, 1, 1, tzinfo=UTC), 0),
        (dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253402300799999),
    ],
)
def test_a_moment_is_epoch_milliseconds_in_utc(moment: dt.datetime, milliseconds: int) -> None:
    """A moment becomes whole milliseconds in UTC; a naive one is in the site's time zone, whatever a request's is."""
    with timezone.override("America/New_York"):
        assert epoch_milliseconds(moment) == milliseconds


@pytest.mark.parametrize("value", [dt.date(2026, 1, 1), 1685672905000, "2026-01-01T00:00:00Z", None])
def test_only_a_datetime_is_a_moment(value: Any) -> None:
    """Whatever is no datetime is refused as a point in time."""
    with pytest.raises(PayloadError, match="not a point in time") as caught:
        as_moment(value)
    assert caught.value.path == "event_datetime"
    assert "DateTimeField" in caught.value.remedy


# ── whatever a shop holds, whichever the field ─────────────────────────────────────────────────────────────────

CUSTOM: dict[str, WireType] = {f"custom_{kind.value}": kind for kind in WireType}
FIELDS: list[tuple[Scope, str, WireType]] = [
    *((scope, entry.name, entry.type) for scope, entries in PREDEFINED.items() for entry in entries.values()),
    *((scope, name, kind) for scope in PREDEFINED for name, kind in CUSTOM.items()),
]
MAPPABLE = [field for field in FIELDS if field[1] not in ("event_id", "event_name", "event_datetime")]

SCALARS = st.one_of(
    st.integers(),
    st.sampled_from([2**53, 2**53 + 1, 2**63, -(2**63), 10**400]),
    st.floats(),
    st.decimals(),
    st.decimals(places=2, allow_nan=False, allow_infinity=False),
    st.text(),
    st.text(st.characters(categories=["Cs", "Lu"])),
    st.text(string.digits),
    st.booleans(),
    st.none(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.just(SEOUL)),
    st.timedeltas(),
    st.binary(),
    st.uuids(),
    st.sampled_from([Grade.GOLD, Level.TWO, Rate.HALF]),
    st.complex_numbers(),
)
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)


class JsonLong(str):
    """A number without a decimal point, as it stands in the text."""


class JsonDouble(str):
    """A number with a decimal point or an exponent, as it stands in the text."""


JSON_TYPES: dict[WireType, type] = {S: str, L: JsonLong, D: JsonDouble, B: bool}


@settings(deadline=None)  # a slow machine is no fault
@given(field=st.sampled_from(MAPPABLE), value=ANYTHING)
def test_a_field_has_its_type_or_the_event_says_why_not(field: tuple[Scope, str, WireType], value: Any) -> None:
    """Any value either stands in the text with exactly its field's JSON type or is refused with field and remedy."""
    scope, name, wire_type = field
    outcome = _converted_or_refused(scope, name, value)
    if isinstance(outcome, PayloadError):
        assert outcome.path == f"place.{name}"
        assert outcome.problem
        assert outcome.remedy
    elif value is None:
        assert outcome == {}
    else:
        assert type(_written(scope, outcome)[name]) is JSON_TYPES[wire_type]


def _converted_or_refused(scope: Scope, name: str, value: Any) -> dict[str, Any] | PayloadError:
    try:
        return convert_properties({name: value}, scope, lambda scope, name: CUSTOM.get(name), "place")
    except PayloadError as error:
        return error


def _written(scope: Scope, values: dict[str, Any]) -> Any:
    """One part of a payload, read back from its text; ints and floats keep how they were written."""
    parts: dict[str, Any] = {"event": {}, "user": {}, "item": {}, scope: values}
    text = Payload(parts["event"], parts["user"], (parts["item"],)).to_json().encode()
    content = json.loads(text, parse_int=JsonLong, parse_float=JsonDouble)
    event = content["event_attributes"]
    return {"event": event, "item": event["items"][0], "user": content["user_attributes"]}[scope]


@pytest.mark.parametrize(
    ("value", "wire_type"),
    [
        pytest.param(10**5000, WireType.STRING, id="digits"),
        pytest.param(10**5000, WireType.BOOLEAN, id="digits of a boolean"),
        (Decimal("1E+999999"), WireType.STRING),
        (Decimal("1E-999999"), WireType.STRING),
        (dt.datetime.min, WireType.STRING),  # noqa: DTZ901
        (dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-9))), None),
    ],
)
def test_what_no_text_can_hold_is_refused(value: Any, wire_type: WireType | None) -> None:
    """Endless digits and the ends of the calendar: a PayloadError, not an error of Python."""
    with pytest.raises(PayloadError, match="x: "):
        convert(value, wire_type, "x")
