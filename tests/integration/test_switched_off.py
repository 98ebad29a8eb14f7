"""ENABLED=False: nothing of ours runs."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from django.contrib.auth.signals import user_logged_in
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from dfinery_django import acapture, atrack, capture, django_q2, tasks, track
from dfinery_django.definitions import registry
from dfinery_django.delivery.circuit import resume
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Action
from dfinery_django.models import CustomField, Destination, Event, Repair, Total
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from dfinery_django.outbox.reconcile import sweep, sweep_all
from tests.shop.models import Line, Order, User
from tests.support.doubles import PURCHASE, Shop

EVENTS = {
    "purchase": PURCHASE,
    "touched": {"model": "shop.Order", "when": "saved", "user_attributes": {"user_id": "number"}},
    "new": {"model": "shop.Order", "when": "created", "user_attributes": {"user_id": "number"}},
    "asked": {"model": "shop.Order", "when": {"customer__grade": "gold"}, "user": "customer"},
    "judged": {"model": "shop.Order", "when": lambda order, created: order.lines.exists(), "user": "customer"},
    "gone": {"model": "shop.Order", "when": "deleted", "user_attributes": {"user_id": "number"}},
    "line_gone": {"model": "shop.Line", "when": "deleted", "user_attributes": {"user_id": "pk"}},
    "login": {"model": "shop.User", "signal": ("django.contrib.auth.signals.user_logged_in", "user")},
}


@pytest.fixture
def off(configured: Any) -> None:
    """As a site's test settings have it: no token, the queue that the site has."""
    configured(ENABLED=False, TOKENS={}, EVENTS=EVENTS, WAKE="dfinery_django.tasks.wake", METRICS=True)


@pytest.mark.django_db
def test_it_was_on_before(configured: Any, django_assert_num_queries: Any) -> None:
    """The counts below mean something: switched on, the same saves ask and store."""
    configured(EVENTS=EVENTS)
    with pytest.raises(pytest.fail.Exception), django_assert_num_queries(1):
        Order.objects.create(status="paid")
    assert Event.objects.exists()


@pytest.mark.django_db
def test_no_trigger_costs_a_query(off: None, shop: Shop, configured: Any, django_assert_num_queries: Any) -> None:
    """Saves, deletions, signals, track() and capture() cost what they cost without this app."""
    configured(ENABLED=False, TOKENS={}, EVENTS=EVENTS, METRICS=True)
    customer = User.objects.create(username="hong", grade="gold")
    product = shop.product()
    with django_assert_num_queries(1):
        order = Order.objects.create(number="1", status="paid", customer=customer)
    with django_assert_num_queries(1):
        order.status = "cancelled"
        order.save(force_update=True)
    with django_assert_num_queries(1):
        Line.objects.create(order=order, product=product, unit_price=1)
    with django_assert_num_queries(0):
        assert capture("purchase", order) is None
        assert track("x", user_id="u") is None
    with django_assert_num_queries(1):  # the user's last_login is Django's
        user_logged_in.send(User, user=customer, request=None)
    with django_assert_num_queries(1):  # fast: a DELETE without a SELECT, which a receiver would prevent
        Line.objects.all().delete()
    with CaptureQueriesContext(connection) as made:
        order.delete()
    assert not [query["sql"] for query in made if "dfinery" in query["sql"]]


@pytest.mark.django_db
def test_deletions_are_watched_again_when_it_is_on(configured: Any, shop: Shop) -> None:
    """Off and on again: the receiver of pre_delete goes and comes."""
    for is_on in (True, False, True):
        configured(ENABLED=is_on, EVENTS=EVENTS)
        assert pre_delete.has_listeners(Line) == is_on
    order = shop.place()
    Event.objects.all().delete()
    Line.objects.all().delete()
    order.delete()
    assert set(Event.objects.values_list("definition", flat=True)) == {"line_gone", "gone"}


@pytest.mark.django_db
def test_no_task_does_anything(off: None, django_assert_num_queries: Any) -> None:
    """Drain, reconcile and prune, as tasks and as functions: not one query."""
    with django_assert_num_queries(0):
        assert drain() == {}
        assert tasks.drain() == {}
        assert tasks.reconcile() == sweep_all() == {}
        assert tasks.prune() == 0
        for command in (["drain"], ["reconcile"], ["prune"]):
            call_command("dfinery", *command, stdout=io.StringIO())


@pytest.mark.django_db
def test_migrate_schedules_nothing(off: None, configured: Any) -> None:
    """What is scheduled already is left, so that it is there when it is switched on again."""
    Schedule.objects.all().delete()
    django_q2.schedule_after_migrate(using="default")
    assert not Schedule.objects.exists()
    configured()
    django_q2.schedule_after_migrate(using="default")
    assert Schedule.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_nothing_asks_for_a_drain(configured: Any) -> None:
    """Not even an operator's wish for events of before: it waits until it is on again."""
    configured()
    track("x", user_id="u")
    off = {"ENABLED": False, "TOKENS": {"default": "t"}, "WAKE": "dfinery_django.tasks.wake"}
    configured(**off)
    Destination.objects.update(wake_requested_at=None)
    bulk_action.new_bulk_action(Action.CANCEL, Selection(), by="t", using="default").save()
    bulk_action.wake_all_on_commit("default")
    resume("default", using="default")
    assert not OrmQ.objects.exists()
    assert Repair.objects.get().finished_at is None


@pytest.mark.django_db(transaction=True)
def test_async_code_gets_none(off: None) -> None:
    """acapture() and atrack() do as their likes."""
    from asgiref.sync import async_to_sync

    order = Order.objects.create(status="paid")
    assert async_to_sync(acapture)("purchase", order) is None
    assert async_to_sync(atrack)("x", user_id="u") is None
    assert not any(model.objects.exists() for model in (Event, CustomField, Destination, Total))


@pytest.mark.django_db
def test_the_admin_shows_what_there_is_with_a_notice(off: None, admin_client: Any) -> None:
    """Overview and list can be seen."""
    for page in ("overview", "event"):
        answer = admin_client.get(f"/admin/dfinery_django/{page}/")
        assert answer.status_code == 200
        assert b"switched off" in answer.content, page


@pytest.mark.django_db
def test_reconcile_by_hand_captures_nothing(configured: Any) -> None:
    """What it would find when it is on."""
    events = {"purchase": {**PURCHASE, "event_datetime": "paid_at"}}
    configured(ENABLED=False, EVENTS=events)
    Order.objects.create(status="paid", paid_at=timezone.now() - dt.timedelta(hours=1))
    assert sweep(registry.get("purchase")) == 0
    call_command("dfinery", "reconcile", stdout=io.StringIO())
    assert not Event.objects.exists()
    configured(EVENTS=events)
    assert sweep(registry.get("purchase")) == 1
