"""The neutral content of an event, to and from canonical text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dfinery_django.exceptions import PayloadError
from dfinery_django.schema.payload import Payload, convert_properties
from dfinery_django.schema.properties import Scope
from dfinery_django.schema.types import WireType

FULL = Payload(
    event_attributes={
        "use_applepay": True,
        "discount": 11.0,
        "source_type": "POS",
        "order_sales": 4000000.0,
        "order_id": "123456789",
        "event_datetime": 1685672905000,
        "event_name": "purchase",
        "event_id": "0166a71c-caf4-462d-8201-9c30c40f2354",
    },
    user_attributes={"membership": "gold", "user_name": "홍길동", "user_id": "user1"},
    items=({"product_ssd": "1tb", "price": 1900000.0, "quantity": 1, "product_id": "123456789"}, {}),
)
TEXT = (
    '{"event_attributes":{"event_id":"0166a71c-caf4-462d-8201-9c30c40f2354","event_name":"purchase",'
    '"event_datetime":1685672905000,"order_id":"123456789","order_sales":4000000.0,"discount":11.0,'
    '"items":[{"product_id":"123456789","quantity":1,"price":1900000.0,"product_ssd":"1tb"},{}],'
    '"use_applepay":true,"source_type":"POS"},'
    '"user_attributes":{"user_id":"user1","user_name":"홍길동","membership":"gold"}}'
)


def untyped(scope: Scope, name: str) -> WireType | None:
    """No custom field is declared."""
    return None


def test_text_is_canonical() -> None:
    """Predefined properties come in the page's order, custom fields in the mapping's, without blanks."""
    assert FULL.to_json() == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        '{"event_attributes":{"event_name":"log_in"},"user_attributes":{"user_id":"u"}}',
        '{"event_attributes":{"event_name":"purchase","items":[]},"user_attributes":{"user_id":"u"}}',
        '{"event_attributes":{"order_sales":1e+22,"ratio":5e-324,"n":-0.0},"user_attributes":{"user_id":"u"}}',
        '{"event_attributes":{"note":"한국어 \\u0000 \\" \\\\ 😀"},"user_attributes":{"user_id":"u"}}',
    ],
)
def test_text_survives_the_round_trip(text: str) -> None:
    """Reading and writing a payload gives the same text, byte for byte."""
    assert Payload.from_json(text).to_json().encode() == text.encode()


def test_ids_are_read_from_the_content() -> None:
    """The user and the order of a payload are text, and an event without an order has none."""
    assert (FULL.user_id, FULL.order_id) == ("user1", "123456789")
    assert Payload({}, {"user_id": "u"}).order_id == ""


def test_no_items_differ_from_an_empty_list() -> None:
    """An event without items has no list of items; one with an empty list has one."""
    assert "items" not in Payload({}, {}).as_dict()["event_attributes"]
    assert Payload({}, {}, ()).as_dict()["event_attributes"]["items"] == []


def test_a_number_that_is_none_is_never_written() -> None:
    """Text that is no JSON can't be made, even past the conversion of values."""
    with pytest.raises(ValueError, match="JSON compliant"):
        Payload({"ratio": float("nan")}, {}).to_json()


def test_none_is_left_out_and_all_else_kept() -> None:
    """None leaves its field out; zero, False and the empty text do not."""
    values = {"order_id": None, "coupon": None, "discount": 0, "is_gift": False, "note": ""}
    assert convert_properties(values, "event", untyped, "event_attributes") == {
        "discount": 0.0,
        "is_gift": False,
        "note": "",
    }


def test_a_large_double_stays_a_double() -> None:
    """1e22 keeps its exponent in the text and so its type in every JSON reader."""
    values = convert_properties({"order_sales": 10**22, "points": 1e22}, "event", untyped, "event_attributes")
    content = json.loads(Payload(values, {}).to_json(), parse_int=str)
    assert content["event_attributes"] == {"order_sales": 1e22, "points": 1e22}


@pytest.mark.parametrize("value", ["홍길동", "日本語", "😀", "a\x00b", "line\nend", '"', "\u2028"])
def test_any_text_survives(value: str) -> None:
    """Text of any language, control characters and U+0000 reach the bytes and come back unchanged."""
    body = Payload({"note": value}, {}).to_json().encode()
    assert json.loads(body)["event_attributes"]["note"] == value


def test_predefined_types_win_over_declared_ones() -> None:
    """A predefined field has the page's type whatever is declared; only custom fields are asked for theirs."""
    asked: list[tuple[str, str]] = []

    def type_of(scope: Scope, name: str) -> WireType | None:
        asked.append((scope, name))
        return WireType.STRING

    values = convert_properties({"quantity": 2, "serial": 12313131}, "item", type_of, "items[0]")
    assert values == {"quantity": 2, "serial": "12313131"}
    assert asked == [("item", "serial")]


@pytest.mark.parametrize("name", ["event_id", "event_name", "event_datetime", "items"])
def test_reserved_names_are_refused(name: str) -> None:
    """What the definition supplies can't be mapped, not even as None, and the remedy says to leave it out."""
    with pytest.raises(PayloadError) as caught:
        convert_properties({name: None}, "event", untyped, "event_attributes")
    assert caught.value.path == f"event_attributes.{name}"
    assert caught.value.remedy.startswith("Leave it out: ")


@pytest.mark.parametrize("name", ["", "  ", 7, None])
def test_a_field_needs_a_name(name: Any) -> None:
    """A field's name is a text that is not empty."""
    with pytest.raises(PayloadError, match="Rename it"):
        convert_properties({name: "x"}, "item", untyped, "items[0]")


def test_an_error_names_field_and_source() -> None:
    """A refused value is named by its place in the payload and by what it was read from."""
    with pytest.raises(PayloadError) as caught:
        convert_properties({"quantity": "two"}, "item", untyped, "items[3]", {"quantity": "amount"})
    assert caught.value.path == "items[3].quantity"
    assert "(from 'amount')" in caught.value.problem
