"""``Every``: what happens often within a slot of the clock is one event."""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.db import transaction

from dfinery_django import ConfigurationError, EventDefinition, Every, capture, track
from dfinery_django.models import Event
from tests.integration.ways import built
from tests.shop.models import Line
from tests.support.doubles import PURCHASE
from tests.support.processes import Workers, ended

UTC = dt.timezone.utc
SEOUL = dt.timezone(dt.timedelta(hours=9))
CART = {**PURCHASE, "when": "saved", "once_per": Every(minutes=10), "settle_seconds": 600}
TEN = dt.datetime(2026, 11, 28, 10, tzinfo=UTC)


def at(moment: dt.datetime) -> Any:
    """Let the whole site have this time."""
    naive = moment.astimezone().replace(tzinfo=None)
    return mock.patch("django.utils.timezone.now", return_value=moment if settings.USE_TZ else naive)


@pytest.mark.parametrize(
    ("minutes", "moments"),
    [
        (10, [(9, 59, 59), (10, 0, 0), (10, 10, 0), (10, 20, 0)]),
        (1, [(9, 59, 59), (10, 0, 0), (10, 1, 0), (10, 2, 0)]),
        (60, [(9, 59, 59), (10, 0, 0), (11, 0, 0), (12, 59, 59)]),
    ],
)
def test_slots_of_the_clock_follow_each_other(minutes: int, moments: Any) -> None:
    """One more with each slot, which begins where the clock shows a round time."""
    slots = [Every(minutes=minutes).slot(dt.datetime(2026, 11, 28, *each, tzinfo=UTC)) for each in moments]
    assert [each - slots[0] for each in slots] == [0, 1, 2, 3]


def test_a_slot_is_the_same_everywhere() -> None:
    """Whatever time zone a process has; a day begins at midnight in UTC."""
    every = Every(minutes=1440)
    assert every.slot(TEN) == every.slot(TEN.astimezone(SEOUL)) == 20785
    assert every.slot(TEN + dt.timedelta(hours=13, minutes=59)) == 20785
    assert every.slot(TEN + dt.timedelta(hours=14)) == 20786
    assert Every(minutes=10).slot() == Every(minutes=10).resolve(None)


@pytest.mark.parametrize("minutes", [0, -10, 0.5, 10.0, "10", None, True])
def test_other_lengths_are_refused(minutes: Any) -> None:
    """Where they are written, with what to write."""
    with pytest.raises(ConfigurationError, match=r"whole number from 1, e.g. Every\(minutes=10\)"):
        Every(minutes=minutes)


def test_it_prints_as_it_was_written() -> None:
    """It reads no path."""
    assert (repr(Every(minutes=10)), list(Every(minutes=10).paths())) == ("Every(minutes=10)", [])


@pytest.mark.django_db(transaction=True)
def test_a_cart_that_changes_often_is_one_event_per_slot(configured: Any, shop: Any) -> None:
    """Saved, saved again, or captured by hand: once per object and slot, with what is there at the end."""
    configured(EVENTS={"cart": CART})
    with at(TEN + dt.timedelta(minutes=3)):
        first, other = shop.place(customer=shop.customer()), shop.place(customer=shop.customer("kim"))
    with at(TEN + dt.timedelta(minutes=9, seconds=59)):
        first.save()
        Line.objects.create(order=first, product=shop.product("B2"), unit_price=1)
        assert capture("cart", first) is None
    assert list(Event.objects.order_by("pk").values_list("source_pk", flat=True)) == [str(first.pk), str(other.pk)]
    assert Event.objects.first().due_at == Event.objects.first().created_at + dt.timedelta(seconds=600)  # type: ignore[union-attr]
    with at(TEN + dt.timedelta(minutes=10)):
        first.save()
        assert capture("cart", other) is not None
        assert Event.objects.count() == 4
    with at(TEN + dt.timedelta(minutes=20)):
        payloads = built()
    assert [len(each["event_attributes"]["items"]) for each in payloads] == [2, 1, 2, 1]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_takes_no_slot(configured: Any, shop: Any) -> None:
    """The next save in the slot is the event."""
    configured(EVENTS={"cart": CART})
    with at(TEN):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            shop.place()
            raise ZeroDivisionError
        order = shop.place()
    assert [each.source_pk for each in Event.objects.all()] == [str(order.pk)]


class SavedOrder(EventDefinition):
    """Slots of a thousand years: none ends while the test runs."""

    model, when, once_per = "shop.Order", "saved", Every(minutes=525_960_000)
    user = "customer"


#: Saves the order over and over, beside others that do the same.
SAVING = """
import django
django.setup()
from tests.shop.models import Order
for _ in range(10):
    Order.objects.get().save()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_processes_that_save_a_cart_at_once(configured: Any, shop: Any) -> None:
    """One event, found by its deduplication key."""
    order = shop.place()
    configured(EVENTS={"cart": f"{__name__}.SavedOrder"})
    with Workers() as workers:
        for process in [workers.start(("-c", SAVING)) for _ in range(3)]:
            ended(process, 60)
    assert [each.source_pk for each in Event.objects.filter(definition="cart")] == [str(order.pk)]


@pytest.mark.django_db
def test_views_without_a_model(shop: Any) -> None:
    """``track()`` with a slot in its key: one event for a person, a product and a slot."""
    slot = Every(minutes=10).slot

    def view(user: int, sku: str) -> Any:
        return track("view_product", user_id=user, dedup_key=(user, sku, slot()))

    with at(TEN):
        assert [bool(view(1, "a")), bool(view(1, "a")), bool(view(2, "a")), bool(view(1, "b"))] == [
            *(True, False, True, True),
        ]
    with at(TEN + dt.timedelta(minutes=10)):
        assert view(1, "a")


def test_reconcile_says_why_it_leaves_it_out(configured: Any) -> None:
    """A slot that is over can't be found again from the row."""
    configured(EVENTS={"cart": {**CART, "when": "created", "event_datetime": "paid_at"}})
    (info,) = [each for each in run_checks(tags=["dfinery"]) if each.id == "dfinery.I001"]
    assert "'cart': its 'once_per' allows several events per row" in info.msg
