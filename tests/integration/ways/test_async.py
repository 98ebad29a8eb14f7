"""asave(), async views, async signals."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.urls import path

from dfinery_django import capture, track
from dfinery_django.models import Event
from tests.integration.ways import built, keys
from tests.shop.models import Line, Order
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)

order_placed = Signal()


async def paying(request: HttpRequest) -> HttpResponse:
    order = await Order.objects.acreate(number="1")
    order.status = "paid"
    await order.asave(update_fields=["status"])
    return HttpResponse(str(order.pk))


async def in_one_transaction(request: HttpRequest) -> HttpResponse:
    def write() -> Order:
        with transaction.atomic():
            order = Order.objects.create(number="1", status="paid")
            Line.objects.create(order=order, unit_price=1)
            if "fails" in request.GET:
                raise RuntimeError
        return order

    return HttpResponse(str((await sync_to_async(write)()).pk))


urlpatterns = [path("pay/", paying), path("atomic/", in_one_transaction)]


@pytest.mark.urls("tests.integration.ways.test_async")
@pytest.mark.parametrize("url", ["/pay/", "/atomic/"])
def test_async_views(shop: Any, async_client: Any, client: Any, url: str) -> None:
    """Under ASGI and under WSGI: the event is there when the answer is."""
    answers = [async_to_sync(async_client.get)(url), client.get(url)]
    assert keys() == [answer.content.decode() for answer in answers]


@pytest.mark.urls("tests.integration.ways.test_async")
def test_an_async_view_that_rolls_back(shop: Any, async_client: Any) -> None:
    """No order, no event."""
    with pytest.raises(RuntimeError):
        async_to_sync(async_client.get)("/atomic/?fails")
    assert (Order.objects.count(), keys()) == (0, [])


def test_async_writes_of_every_kind(shop: Any) -> None:
    """acreate(), asave(), aget_or_create(), aupdate_or_create()."""

    async def write() -> None:
        await Order.objects.acreate(number="1", status="paid")
        second = Order(number="2", status="paid")
        await second.asave()
        await Order.objects.aget_or_create(number="3", defaults={"status": "paid"})
        await Order.objects.aupdate_or_create(number="3", defaults={"status": "paid"})
        await Order.objects.aupdate_or_create(number="4", create_defaults={}, defaults={"status": "paid"})
        await Order.objects.aupdate_or_create(number="4", defaults={"status": "paid"})

    async_to_sync(write)()
    numbers = dict(Order.objects.values_list("pk", "number"))
    assert [numbers[int(key)] for key in keys()] == ["1", "2", "3", "4"]


def test_a_deletion(configured: Any, shop: Any) -> None:
    """adelete() builds before the row goes."""
    configured(EVENTS={"gone": {**PURCHASE, "when": "deleted", "items": None}})
    order = shop.place(customer=shop.customer())
    async_to_sync(order.adelete)()
    assert Event.objects.get().order_id == order.number


def test_a_signal_sent_asynchronously(configured: Any) -> None:
    """asend() reaches our receiver, which is a sync one."""
    configured(
        EVENTS={
            "purchase": {
                **PURCHASE,
                "when": None,
                "signal": ("tests.integration.ways.test_async.order_placed", "order"),
            }
        }
    )
    order = Order.objects.create()
    async_to_sync(order_placed.asend)(sender=None, order=order)
    assert keys() == [str(order.pk)]


def test_capture_and_track_in_async_code(shop: Any, caplog: Any) -> None:
    """Within sync_to_async they work; straight from a coroutine Django forbids the query, and the log says so."""
    order = shop.place(customer=shop.customer())

    async def write() -> None:
        assert track("coupon", user_id="u1") is None
        assert capture("purchase", order) is None
        assert caplog.text.count("from an async context") >= 2
        await sync_to_async(capture)("purchase", order)
        await sync_to_async(track)("coupon", user_id="u1")

    async_to_sync(write)()
    assert list(Event.objects.order_by("pk").values_list("event_name", flat=True)) == ["purchase", "coupon"]
    assert len(built()) == 2
