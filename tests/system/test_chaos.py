"""A small chaos run, and what chaos runs have found."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from dfinery_django import capture, track
from dfinery_django.delivery.lane import POISON_LAPSES
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event
from dfinery_django.protocols.base import Request, Response
from tests.settings import DATABASE
from tests.shop.models import Order
from tests.support.doubles import accepted, is_ci
from tests.system.clusters.processes import needs_redis


@pytest.mark.db
@pytest.mark.slow
@pytest.mark.parametrize(
    ("queue", "package", "worker"),
    [
        ("django-q2", "django_q", ""),  # its crew has a drain --forever, too: while that watches, nobody asks the queue
        ("django-tasks", "django_tasks_db", "db_worker"),
        ("celery", "celery", "celery"),
    ],
)
def test_a_small_chaos_run_leaves_no_violation(queue: str, package: str, worker: str) -> None:
    """Workers die, the server misbehaves, the database fails; then all heals and every event is accounted for."""
    if not is_ci():
        pytest.importorskip(package)
    if queue == "celery":
        needs_redis()
    command = [sys.executable, "-m", "tests.system.chaos", "--events", "120", "--seed", "7", "--database", DATABASE]
    run = subprocess.run(
        [*command, "--queue", queue], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
    )
    assert run.returncode == 0, run.stdout
    assert not worker or f"sent by {worker} " in run.stdout


@pytest.mark.parametrize("arguments", [["--events", "0"], ["--database", "oracle"], ["--queue", "rq"]])
def test_wrong_use_of_the_chaos_run(arguments: list[str]) -> None:
    """Exit code 2 and a line that says what is wrong."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.system.chaos", *arguments], capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 2
    assert "error" in run.stderr


@pytest.mark.django_db(transaction=True)
def test_of_those_that_may_kill_workers_one_is_held_at_a_time(configured: Any) -> None:
    """The worker that dies of one takes no lease of another suspect with it, which would end that one, too."""
    configured()
    suspects = [track("coupon", user_id=f"u{number}") for number in range(6)]
    lapsed = timezone.now() - dt.timedelta(seconds=1)
    events = Event.objects.filter(pk__in=[event.pk for event in suspects if event])
    events.update(status="sending", due_at=lapsed, lapse_count=POISON_LAPSES - 1)
    held: list[int] = []

    def look() -> bool:
        held.append(Event.objects.filter(status="sending", due_at__gt=timezone.now()).count())
        return False

    def send(request: Request) -> Response:
        time.sleep(0.02)
        return accepted()

    assert drain("default", send=send, should_stop=look) == {"delivered": 6}
    assert max(held) == 1


class LostConnection:
    """The connection is lost at the first statement that has this word in it."""

    def __init__(self, word: str) -> None:
        self.word, self.is_lost = word, False

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if self.word in sql and not self.is_lost:
            self.is_lost = True
            if DATABASE != "sqlite":
                connection.connection.close()
            elif connection.in_atomic_block:
                connection.connection.rollback()  # as it does itself when its disk is full
        if self.is_lost and DATABASE == "sqlite":  # an in-memory database would go with its connection
            raise OperationalError("the connection is closed")
        return execute(sql, parameters, many, context)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["save", "capture", "track"])
@pytest.mark.parametrize("word", ["SAVEPOINT", "dfinery_django_event"])
def test_a_transaction_that_the_database_has_ended_does_not_look_committed(shop: Any, way: str, word: str) -> None:
    """A connection that is lost at our INSERT, the last statement of a checkout, is no silent rollback to the shop."""
    if word == "SAVEPOINT" and DATABASE == "sqlite":
        pytest.skip("nothing but a statement of ours can fail")
    order = shop.place(customer=shop.customer())
    ways = {
        "save": lambda: Order(pk=order.pk, status="paid").save(),
        "capture": lambda: capture("purchase", order),
        "track": lambda: track("coupon", user_id="u1"),
    }

    def pay() -> None:
        Order.objects.filter(pk=order.pk).update(note="paid by card")
        with connection.execute_wrapper(LostConnection(word)):
            ways[way]()

    went_on = False
    with pytest.raises((OperationalError, InterfaceError)), transaction.atomic():
        pay()
        went_on = True
    assert not went_on
    order.refresh_from_db()
    assert order.note == ""
    assert not Event.objects.exists()


def lose_connection(destination: str) -> None:
    """A WAKE whose transaction is committed, and whose connection is lost before autocommit is set again."""
    connection.set_autocommit(False)
    raise OperationalError("the connection is closed")


@pytest.mark.skipif(DATABASE == "sqlite", reason="an in-memory database is not lost, and can't be opened again")
@pytest.mark.django_db(transaction=True)
def test_a_connection_lost_while_a_drain_is_asked_for_poisons_nothing(shop: Any, settings: Any) -> None:
    """What the shop does next on that connection is a transaction of its own again, and committed."""
    settings.DFINERY = {**settings.DFINERY, "WAKE": "tests.system.test_chaos.lose_connection"}
    order = shop.place(status="paid", customer=shop.customer())
    assert connection.get_autocommit()
    Order.objects.filter(pk=order.pk).update(note="still there")
    connection.close()
    order.refresh_from_db()
    assert order.note == "still there"
