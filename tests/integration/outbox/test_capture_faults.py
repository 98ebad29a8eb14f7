"""What goes wrong while an event is captured: by the database, by the site's own code, by a setting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
import pytest
from django.db import DataError, OperationalError, connection, models, transaction
from django.db.models.signals import pre_save
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from dfinery_django import capture, track
from dfinery_django.definitions import registry
from dfinery_django.models import Event
from dfinery_django.outbox import reconcile
from tests.settings import DATABASE
from tests.shop.models import Category, Order, Product, User
from tests.support.doubles import PURCHASE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]

on_a_server = pytest.mark.skipif(DATABASE == "sqlite", reason="a database in memory has one connection")


def rows() -> list[tuple[str, str]]:
    return list(Event.objects.order_by("pk").values_list("status", "reason_code"))


def errors(caplog: Any) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


@contextmanager
def faults(number: int, error: Exception, part: str = "INSERT") -> Iterator[None]:
    """The first statements of ours that have these words fail."""
    left = [number]

    def fail(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "dfinery_django_event" in sql and part in sql and left[0]:
            left[0] -= 1
            raise error
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(fail):
        yield


# ── a fault of the store is none of the mapping ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("in_transaction", [True, False])
def test_a_passing_fault_is_tried_once_more(shop: Any, in_transaction: bool) -> None:
    """The event is as any other."""
    with faults(1, OperationalError("database is locked")):
        if in_transaction:
            with transaction.atomic():
                Order.objects.create(status="paid")
        else:
            Order.objects.create(status="paid")
    assert rows() == [("captured", "")]


@pytest.mark.parametrize("error", [OperationalError("database is locked"), DataError("no such text")], ids=repr)
def test_what_can_t_be_stored_leaves_no_row(configured: Any, caplog: Any, error: Exception) -> None:
    """A row that says "failed" would keep reconcile from it; so the object is found, and sent, later."""
    configured(EVENTS={"purchase": PURCHASE | {"event_datetime": "paid_at"}})
    paid_at = timezone.now() - 2 * timezone.timedelta(minutes=reconcile.MARGIN_SECONDS // 30)
    with faults(99, error), transaction.atomic():
        Order.objects.create(status="paid", paid_at=paid_at)
    assert (Order.objects.count(), rows()) == (1, [])
    assert [each.startswith("purchase was not captured: ") for each in errors(caplog)] == [True]
    assert reconcile.sweep(registry.get("purchase")) == 1
    assert rows() == [("captured", "")]


@pytest.mark.parametrize("attribute", ["destination", "once_per", "should_capture", "when", "consent"])
def test_a_fault_that_the_site_s_code_meets_passes_as_well(configured: Any, attribute: str) -> None:
    """Its query is asked once more; what is a bug of its own is on the row, or in the log."""
    struck = []

    def ask(order: Any, *args: Any, **kwargs: Any) -> Any:
        if not struck:
            struck.append(order)
            raise OperationalError("the server is restarting")
        return "default"

    configured(EVENTS={"purchase": PURCHASE | {attribute: ask}} if attribute != "should_capture" else {})
    if attribute == "should_capture":
        definition = registry.from_dict("purchase", PURCHASE).__class__
        asking = type("Asking", (definition,), {"should_capture": lambda self, order, *, created: ask(order)})
        configured(EVENTS={"purchase": asking})
    with transaction.atomic():
        Order.objects.create(status="paid")
    assert struck
    assert rows() == [("captured", "")]


def test_a_lost_answer_is_no_second_event(configured: Any) -> None:
    """The INSERT arrived, the connection broke: the second one finds it, though nothing else tells them apart."""
    configured(EVENTS={"each": PURCHASE | {"when": "saved", "once_per": None}})
    lost = []

    def lose(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, parameters, many, context)
        if "INSERT" in sql and "dfinery_django_event" in sql and not lost:
            lost.append(sql)
            raise OperationalError("server closed the connection unexpectedly")
        return answer

    with connection.execute_wrapper(lose):
        Order.objects.create()
    assert lost
    assert rows() == [("captured", "")]


# ── a save within a save ───────────────────────────────────────────────────────────────────────────────────────────


class NoStock(Exception):
    pass


@pytest.mark.parametrize("once_per", [(), None], ids=["once", "each"])
@pytest.mark.parametrize("is_rolled_back", [True, False])
def test_a_nested_save_that_is_rolled_back_has_told_nothing(
    configured: Any, shop: Any, once_per: Any, is_rolled_back: bool
) -> None:
    """The outer save tells what the inner one would have, and only then."""
    configured(EVENTS={"purchase": PURCHASE | {"once_per": once_per}})
    order = shop.place()

    def reserve(sender: Any, instance: Any, **kwargs: Any) -> None:
        pre_save.disconnect(reserve, sender=Order)
        try:
            with transaction.atomic():
                instance.save()
                if is_rolled_back:
                    raise NoStock
        except NoStock:
            pass

    pre_save.connect(reserve, sender=Order)
    with transaction.atomic():
        order.status = "paid"
        order.save()
    assert rows() == [("captured", "")]
    assert "_dfinery_saves" not in order.__dict__


# ── what strikes at every save ─────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_setting_is_one_line(settings: Any, caplog: Any) -> None:
    """For all saves of all models, and by hand, and without a traceback."""
    settings.DFINERY = {"TOKENS": {"default": "t"}, "EVENT": {}}
    for number in range(20):
        Order.objects.create(number=str(number), status="paid")
        Category.objects.create(name=str(number))
    (record,) = caplog.records
    assert record.exc_info is None
    assert "'EVENT'" in record.getMessage()
    assert Order.objects.count() == 20


@pytest.mark.parametrize("in_transaction", [True, False])
def test_unwritable_tables_are_one_line(shop: Any, caplog: Any, in_transaction: bool) -> None:
    """However many of our statements an order meets them with."""
    with faults(999, OperationalError("attempt to write a readonly database"), ""):
        for number in range(5):
            if in_transaction:
                with transaction.atomic():
                    Order.objects.create(number=str(number), status="paid")
                    track("coupon", user_id="u1", event_attributes={"own": 1})
            else:
                Order.objects.create(number=str(number), status="paid")
                track("coupon", user_id="u1", event_attributes={"own": 1})
    (line,) = errors(caplog)
    assert "readonly" in line
    assert "\n" not in line
    assert not [each for each in caplog.records if each.exc_info]
    assert Order.objects.count() == 5


def test_what_was_left_out_is_counted(shop: Any, caplog: Any, monkeypatch: Any) -> None:
    """In the next line, a minute later; an error of another kind is not left out for it."""
    now = [1000.0]
    monkeypatch.setattr("dfinery_django.clock.monotonic", lambda: now[0])
    for _ in range(3):
        capture("purchase", Order(status="paid"))
    now[0] += 61
    capture("purchase", Order(status="paid"))
    with faults(9, OperationalError("locked")):
        Order.objects.create(status="paid")
    first, second, other = errors(caplog)
    assert "save it first" in first
    assert "(2 more like it since the last such line)" in second
    assert "locked" in other


@pytest.mark.sql("fast")
def test_events_without_a_token_are_told_of_together(configured: Any, caplog: Any) -> None:
    """One question and one line for all of a transaction; those that a savepoint took back are not counted."""
    configured(EVENTS={"purchase": PURCHASE | {"destination": lambda order: "brand_b"}})
    caplog.set_level(logging.INFO, "dfinery_django")
    with CaptureQueriesContext(connection) as queries:
        for start in (0, 50):
            with transaction.atomic():
                for number in range(20):
                    Order.objects.create(number=str(start + number), status="paid")
                    with pytest.raises(NoStock), transaction.atomic():
                        Order.objects.create(number=str(start + number), status="paid")
                        raise NoStock
    assert rows() == [("failed", "no_destination")] * 40
    asked = [each["sql"] for each in queries if each["sql"].startswith("SELECT") and "event_id" in each["sql"]]
    assert len([sql for sql in asked if "dfinery_django_event" in sql]) == 2
    told = [each for each in caplog.records if each.name == "dfinery_django.events"]
    assert [each.getMessage().endswith("failed: no_destination, and 19 more") for each in told] == [True, True]
    assert [each.dfinery_count for each in told] == [20, 20]  # type: ignore[attr-defined]
    assert len(errors(caplog)) == 1


# ── a transaction begun by hand ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def by_hand() -> Iterator[None]:
    transaction.set_autocommit(False)
    try:
        yield
    finally:
        if connection.connection is not None:
            transaction.rollback()
            transaction.set_autocommit(True)


@pytest.mark.parametrize("error", [OperationalError("locked"), OperationalError(1205, "Lock wait"), DataError("no")])
def test_a_transaction_begun_by_hand_keeps_its_connection(shop: Any, caplog: Any, error: Exception) -> None:
    """Whatever of ours fails in it, the shop's commit() is that of its order."""
    with by_hand():
        given = connection.connection
        with faults(99, error, ""):
            order = Order.objects.create(number="kept", status="paid")
            track("coupon", user_id="u1")
        transaction.commit()
        assert connection.connection is given
        transaction.rollback()
    assert Order.objects.get().pk == order.pk
    assert (rows(), len(errors(caplog))) == ([], 1)


@contextmanager
def our_table_is_locked() -> Iterator[None]:
    """By another session; nobody waits long for it."""
    other: Any = connection.copy()
    short, lock, unlock = {
        "postgresql": ("SET lock_timeout = '200ms'", "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", "ROLLBACK"),
        "mariadb": ("SET SESSION lock_wait_timeout = 1", "LOCK TABLES {} WRITE", "UNLOCK TABLES"),
    }[DATABASE]
    with connection.cursor() as cursor:
        cursor.execute(short)
    try:
        with other.cursor() as cursor:
            if DATABASE == "postgresql":
                cursor.execute("BEGIN")
            cursor.execute(lock.format(Event._meta.db_table))
            yield
            cursor.execute(unlock)
    finally:
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout" if DATABASE == "postgresql" else "SET lock_wait_timeout = DEFAULT")


@on_a_server
@pytest.mark.parametrize("mode", [by_hand, transaction.atomic], ids=["by hand", "atomic"])
def test_a_lock_timeout_of_ours_costs_no_order(shop: Any, caplog: Any, mode: Callable[[], Any]) -> None:
    """What the shop wrote before and after it is committed."""
    Order.objects.exists()
    with our_table_is_locked(), mode():
        Order.objects.create(number="first", status="paid")
        Order.objects.create(number="second")
        if mode is by_hand:
            transaction.commit()
    assert sorted(Order.objects.values_list("number", flat=True)) == ["first", "second"]
    assert len(errors(caplog)) == 1
    assert rows() == []


def losing() -> Any:
    """The server ends the session before our first INSERT."""
    ended = []

    def lose(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "INSERT" in sql and "dfinery_django_event" in sql and not ended:
            ended.append(sql)
            _end_session()
        return execute(sql, parameters, many, context)

    return connection.execute_wrapper(lose)


@on_a_server
def test_a_connection_lost_after_the_order_s_own_commit(shop: Any, caplog: Any) -> None:
    """In autocommit: a new one stores the event."""
    with losing():
        Order.objects.create(number="kept", status="paid")
    assert Order.objects.get().number == "kept"
    assert rows() == [("captured", "")]
    assert not errors(caplog)


@on_a_server
@pytest.mark.parametrize("mode", [by_hand, transaction.atomic], ids=["by hand", "atomic"])
def test_a_lost_connection_is_told(shop: Any, mode: Callable[[], Any]) -> None:
    """What the shop wrote is gone with it, so that nothing may look like a commit."""
    try:
        with pytest.raises(django.db.Error), mode(), losing():
            Order.objects.create(number="lost", status="paid")
    finally:
        connection.close()
    assert not Order.objects.exists()


def _end_session() -> None:
    """The server ends this connection, as in a restart."""
    other: Any = connection.copy()
    with other.cursor() as cursor:
        if DATABASE == "postgresql":
            cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        else:
            cursor.execute(f"KILL {connection.connection.thread_id()}")
    other.close()


# ── what an instance says, and what is saved ───────────────────────────────────────────────────────────────────────


class Translated:
    """A text of the active language, as packages for translated models have it."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return instance.__dict__.get(f"note_{translation.get_language()}", instance.__dict__["note"])

    def __set__(self, instance: Any, value: str) -> None:
        instance.__dict__.setdefault("note", value)
        instance.__dict__[f"note_{translation.get_language()}"] = value


class TranslatedOrder(Order):
    note = Translated()  # type: ignore[assignment]

    class Meta:
        proxy = True
        app_label = "shop"


class Stated:
    """A descriptor that protects a field and stores it where Django does, as state machines have it."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance.__dict__["status"]

    def __set__(self, instance: Any, value: str) -> None:
        instance.__dict__["status"] = value


class StatedOrder(Order):
    status = Stated()  # type: ignore[assignment]

    class Meta:
        proxy = True
        app_label = "shop"


@pytest.mark.parametrize(("wanted", "fires"), [("선물", True), ("gift", False)])
def test_a_translated_field_is_judged_by_what_was_saved(configured: Any, wanted: str, fires: bool) -> None:
    """The row has the active language's text, whatever stands on the instance."""
    configured(EVENTS={"purchase": PURCHASE | {"when": {"note": wanted}}})
    with translation.override("en"):
        order = TranslatedOrder(number="1", note="gift")
    with translation.override("ko"):
        order.note = "선물"
        order.save()
    assert Order.objects.get().note == "선물"
    assert len(rows()) == fires


def test_a_descriptor_that_says_what_is_saved_costs_nothing(configured: Any, django_assert_num_queries: Any) -> None:
    """A save that does not match costs no statement, state machine or not."""
    configured(EVENTS={"purchase": PURCHASE})
    order = StatedOrder.objects.create(number="1")
    with django_assert_num_queries(1):
        order.save()
    order.status = "paid"
    order.save()
    assert len(rows()) == 1


@pytest.mark.skipif(django.VERSION < (6, 1), reason="fetch modes came with Django 6.1")
@pytest.mark.parametrize("attribute", ["when", "consent", "destination", "once_per", "should_capture"])
def test_a_fetch_mode_that_raises_does_not_bind_the_site_s_callables(
    configured: Any, shop: Any, caplog: Any, attribute: str
) -> None:
    """They load what they need, from the order and from what it has loaded; afterwards the mode is the shop's again."""
    product = shop.product()
    customer = shop.customer()
    shop.place(customer=customer)

    def ask(order: Any, *args: Any, **kwargs: Any) -> str:
        assert order.note == ""  # deferred
        assert order.customer.grade == "basic"  # deferred on what is loaded
        return "default" if order.lines.first().product.category.name else ""

    purchase: Any = PURCHASE | ({attribute: ask} if attribute != "should_capture" else {})
    if attribute == "should_capture":
        definition = registry.from_dict("purchase", PURCHASE).__class__
        purchase = type("Asking", (definition,), {"should_capture": lambda self, order, *, created: bool(ask(order))})
    configured(EVENTS={"purchase": purchase})
    raising = models.FETCH_RAISE  # type: ignore[attr-defined]
    queryset = Order.objects.select_related("customer").defer("note", "customer__grade")
    order = queryset.fetch_mode(raising).get()  # type: ignore[attr-defined]
    order.status = "paid"
    order.save(update_fields=["status"])
    assert rows() == [("captured", "")]
    assert not errors(caplog)
    assert order._state.fetch_mode is order.customer._state.fetch_mode is raising
    assert Product.objects.get(pk=product.pk)
    assert User.objects.get(pk=customer.pk)
