"""Async sites: views under ASGI, what is saved and told in them, and transactions around them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, override_settings
from django.urls import path

from dfinery_django import NotRegistered, acapture, atrack
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event
from dfinery_django.testing import captured_events
from tests.shop.models import Order
from tests.support.doubles import FarSide

pytestmark = pytest.mark.django_db(transaction=True)


async def pay(request: HttpRequest, number: str) -> JsonResponse:
    """An async view as shops write it: asave(), an update() that needs acapture(), an event without a model."""
    order = await Order.objects.aget(number=number)
    if "quietly" in request.GET:
        await Order.objects.filter(pk=order.pk).aupdate(status="paid")
        event = await acapture("purchase", order)
    else:
        order.status = "paid"
        await order.asave()
        event = await atrack("paid_online", user_id="u1", event_attributes={"order_id": number}, dedup_key=number)
    return JsonResponse({"event_id": str(event.event_id) if event else None})


async def fail(request: HttpRequest, number: str) -> HttpResponse:
    """A transaction in an async site is a synchronous function; what async code is called in it joins."""
    order = await Order.objects.aget(number=number)

    def in_one_transaction() -> None:
        with transaction.atomic():
            async_to_sync(acapture)("purchase", order)
            async_to_sync(atrack)("paid_online", user_id="u1")
            assert Event.objects.count() == 2
            raise ZeroDivisionError

    try:
        await sync_to_async(in_one_transaction)()
    except ZeroDivisionError:
        return HttpResponse("rolled back")
    raise AssertionError


urlpatterns = [path("pay/<number>/", pay), path("fail/<number>/", fail)]


@pytest.fixture(autouse=True)
def _urls() -> Any:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
        yield


def get(url: str) -> Any:
    return async_to_sync(AsyncClient().get)(url)


def names() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("event_name", flat=True))


def test_a_save_in_an_async_view_is_an_event(shop: Any, far_side: FarSide) -> None:
    """asave() and atrack() in a view under ASGI: both are stored and delivered."""
    order = shop.place(customer=shop.customer())
    answer = get(f"/pay/{order.number}/")
    assert answer.status_code == 200
    assert names() == ["purchase", "paid_online"]
    assert json.loads(answer.content)["event_id"] == str(Event.objects.get(event_name="paid_online").event_id)
    Event.objects.update(due_at=Event.objects.earliest("created_at").created_at)
    drain(send=far_side)
    assert {body["event_attributes"]["order_id"] for body in far_side.bodies} == {order.number}


def test_acapture_keeps_the_once_only_rule(shop: Any) -> None:
    """The second call stores nothing, and says so."""
    order = shop.place(customer=shop.customer())
    first, second = (json.loads(get(f"/pay/{order.number}/?quietly").content) for _ in range(2))
    assert first["event_id"]
    assert second["event_id"] is None
    assert names() == ["purchase"]


def test_a_rolled_back_transaction_has_no_event(shop: Any) -> None:
    """Async code that is called within a synchronous transaction stores in it."""
    order = shop.place(customer=shop.customer())
    assert get(f"/fail/{order.number}/").content == b"rolled back"
    assert names() == []


def test_a_transaction_of_synchronous_code_around_async_code(shop: Any) -> None:
    """atomic() around async_to_sync(), as under ATOMIC_REQUESTS: committed with it."""
    order = shop.place(customer=shop.customer())
    with transaction.atomic():
        async_to_sync(acapture)("purchase", order)
    assert names() == ["purchase"]
    assert Event.objects.get().due_at <= Event.objects.get().created_at, "its lines are committed with it: no grace"


def test_many_at_once(configured: Any) -> None:
    """Tasks that run side by side each store their event."""
    configured()

    async def gather() -> None:
        await asyncio.gather(*(atrack("x", user_id=f"u{number}") for number in range(20)))

    async_to_sync(gather)()
    assert len(names()) == 20


def test_a_mistake_is_told_as_capture_tells_it(shop: Any) -> None:
    """No definition of that name: NotRegistered. A value that can't be sent: a failed event, not an exception."""
    order = shop.place()
    with pytest.raises(NotRegistered):
        async_to_sync(acapture)("no such", order)
    event = async_to_sync(atrack)("x", user_id="")
    assert event.status == "failed"


def test_captured_events_around_an_async_view(shop: Any) -> None:
    """What the view captures is seen."""
    order = shop.place(customer=shop.customer())
    with captured_events() as events:
        get(f"/pay/{order.number}/")
    assert events.only("purchase").payload["event_attributes"]["order_id"] == order.number


@pytest.fixture
def hangs_up() -> Any:
    """The thread of a request leaves no connection behind; Django never closes one to a database in memory."""

    def hang_up(**kwargs: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            BaseDatabaseWrapper.close(connection)

    request_finished.connect(hang_up)
    yield
    request_finished.disconnect(hang_up)


def test_django_s_asgi_application(shop: Any, hangs_up: None) -> None:
    """The same over the ASGI protocol, as a server speaks it, with Django's signals of a request."""
    order = shop.place(customer=shop.customer())
    scope = {"type": "http", "method": "GET", "path": f"/pay/{order.number}/", "query_string": b"", "headers": []}

    async def exchange() -> list[dict[str, Any]]:
        server = ApplicationCommunicator(get_asgi_application(), {**scope, "asgi": {"version": "3.0"}})
        await server.send_input({"type": "http.request", "body": b"", "more_body": False})
        sent = [await server.receive_output(timeout=10) for _ in range(2)]
        await server.wait()
        return sent

    started, _ = async_to_sync(exchange)()
    assert started["status"] == 200
    assert names() == ["purchase", "paid_online"]
