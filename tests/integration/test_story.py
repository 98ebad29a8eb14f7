"""One story: an order is paid, the queue rings, the event arrives, and the admin says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from dfinery_django.models import Event
from dfinery_django.sandbox import FAULTS, Sandbox
from tests.support.events import run_queue

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_a_paid_order_to_the_admin(configured: Any, shop: Any, admin_client: Any) -> None:
    """Paid, queued once, delivered with the right amounts over real HTTP, and found by its order number."""
    with Sandbox(tokens=["test-token"]) as sandbox:
        configured(BASE_URL=sandbox.url, WAKE="dfinery_django.tasks.wake")
        customer = shop.customer()
        order = shop.place(customer=customer, lines=2)
        shop.pay(order)
        assert run_queue() == 1
        (arrival,) = sandbox.arrivals
    assert arrival.body["event_attributes"]["order_sales"] == 4000000.0
    assert [item["price"] for item in arrival.body["event_attributes"]["items"]] == [1900000.0, 1900000.0]
    assert arrival.user_id == str(customer.pk)
    assert arrival.warnings == ()
    page = admin_client.get(reverse("admin:dfinery_django_event_changelist"), {"q": order.number}).content.decode()
    assert "delivered" in page
    assert order.number in page


def test_an_answer_lost_on_its_way(configured: Any, shop: Any) -> None:
    """DFINERY took the event, we never heard: it is sent again with the same id and the same bytes."""
    from django.utils import timezone

    from dfinery_django.delivery.worker import drain

    with Sandbox() as sandbox:
        configured(BASE_URL=sandbox.url)
        sandbox.answer_next(FAULTS["drop"])
        shop.place(status="paid", customer=shop.customer())
        drain("default")
        assert Event.objects.get().status == "pending"
        Event.objects.update(due_at=timezone.now())
        drain("default")
        assert Event.objects.get().status == "delivered"
        assert {arrival.event_id for arrival in sandbox.arrivals} == {str(Event.objects.get().event_id)}
        assert sandbox.requests_seen == 2
