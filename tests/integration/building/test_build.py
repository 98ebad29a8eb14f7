"""From captured rows to payloads."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from typing import Any

import pytest
from django.utils import timezone, translation

from dfinery_django import EventDefinition, Hashed, PayloadError, Value, preview, register
from dfinery_django.building.build import build_due
from dfinery_django.conf import get_settings
from dfinery_django.definitions.registry import unregister
from dfinery_django.models import Event
from tests.shop.models import Line, Order
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)


def raising(order: Any) -> Any:
    raise KeyError("tax")


def built() -> Event:
    build_due(Event.objects.all())
    return Event.objects.get()


def test_building_200_orders_takes_at_most_8_queries(shop: Any, django_assert_max_num_queries: Any) -> None:
    """Lines, products, categories and users come with the orders, claim and results included."""
    products = [shop.product(sku=str(number)) for number in range(10)]
    orders = [
        Order.objects.create(number=str(number), customer=shop.customer(f"c{number}"), status="paid")
        for number in range(200)
    ]
    Line.objects.bulk_create(
        Line(order=order, product=products[number % 10], unit_price=number, quantity=1)
        for number, order in enumerate(orders)
        for _ in range(2)
    )
    Event.objects.update(due_at=timezone.now())
    with django_assert_max_num_queries(8):
        assert build_due(Event.objects.all()) == 200
    payloads = [json.loads(event.payload) for event in Event.objects.filter(status="pending")]
    assert len(payloads) == 200
    assert all(len(each["event_attributes"]["items"]) == 2 for each in payloads)


def test_an_event_that_cannot_be_built_is_found_by_its_order(configured: Any, shop: Any) -> None:
    """A value that can't be sent fails the event, but order and user are on its row: people look for them."""
    sums = {**PURCHASE["event_attributes"], "order_sales": "number"}
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": sums}})
    customer = shop.customer()
    order = shop.place(status="paid", customer=customer)
    event = built()
    assert (event.status, event.reason_code) == ("failed", "payload")
    assert (event.order_id, event.user_id) == (order.number, str(customer.pk))


def test_the_moment_it_happened_comes_from_the_source(configured: Any, shop: Any) -> None:
    """event_datetime in epoch milliseconds of the mapped datetime; the 48 hours count from it."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    paid_at = timezone.now().replace(microsecond=5000) - dt.timedelta(hours=3)
    shop.place(status="paid", customer=shop.customer(), paid_at=paid_at)
    event = built()
    attributes = json.loads(event.payload)["event_attributes"]
    assert attributes["event_datetime"] == int(paid_at.timestamp()) * 1000 + 5
    assert event.expires_at == paid_at + dt.timedelta(hours=48)


def test_older_than_48_hours_is_never_sent(configured: Any, shop: Any) -> None:
    """DFINERY would answer 200 and drop it: the row says expired, and why."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    shop.place(status="paid", customer=shop.customer(), paid_at=timezone.now() - dt.timedelta(hours=49))
    event = built()
    assert (event.status, event.reason_code) == ("expired", "too_old")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"event_attributes": {"order_sales": "payment_method"}}, ["event_attributes.order_sales", "str", "Double"]),
        (
            {"event_attributes": {"x": "broken"}},
            ["event_attributes.x", "'broken'", "ZeroDivisionError", "Fix the mapping"],
        ),
        ({"event_attributes": {"x": "lines"}}, ["event_attributes.x"]),
        ({"event_attributes": {"x": "nothing.here"}}, ["event_attributes.x", "nothing.here"]),
        ({"event_attributes": {"x": raising}}, ["event_attributes.x", "raising", "KeyError", "tax"]),
        ({"item_attributes": {"quantity": "product.name"}}, ["items[0].quantity", "'product.name'", "Long"]),
        ({"item_attributes": {"x": "product"}}, ["items[0].x", "model instance", ".pk"]),
        ({"user": None, "user_attributes": {"user_id": raising}}, ["user_attributes.user_id", "KeyError"]),
        ({"event_datetime": "paid_at"}, ["event_datetime", "'paid_at'", "empty"]),
    ],
)
def test_a_mapping_error_ends_on_the_row(configured: Any, shop: Any, changes: Any, words: list[str]) -> None:
    """The checkout is untouched; the reason names field, source and remedy."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    shop.place(status="paid", customer=shop.customer())
    event = built()
    assert (event.status, event.reason_code) == ("failed", "payload")
    assert all(word in event.reason for word in words), event.reason


def test_one_bad_event_does_not_hold_up_the_others(configured: Any, shop: Any) -> None:
    """Each event of a batch stands for itself."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"x": lambda order: 1 / int(order.note)}}})
    shop.place(status="paid", customer=shop.customer("a"), note="0")
    shop.place(status="paid", customer=shop.customer("b"), note="2")
    build_due(Event.objects.all())
    assert list(Event.objects.order_by("pk").values_list("status", flat=True)) == ["failed", "pending"]


def test_a_guest_fails_visibly_or_is_skipped(configured: Any, shop: Any) -> None:
    """DFINERY takes no event without a user_id; the definition says what becomes of it."""
    shop.place(status="paid")
    event = built()
    assert (event.status, event.reason_code) == ("failed", "no_user")
    assert "Coalesce" in event.reason
    event.delete()
    configured(EVENTS={"purchase": {**PURCHASE, "guests": "skip"}})
    shop.place(status="paid")
    event = built()
    assert (event.status, event.reason_code) == ("cancelled", "guest")


def test_a_guest_with_an_identity(configured: Any, shop: Any) -> None:
    """Without ``user`` the user's paths start at the order, which is how a guest's e-mail is reached."""
    user = {"user_id": Hashed("guest_email"), "source": Value("guest")}
    configured(EVENTS={"purchase": {**PURCHASE, "user": None, "user_attributes": user}})
    shop.place(status="paid", guest_email="Hong@Example.com ")
    assert json.loads(built().payload)["user_attributes"] == {
        "user_id": hashlib.sha256(b"hong@example.com").hexdigest(),
        "source": "guest",
    }


def test_a_source_that_is_gone(shop: Any) -> None:
    """The order was deleted before its payload was built."""
    shop.place(status="paid", customer=shop.customer()).delete()
    assert built().reason_code == "source_gone"


def test_a_definition_that_is_gone(shop: Any, configured: Any) -> None:
    """The event says which definition it misses."""
    shop.place(status="paid", customer=shop.customer())
    configured(EVENTS={})
    event = built()
    assert event.reason_code == "not_registered"
    assert "'purchase'" in event.reason


def test_lines_that_are_not_written_yet_are_waited_for(shop: Any) -> None:
    """In autocommit the order is committed before its lines: a grace first, then growing pauses."""
    order = Order.objects.create(status="paid", customer=shop.customer())
    assert build_due(Event.objects.all()) == 0, "it has SETTLE_SECONDS"
    now = timezone.now() + dt.timedelta(seconds=10)
    assert build_due(Event.objects.all(), now=now) == 1
    event = Event.objects.get()
    assert (event.status, event.reason_code) == ("captured", "not_ready")
    assert event.due_at is not None
    assert 15 < (event.due_at - event.created_at).total_seconds() < 25
    Line.objects.create(order=order, unit_price=1)
    build_due(Event.objects.all(), now=event.due_at)
    assert Event.objects.get().status == "pending"


def test_an_event_waits_for_what_the_shop_writes_after_its_commit(shop: Any, configured: Any) -> None:
    """With ``settle_seconds`` also an order that was written in a transaction: its payment may come after it."""
    configured(EVENTS={"purchase": {**PURCHASE, "settle_seconds": 20}})
    shop.place(status="paid", customer=shop.customer())
    now = timezone.now()
    assert build_due(Event.objects.all(), now=now + dt.timedelta(seconds=19)) == 0
    assert build_due(Event.objects.all(), now=now + dt.timedelta(seconds=21)) == 1
    assert Event.objects.get().status == "pending"


def test_a_definition_says_how_long_its_events_settle(shop: Any, configured: Any) -> None:
    """Also outside a transaction, where it stands before the setting: 0 waits for nothing."""
    configured(EVENTS={"purchase": {**PURCHASE, "items": None, "settle_seconds": 0}}, SETTLE_SECONDS=60)
    Order.objects.create(status="paid", customer=shop.customer())
    assert build_due(Event.objects.all()) == 1


@pytest.mark.parametrize("seconds", [0, 1, 7, 90, 120])
def test_what_never_gets_lines_waits_no_longer_than_promised(shop: Any, configured: Any, seconds: int) -> None:
    """However the pauses fall, the last look is at READY_SECONDS, and then the event is built."""
    configured(READY_SECONDS=seconds)
    Order.objects.create(status="paid", customer=shop.customer())
    event = Event.objects.get()
    while event.status == "captured":
        now = event.due_at
        assert now is not None
        assert build_due(Event.objects.all(), now=now) == 1
        event.refresh_from_db()
    assert event.status == "pending"
    assert now <= event.created_at + dt.timedelta(seconds=max(seconds, get_settings().SETTLE_SECONDS))


def test_what_never_gets_lines_is_sent_without(shop: Any) -> None:
    """After READY_SECONDS what is there is built."""
    Order.objects.create(status="paid", customer=shop.customer())
    build_due(Event.objects.all(), now=timezone.now() + dt.timedelta(seconds=121))
    assert json.loads(Event.objects.get().payload)["event_attributes"]["items"] == []


def test_texts_do_not_depend_on_the_request_language(configured: Any, shop: Any) -> None:
    """Building runs under LANGUAGE_CODE."""
    seen = {"language": lambda order: translation.get_language()}
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": seen}})
    with translation.override("ko"):
        shop.place(status="paid", customer=shop.customer())
        event = built()
    assert json.loads(event.payload)["event_attributes"]["language"] == "en"


def test_a_claim_that_was_lost_changes_nothing(shop: Any) -> None:
    """A builder whose lease lapsed must not overwrite what another made."""
    shop.place(status="paid", customer=shop.customer())
    claimed = Event.objects.all().claim(limit=1, now=timezone.now(), lease_seconds=60, into="captured")
    lease = claimed[0].due_at
    Event.objects.update(status="delivered", due_at=None, payload="{}")
    claimed[0].status = "pending"
    assert Event.objects.all().record_results(claimed, ["status"], status="captured", lease=lease) == []
    assert Event.objects.get().status == "delivered"


def test_preview_stores_nothing(shop: Any) -> None:
    """The payload that would be sent, or the error that would end on the row."""
    order = shop.place(customer=shop.customer())
    payload = preview("purchase", order)
    assert payload is not None
    assert payload.event_attributes["order_sales"] == 4000000.0
    assert not Event.objects.exists()
    with pytest.raises(PayloadError) as caught:
        preview("purchase", shop.place())
    assert caught.value.path == "user_attributes.user_id"


def test_a_registered_class_with_hooks(configured: Any, shop: Any) -> None:
    """The other on-ramp: what a dict can't say."""
    configured(EVENTS={})

    @register("shop.Order", name="purchase_class")
    class Purchase(EventDefinition):
        event_name = "purchase"
        when = {"status": "paid"}
        user = "customer"
        event_attributes = {"order_id": "number"}
        items = "lines"
        item_attributes = {"price": "unit_price"}

        def should_capture(self, instance: Any, *, created: bool) -> bool:
            return bool(instance.note != "test order")

        def get_event_attributes(self, instance: Any) -> Any:
            return {**super().get_event_attributes(instance), "lines": instance.lines.count()}

    try:
        shop.place(status="paid", customer=shop.customer("a"), note="test order")
        shop.place(status="paid", customer=shop.customer("b"))
        content = json.loads(built().payload)
    finally:
        unregister("purchase_class")
    assert content["event_attributes"]["event_name"] == "purchase"
    assert content["event_attributes"]["lines"] == 1
    assert content["event_attributes"]["items"] == [{"price": 1900000.0}]


def unreachable(order: Any) -> Any:
    from django.db import OperationalError

    if order.note == "bad":
        raise OperationalError("the other database is down")
    return "fine"


def unprintable(order: Any) -> Any:
    if order.note == "bad":
        raise ValueError("half a character \ud800 and \x00")
    return "fine"


@pytest.mark.parametrize(
    ("mapping", "status"), [(unreachable, "captured"), (unprintable, "failed")], ids=["database", "text"]
)
def test_one_event_never_holds_up_its_batch(configured: Any, shop: Any, mapping: Any, status: str) -> None:
    """What fails is looked at again later or fails; its neighbours are built now."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"x": mapping}}})
    shop.place(status="paid", customer=shop.customer("a"), note="bad")
    shop.place(status="paid", customer=shop.customer("b"), note="good")
    build_due(Event.objects.all())
    bad, good = Event.objects.order_by("pk")
    assert (bad.status, good.status) == (status, "pending")
    assert bad.reason
    assert bad.due_at is None or bad.due_at > timezone.now()


def test_a_slow_mapping_keeps_its_lease(configured: Any, shop: Any, monkeypatch: Any) -> None:
    """A batch ends in time, and what it has not come to is due again at once."""
    monkeypatch.setattr("dfinery_django.building.build.BATCH_SECONDS", 0.05)
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"x": lambda order: time.sleep(0.04) or "fine"}}})
    for name in "abcd":
        shop.place(status="paid", customer=shop.customer(name))
    rounds = 0
    while build_due(Event.objects.all()):
        rounds += 1
    assert 1 < rounds <= 4
    assert set(Event.objects.values_list("status", "lapse_count")) == {("pending", 0)}


def test_a_mapping_that_kills_its_workers(shop: Any) -> None:
    """A batch without recorded results is built one by one; what kills again and again fails, and nothing else does."""
    for name in "abc":
        shop.place(status="paid", customer=shop.customer(name))
    killer, *_ = events = list(Event.objects.order_by("pk"))
    Event.objects.update(lapse_count=1)  # one worker died of the batch
    assert [build_due(Event.objects.exclude(pk=killer.pk)) for _ in events] == [1, 1, 0]
    Event.objects.filter(pk=killer.pk).update(lapse_count=6)
    assert build_due(Event.objects.all()) == 1
    killer.refresh_from_db()
    assert (killer.status, killer.reason_code, killer.lapse_count) == ("failed", "worker_lost", 0)
    assert set(Event.objects.exclude(pk=killer.pk).values_list("status", flat=True)) == {"pending"}


def test_a_claim_for_building_counts_until_its_result_is_recorded(shop: Any) -> None:
    """A builder that dies leaves its mark on the rows that it held."""
    shop.place(status="paid", customer=shop.customer())
    for expected in (1, 2):
        claimed = Event.objects.all().claim(limit=1, now=timezone.now(), lease_seconds=0, into="captured")
        assert claimed[0].lapse_count == expected == Event.objects.get().lapse_count
