"""Kinds of models: proxies, children, abstract bases, replaced models, scoped managers; keys of every kind."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User as ReplacedUser
from django.core.checks import run_checks
from django.db import models
from django.test.utils import isolate_apps
from django.utils import timezone

from dfinery_django import EventDefinition, Value, capture, register, tasks
from dfinery_django.definitions.registry import definition_faults, unregister
from dfinery_django.definitions.source import Source, key_of
from dfinery_django.models import Event
from tests.integration.ways import built, keys
from tests.shop.models import Booking, BranchOrder, GiftOrder, NoScopeError, Order, OrderReport, Priced, Ticket, Voucher
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)

BOOKING = {"model": "shop.Booking", "when": {"grade": 1}, "user": "customer"}
BRANCH_ORDER = {
    "model": "shop.BranchOrder",
    "when": {"status": "paid"},
    "event_datetime": "paid_at",
    "event_attributes": {"order_id": "number", "branch": "branch"},
    "user": "customer",
}


@pytest.mark.parametrize("watched", ["shop.Order", "shop.OrderReport"])
def test_proxies(configured: Any, shop: Any, watched: str) -> None:
    """A save through the proxy or through the model: the same row, the same event."""
    configured(EVENTS={"purchase": {**PURCHASE, "model": watched, "items": None, "item_attributes": {}}})
    first = OrderReport.objects.create(status="paid", number="1", customer=shop.customer())
    Order.objects.get(pk=first.pk).save()
    second = Order.objects.create(status="paid", number="2", customer=first.customer)
    OrderReport.objects.get(pk=second.pk).save()
    assert keys() == [str(first.pk), str(second.pk)]
    assert [each["event_attributes"]["order_id"] for each in built()] == ["1", "2"]


def test_a_child_of_the_model(shop: Any) -> None:
    """Saving a child sends no signal of its parent: the child's counts, with the parent's key."""
    gift = GiftOrder(number="1", status="pending", customer=shop.customer())
    gift.save()
    gift.status = "paid"
    gift.save(update_fields=["status"])
    Order.objects.get(pk=gift.pk).save()
    assert keys() == [str(gift.pk)]
    assert Event.objects.get().source == "shop.Order"


def test_a_child_for_a_row_that_is_there(shop: Any) -> None:
    """An order that was paid before becomes a gift: nothing has become true."""
    Order.objects.bulk_create([Order(number="old", status="paid")])
    old = Order.objects.get()
    gift = GiftOrder(order_ptr=old)
    gift.__dict__.update({field.attname: getattr(old, field.attname) for field in Order._meta.fields})
    gift.save()
    assert keys() == []


def test_a_definition_of_the_child(configured: Any, shop: Any) -> None:
    """It watches gifts only; its condition may name a field of the parent's table."""
    gift_event = {**PURCHASE, "model": "shop.GiftOrder", "event_attributes": {"greeting": "greeting"}, "items": None}
    configured(EVENTS={"purchase": gift_event})
    Order.objects.create(status="paid")
    gift = GiftOrder.objects.create(greeting="To you", customer=shop.customer(), total=3)
    gift.status = "paid"
    gift.save()
    gift.save()
    assert keys() == [str(gift.pk)]
    (payload,) = built()
    assert payload["event_attributes"]["greeting"] == "To you"


def test_a_child_saved_as_its_parent(configured: Any) -> None:
    """Whoever pays a gift as a mere order sends the order's signals: reconcile finds the gift."""
    configured(EVENTS={"purchase": {**PURCHASE, "model": "shop.GiftOrder", "event_datetime": "paid_at"}})
    gift = GiftOrder.objects.create()
    order = Order.objects.get(pk=gift.pk)
    order.status, order.paid_at = "paid", timezone.now() - dt.timedelta(hours=1)
    order.save()
    assert keys() == []
    tasks.reconcile()
    assert keys() == [str(gift.pk)]


def test_deletions_of_proxies_and_children(configured: Any, shop: Any) -> None:
    """Whichever model the deletion begins with: one event, built before the row goes."""
    gone = {**PURCHASE, "when": "deleted", "items": None, "item_attributes": {}}
    configured(EVENTS={"gone": gone, "gift_gone": {**gone, "model": "shop.GiftOrder"}})
    customer = shop.customer()
    orders = [Order.objects.create(number="1", customer=customer)]
    orders += [GiftOrder.objects.create(number=number, customer=customer) for number in "234"]
    wanted = [str(order.pk) for order in orders]
    OrderReport.objects.get(pk=orders[0].pk).delete()
    orders[1].delete()
    Order.objects.get(pk=orders[2].pk).delete()
    Order.objects.filter(pk=orders[3].pk).delete()
    assert sorted(keys("gone")) == wanted
    assert sorted(keys("gift_gone")) == wanted[1:]
    assert {each["event_attributes"]["order_id"] for each in built()} == {"1", "2", "3", "4"}


def test_an_abstract_base_is_refused(configured: Any) -> None:
    """It has no table: the check names what to write, and its children's saves are left alone."""
    configured(EVENTS={})

    @register(Priced, name="priced")
    class OfAbstract(EventDefinition):
        when = "saved"

    try:
        Booking.objects.create()
        assert "Priced, which is abstract" in definition_faults()["priced"]
        assert [each.id for each in run_checks(tags=["dfinery"])] == ["dfinery.E007"]
    finally:
        unregister("priced")
    assert keys("priced") == []


def test_the_fields_of_an_abstract_base(configured: Any) -> None:
    """A model derived from it is watched like any other."""
    configured(EVENTS={"purchase": {**BOOKING, "when": {"amount": 5}}})
    booking = Booking.objects.create(amount=Decimal("5.00"))
    assert keys() == [str(booking.pk)]


@pytest.mark.checks("E007")
@pytest.mark.parametrize("model", ["auth.User", ReplacedUser])
def test_a_replaced_model_is_refused(configured: Any, model: Any) -> None:
    """Nobody saves Django's own User where the site has another: the check says which to name."""
    configured(EVENTS={"sign_up": {"model": model}})
    (message,) = run_checks(tags=["dfinery"])
    assert message.id == "dfinery.E007"
    assert '"model": "shop.User"' in message.msg


def test_managers_that_refuse(configured: Any, shop: Any) -> None:
    """Tenant-scoped default managers, of lines too, are not asked."""
    attributes = {"items": "tickets", "item_attributes": {"product_name": "title"}}
    configured(EVENTS={"purchase": {**BOOKING, **attributes}})
    booking = Booking.objects.create(customer=shop.customer())
    Ticket._base_manager.create(booking=booking, title="Front row")
    with pytest.raises(NoScopeError):
        Ticket.objects.count()
    booking.grade = 1
    booking.save()
    (payload,) = built()
    assert payload["event_attributes"]["items"] == [{"product_name": "Front row"}]


def test_lines_that_need_a_filter(configured: Any, shop: Any) -> None:
    """``items`` may be a callable: cancelled tickets are not sold ones."""

    def sold(booking: Any) -> Any:
        return Ticket._base_manager.filter(booking=booking, is_cancelled=False)

    configured(EVENTS={"purchase": {**BOOKING, "items": sold, "item_attributes": {"product_name": "title"}}})
    booking = Booking.objects.create(grade=1, customer=shop.customer())
    for title, is_cancelled in (("A", True), ("B", False)):
        Ticket._base_manager.create(booking=booking, title=title, is_cancelled=is_cancelled)
    (payload,) = built()
    assert payload["event_attributes"]["items"] == [{"product_name": "B"}]


@pytest.mark.parametrize("form", [str, lambda key: key.hex, lambda key: key], ids=["text", "hex", "UUID"])
def test_uuid_keys(configured: Any, shop: Any, form: Any) -> None:
    """Whatever form the key has on a fresh instance: one event, whose source is found."""
    configured(EVENTS={"purchase": {**BOOKING, "event_attributes": {"order_sales": "amount"}}})
    key = uuid.uuid4()
    Booking(id=form(key), grade=1, amount=7, customer=shop.customer()).save()
    Booking.objects.get(pk=key).save()
    assert keys() == [str(key)]
    assert [each["event_attributes"]["order_sales"] for each in built()] == [7.0]


@pytest.mark.parametrize("code", ["W-15", " ", "쿠폰/15?a=b&c", 15, "x" * 30], ids=str)
def test_text_keys(configured: Any, code: Any) -> None:
    """Any text is a key, and a number that a fresh instance holds is the text that is stored."""
    used = {"model": "shop.Voucher", "when": {"is_used": True}, "user_attributes": {"user_id": Value("u1")}}
    configured(EVENTS={"used": used})
    voucher = Voucher(code=code)
    voucher.save()
    voucher.is_used = True
    voucher.save()
    Voucher.objects.get().save()
    assert keys("used") == [str(code)]
    assert [each["user_attributes"]["user_id"] for each in built()] == ["u1"]


@pytest.mark.parametrize(
    ("field", "fresh", "reloaded"),
    [
        (models.IntegerField, "007", 7),
        (models.UUIDField, "12345678123456781234567812345678", uuid.UUID("12345678123456781234567812345678")),
        (models.BinaryField, b"\x00\xff", memoryview(b"\x00\xff")),
        (models.DateField, "2026-01-02", dt.date(2026, 1, 2)),
        (models.DateTimeField, timezone.now(), None),
        (models.CharField, 15, "15"),
        (models.DurationField, dt.timedelta(days=1, seconds=5), None),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_keys_of_every_type(field: Any, fresh: Any, reloaded: Any) -> None:
    """A key is one text, fresh or reloaded, and that text leads back to it."""
    with isolate_apps("tests.shop"):
        content = {
            "id": field(primary_key=True),
            "__module__": __name__,
            "Meta": type("Meta", (), {"app_label": "shop"}),
        }
        model: Any = type("Keyed", (models.Model,), content)
    definition = type("OfKeyed", (EventDefinition,), {"model": model})()
    reloaded = fresh if reloaded is None else reloaded
    text = Source(definition, model(pk=fresh)).key
    assert text == Source(definition, model(pk=reloaded)).key
    assert text is not None
    assert key_of(definition, text) == reloaded


def test_composite_keys(configured: Any, shop: Any) -> None:
    """Numbers that are unique in a branch only: captured, found again, once each."""
    configured(EVENTS={"purchase": BRANCH_ORDER})
    customer, now = shop.customer(), timezone.now()
    seoul = BranchOrder(branch="Seoul", number=1, customer=customer, paid_at=now)
    seoul.save()
    busan = BranchOrder.objects.create(branch="Busan", number="1", status="paid", customer=customer, paid_at=now)
    seoul.status = "paid"
    seoul.save()
    BranchOrder.objects.get(pk=("Seoul", 1)).save()
    busan.save()
    assert keys() == ['["Busan", "1"]', '["Seoul", "1"]']
    sent = [each["event_attributes"] for each in built()]
    assert [(each["branch"], each["order_id"]) for each in sent] == [("Busan", "1"), ("Seoul", "1")]


def test_composite_keys_that_no_signal_told_of(configured: Any) -> None:
    """capture() and reconcile know them, too."""
    configured(EVENTS={"purchase": BRANCH_ORDER})
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    BranchOrder.objects.bulk_create(
        BranchOrder(branch=branch, number=1, status="paid", paid_at=an_hour_ago) for branch in ("Busan", "Seoul")
    )
    assert capture("purchase", BranchOrder.objects.get(branch="Busan")) is not None
    assert tasks.reconcile() == {"purchase": 1}
    assert tasks.reconcile() == {"purchase": 0}
    assert keys() == ['["Busan", "1"]', '["Seoul", "1"]']


def test_a_composite_key_that_is_not_complete(configured: Any, caplog: Any) -> None:
    """No key, no row: refused with words, not with a crash."""
    configured(EVENTS={"purchase": BRANCH_ORDER})
    assert capture("purchase", BranchOrder(branch="Seoul", status="paid")) is None
    assert "save it first" in caplog.text


def test_a_key_whose_type_has_changed(configured: Any, shop: Any) -> None:
    """A migration to another kind of key: the source of an old event counts as gone."""
    configured(EVENTS={"purchase": BRANCH_ORDER, "booked": BOOKING})
    BranchOrder.objects.create(branch="Seoul", number=1, status="paid", customer=shop.customer())
    Booking.objects.create(grade=1)
    for text in ("17", "not json", '["Seoul"]', '["Seoul", "x"]', "[]", "null"):
        Event.objects.update(source_pk=text, status="captured", due_at=timezone.now(), finished_at=None)
        built()
        assert set(Event.objects.values_list("reason_code", flat=True)) == {"source_gone"}, text
