"""The other way: oscar's own signal instead of saves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from oscar.apps.order.models import Order
from oscar.apps.order.signals import order_placed

from dfinery_django.definitions import registry
from dfinery_django.models import Event
from dfinery_django.outbox.reconcile import obstacle
from tests.system.oscar import judge
from tests.system.oscar.settings import PAGE
from tests.system.oscar.shop import Customer


@pytest.fixture
def by_signal(settings: Any) -> None:
    """The page's line, executed."""
    (block,) = re.findall(r"^```python\n(DFINERY\[.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    events = {name: dict(each) for name, each in settings.DFINERY["EVENTS"].items()}
    names = {"DFINERY": {**settings.DFINERY, "EVENTS": events}}
    exec(block, names)
    settings.DFINERY = names["DFINERY"]


@pytest.mark.parametrize("mode", ["autocommit", "atomic_requests"])
def test_an_order(catalogue: Any, delivered: Any, by_signal: None, mode: str, request: Any) -> None:
    """The same event, once, whether the signal comes after the commit or within the request's transaction."""
    if mode == "atomic_requests":
        request.getfixturevalue("atomic_requests")
    Customer("ko").buy(catalogue.laptop, catalogue.black_bag, guest="kim@example.com")
    order = Order.objects.get()
    order.save()
    assert Event.objects.filter(definition="purchase").count() == 1
    assert judge.differences(delivered()) == []


def test_what_the_page_warns_of(catalogue: Any, delivered: Any, by_signal: None) -> None:
    """A receiver of the shop that fails before us keeps the signal from us, and reconcile can't find the order."""

    def fail(**kwargs: Any) -> None:
        raise ZeroDivisionError

    ours = order_placed.receivers[:]
    order_placed.receivers.clear()
    order_placed.connect(fail)
    order_placed.receivers += ours
    try:
        customer = Customer()
        customer.add(catalogue.laptop)
        customer.go_to_checkout(guest="kim@example.com")
        customer.place_order()
    finally:
        order_placed.disconnect(fail)
    assert (Order.objects.count(), delivered("purchase")) == (1, [])
    assert "listens to a signal" in obstacle(registry.get("purchase"))
