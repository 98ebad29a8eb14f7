"""Signals as sites send and answer them: nested saves, signals sent by hand, fixtures, migrations, retries, threads."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import serializers
from django.db import IntegrityError, connection, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import ModelSignal, post_save, pre_delete, pre_save

from dfinery_django.definitions import registry
from tests.integration.ways import built, keys
from tests.shop.models import Order, Voucher
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def listening(signal: ModelSignal, receiver: Callable[..., None], sender: Any = Order) -> Iterator[None]:
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


@pytest.mark.parametrize("signal", [pre_save, post_save], ids=["pre_save", "post_save"])
def test_a_save_within_a_save_of_the_same_instance(configured: Any, shop: Any, signal: ModelSignal) -> None:
    """A receiver that saves the order again: one event, even where each firing counts, and nothing stays behind."""
    configured(EVENTS={"purchase": {**PURCHASE, "once_per": None}})

    def save_again(sender: Any, instance: Any, **kwargs: Any) -> None:
        if instance.note != "again":
            instance.note = "again"
            instance.save()

    order = shop.place()
    with listening(signal, save_again):
        order.status = "paid"
        order.save()
    assert keys() == [str(order.pk)]
    assert set(order.__dict__) == set(Order.objects.get(pk=order.pk).__dict__)


def test_a_receiver_that_changes_the_status(shop: Any) -> None:
    """Whoever sets it, and however late: what is written counts."""

    def pay(sender: Any, instance: Any, **kwargs: Any) -> None:
        instance.status = "paid"

    order = shop.place()
    with listening(pre_save, pay):
        order.save()
    assert keys() == [str(order.pk)]


def test_a_receiver_that_pays_through_another_instance(shop: Any) -> None:
    """As tills that answer post_save of an order with order.pay(): one event."""

    def pay(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
        if created:
            second = Order.objects.get(pk=instance.pk)
            second.status = "paid"
            second.save()

    with listening(post_save, pay):
        order = Order.objects.create()
    order.save()  # the first instance still says pending
    shop.pay(order)
    assert keys() == [str(order.pk)]


@pytest.mark.parametrize("created", [True, False, None])
def test_a_post_save_sent_by_hand(shop: Any, created: bool | None) -> None:
    """As shops do after bulk_create(): with any arguments. What it says was not created fires nothing."""
    (order,) = Order.objects.bulk_create([Order(status="paid", number="by hand")])
    order = Order.objects.get(number="by hand")
    answers = post_save.send_robust(sender=Order, instance=order, **({} if created is None else {"created": created}))
    assert [answer for _, answer in answers if answer is not None] == []
    assert keys() == ([str(order.pk)] if created else [])


@pytest.mark.parametrize("signal", [pre_save, post_save, pre_delete], ids=["pre_save", "post_save", "pre_delete"])
@pytest.mark.parametrize("arguments", [{}, {"instance": None}, {"instance": "an order"}, {"instance": 1}], ids=str)
def test_signals_sent_by_hand_with_nonsense(configured: Any, signal: ModelSignal, arguments: Any) -> None:
    """Nothing of ours raises, whatever it is given."""
    configured(EVENTS={"purchase": PURCHASE, "gone": {**PURCHASE, "when": "deleted"}})
    answers = signal.send_robust(sender=Order, **arguments)
    assert [answer for _, answer in answers if answer is not None] == []


def test_a_pre_save_that_no_save_follows(shop: Any) -> None:
    """A save that failed leaves nothing behind that the next one would take for its own."""
    order = shop.place()
    order.status = "paid"
    order.total = "no number"
    with pytest.raises(Exception, match="no number"):
        order.save()
    order.total = 5
    order.save()
    assert keys() == [str(order.pk)]


def test_a_save_that_is_tried_again(configured: Any) -> None:
    """A number that was taken: the same instance is saved once more, with another."""
    configured(EVENTS={"used": {"model": "shop.Voucher", "when": {"is_used": True}, "user": "owner"}})
    Voucher.objects.create(code="A")
    voucher = Voucher(code="A", is_used=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        voucher.save(force_insert=True)
    voucher.code = "B"
    voucher.save(force_insert=True)
    voucher.save()
    assert keys("used") == ["B"]


def test_copies_that_are_made_within_a_save(shop: Any) -> None:
    """Shops that keep a history copy or pickle the instance in a receiver."""

    def keep(sender: Any, instance: Any, **kwargs: Any) -> None:
        if instance.number != "copy":
            twin = copy.deepcopy(pickle.loads(pickle.dumps(copy.copy(instance))))
            twin.pk, twin.number, twin.status = None, "copy", "archived"
            twin.save()

    order = shop.place()
    with listening(pre_save, keep):
        shop.pay(order)
    assert keys() == [str(order.pk)]


def test_fixtures(shop: Any) -> None:
    """raw=True: what loaddata loads happened elsewhere, whether the row is new or not."""
    order = shop.place()
    text = serializers.serialize("json", [order]).replace("pending", "paid")
    for each in serializers.deserialize("json", text):
        each.save()
    Order.objects.all().delete()
    for each in serializers.deserialize("json", text):
        each.save()
    assert keys() == []


def test_models_of_a_migration(shop: Any) -> None:
    """RunPython saves rows of the past through models of its own: no event."""
    state = ProjectState()
    state.add_model(ModelState.from_model(Voucher, exclude_rels=True))
    state.add_model(
        ModelState("shop", "Order", [(f.name, f.clone()) for f in Order._meta.local_fields if not f.is_relation])
    )
    historical = state.apps.get_model("shop", "Order")
    historical.objects.create(number="old", status="paid")
    assert Order.objects.get().status == "paid"
    assert keys() == []


def test_a_site_whose_own_methods_fail(configured: Any, shop: Any, monkeypatch: Any) -> None:
    """__str__, __repr__, __eq__ and __hash__ of the site's models are not ours to call."""

    def fail(self: Any, *args: Any) -> Any:
        raise RuntimeError("a bug of the shop")

    with monkeypatch.context() as patched:
        for name in ("__str__", "__repr__", "__eq__", "__hash__"):
            patched.setattr(Order, name, fail)
        order = Order(status="paid", number="1")
        order.save()
        order.save()
    assert keys() == [str(order.pk)]


def test_a_model_that_answers_for_every_name(configured: Any, shop: Any, monkeypatch: Any) -> None:
    """__getattr__ that hands names on to an old system: a path may name one, and capture asks for none."""

    def hand_on(self: Any, name: str) -> Any:
        if name == "shade":
            return "red"
        raise AttributeError(name)

    customer = shop.customer()
    with monkeypatch.context() as patched:
        patched.setattr(Order, "__getattr__", hand_on, raising=False)
        configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"colour": "shade"}}})
        shop.place(status="paid", customer=customer)
        (payload,) = built()
    assert payload["event_attributes"]["colour"] == "red"
    configured()  # without that name


def test_threads_that_save_one_instance_each(shop: Any) -> None:
    """Nothing of a save is kept where another thread could take it."""
    if connection.vendor == "sqlite":
        pytest.skip("its database in memory belongs to one thread")
    orders = [shop.place() for _ in range(8)]

    def pay(order: Order) -> None:
        try:
            shop.pay(order)
        finally:
            connection.close()

    threads = [threading.Thread(target=pay, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(keys()) == sorted(str(order.pk) for order in orders)
    assert [each.name for each in registry.definitions()] == ["purchase"]
