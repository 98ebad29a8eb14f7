"""The vendor's property names, types and console names, as its two pages print them."""

from __future__ import annotations

import pytest

from dfinery_django.schema.properties import PREDEFINED, RESERVED, Scope, console_name, predefined_type

#: The S2S Event API page and the type-information page, in the order of the former.
PAGES: dict[Scope, list[tuple[str, str]]] = {
    "event": [
        ("event_id", "String"),
        ("event_name", "String"),
        ("event_datetime", "Long"),
        ("order_id", "String"),
        ("order_sales", "Double"),
        ("payment_method", "String"),
        ("discount", "Double"),
        ("delivery_charge", "Double"),
    ],
    "item": [
        ("product_id", "String"),
        ("product_name", "String"),
        ("category1", "String"),
        ("category2", "String"),
        ("category3", "String"),
        ("category4", "String"),
        ("category5", "String"),
        ("quantity", "Long"),
        ("price", "Double"),
        ("sales", "Double"),
        ("discount", "Double"),
        ("currency", "String"),
        ("coupon_id", "String"),
    ],
    "user": [
        ("user_id", "String"),
        ("user_name", "String"),
        ("user_id_hash", "String"),
        ("age", "String"),
        ("gender", "String"),
    ],
}


@pytest.mark.parametrize("scope", PAGES)
def test_predefined_properties_are_those_of_the_pages(scope: Scope) -> None:
    """Every predefined property, its type and its place are the vendor's, and there are no others."""
    assert [(entry.name, entry.type.label) for entry in PREDEFINED[scope].values()] == PAGES[scope]


@pytest.mark.parametrize(
    ("scope", "name", "shown"),
    [
        ("event", "discount", "abx:discount"),
        ("event", "delivery_charge", "abx:delivery_charge"),
        ("event", "items", "abx:items"),
        ("event", "source_type", "c:source_type"),
        ("event", "product_id", "c:product_id"),
        ("item", "quantity", "abx:quantity"),
        ("item", "items", "c:items"),
        ("item", "trade_in_serial_num", "c:trade_in_serial_num"),
        ("user", "user_id", "abx:user_id"),
        ("user", "user_name", "c:user_name"),
        ("user", "membership", "c:membership"),
    ],
)
def test_console_names(scope: Scope, name: str, shown: str) -> None:
    """A property is shown under the name that DFINERY's console gives it, also where that contradicts the table."""
    assert console_name(scope, name) == shown


@pytest.mark.parametrize(("scope", "name"), [("event", "price"), ("event", "user_id"), ("user", "membership")])
def test_a_property_is_predefined_in_its_own_scope_only(scope: Scope, name: str) -> None:
    """What is predefined elsewhere, or nowhere, is a custom field here."""
    assert predefined_type(scope, name) is None


def test_reserved_names_say_what_to_do_instead() -> None:
    """What the definition itself supplies is reserved, each name with a reason."""
    assert set(RESERVED) == {("event", name) for name in ("event_id", "event_name", "event_datetime", "items")}
    assert all(RESERVED.values())
