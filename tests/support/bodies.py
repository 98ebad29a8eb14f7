"""Bodies of events as others send them, good and bad."""

from __future__ import annotations

import copy
import json
from typing import Any

EVENT_ID = "0166a71c-caf4-462d-8201-9c30c40f2354"
BODY: dict[str, Any] = {
    "event_attributes": {
        "event_id": EVENT_ID,
        "event_name": "purchase",
        "event_datetime": 1_685_620_800_000,
        "order_id": "123456789",
        "order_sales": 4000000.0,
        "items": [{"product_id": "1", "quantity": 1, "price": 9.5, "product_ssd": "256g"}],
        "use_applepay": True,
        "points": 40,
    },
    "user_attributes": {"user_id": "user1", "user_name": "Hong Gil-dong", "age": "30"},
}
GONE = object()


def body(part: str = "event", **changes: Any) -> dict[str, Any]:
    """The good body with other attributes in one of its parts."""
    made = copy.deepcopy(BODY)
    place = {
        "event": made["event_attributes"],
        "item": made["event_attributes"]["items"][0],
        "user": made["user_attributes"],
        "body": made,
    }[part]
    place.update(changes)
    for name in [name for name, value in place.items() if value is GONE]:
        del place[name]
    return made


def raw(made: Any) -> bytes:
    return made if isinstance(made, bytes) else json.dumps(made).encode()


def with_points(text: str) -> bytes:
    """The good body with a number that Python would not write."""
    return json.dumps(BODY).replace('"points": 40', f'"points": {text}').encode()


#: The sandbox refuses these, and we in the same words.
BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "no UTF-8": b'{"a": "\xff"}',
    "byte order mark": b"\xef\xbb\xbf" + raw(BODY),
    "two bodies": raw(BODY) + raw(BODY),
    "NaN": with_points("NaN"),
    "infinity": with_points("-Infinity"),
    "beyond a double": with_points("1e999"),
    "thousands of digits": with_points("9" * 10_000),
    "thousands of digits of a time": raw(BODY).replace(b"1685620800000", b"1" * 10_000),
    "a bomb": b'{"event_attributes":' * 100_000,
    "a bomb of lists": b"[" * 1_000_000,
    "deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "no event": body("body", event_attributes=GONE),
    "no user": body("body", user_attributes=GONE),
    "event null": body("body", event_attributes=None),
    "user a list": body("body", user_attributes=[]),
    "items null": body(items=None),
    "items an object": body(items={}),
    "an item a text": body(items=["x"]),
    "id null": body(event_id=None),
    "id empty": body(event_id=""),
    "no name": body(event_name=GONE),
    "name empty": body(event_name=""),
    "no time": body(event_datetime=GONE),
    "time null": body(event_datetime=None),
    "time empty": body(event_datetime=""),
    "no user id": body("user", user_id=GONE),
    "user id null": body("user", user_id=None),
    "user id empty": body("user", user_id=""),
    "time a text": body(event_datetime="1685620800000"),
    "time a double": body(event_datetime=1685620800000.0),
    "time true": body(event_datetime=True),
    "time beyond 64 bits": body(event_datetime=2**63),
    "null value": body(note=None),
    "nested": body(note={"a": 1}),
    "a list of values": body(note=[1]),
    "beyond 64 bits": body(points=2**63),
    "below 64 bits": body(points=-(2**63) - 1),
    "half a character": body(note="\ud800"),
    "item null": body("item", price=None),
    "item nested": body("item", note={}),
    "user null": body("user", user_name=None),
    "user nested": body("user", tags=["a"]),
    "user id a list": body("user", user_id=["a"]),
    "name a list": body(event_name=["a"]),
    "id a list": body(event_id=[]),
    "empty property": body(**{"": 1}),
    "half a character in a name": body(**{"\udfff": 1}),
    "empty property of a user": body("user", **{"": 1}),
    "sales a text": body(order_sales="12"),
    "sales true": body(order_sales=True),
    "sales beyond a double": body(order_sales=2**60 + 1),
    "quantity a fraction": body("item", quantity=1.5),
    "quantity a text": body("item", quantity="1"),
    "quantity too large": body("item", quantity=1e30),
    "id no UUID": body(event_id="1"),
    "id without hyphens": body(event_id=EVENT_ID.replace("-", "")),
    "id in braces": body(event_id=f"{{{EVENT_ID}}}"),
    "id a number": body(event_id=5),
    "several mistakes": body(event_id="x", order_sales="12", note=None, event_datetime="x"),
    "a value before an id": body(event_id="x", order_sales="12"),
}
