"""More databases than one: an event is stored where its order is, in the order's own transaction."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import transaction

from dfinery_django import capture, tasks, track
from dfinery_django.delivery import worker
from dfinery_django.models import Destination, Event
from dfinery_django.outbox import databases, store
from tests.integration.ways import built, keys
from tests.integration.ways.routers import ShopInOther
from tests.shop.models import Category, Line, Order, Product, User

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.sql("fast", "plain"),
]


class OutboxInDefault(ShopInOther):
    """Besides, "other" has no outbox."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "default" if app_label == "dfinery_django" else None


class ReadsFromReplica:
    """What is read comes from "other", a replica; what is written goes to "default"."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "other"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, *args: Any, **hints: Any) -> bool:
        return True


@pytest.fixture
def routed(settings: Any, shop: Any) -> Any:
    """``routed(Router)`` until the test ends; what was noted about databases before is forgotten."""

    def use(router: type) -> None:
        settings.DATABASE_ROUTERS = [router()]
        store._log_if_undrained.cache_clear()

    yield use
    store._log_if_undrained.cache_clear()


def place_in_other() -> Order:
    with transaction.atomic(using="other"):
        customer = User.objects.using("other").create(username="hong")
        product = Product.objects.using("other").create(
            sku="1", name="Book", category=Category.objects.using("other").create(name="Books")
        )
        order = Order.objects.using("other").create(number="1", status="paid", customer=customer)
        Line.objects.using("other").create(order=order, product=product, unit_price=5)
    return order


def test_a_router_that_sends_the_shop_elsewhere(routed: Any) -> None:
    """Stored, built, woken and counted in the shop's database; nothing of it in the default one."""
    routed(ShopInOther)
    order = place_in_other()
    assert (keys(using="other"), keys()) == ([str(order.pk)], [])
    assert databases.outbox_databases() == ["default", "other"]
    (payload,) = built(using="other")
    assert payload["event_attributes"]["items"][0]["product_name"] == "Book"
    assert Destination.objects.using("other").get().wake_requested_at is not None
    assert not Destination.objects.using("default").exists()


def test_a_rollback_in_the_shops_database(routed: Any) -> None:
    """The transaction that counts is the order's, whatever the default database does."""
    routed(ShopInOther)
    with transaction.atomic(using="default"):
        with pytest.raises(RuntimeError), transaction.atomic(using="other"):
            Order.objects.create(status="paid")
            raise RuntimeError
        order = Order.objects.create(status="paid")
        assert keys(using="other") == [str(order.pk)]
        transaction.set_rollback(True, using="default")
    assert keys(using="other") == [str(order.pk)]


def test_reconcile_and_capture_by_hand(routed: Any, configured: Any) -> None:
    """Both write where the order is."""
    import datetime as dt

    from django.utils import timezone

    from tests.support.doubles import PURCHASE

    routed(ShopInOther)
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    first, second = Order.objects.bulk_create([Order(status="paid", paid_at=an_hour_ago) for _ in range(2)])
    assert capture("purchase", first) is not None
    assert tasks.reconcile() == {"purchase": 1}
    assert keys(using="other") == [str(first.pk), str(second.pk)]


def test_an_order_that_was_read_from_a_replica(routed: Any) -> None:
    """It is captured in the database that it is written to: save() and capture() agree on which."""
    (there,) = Order.objects.using("other").bulk_create([Order(number="1")])
    Order.objects.using("default").bulk_create([Order(pk=there.pk, number="1")])
    routed(ReadsFromReplica)
    order = Order.objects.get(number="1")
    assert order._state.db == "other"
    assert capture("purchase", order) is not None
    assert (keys(), keys(using="other")) == ([str(order.pk)], [])
    order = Order.objects.get(number="1")
    order.status = "paid"
    order.save()
    assert (keys(), keys(using="other")) == ([str(order.pk)], [])


def test_the_state_before_is_that_of_the_database_written_to(routed: Any) -> None:
    """A copy that is saved into another database becomes paid there."""
    order = Order.objects.create(number="1", status="paid")
    order.save(using="other")
    order.save(using="other")
    assert (keys(), keys(using="other")) == ([str(order.pk)], [str(order.pk)])


def test_a_database_where_nobody_looks(routed: Any, caplog: Any) -> None:
    """Orders that are saved into a database no router names: their events are stored, and an ERROR says so, once."""
    routed(type("NoRouter", (), {}))
    for _ in range(2):
        Order(status="paid").save(using="other")
    assert len(keys(using="other")) == 2
    assert caplog.text.count("'other', which no drain reads") == 1


@pytest.mark.checks("E018")
def test_a_database_without_an_outbox(routed: Any, caplog: Any, far_side: Any) -> None:
    """The check says what to write; until then no checkout is harmed, the log tells, and other events arrive."""
    from django.db import connections

    from dfinery_django.models import DeliveryAttempt

    routed(OutboxInDefault)
    (message,) = [each for each in run_checks(tags=["dfinery"]) if each.id != "dfinery.I001"]
    assert message.id == "dfinery.E018"
    assert "'other'" in message.msg
    assert "migrate --database other" in message.hint
    with connections["other"].schema_editor() as editor:
        editor.delete_model(DeliveryAttempt)
        editor.delete_model(Event)
    try:
        with transaction.atomic(using="other"):
            Order.objects.create(status="paid", number="kept")
        assert Order.objects.get().number == "kept"
        assert "purchase was not captured" in caplog.text
        track("coupon", user_id="u1")
        assert worker.drain(send=far_side)["delivered"] == 1
    finally:
        with connections["other"].schema_editor() as editor:
            editor.create_model(Event)
            editor.create_model(DeliveryAttempt)


def test_no_check_where_the_outbox_is_beside_the_shop(routed: Any) -> None:
    """Two databases alone are no mistake."""
    routed(ShopInOther)
    assert [each for each in run_checks(tags=["dfinery"]) if each.id != "dfinery.I001"] == []


class OutboxElsewhere:
    """Our tables in "other", the shop in "default"."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "other" if model._meta.app_label == "dfinery_django" else None

    db_for_write = db_for_read


@pytest.mark.checks("E018")
def test_an_outbox_that_the_admin_would_look_for_elsewhere(routed: Any) -> None:
    """A router that names another database for our tables than the rows are in is an error with the remedy."""
    routed(OutboxElsewhere)
    (message,) = [each for each in run_checks(tags=["dfinery"]) if each.id != "dfinery.I001"]
    assert message.id == "dfinery.E018"
    assert "'purchase' (shop.Order) are in 'default'" in message.msg
    assert "db_for_read() and db_for_write() return 'default'. Then run manage.py migrate." in message.hint


def test_track_says_where(routed: Any) -> None:
    """It joins the transaction of the database named, else that of the outbox."""
    routed(ShopInOther)
    with pytest.raises(RuntimeError), transaction.atomic(using="other"):
        track("coupon", user_id="u1", using="other")
        assert Event.objects.using("other").count() == 1
        raise RuntimeError
    track("coupon", user_id="u1")
    assert (Event.objects.using("default").count(), Event.objects.using("other").count()) == (1, 0)
