"""Transactions of every kind around a save."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import path

from dfinery_django import capture, track
from dfinery_django.models import Event
from tests.integration.ways import keys
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, Shop, dfinery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]

asked: list[str] = []


def note_wake(destination: str) -> None:
    asked.append(destination)


@pytest.fixture(autouse=True)
def _noted(configured: Any) -> None:
    asked.clear()
    configured(WAKE="tests.integration.ways.test_transactions.note_wake")


class SecondTabError(Exception):
    pass


def test_a_savepoint_that_is_rolled_back_and_tried_again() -> None:
    """The event goes with its savepoint; the next try within the same transaction has one of its own."""
    with transaction.atomic():
        with pytest.raises(SecondTabError), transaction.atomic():
            Order.objects.create(number="1", status="paid")
            raise SecondTabError
        assert keys() == []
        order = Order.objects.create(number="1", status="paid")
        assert asked == []
    assert keys() == [str(order.pk)]
    assert asked == ["default"]


def test_a_savepoint_that_is_rolled_back_beside_one_that_holds() -> None:
    """One wake-up for the transaction, whichever of its parts stands."""
    with transaction.atomic():
        with transaction.atomic():
            kept = Order.objects.create(number="1", status="paid")
        with pytest.raises(SecondTabError), transaction.atomic():
            Order.objects.create(number="2", status="paid")
            raise SecondTabError
    assert keys() == [str(kept.pk)]
    assert asked == ["default"]


def test_a_transaction_marked_for_rollback() -> None:
    """As test clients of shops and dry runs do: no order, no event, no wake-up."""
    with transaction.atomic():
        Order.objects.create(status="paid")
        transaction.set_rollback(True)
    assert (keys(), asked) == ([], [])


def test_nested_and_durable() -> None:
    """A durable transaction, as ticket shops ask for, is not opened within one of ours."""
    with transaction.atomic(durable=True), transaction.atomic(savepoint=False), transaction.atomic():
        order = Order.objects.create(status="paid")
    order.status = "pending"
    order.save()

    def pay() -> None:
        with transaction.atomic(durable=True):
            Order.objects.filter(pk=order.pk).first().save()  # type: ignore[union-attr]

    with transaction.atomic():
        Order.objects.create(status="paid")
        transaction.on_commit(pay)
    assert len(keys()) == 2


def test_on_commit_inside_on_commit() -> None:
    """Orders that are saved after a commit, and after the commit of that: an event and a wake-up each."""
    done: list[str] = []

    def first() -> None:
        with transaction.atomic():
            Order.objects.create(number="first", status="paid")
            transaction.on_commit(second)

    def second() -> None:
        Order.objects.create(number="second", status="paid")  # in autocommit
        transaction.on_commit(lambda: done.append("all callbacks of the shop ran"))

    with transaction.atomic():
        Order.objects.create(number="outer", status="paid")
        transaction.on_commit(first)
    assert len(keys()) == 3
    assert len(done) == 1
    late = Event.objects.order_by("pk").last()
    assert late is not None
    assert late.due_at - late.created_at == dt.timedelta(seconds=5), "in autocommit, lines may follow"


def test_a_callback_of_the_shop_that_fails() -> None:
    """Django drops what was registered after it; the event stands, and the schedule delivers it."""
    with pytest.raises(SecondTabError), transaction.atomic():
        order = Order.objects.create(status="pending")
        transaction.on_commit(fail)
        order.status = "paid"
        order.save()
    assert keys() == [str(order.pk)]
    assert asked == []


def fail() -> None:
    raise SecondTabError


def paying(request: HttpRequest) -> HttpResponse:
    order = Order.objects.create(number="1", status="paid")
    if "fails" in request.GET:
        raise SecondTabError
    return HttpResponse(str(order.pk))


urlpatterns = [path("pay/", paying)]


@pytest.mark.urls("tests.integration.ways.test_transactions")
def test_atomic_requests(client: Any, monkeypatch: Any) -> None:
    """The view is the transaction: an answer has its event, an error has neither order nor event."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    answer = client.get("/pay/")
    assert keys() == [answer.content.decode()]
    assert asked == ["default"]
    client.raise_request_exception = False
    assert client.get("/pay/?fails").status_code == 500
    assert Order.objects.count() == len(keys()) == 1


def test_autocommit_switched_off() -> None:
    """Who commits by hand is told nothing by Django: the event is there, and the schedule delivers it."""
    transaction.set_autocommit(False)
    try:
        order = Order.objects.create(status="paid")
        track("coupon", user_id="u1")
        capture("purchase", order)
        transaction.commit()
        Order.objects.create(status="paid")
        transaction.rollback()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert list(Event.objects.order_by("pk").values_list("event_name", flat=True)) == ["purchase", "coupon"]


@pytest.mark.parametrize("build", ["worker", "commit"])
def test_autocommit_switched_off_is_no_error(configured: Any, build: str, caplog: Any) -> None:
    """Nothing is logged for it."""
    configured(EVENTS={"purchase": {**PURCHASE, "build": build}})
    transaction.set_autocommit(False)
    try:
        Order.objects.create(status="paid")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert len(keys()) == 1
    assert caplog.text == ""


def test_a_broken_transaction_stays_the_shops_own_affair(caplog: Any) -> None:
    """After an error within atomic() without a savepoint nothing can be stored, and nothing of ours hides that."""
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        try:
            with transaction.atomic(savepoint=False):
                raise SecondTabError
        except SecondTabError:
            pass
        Order.objects.create(status="paid")
    assert (Order.objects.count(), keys()) == (0, [])


def test_a_wrapper_that_refuses_our_queries() -> None:
    """A site that guards its database against unannounced writes: the checkout goes on."""

    def guard(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "dfinery" in sql:
            raise SecondTabError
        return execute(sql, parameters, many, context)

    with transaction.atomic(), connection.execute_wrapper(guard):
        order = Order.objects.create(status="paid", number="kept")
    assert Order.objects.get().pk == order.pk
    assert keys() == []


def test_a_rollback_costs_nothing_of_ours() -> None:
    """No statement of ours after the shop's own ROLLBACK."""
    with CaptureQueriesContext(connection) as queries, pytest.raises(SecondTabError), transaction.atomic():
        Order.objects.create(status="paid")
        raise SecondTabError
    assert queries.captured_queries[-1]["sql"] == "ROLLBACK"


class InTestCase(TestCase):
    """A site's own tests, where on_commit never runs."""

    def test_captured_in_the_test_s_transaction(self) -> None:
        """The event is there to be looked at; captureOnCommitCallbacks() has the wake-up."""
        with self.settings(DFINERY=dfinery(WAKE="tests.integration.ways.test_transactions.note_wake")):
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                order = Shop().place(status="paid")
            assert keys() == [str(order.pk)]
            assert (len(callbacks), asked) == (1, ["default"])
