"""Nothing is captured of those who did not agree, and nothing is sent of those who changed their mind."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import capture, preview, track
from dfinery_django.checks import check_settings
from dfinery_django.definitions import registry
from dfinery_django.definitions.registry import from_dict
from dfinery_django.delivery.worker import drain
from dfinery_django.diagnostics.explain import explain
from dfinery_django.diagnostics.rebuild_diff import rebuild_difference
from dfinery_django.models import Event
from dfinery_django.monitoring.health import assess
from dfinery_django.monitoring.overview import look
from dfinery_django.outbox import reconcile
from tests.shop.models import Order, User
from tests.support.doubles import PURCHASE, accepted

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "tests.integration.definitions.test_consent"
#: What was asked of whom.
asked: list[tuple[Any, Any]] = []


def is_gold(instance: Any, user: Any) -> bool:
    asked.append((instance, user))
    return user is not None and user.grade == "gold"


def broken(instance: Any, user: Any) -> bool:
    User.objects.extra(where=["no_such_column = 1"]).exists()
    return True


async def later(instance: Any, user: Any) -> bool:
    return False


@pytest.fixture(autouse=True)
def _nobody_asked() -> None:
    asked.clear()


@pytest.mark.parametrize("place", ["setting", "dict", "path", "class"])
def test_only_those_who_agreed(configured: Any, shop: Any, place: str) -> None:
    """Whether the setting says whom to ask, or the definition."""
    given = {"setting": None, "dict": is_gold, "path": f"{HERE}.is_gold", "class": None}[place]
    purchase: Any = {**PURCHASE, "consent": given} if given else PURCHASE
    if place == "class":
        purchase = f"{HERE}.Purchase"
    configured(EVENTS={"purchase": purchase}, **({"CONSENT": f"{HERE}.is_gold"} if place == "setting" else {}))
    gold, basic = shop.customer("gold", grade="gold"), shop.customer("basic")
    orders = [shop.place(customer=who) for who in (gold, basic, None)]
    for order in orders:
        shop.pay(order)
    assert Event.objects.get().source_pk == str(orders[0].pk)
    assert [(order.pk, who) for order, who in asked] == [
        (orders[0].pk, gold),
        (orders[1].pk, basic),
        (orders[2].pk, None),
    ]
    assert capture("purchase", orders[1]) is None
    assert preview("purchase", orders[1]) is None
    assert preview("purchase", orders[0]) is not None


class Purchase(from_dict("purchase", PURCHASE).__class__):  # type: ignore[misc]
    def consent(self, order: Any, user: Any) -> bool:
        assert isinstance(self, Purchase)
        return is_gold(order, user)


def test_whom_an_event_is_about(configured: Any, shop: Any) -> None:
    """The instance itself where it is a user of the site; nobody where user attributes are read from the order."""
    guests = {**PURCHASE, "user": None, "user_attributes": {"user_id": "guest_email"}}
    configured(EVENTS={"sign_up": {"model": "shop.User"}, "purchase": guests}, CONSENT=f"{HERE}.is_gold")
    kim = shop.customer("kim", grade="gold")
    shop.pay(order := shop.place(guest_email="kim@example.com", customer=kim))
    assert asked == [(kim, kim), (order, None)]
    assert Event.objects.get().definition == "sign_up"


def test_an_error_is_a_no_and_no_checkout_breaks(configured: Any, shop: Any, caplog: Any) -> None:
    """The order is committed, nothing is captured; the log has one line for all."""
    configured(CONSENT=f"{HERE}.broken")
    for _ in range(2):
        order = shop.place(customer=shop.customer(f"kim{_}"))
        with transaction.atomic():
            order.status = "paid"
            order.save()
            assert Order.objects.get(pk=order.pk).status == "paid"
    assert not Event.objects.exists()
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1
    assert "its consent failed, and counts as refused" in told[0].getMessage()
    with pytest.raises(DatabaseError):
        preview("purchase", order)


@pytest.mark.parametrize("path", ["tests.nowhere.ask", f"{HERE}.nothing", f"{HERE}.HERE", f"{HERE}.later"])
def test_what_can_t_be_asked_is_a_check_and_a_no(configured: Any, shop: Any, path: str) -> None:
    """A path that leads nowhere, what is no function, and an async one, whose answer would always count as yes."""
    for changes in ({"CONSENT": path}, {"EVENTS": {"purchase": {**PURCHASE, "consent": path}}}):
        configured(**changes)
        (found,) = [each for each in check_settings() if each.id == "dfinery.E015"]
        (alarm,) = [each for each in assess(look()).findings if each.code == "broken_definitions"]
        assert alarm.text == "Definitions with mistakes capture nothing: purchase."
        assert "(instance, user) -> bool" in str(found.hint)
        shop.pay(shop.place(customer=shop.customer(f"{path}{len(changes)}{'EVENTS' in changes}"[-30:], grade="gold")))
        assert not Event.objects.exists()
    configured(CONSENT="ask")
    assert [each.id for each in check_settings()] == ["dfinery.E004"]


def test_consent_that_is_withdrawn_before_the_event_is_built(configured: Any, shop: Any) -> None:
    """Nothing is sent; the row says why, and nothing of whom it is about."""
    configured(CONSENT=f"{HERE}.is_gold")
    kim = shop.customer("kim", grade="gold")
    shop.pay(shop.place(customer=kim))
    User.objects.update(grade="basic")
    assert drain("default", send=lambda request: accepted()) == {"built": 1}
    event = Event.objects.get()
    assert (event.status, event.reason_code, event.payload, event.user_id) == ("cancelled", "no_consent", "", "")
    User.objects.update(grade="gold")
    Event.objects.rebuild(timezone.now(), destination="default")
    assert drain("default", send=lambda request: accepted()) == {"built": 1, "delivered": 1}


def test_a_rebuild_asks_again(configured: Any, shop: Any) -> None:
    """And takes what was stored with it; the page says so before."""
    configured(CONSENT=f"{HERE}.is_gold")
    shop.pay(shop.place(customer=shop.customer("kim", grade="gold")))
    drain("default", send=lambda request: accepted())
    User.objects.update(grade="basic")
    assert "no consent" in rebuild_difference(Event.objects.get(), "default").problem
    Event.objects.rebuild(timezone.now(), destination="default")
    drain("default", send=lambda request: accepted())
    event = Event.objects.get()
    assert (event.status, event.reason_code) == ("cancelled", "no_consent")
    assert (event.payload, event.user_id, event.order_id) == ("", "", "")


def test_an_error_at_build_fails_the_event(configured: Any, shop: Any) -> None:
    """Visibly, with nothing built."""
    configured(EVENTS={"purchase": PURCHASE})
    shop.pay(shop.place(customer=shop.customer()))
    configured(CONSENT=f"{HERE}.later")
    drain("default", send=lambda request: accepted())
    event = Event.objects.get()
    assert (event.status, event.reason_code, event.payload) == ("failed", "mapping", "")
    assert "async" in event.reason


def test_reconcile_respects_it(configured: Any, shop: Any) -> None:
    """Rows of those who did not agree are neither captured nor counted, sweep after sweep."""
    configured(EVENTS={}, CONSENT=f"{HERE}.is_gold")
    hour = timezone.now() - dt.timedelta(hours=1)
    for name, grade in (("kim", "gold"), ("lee", "basic")):
        shop.place(customer=shop.customer(name, grade=grade), status="paid", paid_at=hour)
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}}, CONSENT=f"{HERE}.is_gold")
    definition = registry.get("purchase")
    assert [len(page) for page in reconcile.missed(definition)] == [1]
    assert [reconcile.sweep(definition), reconcile.sweep(definition)] == [1, 0]


def test_a_preview_shows_it_as_a_step(configured: Any, shop: Any) -> None:
    """With its answer; and an error with what becomes of it."""
    order = shop.place(customer=shop.customer("kim"), status="paid")
    configured()
    told = explain(registry.get("purchase"), order, using="default")
    assert "consent" not in [step.name for step in told.steps]
    for path, words in (("is_gold", "It says no."), ("later", "It counts as refused: it raised TypeError")):
        configured(CONSENT=f"{HERE}.{path}")
        told = explain(registry.get("purchase"), order, using="default")
        (step,) = [step for step in told.steps if step.name == "consent"]
        assert (step.holds, told.verdict.value) == (False, "silent")
        assert step.words.startswith(words)
    configured(CONSENT=f"{HERE}.is_gold")
    assert explain(registry.get("purchase"), order, using="default").ending == "cancelled"


def test_track_asks_nobody(configured: Any) -> None:
    """It has no instance: whoever calls it knows whom it is about."""
    configured(CONSENT=f"{HERE}.is_gold")
    assert track("coupon", user_id="u1") is not None
    assert asked == []


def test_it_costs_no_query_of_ours(configured: Any, shop: Any) -> None:
    """As many statements as where nobody is asked, as long as the callable makes none itself."""
    kim, counts = shop.customer("kim", grade="gold"), []
    for changes in ({}, {"CONSENT": f"{HERE}.is_gold"}):
        configured(**changes)
        for _ in range(3):  # the first ones learn what to ask
            order = shop.place(customer=kim)
            with CaptureQueriesContext(connection) as context:
                shop.pay(order)
        counts.append(len(context))
    assert counts[0] == counts[1]
    assert Event.objects.count() == 6


def test_deletions_ask(configured: Any, shop: Any) -> None:
    """What is about to go belongs to somebody, too."""
    configured(EVENTS={"gone": {**PURCHASE, "when": "deleted"}}, CONSENT=f"{HERE}.is_gold")
    for grade in ("gold", "basic"):
        shop.place(customer=shop.customer(grade, grade=grade), lines=0).delete()
    assert Event.objects.get().status == "pending"
