"""How a drain is asked for: once, cheaply, and never with a lock in hand while a network is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signals import pre_enqueue

from dfinery_django import tasks, waking
from dfinery_django.models import Destination, Event
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queued(configured: Any) -> None:
    configured(WAKE="dfinery_django.tasks.wake")


def statements() -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        waking.request_wake("default", "default")
    return [query["sql"].split()[0] for query in queries.captured_queries]


def test_asking_again_costs_one_look(queued: None) -> None:
    """In a busy shop, where a drain is asked for already, a commit is followed by one SELECT."""
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    assert statements() == ["SELECT"]
    assert not OrmQ.objects.exists()


def test_note_and_task_are_one_commit(queued: None) -> None:
    """In an idle shop: a look, then the note and the task, both or neither."""
    Destination.objects.create(alias="default")
    assert statements() == ["SELECT", "BEGIN", "UPDATE", "INSERT", "COMMIT"]
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
    assert "No drain could be asked for" in caplog.text
    assert Event.objects.count() == 1
    Order.objects.create(status="paid")
    assert OrmQ.objects.count() == 1


in_transaction: list[bool] = []


def wake_elsewhere(destination: str) -> None:
    in_transaction.append(connection.in_atomic_block)


def test_another_queue_is_asked_outside_of_a_transaction(configured: Any) -> None:
    """What may wait for a network holds no lock on the destination's row."""
    in_transaction.clear()
    configured(WAKE="tests.test_waking.wake_elsewhere")
    with transaction.atomic():
        Order.objects.create(status="paid")
    assert in_transaction == [False]


def test_a_queue_is_in_a_database_only_with_the_orm_broker(configured: Any, monkeypatch: Any) -> None:
    """Redis and the like are a network away, so is a broker that Q_OPTIONS name, and a drain that runs at once."""
    from django_q.conf import Conf

    assert tasks.queue_database() == "default"
    for options in ({"broker": object()}, {"sync": True}):
        configured(Q_OPTIONS=options)
        assert tasks.queue_database() is None
    configured()
    monkeypatch.setattr(Conf, "BROKER_CLASS", "some.Broker")
    assert tasks.queue_database() is None
