"""How a drain is asked for: once, cheaply, and never with a lock in hand while a network is waited for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signals import pre_enqueue

from dfinery_django import capture, django_q2, tasks
from dfinery_django.delivery import worker
from dfinery_django.models import Destination, Event
from dfinery_django.outbox import wakeup
from tests.settings import DATABASE
from tests.shop.models import Order
from tests.support.doubles import driver_options

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queued(configured: Any) -> None:
    configured(WAKE="dfinery_django.tasks.wake")


def statements() -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        wakeup.request_wake("default", "default")
    return [query["sql"].split()[0] for query in queries.captured_queries]


def test_asking_again_costs_one_look(queued: None) -> None:
    """In a busy shop, where a drain is asked for already, a commit is followed by one SELECT."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    assert statements() == ["SELECT"]
    assert not OrmQ.objects.exists()


def test_note_and_task_are_one_commit(queued: None) -> None:
    """In an idle shop: a look, then the note and the task, both or neither; on PostgreSQL they are one statement."""
    Destination.objects.create(alias="default")
    both = ["WITH"] if DATABASE == "postgresql" else ["BEGIN", "UPDATE", "INSERT", "COMMIT"]
    assert statements() == ["SELECT", *both]
    assert OrmQ.objects.count() == 1


def test_a_task_that_could_not_be_queued_is_not_noted(queued: None, caplog: Any) -> None:
    """The next order asks anew, at once; the order and its event stand."""

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("no queue")

    pre_enqueue.connect(refuse)
    try:
        Order.objects.create(status="paid")
    finally:
        pre_enqueue.disconnect(refuse)
    assert "No drain could be requested" in caplog.text
    assert Event.objects.count() == 1
    Order.objects.create(status="paid")
    assert OrmQ.objects.count() == 1


along_with_the_insert = pytest.mark.skipif(DATABASE != "postgresql", reason="an INSERT takes no question along")


def after_the_insert(seconds: float = 0) -> list[str]:
    """The statements after the event's INSERT of a checkout that takes so long to commit."""
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        Order.objects.create(status="paid")
        time.sleep(seconds)
    heads = [query["sql"].split()[0] for query in queries.captured_queries]
    return heads[heads.index("COMMIT") :]


@along_with_the_insert
def test_a_checkout_that_saw_the_note_looks_no_more(queued: None) -> None:
    """The event's INSERT told that a drain is asked for."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    assert after_the_insert() == ["COMMIT"]
    assert not OrmQ.objects.exists()


@along_with_the_insert
def test_a_checkout_that_saw_no_note_asks_at_once(queued: None) -> None:
    """Straight to the note and the task."""
    Destination.objects.create(alias="default")
    assert after_the_insert() == ["COMMIT", "WITH"]
    assert OrmQ.objects.count() == 1


@along_with_the_insert
def test_in_a_rush_the_next_checkout_does_not_even_ask(queued: None) -> None:
    """What the last order saw an instant ago is believed; a drain that begins here, or that time, ends that."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())

    def asks() -> bool:
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            Order.objects.create(status="paid")
        return any("SELECT extract(epoch" in query["sql"] for query in queries.captured_queries)

    wakeup.clear_seen_flags()
    assert [asks(), asks(), asks()] == [True, False, False]
    time.sleep(wakeup.TRUSTED_SECONDS / 2)
    assert [asks(), asks()] == [True, False]
    worker.drain(budget_seconds=0.1)
    Destination.objects.update(wake_requested_at=timezone.now())
    assert asks()
    assert not OrmQ.objects.exists()


@along_with_the_insert
def test_a_test_that_is_rolled_back_leaves_no_notice(configured: Any) -> None:
    """In a TestCase nothing is ever committed, and the next test must ask anew."""
    asked.clear()
    configured(WAKE="tests.integration.outbox.test_wakeup.note_wake")
    wakeup.clear_seen_flags()
    for noted_at in (timezone.now(), None):
        with transaction.atomic():
            Destination.objects.create(alias="default", wake_requested_at=noted_at)
            with TestCase.captureOnCommitCallbacks(execute=True):
                Order.objects.create(status="paid")
            transaction.set_rollback(True)
    assert asked == ["default"]


def prepends(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
    """As django-pgtrigger does."""
    before = "SELECT set_config('x.y', '1', true); " if "INSERT" in sql else ""
    return execute(before + sql, parameters, many, context)


def prepends_and_skips(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
    """As django-pghistory does."""
    result = prepends(execute, sql, parameters, many, context)
    while "INSERT" in sql and context["cursor"].nextset():
        pass
    return result


@along_with_the_insert
@pytest.mark.parametrize("wrapper", [prepends, prepends_and_skips])
@pytest.mark.parametrize("is_atomic", [True, False], ids=["transaction", "autocommit"])
def test_who_wraps_what_is_executed_breaks_no_checkout(queued: None, wrapper: Any, is_atomic: bool) -> None:
    """They may put statements before ours, whose results come first; so nothing is asked along."""
    wakeup.clear_seen_flags()
    order = Order.objects.create(status="pending")
    with connection.execute_wrapper(wrapper), transaction.atomic() if is_atomic else nullcontext():
        capture("purchase", order)
    assert Event.objects.get().status == "captured"
    assert OrmQ.objects.count() == 1


@along_with_the_insert
def test_a_drain_whose_own_statements_are_wrapped_looks_late_all_the_same(monkeypatch: Any) -> None:
    """Those who trust what they saw are in other processes, which need not be wrapped."""
    slept: list[float] = []
    monkeypatch.setattr("dfinery_django.outbox.wakeup.time.sleep", slept.append)
    with connection.execute_wrapper(prepends):
        wakeup.wait_out_seen_flags(["default"])
    assert slept == [wakeup.TRUSTED_SECONDS + 0.05]


@along_with_the_insert
def test_a_note_that_can_t_be_read_costs_no_event(queued: None, monkeypatch: Any) -> None:
    """The INSERT is tried once more without the question."""
    wakeup.clear_seen_flags()
    unanswerable = "SELECT no_such_column FROM dfinery_django_destination WHERE alias = %s"
    monkeypatch.setattr(wakeup, "_FLAG_SET_AT", unanswerable)
    with transaction.atomic():
        Order.objects.create(status="paid")
    Order.objects.create(status="paid")
    assert list(Event.objects.values_list("status", flat=True)) == ["captured"] * 2


@along_with_the_insert
def test_a_tenant_does_not_trust_the_note_of_another(queued: None, monkeypatch: Any) -> None:
    """Where a connection serves a schema for each tenant, each has notes of its own."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    monkeypatch.setattr(connection, "schema_name", "", raising=False)
    asks = []
    for tenant in ("one", "one", "two"):
        connection.schema_name = tenant
        asks.append(wakeup.flag_query("default", "default") is not None)
        Order.objects.create(status="paid")
    assert asks == [True, False, True]


def drain_at_once(destination: str) -> None:
    """A queue that runs what it is given."""
    tasks.drain(destination)
    drained.append(Event.objects.get().status)


drained: list[str] = []


def test_a_drain_in_the_request_waits_for_nothing(configured: Any, monkeypatch: Any) -> None:
    """In Celery's eager mode, say: neither for what is due in a few seconds, nor for other checkouts."""
    drained.clear()
    monkeypatch.setattr("dfinery_django.outbox.wakeup.time.sleep", pytest.fail)
    configured(WAKE="tests.integration.outbox.test_wakeup.drain_at_once", SETTLE_SECONDS=5)
    monkeypatch.setattr(wakeup, "TRUSTED_SECONDS", 60)
    Order.objects.create(status="paid")
    assert drained == ["captured"], "what is due in 5 seconds is left to another drain"


@along_with_the_insert
def test_a_checkout_that_takes_long_looks_again(queued: None) -> None:
    """A drain may have answered the note meanwhile. The statement that would ask again looks, and changes nothing."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    noted_at = Destination.objects.get().wake_requested_at
    assert after_the_insert(seconds=wakeup.TRUSTED_SECONDS) == ["COMMIT", "WITH"]
    assert Destination.objects.get().wake_requested_at == noted_at
    assert not OrmQ.objects.exists()


@along_with_the_insert
def test_a_checkout_that_sees_the_past_looks_again(queued: None) -> None:
    """In an isolation that shows the database as it was when the transaction began, the note may be one of long ago."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        Order.objects.create(status="paid")
    assert [query["sql"].split()[0] for query in queries.captured_queries][-2:] == ["COMMIT", "SELECT"]
    assert not OrmQ.objects.exists()


@along_with_the_insert
def test_a_serializable_checkout_does_not_read_what_drains_write(queued: None) -> None:
    """Or PostgreSQL would end it, as one of those that can't have happened one after the other."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    wakeup.clear_seen_flags()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        Order.objects.create(status="paid")
        cursor.execute(
            "SELECT count(*) FROM pg_locks "
            "WHERE mode = 'SIReadLock' AND relation IN ('dfinery_django_destination'::regclass, "
            "'dfinery_django_destination_pkey'::regclass)"
        )
        assert cursor.fetchone() == (0,)
    assert not OrmQ.objects.exists()


@along_with_the_insert
def test_a_cursor_that_puts_a_statement_before_ours(queued: None, caplog: Any) -> None:
    """The answer is not where it should be; the event is stored, and a look follows the commit."""
    from django.db.backends.postgresql.base import Cursor

    class Tenant(Cursor):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            is_ours = "dfinery_django_event" in str(query)
            return super().execute(f"SELECT 'tenant'; {query}" if is_ours else query, *args, **kwargs)

    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    with driver_options(cursor_factory=Tenant):
        assert after_the_insert() == ["COMMIT", "SELECT"]
        Order.objects.create(status="paid")
    assert list(Event.objects.values_list("status", flat=True)) == ["captured"] * 2
    assert caplog.records == []


@along_with_the_insert
def test_a_drain_between_the_look_and_the_commit(configured: Any, monkeypatch: Any) -> None:
    """It found no event, which was not committed yet, and was not asked for again: it looks once more by itself."""
    asked.clear()
    has_found_nothing, outlast = threading.Event(), wakeup.wait_out_seen_flags

    def wait_out_seen_flags(databases: list[str]) -> None:
        has_found_nothing.set()
        outlast(databases)

    monkeypatch.setattr(wakeup, "TRUSTED_SECONDS", 2)
    monkeypatch.setattr(wakeup, "wait_out_seen_flags", wait_out_seen_flags)
    configured(WAKE="tests.integration.outbox.test_wakeup.note_wake")
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    with ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            Order.objects.create(status="paid")
            draining = elsewhere.submit(drain_elsewhere)
            assert has_found_nothing.wait(10)
        assert asked == []
        assert draining.result() == {}
    assert asked == ["default"]


asked: list[str] = []


def note_wake(destination: str) -> None:
    asked.append(destination)


def drain_elsewhere() -> dict[str, int]:
    try:
        return tasks.drain("default")
    finally:
        connections.close_all()


in_transaction: list[bool] = []


def wake_elsewhere(destination: str) -> None:
    in_transaction.append(connection.in_atomic_block)


def test_another_queue_is_asked_outside_of_a_transaction(configured: Any) -> None:
    """What may wait for a network holds no lock on the destination's row."""
    in_transaction.clear()
    configured(WAKE="tests.integration.outbox.test_wakeup.wake_elsewhere")
    with transaction.atomic():
        Order.objects.create(status="paid")
    assert in_transaction == [False]


def test_a_queue_is_in_a_database_only_with_the_orm_broker(configured: Any, monkeypatch: Any) -> None:
    """Redis and the like are a network away, so is a broker that Q_OPTIONS name, and a drain that runs at once."""
    from django_q.conf import Conf

    assert django_q2.queue_database() == "default"
    for options in ({"broker": object()}, {"sync": True}):
        configured(Q_OPTIONS=options)
        assert django_q2.queue_database() is None
    configured()
    monkeypatch.setattr(Conf, "BROKER_CLASS", "some.Broker")
    assert django_q2.queue_database() is None
