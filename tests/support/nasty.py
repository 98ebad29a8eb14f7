"""What a shop's models and callables may yield, at their worst: strategies for hypothesis."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ObjectDoesNotExist
from django.db import DataError, ProgrammingError
from django.db.models import F
from django.utils.functional import lazystr
from hypothesis import strategies as st


def _fail(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("half \ud83d")


class OddZone(dt.tzinfo):
    """A time zone of somebody's own: whose offset is none, no duration, or an error."""

    def __init__(self, offset: Any) -> None:
        self.offset = offset

    def utcoffset(self, moment: dt.datetime | None) -> Any:
        return self.offset() if callable(self.offset) else self.offset

    def dst(self, moment: dt.datetime | None) -> Any:
        return None

    def tzname(self, moment: dt.datetime | None) -> Any:
        return _fail()


class Moment(dt.datetime):
    """A class of others: its methods are its own business."""

    astimezone = replace = isoformat = __str__ = __format__ = _fail


class Unwritable(Exception):
    __str__ = __repr__ = _fail


def _objects() -> Iterator[Any]:
    """Objects whose methods raise; texts and numbers among them."""
    for methods in (["__str__"], ["__repr__"], ["__eq__", "__hash__"], ["__bool__"], ["__len__", "__iter__"]):
        members = dict.fromkeys(methods, _fail)
        for base, value in ((object, None), (str, "text"), (int, 7), (float, 1.5), (Decimal, "1.5"), (dict, None)):
            kind: Any = type("Odd", (base,), members)
            yield kind() if value is None else kind(value)
    endless: list[Any] = []
    endless.append(endless)
    yield from (endless, {"a": endless}, (each for each in "ab"), lazystr("text"), lambda: 1, _fail, F("total"))
    yield from (b"bytes", bytearray(b"x"), {1, 2}, range(3), ..., NotImplemented, object, ValueError("no"), iter(()))
    yield from (enum.Enum("Half", {"A": "half \ud83d"}).A, enum.Enum("Odd", {"A": object()}).A)  # type: ignore[attr-defined]


_ZONES = [
    *(None, dt.timezone.utc, ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York")),
    *(dt.timezone(dt.timedelta(hours=hours, minutes=59 * (hours > 0) - 59 * (hours < 0))) for hours in (-23, 23)),
    dt.timezone(dt.timedelta(seconds=30472, microseconds=7)),
    *map(OddZone, (None, "nine", dt.timedelta(days=2), dt.timedelta(hours=9), _fail)),
]
_ENDS = [
    *(dt.datetime.min, dt.datetime.max, dt.datetime(1, 1, 3), dt.datetime(999, 12, 31), dt.datetime(1000, 1, 1)),  # noqa: DTZ001, DTZ901
    *(dt.datetime(9999, 12, 29, 23, 59), dt.datetime(9999, 12, 27), dt.datetime(9998, 1, 1), dt.datetime(1970, 1, 1)),  # noqa: DTZ001
    *(dt.datetime(2026, 3, 8, 2, 30), dt.datetime(2026, 11, 1, 1, 30, fold=1)),  # noqa: DTZ001 - a gap and a fold
]


def _one_of(values: Iterable[Any]) -> st.SearchStrategy[Any]:
    """Any of them, by its number: hypothesis would write them out, which they don't let it."""
    known = list(values)
    return st.integers(0, len(known) - 1).map(known.__getitem__)


moments = st.builds(
    lambda moment, zone, kind: kind(*moment.timetuple()[:6], moment.microsecond, zone, fold=moment.fold),
    st.sampled_from(_ENDS) | st.datetimes(),
    st.sampled_from(_ZONES),
    st.sampled_from([dt.datetime, Moment]),
)
texts = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["half \ud83d", "\x00", "a\x00b", "\ud800" * 200, "가" * 300, "🎁" * 200, "x" * 700_000, " ", "\u202e", "'\"\\%s{}"]
)
numbers = (
    st.integers()
    | st.floats()
    | st.decimals()
    | _one_of([10**5000, -(2**63) - 1, 2**64, Decimal("1E+999999"), Decimal("-0"), Decimal("sNaN")])
)
errors = _one_of(
    [
        *(
            ValueError("half \ud83d"),
            KeyError("a\x00b"),
            Unwritable(),
            RecursionError(),
            MemoryError(),
            StopIteration(),
        ),
        *(ObjectDoesNotExist(), AttributeError("x"), TypeError(), DataError("too long"), ProgrammingError("no such")),
        *(UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates"), OverflowError("x" * 100_000), AssertionError()),
    ]
)
values = moments | texts | numbers | _one_of(_objects()) | st.none() | st.booleans() | st.dates() | st.uuids()


def _raising(error: Exception) -> Callable[[Any], Any]:
    def read(source: Any) -> Any:
        raise error

    return read


def _yielding(value: Any) -> Callable[[Any], Any]:
    return lambda source: value


#: Callables of one argument that yield one of all this, or raise.
readers = values.map(_yielding) | errors.map(_raising)
