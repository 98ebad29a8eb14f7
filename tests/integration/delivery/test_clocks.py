"""Clocks that differ: a worker's from the database's, an event's date from the day. Nothing is ended for it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from dfinery_django import clock, tasks, track
from dfinery_django.db.database_clock import DatabaseClock, seconds_ahead
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import EventStatus
from dfinery_django.models import Destination, Event
from dfinery_django.monitoring.overview import look
from tests.settings import DATABASE
from tests.support.doubles import FarSide, answer
from tests.support.events import event

pytestmark = pytest.mark.django_db(transaction=True)

needs_a_clock_of_its_own = pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has the machine's clock")
DAYS = dt.timedelta(days=3)


@pytest.fixture
def off_by(monkeypatch: Any) -> Callable[[dt.timedelta], None]:
    """Sets this machine's clock."""
    true_now = timezone.now

    def put(difference: dt.timedelta) -> None:
        monkeypatch.setattr("django.utils.timezone.now", lambda: true_now() + difference)

    return put


def test_the_database_clock_is_ours_where_they_agree() -> None:
    """On one machine there is no difference, and none is made of what the statement takes."""
    database = DatabaseClock("default").refresh()
    assert database.ahead_seconds == 0
    assert abs(database.now() - clock.now()) < dt.timedelta(seconds=1)


@needs_a_clock_of_its_own
@pytest.mark.parametrize("difference", [DAYS, -DAYS, dt.timedelta(seconds=40)])
@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York", "UTC"])
def test_the_database_clock_in_any_time_zone(off_by: Any, difference: dt.timedelta, zone: str) -> None:
    """The difference is that of the moments, whatever time zone the session has."""
    command = "SET TIME ZONE %s" if DATABASE == "postgresql" else "SET time_zone = %s"
    offsets = {"Asia/Seoul": "+09:00", "America/New_York": "-05:00", "UTC": "+00:00"}
    with connection.cursor() as cursor:
        cursor.execute(command, [zone if DATABASE == "postgresql" else offsets[zone]])
    try:
        off_by(difference)
        database = DatabaseClock("default").refresh()
        assert database.ahead_seconds == pytest.approx(difference.total_seconds(), abs=2)
        assert abs(database.now() - (clock.now() - difference)) < dt.timedelta(seconds=2)
    finally:
        connection.close()


@needs_a_clock_of_its_own
def test_a_worker_that_is_days_ahead_expires_nothing(configured: Any, far_side: FarSide, off_by: Any) -> None:
    """What waits is delivered, not ended, and nobody is warned of the 48 hours."""
    configured()
    for number in range(3):
        event(number)
    off_by(DAYS)
    assert drain("default", send=far_side) == {"delivered": 3}
    assert Destination.objects.get().warned_at is None


@needs_a_clock_of_its_own
def test_a_worker_that_is_days_behind_sends_nothing_too_late(configured: Any, far_side: FarSide, off_by: Any) -> None:
    """DFINERY would say 200 and drop it: the worker's clock does not make it younger."""
    configured()
    event()
    Event.objects.update(expires_at=timezone.now() - dt.timedelta(hours=1))
    off_by(-DAYS)
    assert drain("default", send=far_side) == {"expired": 1}
    assert far_side.requests == []


@needs_a_clock_of_its_own
@pytest.mark.parametrize("difference", [DAYS, dt.timedelta(minutes=2)])
def test_a_worker_that_is_ahead_takes_no_lease_of_others(
    configured: Any, far_side: FarSide, off_by: Any, difference: dt.timedelta
) -> None:
    """What another worker has in hand is not sent a second time."""
    configured()
    stored = event()
    Event.objects.all().claim(limit=1, now=timezone.now(), lease_seconds=60, into=EventStatus.SENDING)
    off_by(difference)
    assert drain("default", send=far_side) == {}
    stored.refresh_from_db()
    assert (stored.status, stored.attempt_count) == ("sending", 1)


@needs_a_clock_of_its_own
def test_what_a_clock_ahead_captured_is_sent_at_once(configured: Any, far_side: FarSide, off_by: Any) -> None:
    """A web server two minutes ahead of the database keeps no event waiting for two minutes."""
    configured()
    off_by(dt.timedelta(minutes=2))
    event()
    off_by(dt.timedelta(0))
    assert drain("default", send=far_side) == {"delivered": 1}


@needs_a_clock_of_its_own
def test_prune_deletes_nothing_by_a_clock_ahead(configured: Any, far_side: FarSide, off_by: Any) -> None:
    """A worker that believes in another year leaves last week's events where they are."""
    configured()
    event()
    drain("default", send=far_side)
    off_by(dt.timedelta(days=365))
    assert tasks.prune() == 0
    assert Event.objects.count() == 1


@needs_a_clock_of_its_own
@pytest.mark.parametrize(("difference", "word"), [(DAYS, "3 days ahead of"), (-DAYS, "3 days behind")])
def test_status_says_that_a_workers_clock_differs(
    configured: Any, far_side: FarSide, off_by: Any, difference: dt.timedelta, word: str, capsys: Any
) -> None:
    """On a machine whose own clock is right, as long as such a worker was at work lately."""
    configured()
    off_by(difference)
    drain("default", send=far_side)
    off_by(dt.timedelta(0))
    call_command("dfinery", "status")
    assert f"A machine's clock is {word} the database's or DFINERY's." in capsys.readouterr().out.replace("\xa0", " ")
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    Destination.objects.update(clock_differed_at=an_hour_ago)
    assert look().clock_ahead_seconds == 0


@pytest.mark.parametrize(("difference", "word"), [(DAYS, "3 days ahead of"), (-DAYS, "3 days behind")])
def test_status_says_that_dfinery_s_clock_differs(
    configured: Any, far_side: FarSide, off_by: Any, difference: dt.timedelta, word: str, capsys: Any
) -> None:
    """Where database and shop are one machine, only an answer shows that its clock is wrong."""
    configured()
    off_by(difference)
    event()
    # An hour more than whole days: a Date has no fractions of a second, and 2 days and 23:59:59 are no 3 days.
    far_side.always = answer(200, 2000, date=format_datetime(timezone.now() - difference * (1 + 1 / 72)))
    drain("default", send=far_side)
    if DATABASE != "sqlite":
        Destination.objects.update(drained_at=timezone.now() - difference)
    call_command("dfinery", "status")
    assert f"A machine's clock is {word} the database's or DFINERY's." in capsys.readouterr().out.replace("\xa0", " ")


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 01 Jan 99999 00:00:00 GMT"])
def test_an_answer_without_a_usable_date_says_nothing(configured: Any, far_side: FarSide, date: str) -> None:
    """The event is delivered all the same."""
    configured()
    event()
    far_side.always = answer(200, 2000, date=date)
    assert drain("default", send=far_side)["delivered"] == 1
    assert Destination.objects.get().clock_differed_at is None


@needs_a_clock_of_its_own
def test_status_says_that_its_own_clock_differs(configured: Any, off_by: Any) -> None:
    """Whoever asks learns that the machine which answers has a wrong clock."""
    configured()
    Destination.objects.create(alias="default", drained_at=timezone.now())
    off_by(dt.timedelta(seconds=90))
    assert look().clock_ahead_seconds == pytest.approx(90, abs=2)


def test_a_clock_that_is_nearly_right_is_no_matter(configured: Any, far_side: FarSide) -> None:
    """No second is told of, and no row written for it."""
    configured()
    event()
    drain("default", send=far_side)
    assert Destination.objects.get().clock_differed_at is None
    assert seconds_ahead(clock.now().timestamp() - 0.4) == 0


# --- The 48 hours have a margin


def test_what_would_arrive_too_late_expires(configured: Any, far_side: FarSide) -> None:
    """A request may take 13 seconds: with 12 left nothing is sent, with a minute left it is."""
    configured(CONNECT_TIMEOUT=3, READ_TIMEOUT=10)
    for seconds in (12, 60):
        stored = event(seconds)
        Event.objects.filter(pk=stored.pk).update(expires_at=timezone.now() + dt.timedelta(seconds=seconds))
    assert drain("default", send=far_side) == {"expired": 1, "delivered": 1}
    assert dict(Event.objects.values_list("user_id", "status")) == {"u12": "expired", "u60": "delivered"}


def test_what_waited_too_long_in_the_queue_expires(configured: Any, far_side: FarSide) -> None:
    """Claimed in time, and too late when a thread is free for it: handed back, and expired instead of sent."""
    configured(CONCURRENCY=1, CONNECT_TIMEOUT=1, READ_TIMEOUT=2)
    for number in range(3):
        event(number)
    Event.objects.update(expires_at=timezone.now() + dt.timedelta(seconds=6))

    def send(request: Any) -> Any:
        time.sleep(4)
        return far_side(request)

    drain("default", send=send)
    drain("default", send=send)
    assert sorted(Event.objects.values_list("status", flat=True)) == ["delivered", "expired", "expired"]
    assert len(far_side.requests) == 1
    assert set(Event.objects.filter(status="expired").values_list("attempt_count", flat=True)) == {0}


# --- Dates from the future


def test_a_date_far_ahead_is_told(configured: Any, far_side: FarSide, admin_client: Any, capsys: Any) -> None:
    """On its page and in status, delivered or not; an hour ahead is no matter."""
    configured()
    now = timezone.now()
    track("near", user_id="u1", occurred_at=now + dt.timedelta(minutes=50))
    far = track("far", user_id="u2", occurred_at=now + dt.timedelta(days=2))
    near, waiting = Event.objects.get(event_name="near"), look()
    drain("default", send=far_side)
    assert (waiting.dated_ahead, look().dated_ahead) == (1, 1)
    call_command("dfinery", "status")
    assert "1 event of the last 48 hours is dated more than an hour ahead." in capsys.readouterr().out
    assert far is not None
    words = "dated more than an hour after it was captured"
    assert words in admin_client.get(f"/admin/dfinery_django/event/{far.pk}/change/").content.decode()
    assert words not in admin_client.get(f"/admin/dfinery_django/event/{near.pk}/change/").content.decode()
