"""The rules that judge a body, and the form of an accepted event in the console, with tables of their own.

The vendor's page states: the statuses, codes and texts, the required names, the predefined names and their types, the
four fields that are cast to their type, and that a value of another type becomes another field. The sandbox's own,
stricter interpretation, so that a mistake shows before it costs data:

* which mistake gets which text, in this order: form, required values, ``event_datetime``, kinds of value, 4007;
* ``null``, nested values, integers beyond 64 bits and text that has no UTF-8 form are "unsupported value type";
* NaN, infinities and numbers beyond a Double are not JSON, so "Invalid request format.";
* a predefined property in another type than its own is 4007 (the page never says that DFINERY checks, or casts);
* an ``event_id`` that is not a UUID written with its four hyphens, and an empty property name, are 4007;
* an event older than 48 hours is answered 200 and never processed (the page states the limit, not the answer).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

PropertyScope = Literal["event", "item", "user"]

PROCESSED_FOR_SECONDS = 48 * 3600  # "Only data within a maximum of 48 hours is processed."
AHEAD_SECONDS = 300  # a clock more than five minutes ahead gets a warning
OLDEST_MILLISECONDS = 10**11  # March 1973: anything below was certainly meant as seconds
#: Longer integers are far beyond 64 bits, and ``int()`` refuses thousands of digits with an error of its own.
MAX_INTEGER_LENGTH = 30

CONSOLE_TYPES: dict[type, str] = {float: "Double", int: "Long", bool: "Boolean", str: "String"}


def _types_by_name(**names_by_type: str) -> dict[str, str]:
    return {name: kind for kind, names in names_by_type.items() for name in names.split()}


PREDEFINED_TYPES: dict[str, dict[str, str]] = {
    "event": _types_by_name(
        String="event_id event_name order_id payment_method",
        Long="event_datetime",
        Double="order_sales discount delivery_charge",
    ),
    "item": _types_by_name(
        String="product_id product_name category1 category2 category3 category4 category5 coupon_id currency",
        Long="quantity",
        Double="price sales discount",
    ),
    "user": _types_by_name(String="user_id user_name user_id_hash age gender"),
}
LISTED_YET_CUSTOM = {("user", "user_name")}  # in the page's table, and in its example "user_name -> c:user_name"
CAST_TO_TEXT = {("event", "event_id"), ("event", "event_name"), ("user", "user_id")}
REQUIRED = (("event", "event_id"), ("event", "event_name"), ("event", "event_datetime"), ("user", "user_id"))
PARTS: dict[str, str] = {"event": "event_attributes", "user": "user_attributes"}
PARTS_IN_REFUSALS: dict[str, str] = {"event": "eventAttribute", "item": "eventItemAttribute", "user": "userAttribute"}
UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class ErrorResponse(NamedTuple):
    """A response that accepts nothing: the HTTP status, the API's code and its text."""

    status: int
    result_code: int | None
    message: str | None


class StoredProperty(NamedTuple):
    """One value as DFINERY stores it; ``item`` counts from 0 and is ``None`` outside the items."""

    scope: PropertyScope
    item: int | None
    name: str
    console_name: str
    type: str
    value: str | int | float | bool


@dataclass(frozen=True)
class Arrival:
    """One accepted event; ``received_at`` is in epoch seconds, ``raw`` is the body exactly as it came."""

    received_at: float
    event_id: str
    event_name: str
    user_id: str
    body: dict[str, Any]
    raw: str
    processed: bool
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, raw: str, received_at: float, warnings: tuple[str, ...]) -> Arrival:
        """Read an accepted body, which may come from the file of an earlier run."""
        body = parse_strict_json(raw)
        event = body["event_attributes"]
        event_id, event_name = cast_to_text(event["event_id"]), cast_to_text(event["event_name"])
        user_id = cast_to_text(body["user_attributes"]["user_id"])
        is_processed = received_at - event["event_datetime"] / 1000 <= PROCESSED_FOR_SECONDS
        return cls(received_at, event_id, event_name, user_id, body, raw, is_processed, warnings)

    @property
    def order_id(self) -> str:
        """The order, if the event names one; empty otherwise."""
        value = self.body["event_attributes"].get("order_id")
        return "" if value is None else cast_to_text(value)

    def properties(self) -> list[StoredProperty]:
        """Return every value under its name and type in the console."""
        return [as_stored(*found) for found in iter_values(self.body)]


def judge(raw: bytes, received_at: float, content_type: str = "application/json") -> Arrival | ErrorResponse:
    """Accept or refuse a body as the API would."""
    try:
        body = parse_strict_json(raw.decode())
    except (ValueError, RecursionError):
        return INVALID_FORMAT
    if refusal := next(filter(None, (rule(body) for rule in RULES)), None):
        return refusal
    warnings = tuple(warnings_about(body, received_at, content_type))
    try:
        return Arrival.of(raw.decode(), received_at, warnings)
    except RecursionError:  # nested as deep as the first parsing just allowed
        return INVALID_FORMAT


def parse_strict_json(text: str) -> Any:
    """Parse JSON by the standard: Python would also accept NaN and turn 1e999 into infinity."""
    return json.loads(text, parse_constant=refuse_constant, parse_float=parse_double, parse_int=parse_long)


def refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def parse_double(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else refuse_constant(text)


def parse_long(text: str) -> int:
    return int(text) if len(text) < MAX_INTEGER_LENGTH else 10**MAX_INTEGER_LENGTH


def iter_values(body: dict[str, Any]) -> Iterator[tuple[PropertyScope, int | None, str, Any]]:
    """Yield scope, item number, name and value of everything in a well-formed body."""
    event = body["event_attributes"]
    yield from (("event", None, name, value) for name, value in event.items() if name != "items")
    for number, item in enumerate(event.get("items", ())):
        yield from (("item", number, name, value) for name, value in item.items())
    yield from (("user", None, name, value) for name, value in body["user_attributes"].items())


def cast_to_text(value: Any) -> str:
    """Cast as the service does with event_id, event_name and user_id."""
    return value if isinstance(value, str) else json.dumps(value)


def as_stored(scope: PropertyScope, item: int | None, name: str, value: Any) -> StoredProperty:
    """Return the property as DFINERY stores it."""
    stored = cast_to_text(value) if (scope, name) in CAST_TO_TEXT else value
    predefined = name in PREDEFINED_TYPES[scope] and (scope, name) not in LISTED_YET_CUSTOM
    console_name = ("abx:" if predefined else "c:") + name
    return StoredProperty(scope, item, name, console_name, CONSOLE_TYPES[type(stored)], stored)


def is_scalar(value: Any) -> bool:
    """Return whether the value is of one of the four types that DFINERY stores."""
    if isinstance(value, str):
        return is_unicode(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float)


def is_unicode(text: str) -> bool:
    """Return whether the text can be encoded as UTF-8: a lone surrogate can't."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


# --- The rules, in the order in which they apply

INVALID_FORMAT = ErrorResponse(400, 4002, "Invalid request format.")
EMPTY_REQUIRED = ErrorResponse(400, 4002, "Required parameters cannot be empty.")
INVALID_DATETIME = ErrorResponse(400, 4002, "Invalid event datetime format.")
UNSUPPORTED_NAME = ErrorResponse(400, 4007, "Contains unsupported property name.")
UNSUPPORTED_VALUE = ErrorResponse(400, 4007, "Contains unsupported property value.")


def refuse_form(body: Any) -> ErrorResponse | None:
    if not isinstance(body, dict) or not all(isinstance(body.get(part), dict) for part in PARTS.values()):
        return INVALID_FORMAT
    items = body["event_attributes"].get("items", [])
    is_valid = isinstance(items, list) and all(isinstance(item, dict) for item in items)
    return None if is_valid else INVALID_FORMAT


def refuse_empty(body: dict[str, Any]) -> ErrorResponse | None:
    given = (body[PARTS[scope]].get(name) for scope, name in REQUIRED)
    return EMPTY_REQUIRED if any(value is None or value == "" for value in given) else None


def refuse_datetime(body: dict[str, Any]) -> ErrorResponse | None:
    return None if type(body["event_attributes"]["event_datetime"]) is int else INVALID_DATETIME


def refuse_kinds(body: dict[str, Any]) -> ErrorResponse | None:
    for scope, _, _, value in iter_values(body):
        if not is_scalar(value):
            return ErrorResponse(400, 4002, f"{PARTS_IN_REFUSALS[scope]} contains unsupported value type.")
    return None


def refuse_properties(body: dict[str, Any]) -> ErrorResponse | None:
    for scope, _, name, value in iter_values(body):
        if not name or not is_unicode(name):
            return UNSUPPORTED_NAME
        own_type = PREDEFINED_TYPES[scope].get(name)
        if own_type and (scope, name) not in CAST_TO_TEXT and CONSOLE_TYPES[type(value)] != own_type:
            return UNSUPPORTED_VALUE
    is_uuid = UUID_PATTERN.fullmatch(cast_to_text(body["event_attributes"]["event_id"]))
    return None if is_uuid else UNSUPPORTED_VALUE


Rule = Callable[[Any], ErrorResponse | None]
RULES: tuple[Rule, ...] = (refuse_form, refuse_empty, refuse_datetime, refuse_kinds, refuse_properties)


def warnings_about(body: dict[str, Any], received_at: float, content_type: str) -> Iterator[str]:
    """Yield the probable mistakes in an accepted body."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        yield f"Content-Type is {content_type!r}; the API documents application/json."
    for scope, _, name, value in iter_values(body):
        if (scope, name) in CAST_TO_TEXT and not isinstance(value, str):
            yield f"{name} came as {CONSOLE_TYPES[type(value)]} and is cast to String."
    for name in sorted(body.keys() - set(PARTS.values())):
        yield f"{name!r} beside event_attributes and user_attributes is not documented."
    milliseconds = body["event_attributes"]["event_datetime"]
    if milliseconds < OLDEST_MILLISECONDS:
        yield "event_datetime looks like seconds; the API takes milliseconds."
    if milliseconds / 1000 > received_at + AHEAD_SECONDS:
        yield "event_datetime lies in the future; what DFINERY does with that is not documented."
