"""Orders that fail, and what fails around orders: what is in the shop has its purchase, what is not has none."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from oscar.apps.checkout.signals import post_checkout
from oscar.apps.order.models import Order
from oscar.apps.order.signals import order_placed

from dfinery_django.models import Event
from dfinery_django.outbox.reconcile import sweep_all
from tests.system.oscar import judge
from tests.system.oscar.checkout.views import InvoiceFailed
from tests.system.oscar.shop import Customer


def at_the_last_page(catalogue: Any, *, vouchers: Any = (), guest: str = "kim@example.com") -> Customer:
    customer = Customer()
    customer.add(catalogue.laptop)
    for voucher in vouchers:
        customer.use(voucher)
    customer.go_to_checkout(guest=guest)
    return customer


def test_a_card_that_is_declined(catalogue: Any, delivered: Any) -> None:
    """No order, no purchase; the second card makes one of each."""
    customer = at_the_last_page(catalogue)
    assert customer.place_order(declined="yes").status_code == 200
    assert (Order.objects.count(), delivered("purchase")) == (0, [])
    customer.place_order()
    assert Order.objects.count() == 1
    assert judge.differences(delivered()) == []


@pytest.mark.parametrize("mode", ["autocommit", "atomic_requests"])
def test_an_order_that_oscar_rolls_back(catalogue: Any, delivered: Any, mode: str, request: Any) -> None:
    """Two customers with the same voucher for one: the second's order is written, then taken back."""
    if mode == "atomic_requests":
        request.getfixturevalue("atomic_requests")
    once = catalogue.voucher("ONCE", "10", usage="Single use")
    first, second = [at_the_last_page(catalogue, vouchers=[once], guest=f"{name}@example.com") for name in "ab"]
    assert first.place_order().status_code == 302
    assert second.place_order().status_code == 200, "the page says why"
    assert Order.objects.count() == Event.objects.filter(definition="purchase").count() == 1
    assert judge.differences(delivered()) == []


def test_a_request_that_is_rolled_back(catalogue: Any, delivered: Any, atomic_requests: None) -> None:
    """The shop's own last step fails, its order goes and the event with it; the next order gets its own."""
    customer = at_the_last_page(catalogue)
    with pytest.raises(InvoiceFailed):
        customer.place_order(**{"no-invoice": "yes"})
    assert (Order.objects.count(), Event.objects.filter(definition="purchase").count()) == (0, 0)
    assert customer.place_order().status_code == 302, "the basket is as it was: SQLite gives the same keys again"
    assert judge.differences(delivered()) == []
    assert len(delivered("purchase")) == 1


def test_a_caller_s_transaction_that_is_rolled_back(catalogue: Any, delivered: Any) -> None:
    """Whoever places orders in a transaction of his own takes the event back with it."""
    with pytest.raises(InvoiceFailed), transaction.atomic():
        at_the_last_page(catalogue).place_order()
        assert Event.objects.filter(definition="purchase").exists()
        raise InvoiceFailed
    assert judge.differences(delivered()) == []
    assert delivered("purchase") == []


@pytest.mark.parametrize("mode", ["autocommit", "atomic_requests"])
@pytest.mark.parametrize("signal", [order_placed, post_checkout], ids=["order_placed", "post_checkout"])
def test_a_receiver_of_the_shop_that_fails(
    catalogue: Any, delivered: Any, signal: Any, mode: str, request: Any
) -> None:
    """The customer is told that it failed, and the order stands: it has its purchase."""
    if mode == "atomic_requests":
        request.getfixturevalue("atomic_requests")

    def fail(**kwargs: Any) -> None:
        raise ZeroDivisionError

    signal.connect(fail)
    try:
        assert at_the_last_page(catalogue).place_order().status_code == 200
    finally:
        signal.disconnect(fail)
    assert Order.objects.count() == 1
    (body,) = delivered("purchase")
    # oscar stores the payment after order_placed: the order that failed there has none.
    assert judge.differences([body]) == []


@pytest.mark.parametrize("mode", ["autocommit", "atomic_requests"])
def test_our_own_table_is_missing(catalogue: Any, delivered: Any, mode: str, request: Any) -> None:
    """Deployed before migrated: customers notice nothing, and reconcile finds their orders later."""
    if mode == "atomic_requests":
        request.getfixturevalue("atomic_requests")
    _rename("dfinery_django_event", "away")
    try:
        order = Customer().buy(catalogue.laptop, guest="kim@example.com")
    finally:
        _rename("away", "dfinery_django_event")
    assert delivered() == []
    # Reconcile leaves the last minute alone.
    Order.objects.filter(pk=order.pk).update(date_placed=timezone.now() - dt.timedelta(minutes=5))
    assert sweep_all()["purchase"] == 1
    assert sweep_all()["purchase"] == 0
    assert judge.differences(delivered()) == []


def _rename(table: str, to: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {to}")


def test_a_mapping_that_fails(catalogue: Any, delivered: Any, settings: Any) -> None:
    """The order is placed; the event says which field, and arrives once it is mended and built again."""
    mended = settings.DFINERY
    purchase = mended["EVENTS"]["purchase"]
    broken = {**purchase, "event_attributes": {**purchase["event_attributes"], "discount": lambda order: 1 / 0}}
    settings.DFINERY = {**mended, "EVENTS": {**mended["EVENTS"], "purchase": broken}}
    Customer().buy(catalogue.laptop, guest="kim@example.com")
    assert delivered() == []
    event = Event.objects.get(definition="purchase")
    assert (event.status, "event_attributes.discount" in event.reason) == ("failed", True)
    settings.DFINERY = mended
    Event.objects.all().rebuild(timezone.now(), destination="default")
    assert judge.differences(delivered()) == []


def test_an_imported_order(catalogue: Any, delivered: Any) -> None:
    """What another system sold last year is no purchase of today: it is older than DFINERY takes."""
    order = Customer().buy(catalogue.laptop, guest="kim@example.com")
    line, number = order.lines.get(), order.number
    order.pk, order.number, order.date_placed = None, "OLD-1", timezone.now() - dt.timedelta(days=400)
    order.save()
    line.pk, line.order = None, order
    line.save()
    assert [body["event_attributes"]["order_id"] for body in delivered("purchase")] == [number]
    assert Event.objects.get(source_pk=order.pk).status == "expired"
