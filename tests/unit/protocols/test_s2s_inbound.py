"""Bodies as others send them: what is taken, and how it is refused, held against the sandbox's second opinion."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st

from dfinery_django.protocols.s2s_inbound import Body, Refused, parse_json, read_body
from dfinery_django.sandbox.rules import Arrival, ErrorResponse, judge
from dfinery_django.schema.payload import Payload
from dfinery_django.schema.properties import Scope
from dfinery_django.schema.types import WireType
from tests.support.bodies import BAD, BODY, EVENT_ID, GONE, body, raw, with_points

NOON = 1_685_620_805.25
DECLARED = {("event", "grade"): WireType.LONG, ("item", "serial"): WireType.STRING}


def type_of(scope: Scope, name: str) -> WireType | None:
    return DECLARED.get((scope, name))


def to_payload(found: Body) -> Payload:
    envelope = {
        "event_id": str(found.event_id or EVENT_ID),
        "event_name": found.event_name,
        "event_datetime": found.milliseconds,
    }
    return found.payload(envelope, type_of, None)


def ours(made: Any) -> Payload | Refused:
    try:
        return to_payload(read_body(parse_json(raw(made)), type_of))
    except Refused as error:
        return error


#: The sandbox takes these, and so do we.
GOOD = {
    "whole": BODY,
    "no items": body(items=GONE),
    "empty items": body(items=[]),
    "an item without anything": body(items=[{}]),
    "upper case id": body(event_id=EVENT_ID.upper()),
    "a number for a user": body("user", user_id=42),
    "true for a user": body("user", user_id=True),
    "a double for a user": body("user", user_id=1e22),
    "a number for a name": body(event_name=7),
    "custom event": body(event_name="로그인"),
    "empty text": body(order_id="", note=""),
    "U+0000 in a text": body(note="a\x00b", order_id="\x00"),
    "the longest number": body(points=2**63 - 1, loss=-(2**63)),
    "a small double": body(ratio=5e-324, minus=-0.0),
    "exponent": with_points("1E+2"),
    "long ago": body(event_datetime=0),
    "before 1970": body(event_datetime=-1),
    "far ahead": body(event_datetime=2**62),
    "strangers": body("body", channel="till"),
    "emoji": body("item", product_name="🛍️", **{"이름 ": "x"}),
    "many fields": body("item", **{f"f{n}": n for n in range(300)}),
    "long text": body(note="x" * 100_000),
}
#: The sandbox refuses these for a type that we convert without loss.
CONVERTED = {
    "a whole number for a Double": body(order_sales=4000000),
    "a whole double for a Long": body("item", quantity=2.0),
    "a number for a String": body("item", product_id=123456789),
    "true for a String": body(payment_method=True),
    "an age": body("user", age=30),
}
#: The sandbox takes these; we don't, since something would be lost.
STRICTER = {
    "a name twice": (raw(BODY).replace(b'"points": 40', b'"points": 40, "points": 41'), 4002, ""),
    "a blank user": (body("user", user_id=" "), 4002, "user_attributes.user_id"),
    "a blank name": (body(**{" ": 1}), 4007, "event_attributes. "),
    "U+0000 in a name": (body(**{"a\x00": 1}), 4007, "event_attributes.a\x00"),
    "not as declared": (body(grade="gold"), 4007, "event_attributes.grade"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_sandbox_takes_is_taken(name: str) -> None:
    """And what is sent of it, the sandbox takes as well, with the same types."""
    assert isinstance(judge(raw(GOOD[name]), NOON), Arrival)
    payload = ours(GOOD[name])
    assert isinstance(payload, Payload), payload
    arrival = judge(payload.to_json().encode(), NOON)
    assert isinstance(arrival, Arrival)
    assert not any("is cast to" in warning for warning in arrival.warnings)


@pytest.mark.parametrize("name", BAD)
def test_what_the_sandbox_refuses_is_refused_in_its_words(name: str) -> None:
    """Code and text; and ours say where, and what exactly."""
    opinion, error = judge(raw(BAD[name]), NOON), ours(BAD[name])
    assert isinstance(opinion, ErrorResponse)
    assert isinstance(error, Refused), error
    assert (error.refusal.result_code, error.refusal.message) == (opinion.result_code, opinion.message)
    assert error.problem


@pytest.mark.parametrize("name", CONVERTED)
def test_what_can_be_converted_without_loss_is_taken(name: str) -> None:
    """The sandbox refuses it as it came, and takes it as it is sent."""
    assert isinstance(judge(raw(CONVERTED[name]), NOON), ErrorResponse)
    payload = ours(CONVERTED[name])
    assert isinstance(payload, Payload), payload
    assert isinstance(judge(payload.to_json().encode(), NOON), Arrival)


@pytest.mark.parametrize("name", STRICTER)
def test_where_a_guess_would_lose_something_we_are_stricter(name: str) -> None:
    """Knowingly."""
    made, code, path = STRICTER[name]
    assert isinstance(judge(raw(made), NOON), Arrival)
    error = ours(made)
    assert isinstance(error, Refused)
    assert (error.refusal.result_code, error.path) == (code, path)


def test_each_value_has_the_type_of_its_field() -> None:
    """4000000 goes out as 4000000.0; a declared custom field has its type."""
    made = body(order_sales=4000000, grade=2.0)
    made["event_attributes"]["items"] = [{"price": 1900000, "serial": 12313131, "quantity": 1.0}]
    payload = ours(made)
    assert isinstance(payload, Payload)
    text = payload.to_json()
    for part in ('"order_sales":4000000.0', '"grade":2}', '{"quantity":1,"price":1900000.0,"serial":"12313131"}'):
        assert part in text
    assert text.index('"event_id"') < text.index('"order_sales"') < text.index('"items"') < text.index('"points"')


def test_an_id_may_be_left_out() -> None:
    """The one thing that DFINERY's page requires, and we can make."""
    assert read_body(body(event_id=GONE), type_of).event_id is None
    assert read_body(BODY, type_of).event_id == UUID(EVENT_ID)


def test_what_is_not_sent_is_told() -> None:
    """Nothing is dropped without a word."""
    assert read_body(body("body", channel="till", a=None), type_of).notes == (
        "'a' is not part of an event, and is not sent.",
        "'channel' is not part of an event, and is not sent.",
    )


@pytest.mark.parametrize(
    ("made", "is_same"),
    [
        (BODY, True),
        (json.loads(json.dumps(BODY, sort_keys=True)), True),
        (body(order_sales=4000000), True),
        (body("body", channel="till"), True),
        (body(event_id=GONE), True),
        (body(order_sales=4000000.5), False),
        (body(use_applepay=1), False),
        (body(points=41), False),
        (body(points=GONE), False),
        (body(more=1), False),
        (body(items=GONE), False),
        (body(items=[]), False),
        (body("item", quantity=2), False),
        (body("item", more="x"), False),
        (body("user", user_name="Kim"), False),
        (body("user", user_id="user2"), False),
        (body(event_name="refund"), False),
        (body(event_datetime=1_685_620_800_001), False),
    ],
)
def test_the_same_body(made: dict[str, Any], is_same: bool) -> None:
    """Neither the order of names nor the way to write a number makes another event; any other value does."""
    stored = Payload.from_json(to_payload(read_body(BODY, type_of)).to_json())
    assert read_body(made, type_of).matches_payload(stored) == is_same


def test_a_type_that_is_declared_later_makes_no_other_event() -> None:
    """The till sends the same again after the site has declared a field."""
    stored = read_body(body(grade=3), lambda scope, name: WireType.STRING if name == "grade" else None)
    payload = stored.payload(
        {"event_id": EVENT_ID, "event_name": "purchase", "event_datetime": 1_685_620_800_000},
        lambda scope, name: WireType.STRING if name == "grade" else None,
        None,
    )
    assert payload.event_attributes["grade"] == "3"
    assert read_body(body(grade=3), type_of).matches_payload(payload)
    assert not read_body(body(grade=4), type_of).matches_payload(payload)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(), st.text(), st.just([]), st.just({})
)
NAMES = st.sampled_from(
    [
        "event_id",
        "event_name",
        "event_datetime",
        "order_id",
        "order_sales",
        "items",
        "user_id",
        "quantity",
        "age",
        "x",
        "",
    ]
)
PARTS = st.dictionaries(NAMES, st.one_of(SCALARS, st.lists(st.dictionaries(NAMES, SCALARS, max_size=3), max_size=2)))


@given(event=PARTS, user=PARTS)
@settings(max_examples=400, deadline=None)
def test_any_body_is_judged_alike(event: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    """What we refuse the sandbox refuses in the same words; what we take it takes as it is sent."""
    whole = copy.deepcopy(BODY)
    whole["event_attributes"] |= event
    whole["user_attributes"] |= user
    if "event_id" not in event:
        assert whole["event_attributes"]["event_id"] == EVENT_ID
    text = json.dumps(whole).encode()
    opinion, found = judge(text, NOON), ours(text)
    if isinstance(found, Payload):
        assert isinstance(judge(found.to_json().encode(), NOON), Arrival)
    elif isinstance(user.get("user_id"), str) and not user["user_id"].strip():
        # Blank: ours alone refuses it, and may name it where the sandbox names another fault of the same body.
        assert found.path == "user_attributes.user_id" or found.refusal.result_code == opinion.result_code
    elif isinstance(opinion, ErrorResponse):
        assert found.refusal.result_code == opinion.result_code
        # With two faults the sandbox may name the one that we mend: a truth value where a text belongs.
        assert found.refusal.message == opinion.message or opinion.result_code == 4007
    else:
        raise AssertionError(f"The sandbox takes it: {found}")
