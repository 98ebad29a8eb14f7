"""What a rebuild would change, without changing anything."""

from __future__ import annotations

from typing import Any

import pytest

from dfinery_django.delivery.worker import drain
from dfinery_django.diagnostics.rebuild_diff import MISSING, rebuild_difference
from dfinery_django.models import Event
from tests.shop.models import Order, Product
from tests.support.doubles import PURCHASE, FarSide

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(configured: Any, shop: Any, far_side: FarSide) -> Event:
    configured()
    shop.place(status="paid", customer=shop.customer(), lines=2)
    drain("default", send=far_side)
    return Event.objects.get()


def changes(event: Event) -> dict[str, tuple[Any, Any]]:
    found = rebuild_difference(event, "default")
    assert found.problem == ""
    return {each.name: (each.before, each.after) for each in found.changes}


def test_nothing_has_changed(event: Event) -> None:
    """Not the id, not the time, nothing."""
    assert changes(event) == {}


def test_fields_that_come_go_and_change(configured: Any, event: Event) -> None:
    """With the names of DFINERY's console; a change of type alone counts, since it makes another field of it."""
    mapping = {"order_id": "number", "order_sales": "discount", "note": lambda order: "new", "discount": "discount"}
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": mapping}})
    Product.objects.update(name="Other")
    assert changes(event) == {
        "abx:order_sales": (4000000.0, 0.0),
        "abx:payment_method": ("MobilePayment", MISSING),
        "c:note": (MISSING, "new"),
        "abx:items[0] abx:product_name": ("Macbook Air 13", "Other"),
        "abx:items[1] abx:product_name": ("Macbook Air 13", "Other"),
    }
    event.payload = event.payload.replace("4000000.0", "0")
    assert changes(event)["abx:order_sales"] == (0, 0.0)


def test_another_destination_is_told(configured: Any, event: Event) -> None:
    """It is not in the payload, and matters most."""
    configured(TOKENS={"default": "a", "brand": "b"}, EVENTS={"purchase": {**PURCHASE, "destination": "brand"}})
    assert changes(event) == {"destination": ("default", "brand")}


def test_an_event_that_was_never_built_has_everything_to_win(event: Event) -> None:
    """All its fields are new."""
    event.payload = ""
    assert all(before is MISSING for before, _ in changes(event).values())


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({**PURCHASE, "event_attributes": {"order_id": "broken"}}, "division by zero"),
        ({**PURCHASE, "event_attributes": {"order_sales": "number"}}, "is not a Double"),
        ({**PURCHASE, "user": None, "user_attributes": {"user_id": "guest_email"}}, "it is empty"),
        ({**PURCHASE, "user": None, "user_attributes": {"user_id": "guest_email"}, "guests": "skip"}, "skip guests"),
    ],
)
def test_what_would_fail_is_told(configured: Any, event: Event, definition: dict[str, Any], words: str) -> None:
    """As a problem, with the mapping's own error."""
    configured(EVENTS={"purchase": definition})
    assert words in rebuild_difference(event, "default").problem


def test_what_can_t_be_rebuilt_is_told(configured: Any, event: Event) -> None:
    """Its source or its definition is gone."""
    configured(EVENTS={})
    assert "No event definition is named 'purchase'" in rebuild_difference(event, "default").problem
    configured()
    Order.objects.all().delete()
    assert rebuild_difference(event, "default").problem == "The source object is gone."
    event.source_pk = "no number"
    assert rebuild_difference(event, "default").problem == "The source object is gone."


def test_a_mapping_that_writes_writes_nothing(configured: Any, event: Event) -> None:
    """Whatever the site's code does to the database while one looks at a page is rolled back."""

    def nosy(order: Any) -> str:
        Order.objects.filter(pk=order.pk).update(note="looked at")
        return "x"

    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"note": nosy}}})
    assert "c:note" in changes(event)
    assert Order.objects.get().note == ""
    assert Event.objects.get().status == "delivered"
