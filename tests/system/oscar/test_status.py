"""After the order: status pipeline, cancellation, refunds, at oscar's desk and in the shop's own code."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from oscar.apps.order.exceptions import InvalidOrderStatus
from oscar.apps.order.models import Order, PaymentEventType

from dfinery_django import capture
from dfinery_django.definitions import registry
from dfinery_django.outbox.reconcile import obstacle
from tests.system.oscar import judge
from tests.system.oscar.shop import Clerk, Customer


@pytest.fixture
def order(catalogue: Any) -> Any:
    return Customer().buy(catalogue.laptop, catalogue.stickers, guest="kim@example.com")


def test_a_status_that_nobody_asked_for(order: Any, delivered: Any) -> None:
    """The way through the pipeline sends nothing but the purchase."""
    for status in ("Being processed", "Complete"):
        order.set_status(status)
    assert [body["event_attributes"]["event_name"] for body in delivered()] == ["purchase"]
    with pytest.raises(InvalidOrderStatus):
        order.set_status("Cancelled")
    assert judge.differences(delivered()) == []


@pytest.mark.parametrize("mode", ["autocommit", "atomic"])
def test_a_cancellation(order: Any, delivered: Any, mode: str) -> None:
    """One cancel_order, however often the order is saved afterwards, also by somebody who read it before."""
    stale = Order.objects.get(pk=order.pk)
    order.set_status("Being processed")
    if mode == "atomic":
        with transaction.atomic():
            order.set_status("Cancelled")
    else:
        order.set_status("Cancelled")
    order.save()
    stale.analytics_tracked = True
    stale.save(update_fields=["analytics_tracked"])
    (cancelled,) = delivered("cancel_order")
    assert cancelled["event_attributes"]["order_id"] == order.number
    assert judge.differences(delivered()) == []


def test_a_cancellation_that_is_rolled_back(order: Any, delivered: Any) -> None:
    """An order that stays has no cancel_order."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        order.set_status("Cancelled")
        raise ZeroDivisionError
    assert Order.objects.get().status == "Pending"
    assert delivered("cancel_order") == []
    assert judge.differences(delivered()) == []


@pytest.mark.parametrize("mode", ["autocommit", "atomic_requests"])
def test_at_the_desk(order: Any, delivered: Any, mode: str, request: Any) -> None:
    """The dashboard cancels as the shop's code does."""
    if mode == "atomic_requests":
        request.getfixturevalue("atomic_requests")
    clerk = Clerk()
    clerk.set_status(order, "Being processed")
    clerk.set_status(order, "Cancelled")
    assert Order.objects.get().status == "Cancelled"
    assert len(delivered("cancel_order")) == 1
    assert judge.differences(delivered()) == []


def test_a_status_that_is_written_past_oscar(order: Any, delivered: Any) -> None:
    """A plain save is enough; for ``update()``, which reconcile can't follow, there is ``capture()``."""
    other = Customer().buy(order.lines.first().product, guest="lee@example.com")
    order.status = "Cancelled"
    order.save(update_fields=["status"])
    Order.objects.filter(pk=other.pk).update(status="Cancelled")
    assert len(delivered("cancel_order")) == 1
    assert obstacle(registry.get("cancel_order"))
    capture("cancel_order", other)
    assert judge.differences(delivered()) == []


def test_cancelled_before_anything_was_sent(order: Any, delivered: Any) -> None:
    """Both happened: both arrive."""
    order.set_status("Cancelled")
    assert judge.differences(delivered()) == []


def test_refunds(order: Any, delivered: Any) -> None:
    """Each is an event of its own; a payment is none."""
    PaymentEventType.objects.create(name="Refunded")
    clerk = Clerk()
    for amount in ("1000", "2500.50"):
        clerk.refund(order, amount)
    assert order.payment_events.count() == 3
    refunds = [body["event_attributes"] for body in delivered("refund")]
    assert [(each["order_id"], each["refund_amount"]) for each in refunds] == [
        (order.number, 1000.0),
        (order.number, 2500.5),
    ]
    bodies = delivered()
    assert judge.differences(bodies) == []
    assert judge.differences(bodies[:-1]) == [
        f"refund of 2500.50 for order {order.number}: DFINERY was told 0 times, the shop has 1"
    ]
