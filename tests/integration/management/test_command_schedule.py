"""``manage.py dfinery schedule --loop``: for queues without schedules."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from dfinery_django import track
from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox
from tests.shop.models import Order
from tests.support.doubles import PURCHASE

EVENTS = {"purchase": {**PURCHASE, "event_datetime": "paid_at"}}
#: The statement that deletes old events.
PRUNES = r"DELETE FROM .?dfinery_django_event\W"


class Statements:
    """Looks at each statement: fails those with a word, and tells the process to end at a pattern."""

    def __init__(self, *, end_at: str, fail_at: str = "") -> None:
        self.end_at, self.fail_at = end_at, fail_at
        self.failed = 0

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if re.search(self.end_at, sql):
            os.kill(os.getpid(), signal.SIGTERM)
        if self.fail_at and self.fail_at in sql:
            self.failed += 1
            raise RuntimeError("a bug")
        return execute(sql, parameters, many, context)


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Keeps the tests alive: the loop hands SIGTERM on when it has ended."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, before)


def prepare() -> None:
    """An event to deliver, an order that no signal announced, and an event to delete."""
    old = track("old", user_id="u1")
    assert old
    long_ago = timezone.now() - dt.timedelta(days=40)
    Event.objects.filter(pk=old.pk).update(status="delivered", due_at=None, finished_at=long_ago, expires_at=long_ago)
    track("coupon", user_id="u1")
    Order.objects.bulk_create([Order(number="A-1", status="paid", paid_at=timezone.now() - dt.timedelta(minutes=9))])


@pytest.mark.django_db(transaction=True)
def test_the_loop_runs_all_three(configured: Any, capsys: Any, ended: list[int]) -> None:
    """Drain, reconcile and prune, one after another; SIGTERM ends the loop after the action that it came in."""
    with Sandbox() as sandbox:
        configured(BASE_URL=sandbox.url, EVENTS=EVENTS)
        prepare()
        with connection.execute_wrapper(Statements(end_at=PRUNES)):
            call_command("dfinery", "schedule", "--loop")
        assert [arrival.event_name for arrival in sandbox.arrivals] == ["coupon"]
    assert capsys.readouterr().out.splitlines() == ["drain: 1 delivered", "reconcile: 1 purchase", "prune: 1 deleted"]
    assert set(ended) == {signal.SIGTERM}


@pytest.mark.django_db(transaction=True)
def test_an_action_that_fails_does_not_end_the_loop(
    configured: Any, capsys: Any, caplog: Any, ended: list[int]
) -> None:
    """It is logged, and the other actions run."""
    configured(EVENTS=EVENTS)
    prepare()
    statements = Statements(fail_at="dfinery_django_destination", end_at=PRUNES)
    with connection.execute_wrapper(statements):
        call_command("dfinery", "schedule", "--loop")
    assert statements.failed
    assert "The drain failed; it runs again when it is due" in caplog.text
    assert capsys.readouterr().out.splitlines() == ["reconcile: 1 purchase", "prune: 1 deleted"]


@pytest.mark.django_db(transaction=True)
def test_without_reconcile_the_loop_has_two_actions(configured: Any, capsys: Any, ended: list[int]) -> None:
    """RECONCILE_MINUTES of 0 means never."""
    configured(RECONCILE_MINUTES=0)
    prepare()
    with connection.execute_wrapper(Statements(fail_at="dfinery_django_destination", end_at=PRUNES)):
        call_command("dfinery", "schedule", "--loop")
    assert capsys.readouterr().out.splitlines() == ["prune: 1 deleted"]


def test_the_loop_removes_nothing() -> None:
    """The two options exclude each other."""
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("dfinery", "schedule", "--loop", "--remove")
