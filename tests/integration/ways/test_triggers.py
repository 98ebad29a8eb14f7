"""Signals of a site as triggers, once_per, destination, build="commit", capture(), track()."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import pre_delete
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import capture, clock, track
from dfinery_django.building.build import build_due
from dfinery_django.models import Event
from dfinery_django.outbox import reconcile
from dfinery_django.outbox.receivers import connect_signals
from tests.integration.ways import built, keys
from tests.shop.models import Line, Order, User
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)

order_placed, order_created, stage_changed = Signal(), Signal(), Signal()


class Foreign(Signal):
    """As shops have it whose signals are for their own plugins."""

    def connect(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("only plugins may listen")


for_plugins = Foreign()


def listening_to(name: str, keyword: str = "order", **changes: Any) -> dict[str, Any]:
    return {**PURCHASE, "when": None, "signal": (f"tests.integration.ways.test_triggers.{name}", keyword), **changes}


def test_a_signal_after_commit(configured: Any, shop: Any) -> None:
    """Sent outside of a transaction: captured then, once, however often it is sent."""
    configured(EVENTS={"purchase": listening_to("order_placed")})
    order = shop.place(customer=shop.customer())
    for _ in range(2):
        order_placed.send(sender=None, order=order, user=order.customer)
    assert keys() == [str(order.pk)]
    assert len(built()[0]["event_attributes"]["items"]) == 1


PAID = {"status": "paid"}


@pytest.mark.parametrize(
    "when", [PAID, {"status__in": ["paid", "shipped"]}, lambda order, created: order.status == "paid"]
)
def test_a_transition_that_is_never_saved(configured: Any, shop: Any, when: Any) -> None:
    """As a state machine's post_transition, which comes before the save: nothing is sent, and the save is an event."""
    configured(EVENTS={"purchase": listening_to("stage_changed", when=when)})
    order = shop.place(customer=shop.customer())
    order.status = "paid"
    stage_changed.send(sender=Order, order=order)
    event = Event.objects.get()
    build_due(Event.objects.all(), now=event.created_at + dt.timedelta(seconds=6))
    assert Event.objects.get().reason_code == "untrue"
    build_due(Event.objects.all(), now=event.created_at + dt.timedelta(seconds=121))
    event.refresh_from_db()
    assert (event.status, event.payload) == ("cancelled", "")
    assert "not stored" in event.reason

    stage_changed.send(sender=Order, order=order)
    order.save()
    assert built()[-1]["event_attributes"]["order_id"] == order.number
    assert len(keys()) == 2


def test_a_transition_that_is_saved_late(configured: Any, shop: Any) -> None:
    """It is waited for."""
    configured(EVENTS={"purchase": listening_to("stage_changed", when=PAID)})
    order = shop.place(customer=shop.customer())
    order.status = "paid"
    stage_changed.send(sender=Order, order=order)
    event = Event.objects.get()
    build_due(Event.objects.all(), now=event.created_at + dt.timedelta(seconds=6))
    order.save()
    build_due(Event.objects.all(), now=event.created_at + dt.timedelta(seconds=60))
    assert Event.objects.get().status == "pending"


def test_a_callable_that_reads_what_only_the_signal_carried(configured: Any, shop: Any) -> None:
    """It can't judge the stored row, and is not believed to say no."""
    configured(
        EVENTS={"purchase": listening_to("stage_changed", when=lambda order, created: order.transition == "pay")}
    )
    order = shop.place(customer=shop.customer())
    order.transition = "pay"
    stage_changed.send(sender=Order, order=order)
    assert built()[0]["event_attributes"]["order_id"] == order.number


def test_build_on_commit_where_there_is_a_grace(configured: Any, shop: Any) -> None:
    """Nothing is tried at the commit: the drain builds it when the grace is over."""
    configured(EVENTS={"purchase": {**PURCHASE, "build": "commit"}})
    customer = shop.customer()
    with CaptureQueriesContext(connection) as queries:
        order = Order.objects.create(number="1", status="paid", customer=customer)
    assert not [each for each in queries if "FOR UPDATE" in each["sql"]]
    Line.objects.create(order=order, unit_price=1)
    assert build_due(Event.objects.all()) == 0
    assert build_due(Event.objects.all(), now=clock.now() + dt.timedelta(seconds=6)) == 1
    assert Event.objects.get().status == "pending"


def test_a_signal_within_the_transaction(configured: Any, shop: Any) -> None:
    """Sent before the lines are there, and rolled back with the order."""
    configured(EVENTS={"purchase": listening_to("order_placed")})
    with pytest.raises(RuntimeError), transaction.atomic():
        order_placed.send(sender=None, order=Order.objects.create())
        raise RuntimeError
    assert keys() == []
    with transaction.atomic():
        order = Order.objects.create(customer=shop.customer())
        order_placed.send(sender=None, order=order)
        Line.objects.create(order=order, unit_price=1)
    assert len(built()[0]["event_attributes"]["items"]) == 1


def test_a_signal_whose_sender_is_the_order(configured: Any) -> None:
    """``"sender"`` instead of a keyword."""
    configured(EVENTS={"purchase": listening_to("order_created", "sender")})
    order = Order.objects.create()
    order_created.send(sender=order, request=None)
    order_created.send(sender=Order)  # the class itself: a sender like any other, but no order
    assert keys() == [str(order.pk)]


def test_a_signal_that_serves_every_model(configured: Any, shop: Any, caplog: Any) -> None:
    """Transitions of other models are not ours: a user whose key is an order's is no order."""
    configured(EVENTS={"purchase": listening_to("stage_changed", "instance")})
    order = shop.place()
    line = order.lines.get()
    for instance in (line, line.product, User(), None, "text"):
        stage_changed.send(sender=type(instance), instance=instance)
    assert keys() == []
    stage_changed.send(sender=Order, instance=order)
    assert keys() == [str(order.pk)]
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_a_signal_without_the_keyword(configured: Any, caplog: Any) -> None:
    """The log says which keywords it has; whoever sent it is not disturbed."""
    configured(EVENTS={"purchase": listening_to("order_placed", "ordre")})
    order_placed.send(sender=None, order=Order.objects.create())
    assert "carries no 'ordre', but: sender, signal, order" in caplog.text
    assert keys() == []


def test_a_keyword_that_is_mended(configured: Any) -> None:
    """What the definition says now counts, not what it said when it was connected."""
    for keyword in ("ordre", "order"):
        configured(EVENTS={"purchase": listening_to("order_placed", keyword)})
    order = Order.objects.create()
    order_placed.send(sender=None, order=order)
    assert keys() == [str(order.pk)]


@pytest.mark.parametrize(
    ("when", "fires"),
    [
        ({"status": "paid"}, [False, True]),
        (lambda order, created: order.total > 0, [True, True]),
        ("created", [True, True]),
        ("saved", [True, True]),
    ],
    ids=["dict", "callable", "created", "saved"],
)
def test_a_signal_with_a_condition(configured: Any, when: Any, fires: list[bool]) -> None:
    """Both must hold; "created" does unless the signal itself says no."""
    configured(EVENTS={"purchase": listening_to("order_placed", when=when, once_per=None)})
    order, found = Order.objects.create(total=1), []
    for status in ("pending", "paid"):
        order.status = status
        order.save()
        before = len(keys())
        order_placed.send(sender=None, order=order)
        found.append(len(keys()) > before)
    assert found == fires
    if when == "created":
        order_placed.send(sender=None, order=order, created=False)
        assert len(keys()) == 2


def test_a_signal_costs_saves_nothing(configured: Any, shop: Any, django_assert_num_queries: Any) -> None:
    """A definition that listens to a signal asks nothing at saves, and leaves fast deletes alone."""
    before = len(pre_delete.receivers)
    configured(
        EVENTS={
            "purchase": listening_to("order_placed", when={"status": "paid"}),
            "left": {
                "model": "shop.User",
                "when": "deleted",
                "signal": ("tests.integration.ways.about_to_leave", "user"),
            },
        }
    )
    order = shop.place()
    order.status = "paid"
    with django_assert_num_queries(1):
        order.save()
    assert len(pre_delete.receivers) == before


@pytest.mark.checks("E014")
def test_a_signal_that_refuses_us(configured: Any) -> None:
    """It is told by the check, and nothing breaks."""
    configured(EVENTS={"purchase": listening_to("for_plugins")})
    assert connect_signals() == {"purchase": "RuntimeError: only plugins may listen"}


def test_a_receiver_is_connected_once(configured: Any) -> None:
    """However often the app is made ready: no event of ours comes twice, even where each firing counts."""
    configured(EVENTS={"purchase": listening_to("order_placed", once_per=None)})
    for _ in range(3):
        connect_signals()
    order_placed.send(sender=None, order=Order.objects.create())
    assert len(keys()) == 1


def test_every_save(configured: Any) -> None:
    """``"saved"`` with ``once_per`` None: an event for each."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": "saved", "once_per": None}})
    order = Order.objects.create()
    order.save()
    order.save(update_fields=["note"])
    assert len(keys()) == 3


@pytest.mark.parametrize(
    ("once_per", "events"),
    [("status", 2), (("status", "note"), 3), (lambda order: order.status.upper(), 2), ("customer_id", 1)],
    ids=["path", "two paths", "callable", "key of an object"],
)
def test_once_per(configured: Any, once_per: Any, events: int) -> None:
    """What it names is added to the order: each new value is a new event."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": "saved", "once_per": once_per}})
    order = Order.objects.create()
    for status, note in (("paid", ""), ("paid", "x"), ("pending", "")):
        order.status, order.note = status, note
        order.save()
    assert len(keys()) == events


def test_destination_by_callable(configured: Any) -> None:
    """Each brand of a shop has a token of its own."""
    tokens = {"default": "a", "outlet": "b"}
    configured(TOKENS=tokens, EVENTS={"purchase": {**PURCHASE, "destination": lambda order: order.note or "default"}})
    Order.objects.create(status="paid", note="outlet")
    Order.objects.create(status="paid")
    assert list(Event.objects.order_by("pk").values_list("destination", flat=True)) == ["outlet", "default"]


def test_built_at_commit(configured: Any, shop: Any) -> None:
    """``build="commit"``: what the order said at the commit is sent, whatever is changed before the delivery."""
    configured(EVENTS={"purchase": {**PURCHASE, "build": "commit"}})
    order = shop.place(status="paid", customer=shop.customer(), number="at commit")
    Order.objects.filter(pk=order.pk).update(number="later")
    assert [each["event_attributes"]["order_id"] for each in built()] == ["at commit"]


def test_built_at_commit_in_autocommit(configured: Any, shop: Any) -> None:
    """There the commit comes before the lines: it is built by the worker, after its grace."""
    configured(EVENTS={"purchase": {**PURCHASE, "build": "commit"}})
    order = Order.objects.create(status="paid", customer=shop.customer())
    assert Event.objects.get().status == "captured"
    Line.objects.create(order=order, unit_price=1)
    assert len(built()[0]["event_attributes"]["items"]) == 1


def test_capture_refuses_another_model(shop: Any, caplog: Any) -> None:
    """A user's key is not taken for an order's."""
    assert capture("purchase", shop.customer()) is None
    assert "made of shop.Order, not of User" in caplog.text
    assert not Event.objects.exists()


def test_capture_joins_the_transaction(shop: Any) -> None:
    """Rolled back with it, and possible again."""
    order = shop.place()
    with pytest.raises(RuntimeError), transaction.atomic():
        assert capture("purchase", order) is not None
        raise RuntimeError
    assert capture("purchase", order) is not None
    assert keys() == [str(order.pk)]


def test_track_with_all_that_it_takes(configured: Any) -> None:
    """When it happened, to whom it goes, and what makes it the same."""
    configured(TOKENS={"default": "a", "outlet": "b"})
    an_hour_ago = clock.now().replace(microsecond=0) - dt.timedelta(hours=1)
    given: dict[str, Any] = {"user_id": 7, "occurred_at": an_hour_ago, "destination": "outlet", "dedup_key": "visit 7"}
    event = track("visit", **given)
    assert event is not None
    assert (event.destination, event.occurred_at) == ("outlet", an_hour_ago)
    assert event.expires_at == an_hour_ago + dt.timedelta(hours=48)
    assert json.loads(event.payload)["user_attributes"] == {"user_id": "7"}
    assert track("visit", **given) is None
    assert track("visit", **{**given, "dedup_key": None}) is not None
    assert track("another", **given) is not None


def test_track_with_a_naive_moment(configured: Any) -> None:
    """Read in the site's time zone, not in the one of the request."""
    configured()
    noon = dt.datetime(2026, 1, 2, 12)  # noqa: DTZ001
    with timezone.override("America/New_York"):
        event = track("visit", user_id="u1", occurred_at=noon)
    assert event is not None
    assert event.occurred_at.astimezone(dt.timezone.utc).hour == 3, "Seoul is nine hours ahead"


def test_a_condition_that_does_not_hold_costs_no_query(configured: Any, shop: Any) -> None:
    """With every kind of trigger in force, a save that fires nothing is one statement."""
    configured(
        EVENTS={
            "purchase": PURCHASE,
            "two_fields": {**PURCHASE, "when": {"status": "paid", "paid_at__isnull": False}},
            "callable": {**PURCHASE, "when": lambda order, created: False},
            "created": {**PURCHASE, "when": "created"},
            "deleted": {**PURCHASE, "when": "deleted"},
            "placed": listening_to("order_placed"),
        }
    )
    order = shop.place()
    with CaptureQueriesContext(connection) as queries:
        order.save()
        order.save(update_fields=["note"])
        order.save(update_fields=["status"])
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["UPDATE"] * 3


@pytest.mark.checks("W024")
def test_a_condition_about_related_rows_alone(configured: Any, shop: Any) -> None:
    """Neither their saves fire it nor a later save of the order, which finds it true already: reconcile does."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": {"lines__coupon": "A"}, "event_datetime": "paid_at"}})
    order = shop.place(customer=shop.customer(), paid_at=timezone.now() - dt.timedelta(minutes=5))
    Line.objects.get().save()
    line = Line.objects.get()
    line.coupon = "A"
    line.save()
    order.save()
    assert keys() == []
    assert reconcile.sweep_all() == {"purchase": 1}


def test_related_rows_that_are_watched_themselves(configured: Any, shop: Any) -> None:
    """As the hint of W024 has it: the line's save is the event, and paths go through the order."""
    definition = {
        "model": "shop.Line",
        "when": {"coupon": "A"},
        "event_attributes": {"order_id": "order.number"},
        "user": "order.customer",
    }
    configured(EVENTS={"purchase": definition})
    shop.place(customer=shop.customer(), number="N1")
    line = Line.objects.get()
    line.coupon = "A"
    line.save()
    (payload,) = built()
    assert payload["event_attributes"]["order_id"] == "N1"
