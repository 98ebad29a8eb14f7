"""How a status changes: by which call, with which kind of value, on which of several instances."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Now
from django.utils import timezone

from dfinery_django import capture, tasks
from tests.integration.ways import keys
from tests.shop.models import Booking, Order, Stage
from tests.support.doubles import PURCHASE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]


def by_save(order: Order) -> None:
    order.status = "paid"
    order.save()


def by_a_method(order: Order) -> None:
    """As set_status() of many shops: inside, a save."""
    order.status = Order.Status.PAID
    order.save(update_fields={"status", "note"})


def by_get(order: Order) -> None:
    Order.objects.update_or_create(pk=order.pk, defaults={"status": "paid"})


def by_a_locked_instance(order: Order) -> None:
    with transaction.atomic():
        second = Order.objects.select_for_update().get(pk=order.pk)
        second.status = "paid"
        second.save(update_fields=["status"])
    order.note = "the first instance is still alive, and saved"
    order.save(update_fields=["note"])


def by_a_deferred_instance(order: Order) -> None:
    second = Order.objects.only("pk", "status").get(pk=order.pk)
    second.status = "paid"
    second.save()


def by_an_instance_that_was_never_read(order: Order) -> None:
    Order(pk=order.pk, number=order.number, status="paid").save()


def by_an_expression(order: Order) -> None:
    order.status = Concat(Value("pa"), Value("id"))
    order.save()


def from_another_column(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(note="paid")
    order.status = F("note")
    order.save(update_fields=["status"])


WAYS = [
    by_save,
    by_a_method,
    by_get,
    by_a_locked_instance,
    by_a_deferred_instance,
    by_an_instance_that_was_never_read,
    by_an_expression,
    from_another_column,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_to_save_a_status(shop: Any, way: Any) -> None:
    """One event when it becomes paid; none when an order that is paid already is paid again in the same way."""
    order = shop.place(number="1")
    way(order)
    assert keys() == [str(order.pk)]
    old = Order.objects.bulk_create([Order(number="old", status="paid")])[0]
    way(Order.objects.get(number=old.number))
    assert keys() == [str(order.pk)]


@pytest.mark.parametrize(
    "fields",
    [["status"], ("status",), {"status"}, frozenset({"status", "paid_at"})],
    ids=lambda fields: type(fields).__name__,
)
def test_update_fields_of_every_kind(shop: Any, fields: Any) -> None:
    """A save of some fields counts if the condition reads one of them."""
    order = shop.place()
    order.status = "paid"
    order.save(update_fields=["note"])
    assert keys() == [], "the status is not written"
    order.save(update_fields=fields)
    assert keys() == [str(order.pk)]


def test_a_save_of_no_fields(shop: Any) -> None:
    """Django writes nothing and sends nothing."""
    order = shop.place()
    order.status = "paid"
    order.save(update_fields=frozenset())
    assert keys() == []


@pytest.mark.parametrize("way", ["update", "bulk_update", "bulk_create", "upsert"])
def test_what_sends_no_signal_is_found_by_reconcile(configured: Any, shop: Any, way: str) -> None:
    """queryset.update(), bulk_update() and bulk_create(): nothing at once, one event when reconcile looks."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    order = shop.place()
    order.status, order.paid_at = "paid", an_hour_ago
    if way == "update":
        Order.objects.filter(pk=order.pk).update(status="paid", paid_at=an_hour_ago)
    elif way == "bulk_update":
        Order.objects.bulk_update([order], ["status", "paid_at"])
    elif way == "bulk_create":
        Order.objects.bulk_create([Order(status="paid", paid_at=an_hour_ago)])
    else:
        target = {"unique_fields": ["id"]} if connection.features.supports_update_conflicts_with_target else {}
        Order.objects.bulk_create([order], update_conflicts=True, update_fields=["status", "paid_at"], **target)
    again = Order.objects.get(status="paid")
    again.save()
    assert keys() == [], "it was paid before this save"
    tasks.reconcile()
    tasks.reconcile()
    assert keys() == [str(again.pk)]


@pytest.mark.parametrize("in_time", [True, False])
def test_capture_is_faster_than_reconcile(configured: Any, shop: Any, in_time: bool) -> None:
    """``capture()`` beside a silent write, in its transaction; reconcile finds nothing more."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    order = shop.place(paid_at=timezone.now() - dt.timedelta(hours=1))
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(status="paid")
        if in_time:
            capture("purchase", order)
    assert keys() == ([str(order.pk)] if in_time else [])
    tasks.reconcile()
    assert keys() == [str(order.pk)]


@pytest.mark.parametrize(
    ("when", "value", "other"),
    [
        ({"grade": 2}, "2", 1),
        ({"grade": "2"}, 2, 1),
        ({"grade__in": [2, None]}, 2, 1),
        ({"grade__in": [2, None]}, F("grade") + 1, 1),
    ],
    ids=str,
)
def test_a_status_that_is_a_number(configured: Any, when: Any, value: Any, other: Any) -> None:
    """Compared as the column has it, whatever Python made of it."""
    configured(EVENTS={"purchase": {"model": "shop.Booking", "when": when, "user": "customer"}})
    booking = Booking.objects.create(grade=other)
    assert keys() == []
    booking.grade = value
    booking.save()
    assert keys() == [str(booking.pk)]


@pytest.mark.parametrize("by", ["stage__identifier", "stage", "stage_id", "object"])
def test_a_status_that_is_a_row(configured: Any, by: str) -> None:
    """By a field of the row, by its key, or by the object; set by object or by key."""
    open_, paid = Stage.objects.create(identifier="open"), Stage.objects.create(identifier="paid")
    when = {
        "stage__identifier": {"stage__identifier": "paid"},
        "stage": {"stage": paid.pk},
        "stage_id": {"stage_id": str(paid.pk)},
        "object": {"stage": paid},
    }[by]
    configured(EVENTS={"purchase": {"model": "shop.Booking", "when": when, "user": "customer"}})
    first, second = Booking.objects.create(stage=open_), Booking.objects.create()
    first.stage = paid
    first.save(update_fields=["stage"])
    second.stage_id = paid.pk
    second.save(update_fields=["stage_id"])
    second.save()
    assert sorted(keys()) == sorted([str(first.pk), str(second.pk)])


def test_a_moment_that_the_database_sets(configured: Any, shop: Any) -> None:
    """Now() and other expressions are no values: the row is asked."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": {"paid_at__isnull": False}}})
    order = shop.place()
    order.paid_at = Now()
    order.save()
    assert keys() == [str(order.pk)]


def test_a_column_that_the_database_works_out(configured: Any) -> None:
    """A generated field is asked of the database, whichever fields a save writes."""
    configured(EVENTS={"free": {"model": "shop.Booking", "when": {"net": 0}, "user": "customer"}})
    booking = Booking.objects.create(amount=10, rebate=3)
    booking.refresh_from_db()
    booking.rebate = 10
    booking.save(update_fields=["rebate"])
    booking.save()
    assert keys("free") == [str(booking.pk)]
    other = Booking.objects.create(amount=10, rebate=3)
    other.refresh_from_db()
    other.rebate = 10
    other.save()  # in memory its net amount still is 7
    assert keys("free") == [str(booking.pk), str(other.pk)]


@pytest.mark.parametrize(
    ("when", "content"),
    [
        ({"content__state": "paid"}, {"state": "paid"}),
        ({"content": {"state": "paid"}}, {"state": "paid"}),
        ({"content__isnull": True}, None),
    ],
    ids=str,
)
def test_a_status_in_a_json_column(configured: Any, when: Any, content: Any) -> None:
    """Lookups into JSON are the database's."""
    configured(EVENTS={"purchase": {"model": "shop.Booking", "when": when, "user": "customer"}})
    booking = Booking.objects.create(content={"state": "open"})
    assert keys() == []
    booking.content = content
    booking.save()
    assert keys() == [str(booking.pk)]


def test_a_column_that_the_database_compares_in_its_own_way(configured: Any) -> None:
    """A field with lookups of its own is not judged in memory."""
    configured(EVENTS={"purchase": {"model": "shop.Booking", "when": {"channel": "web"}, "user": "customer"}})
    booking = Booking.objects.create(channel="till")
    booking.channel = "WEB"
    booking.save()
    booking.save()
    assert keys() == [str(booking.pk)]


def test_a_condition_that_compares_two_columns(configured: Any, shop: Any) -> None:
    """A save of either column may make it true."""
    configured(EVENTS={"covered": {**PURCHASE, "when": {"total": F("discount")}}})
    order = shop.place(total=5, discount=1)
    order.discount = 5
    order.save(update_fields=["discount"])
    order.save()
    assert keys("covered") == [str(order.pk)]


def test_a_condition_over_two_fields_that_two_instances_write(configured: Any, shop: Any) -> None:
    """One instance writes the status, the other, which still says pending, the date: that save makes both true."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": {"status": "paid", "paid_at__isnull": False}}})
    order = shop.place()
    first, second = (Order.objects.get(pk=order.pk) for _ in range(2))
    first.status = "paid"
    first.save(update_fields=["status"])
    second.paid_at = timezone.now()
    second.save(update_fields=["paid_at"])
    assert keys() == [str(order.pk)]
    old = Order.objects.bulk_create([Order(status="paid", paid_at=timezone.now(), number="old")])[0]
    stale = Order.objects.get(number=old.number)
    stale.status = "pending"  # in memory only
    stale.paid_at = timezone.now()
    stale.save(update_fields=["paid_at"])
    assert keys() == [str(order.pk)], "it was paid before"


def test_a_stale_instance_that_writes_all(shop: Any) -> None:
    """It sets the order back, and the next payment is no second purchase."""
    order = shop.place()
    stale = Order.objects.get(pk=order.pk)
    shop.pay(order)
    stale.save()
    shop.pay(stale)
    assert keys() == [str(order.pk)]


def test_refreshed_between(shop: Any) -> None:
    """What was set and not saved is gone, and what another instance wrote is no news of this one."""
    order = shop.place()
    order.status = "paid"
    order.refresh_from_db()
    order.save()
    assert keys() == []
    Order.objects.filter(pk=order.pk).update(status="paid")
    order.refresh_from_db()
    order.save()
    assert keys() == []


def test_an_instance_used_for_another_row(shop: Any) -> None:
    """Copied by taking its key away: a new row, an event of its own."""
    order = shop.place()
    shop.pay(order)
    first = order.pk
    order.pk = None
    order.save()
    assert keys() == [str(first), str(order.pk)]


def test_an_instance_with_only_its_key(shop: Any) -> None:
    """Deferred fields are read by Django when it writes them: nothing has become true."""
    order = shop.place()
    shop.pay(order)
    Order.objects.only("pk").get(pk=order.pk).save()
    pending = shop.place()
    Order.objects.only("pk").get(pk=pending.pk).save()
    assert keys() == [str(order.pk)]
