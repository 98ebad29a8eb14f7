"""Under a clock that a site's tests have stopped or moved, everything ends and delivers, and by that clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import freezegun
import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import OperationalError
from django.test import override_settings

from dfinery_django import clock, track
from dfinery_django.db.retry import retry
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox
from dfinery_django.testing import FakeDfinery
from tests.support.doubles import dfinery
from tests.support.misbehaving import Misbehaving

pytestmark = pytest.mark.django_db(transaction=True)

#: A site's tests stop the clock at any day: one that is over, and one to come.
DAYS = [dt.datetime(2012, 1, 14, 12, tzinfo=dt.timezone.utc), dt.datetime(2031, 7, 1, tzinfo=dt.timezone.utc)]

Tool = Callable[[dt.datetime], Any]


@contextmanager
def frozen_by_freezegun(day: dt.datetime) -> Iterator[None]:
    with freezegun.freeze_time(day):
        yield


@contextmanager
def stopped_by_time_machine(day: dt.datetime) -> Iterator[None]:
    with time_machine.travel(day, tick=False):
        yield


@pytest.fixture(params=[frozen_by_freezegun, stopped_by_time_machine], ids=["freezegun", "time-machine"])
def tool(request: Any) -> Tool:
    return request.param


@pytest.fixture(params=DAYS, ids=["past", "future"])
def frozen(request: Any, tool: Tool) -> Iterator[dt.datetime]:
    django_settings.DFINERY  # noqa: B018 - read before the clock stops
    with tool(request.param), override_settings(DFINERY=dfinery(DRAIN_SECONDS=8)):
        yield request.param


def statuses() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("status", flat=True))


def test_a_drain_delivers_and_ends(frozen: dt.datetime) -> None:
    """What happened at that moment is in time at that moment, whatever the database's own clock says."""
    for number in range(30):
        track("coupon", user_id=f"u{number}")
    with FakeDfinery() as fake:
        assert drain()["delivered"] == 30
    assert len(fake.events) == 30
    assert set(Event.objects.values_list("finished_at", flat=True)) == {frozen}


def test_a_drain_that_lingers_ends(frozen: dt.datetime) -> None:
    """It waits for what is due soon as long as it was told to, though the clock stands still."""
    track("coupon", user_id="u1")
    Event.objects.update(due_at=frozen + dt.timedelta(seconds=1))
    with FakeDfinery():
        assert drain(linger_seconds=1) == {}
    assert statuses() == ["pending"]


def test_a_drain_whose_answers_fail_ends(frozen: dt.datetime) -> None:
    """Retries are due later than the clock will ever be."""
    for number in range(10):
        track("coupon", user_id=f"u{number}")
    with FakeDfinery() as fake:
        fake.fail(times=5)
        drain()
    assert "pending" in statuses()


def test_moving_the_clock_makes_retries_due_and_ends_the_48_hours(tool: Tool) -> None:
    """A site's test moves its clock instead of waiting."""
    day = DAYS[0]
    with override_settings(DFINERY=dfinery()), FakeDfinery() as fake:
        with tool(day):
            track("coupon", user_id="u1")
            track("coupon", user_id="u2")
            fake.fail(times=2)
            drain()
            assert statuses() == ["pending", "pending"]
        with tool(day + dt.timedelta(hours=1)):
            fake.accept()
            fake.fail()
            drain()
            assert sorted(statuses()) == ["delivered", "pending"]
        with tool(day + dt.timedelta(hours=49)):
            drain()
            assert sorted(statuses()) == ["delivered", "expired"]


def test_the_sandbox_takes_what_the_client_sends(frozen: dt.datetime) -> None:
    """Over real sockets, with the client's own deadlines: answered, not "too slowly"."""
    with Sandbox() as sandbox, override_settings(DFINERY=dfinery(BASE_URL=sandbox.url)):
        for number in range(30):
            track("coupon", user_id=f"u{number}")
        assert drain()["delivered"] == 30
        assert len(sandbox.arrivals) == 30


def test_the_deadline_of_a_request_holds(frozen: dt.datetime) -> None:
    """A server that answers nothing is given up after its time."""
    with Misbehaving(then=lambda connection, asked: time.sleep(3)) as server:
        changes = {"BASE_URL": server.url, "CONNECT_TIMEOUT": 0.3, "READ_TIMEOUT": 0.7, "CONCURRENCY": 1}
        with override_settings(DFINERY=dfinery(**changes)):
            track("coupon", user_id="u1")
            drain(budget_seconds=4)
    assert (statuses(), Event.objects.get().reason_code) == (["pending"], "transient")


def test_patience_ends(frozen: dt.datetime) -> None:
    """A database that is away for good is not waited for for ever."""

    def fail() -> None:
        raise OperationalError("connection refused")

    with pytest.raises(OperationalError):
        retry(fail, using="default", until=clock.monotonic() + 0.3)


def test_the_tool_is_seen_only_while_it_is_used(tool: Tool) -> None:
    """Outside of such a test the database's clock counts."""
    assert not clock.is_travelling()
    with tool(DAYS[0]):
        assert clock.is_travelling()
    assert not clock.is_travelling()
