"""How an order comes to be: in which order its rows are written, and in which transactions."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import clock
from dfinery_django.building.build import build_due
from dfinery_django.definitions import registry
from dfinery_django.models import Event
from tests.integration.ways import built, keys
from tests.shop.models import Line, Order
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)


def line_count(payload: Any) -> int:
    return len(payload["event_attributes"]["items"])


def test_lines_after_the_order_in_one_transaction(shop: Any) -> None:
    """No line is stored when the order's post_save comes, and all are in the payload."""
    with transaction.atomic():
        order = Order.objects.create(status="paid", customer=shop.customer())
        assert keys() == [str(order.pk)]
        for _ in range(3):
            Line.objects.create(order=order, unit_price=1)
    assert [line_count(each) for each in built()] == [3]


def test_lines_by_bulk_create(shop: Any) -> None:
    """Lines that send no signals are in the payload all the same."""
    with transaction.atomic():
        order = Order.objects.create(status="paid", customer=shop.customer())
        Line.objects.bulk_create([Line(order=order, unit_price=1) for _ in range(5)])
    assert [line_count(each) for each in built()] == [5]


def test_an_empty_order_that_is_filled_when_the_bank_calls_back(shop: Any) -> None:
    """Reserved in autocommit, empty; days later lines, user and status with created=False: one event, then."""
    reserved = Order.objects.create()
    Order.objects.create()  # abandoned, for ever
    assert keys() == []
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=reserved.pk)
        order.number, order.customer, order.status = "2026-1", shop.customer(), "paid"
        order.save()
        Line.objects.create(order=order, unit_price=1)
    again = Order.objects.get(pk=reserved.pk)  # the bank calls twice
    again.status = "paid"
    again.save()
    assert keys() == [str(reserved.pk)]
    (payload,) = built()
    assert (payload["event_attributes"]["order_id"], line_count(payload)) == ("2026-1", 1)


def test_order_and_lines_in_autocommit(shop: Any) -> None:
    """Committed before its lines: due SETTLE_SECONDS later, and then it has them."""
    order = Order.objects.create(status="paid", customer=shop.customer())
    event = Event.objects.get()
    assert event.due_at is not None
    assert event.due_at - event.created_at == dt.timedelta(seconds=5)
    assert build_due(Event.objects.all()) == 0
    Line.objects.create(order=order, unit_price=1)
    assert [line_count(each) for each in built()] == [1]


def test_a_number_that_the_last_of_three_saves_assigns(shop: Any) -> None:
    """Created without number and total, in autocommit: the payload has what the last save wrote."""
    order = Order.objects.create(status="paid", customer=shop.customer())
    order.note = "second save"
    order.save()
    Line.objects.create(order=order, unit_price=1)
    order.number, order.total = f"2026-{order.pk}", 12
    order.save()
    (payload,) = built()
    assert payload["event_attributes"]["order_id"] == f"2026-{order.pk}"
    assert payload["event_attributes"]["order_sales"] == 12.0


def test_a_number_that_comes_late_is_waited_for(configured: Any, shop: Any) -> None:
    """``is_ready`` tells building that an order without a number is not complete."""
    configured(EVENTS={"purchase": {**PURCHASE, "items": None, "item_attributes": {}}})
    definition = registry.get("purchase")
    definition.is_ready = lambda order: order.number != ""  # type: ignore[method-assign]
    order = Order.objects.create(status="paid", customer=shop.customer())
    later = clock.now() + dt.timedelta(seconds=10)
    build_due(Event.objects.all(), now=later)
    assert Event.objects.get().reason_code == "not_ready"
    Order.objects.filter(pk=order.pk).update(number="2026-1")
    (payload,) = built()
    assert payload["event_attributes"]["order_id"] == "2026-1"


def test_an_order_created_in_its_final_status(shop: Any) -> None:
    """Free orders and imports have no earlier status: the INSERT makes it true."""
    order = Order.objects.create(status="paid")
    assert keys() == [str(order.pk)]


def test_the_same_order_saved_five_times_in_one_checkout(shop: Any) -> None:
    """Each line touches the order, as ticket shops do: one event, and touches cost no query of ours."""
    with transaction.atomic():
        order = Order.objects.create(status="paid")
        for number in range(4):
            order.note = f"touched {number}"
            order.save(update_fields=["note"])
            Line.objects.create(order=order, unit_price=1)
        order.save()
    order.save()
    assert keys() == [str(order.pk)]


def test_a_number_and_a_key_that_come_again_after_a_rollback(shop: Any) -> None:
    """The second browser tab rolls back an order whose signal was sent; the real one has its number, maybe its key."""
    with pytest.raises(RuntimeError), transaction.atomic():
        Order.objects.create(number="2026-1", status="paid")
        raise RuntimeError("the price has changed")
    assert keys() == []
    real = Order.objects.create(number="2026-1", status="paid")
    assert keys() == [str(real.pk)]


def test_there_and_back(shop: Any) -> None:
    """Pending, expired, paid, set back and paid again: one purchase, even within one transaction."""
    order = shop.place()
    for status in ("expired", "paid", "pending"):
        order.status = status
        order.save()
    with transaction.atomic():
        for status in ("paid", "pending", "paid"):
            order.status = status
            order.save()
    assert keys() == [str(order.pk)]


def test_drafts_and_test_orders(configured: Any) -> None:
    """``when`` takes any lookups, and ``should_capture`` says no to what they can't tell."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": {"status": "paid", "total__gt": 0}}})
    registry.get("purchase").should_capture = (  # type: ignore[method-assign]
        lambda order, *, created: order.note != "test order"
    )
    Order.objects.create(status="draft", total=5)
    Order.objects.create(status="paid", total=0)
    Order.objects.create(status="paid", total=5, note="test order")
    wanted = Order.objects.create(status="paid", total=5)
    assert keys() == [str(wanted.pk)]


def test_an_import_of_last_years_orders(configured: Any, shop: Any) -> None:
    """What happened more than 48 hours ago is stored as expired and never sent."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    shop.place(status="paid", customer=shop.customer(), paid_at=timezone.now() - dt.timedelta(days=300))
    built()
    assert list(Event.objects.values_list("status", "reason_code")) == [("expired", "too_old")]


def test_an_import_in_one_transaction(shop: Any) -> None:
    """Per order one INSERT in a savepoint, with a look whether a drain is asked for where it goes along."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        for number in range(50):
            Order.objects.create(number=str(number), status="paid")
    statements = [statement for query in queries.captured_queries for statement in query["sql"].split("; ")]
    heads = Counter(statement.split()[0] for statement in statements)
    savepoints = {} if connection.vendor == "sqlite" else {"SAVEPOINT": 50, "RELEASE": 50}
    looks = {"SELECT": 50} if connection.vendor == "postgresql" else {}
    assert heads == {"INSERT": 100, **savepoints, **looks}
    assert len(keys()) == 50


def test_several_refunds_of_one_order(configured: Any, shop: Any) -> None:
    """A definition may watch the rows of refunds and payments: one event per row, about the order behind it."""
    refund = {
        "model": "shop.Line",
        "when": {"coupon": "refunded"},
        "event_attributes": {"order_id": "order.number", "refund": "unit_price"},
        "user": "order.customer",
    }
    configured(EVENTS={"refund": refund})
    order = shop.place(lines=3, customer=shop.customer())
    for line in order.lines.all()[:2]:
        line.coupon = "refunded"
        line.save()
    assert [each["event_attributes"]["order_id"] for each in built()] == [order.number] * 2


def test_cancelled_twice(configured: Any) -> None:
    """Refunded, then cancelled, in two saves: one event where the definition counts both as one thing."""
    configured(EVENTS={"cancel_order": {**PURCHASE, "when": {"status__in": ["refunded", "cancelled"]}}})
    order = Order.objects.create(status="paid")
    for status in ("refunded", "cancelled"):
        order.status = status
        order.save()
    assert keys("cancel_order") == [str(order.pk)]
