"""Parser and validator of request bodies for DFINERY's S2S Event API, the inverse of ``s2s``.

Bodies are refused in DFINERY's order, with its codes and texts. A value of another type than its field's is converted
without loss (``4000000`` for ``order_sales`` becomes ``4000000.0``), else refused. Stricter than the page where a guess
would lose data: a name that occurs twice in an object, a blank ``user_id``, U+0000 in a name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from ..exceptions import PayloadError
from ..schema import properties
from ..schema.payload import Payload, TypeMemory, TypeOf, convert_properties
from ..schema.types import WireType, convert, infer

EVENT_PATH, ITEM_PATH, USER_PATH = (properties.PATHS[scope] for scope in ("event", "item", "user"))
#: Longer integers are far beyond 64 bits, and ``int()`` refuses thousands of digits with another error.
LONGEST_INTEGER = 30
LONGEST_PATH = 200

_PARTS_IN_REFUSALS = {"event": "eventAttribute", "item": "eventItemAttribute", "user": "userAttribute"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class Refusal(NamedTuple):
    """DFINERY's code and text for a refused body."""

    result_code: int
    message: str


MALFORMED = Refusal(4002, "Invalid request format.")
EMPTY = Refusal(4002, "Required parameters cannot be empty.")
NO_DATETIME = Refusal(4002, "Invalid event datetime format.")
BAD_NAME = Refusal(4007, "Contains unsupported property name.")
BAD_VALUE = Refusal(4007, "Contains unsupported property value.")


class Refused(PayloadError):
    """A body that DFINERY would refuse.

    :param refusal: DFINERY's code and text; ``path`` and ``problem`` are ours and exact
    """

    def __init__(self, refusal: Refusal, path: str, problem: str, remedy: str = "") -> None:
        super().__init__(path[:LONGEST_PATH], problem, remedy)
        self.refusal = refusal


@dataclass(frozen=True)
class Body:
    """One valid body.

    :ivar event_id: ``None`` if the sender left it out
    :ivar event: the attributes as sent, without id, name, time and items
    :ivar notes: probable mistakes that were accepted
    """

    event_id: UUID | None
    event_name: str
    milliseconds: int
    event: Mapping[str, Any]
    user: Mapping[str, Any]
    items: tuple[Mapping[str, Any], ...] | None
    notes: tuple[str, ...]

    def payload(self, envelope: Mapping[str, Any], type_of: TypeOf, memory: TypeMemory | None) -> Payload:
        """Return the payload to send.

        :param envelope: id, name and time
        :raises Refused: for a value that does not fit the type of its field
        """

        def fit(values: Mapping[str, Any], scope: properties.Scope, path: str) -> dict[str, Any]:
            try:
                return convert_properties(values, scope, type_of, path, memory=memory)
            except PayloadError as error:
                raise Refused(BAD_VALUE, error.path, error.problem, error.remedy) from None

        items = self.items
        return Payload(
            {**envelope, **fit(self.event, "event", EVENT_PATH)},
            fit(self.user, "user", USER_PATH),
            None if items is None else tuple(fit(item, "item", f"{ITEM_PATH}[{n}]") for n, item in enumerate(items)),
        )

    def matches_payload(self, payload: Payload) -> bool:
        """Return whether a payload is equal in the payload's types: later declarations make no other event."""
        event = {properties.EVENT_NAME: self.event_name, properties.EVENT_DATETIME: self.milliseconds, **self.event}
        stored = {name: value for name, value in payload.event_attributes.items() if name != properties.EVENT_ID}
        if not (_is_same(event, stored) and _is_same(self.user, payload.user_attributes)):
            return False
        if self.items is None or payload.items is None:
            return self.items is payload.items
        return len(self.items) == len(payload.items) and all(map(_is_same, self.items, payload.items))


def parse_json(raw: bytes) -> Any:
    """Parse standard JSON: Python would also accept NaN, and read 1e999 as infinity.

    :raises Refused: for anything else, and for a name that occurs twice in an object
    """
    try:
        hooks: Any = {"parse_constant": _refuse_number, "parse_float": _parse_double, "parse_int": _parse_long}
        return json.loads(raw.decode(), object_pairs_hook=_parse_object, **hooks)
    except UnicodeDecodeError:
        raise Refused(MALFORMED, "", "it is not UTF-8") from None
    except RecursionError:
        raise Refused(MALFORMED, "", "it is nested too deeply") from None
    except ValueError as error:
        raise Refused(MALFORMED, "", f"it is not JSON: {error}") from None


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:LONGEST_INTEGER]} is not a JSON number that a Double can hold")


def _parse_double(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _parse_long(text: str) -> int:
    return int(text) if len(text) < LONGEST_INTEGER else 10**LONGEST_INTEGER


def _parse_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def read_body(body: Any, type_of: TypeOf) -> Body:
    """Validate one parsed body.

    :param type_of: returns the declared type of a custom field
    :raises Refused: if DFINERY would refuse it
    """
    _refuse_form(body)
    event, user = dict(body[EVENT_PATH]), dict(body[USER_PATH])
    _refuse_empty(event, user)
    if type(event[properties.EVENT_DATETIME]) is not int:
        problem = "it is not a whole number of milliseconds since 1970"
        raise Refused(NO_DATETIME, f"{EVENT_PATH}.{properties.EVENT_DATETIME}", problem)
    _refuse_kinds(body)
    _refuse_properties(body, type_of)
    event_id = _event_id(event)
    items = event.pop(properties.ITEMS, None)
    event.pop(properties.EVENT_ID, None)
    unknown = sorted(_clean_name(name) for name in body.keys() - {EVENT_PATH, USER_PATH})
    return Body(
        event_id=event_id,
        event_name=str(convert(event.pop(properties.EVENT_NAME), WireType.STRING, properties.EVENT_NAME)),
        milliseconds=event.pop(properties.EVENT_DATETIME),
        event=event,
        user=user,
        items=None if items is None else tuple(items),
        notes=tuple(f"{name[:LONGEST_PATH]!r} is not part of an event, and is not sent." for name in unknown),
    )


# ── the rules, in the order in which DFINERY presumably applies them ─────────────────────────────────────────────


def _refuse_form(body: Any) -> None:
    if not isinstance(body, dict):
        raise Refused(MALFORMED, "", f"an event is an object with {EVENT_PATH} and {USER_PATH}")
    for part in (EVENT_PATH, USER_PATH):
        if not isinstance(body.get(part), dict):
            raise Refused(MALFORMED, part, "it is missing, or not an object")
    items = body[EVENT_PATH].get(properties.ITEMS, [])
    if not isinstance(items, list):
        raise Refused(MALFORMED, f"{EVENT_PATH}.{properties.ITEMS}", "it is not a list")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise Refused(MALFORMED, f"{ITEM_PATH}[{number}]", "it is not an object")


def _refuse_empty(event: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    # An event without an id gets one, but an empty id is a mistake of the sender.
    required = [(EVENT_PATH, event, name) for name in (properties.EVENT_NAME, properties.EVENT_DATETIME)]
    required += [(EVENT_PATH, event, properties.EVENT_ID)] if properties.EVENT_ID in event else []
    for part, values, name in [*required, (USER_PATH, user, properties.USER_ID)]:
        value = values.get(name)
        is_blank = name == properties.USER_ID and isinstance(value, str) and not value.strip()
        if value is None or value == "" or is_blank:
            raise Refused(EMPTY, f"{part}.{name}", "it is missing, or empty")


def _walk(body: Mapping[str, Any]) -> Iterator[tuple[properties.Scope, str, str, Any]]:
    event = body[EVENT_PATH]
    yield from (("event", EVENT_PATH, name, value) for name, value in event.items() if name != properties.ITEMS)
    for number, item in enumerate(event.get(properties.ITEMS, ())):
        yield from (("item", f"{ITEM_PATH}[{number}]", name, value) for name, value in item.items())
    yield from (("user", USER_PATH, name, value) for name, value in body[USER_PATH].items())


def _refuse_kinds(body: Mapping[str, Any]) -> None:
    for scope, part, name, value in _walk(body):
        try:
            convert(value, None, name)
        except PayloadError as error:
            refusal = Refusal(4002, f"{_PARTS_IN_REFUSALS[scope]} contains unsupported value type.")
            raise Refused(refusal, f"{part}.{_clean_name(name)}", error.problem) from None


def _refuse_properties(body: Mapping[str, Any], type_of: TypeOf) -> None:
    for scope, part, name, value in _walk(body):
        if not name.strip() or "\x00" in name or name != _clean_name(name):
            raise Refused(BAD_NAME, f"{part}.{_clean_name(name)}", "a name is a text that is not blank, without U+0000")
        if (scope, name) in properties.RESERVED:
            continue
        try:
            convert_properties({name: value}, scope, type_of, part)
        except PayloadError as error:
            raise Refused(BAD_VALUE, error.path, error.problem, error.remedy) from None


def _event_id(event: Mapping[str, Any]) -> UUID | None:
    if properties.EVENT_ID not in event:
        return None
    value = event[properties.EVENT_ID]
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Refused(BAD_VALUE, f"{EVENT_PATH}.{properties.EVENT_ID}", "it is not a UUID with four hyphens")
    return UUID(value)


def _clean_name(name: str) -> str:
    return name.encode(errors="replace").decode()  # without lone surrogates


def _is_same(values: Mapping[str, Any], wires: Mapping[str, Any]) -> bool:
    return values.keys() == wires.keys() and all(_fits(value, wires[name]) for name, value in values.items())


def _fits(value: Any, wire: Any) -> bool:
    try:
        found = convert(value, infer(wire), "")
    except PayloadError:
        return False
    return type(found) is type(wire) and found == wire
