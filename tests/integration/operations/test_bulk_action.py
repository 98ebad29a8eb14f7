"""What an operator wants done to many events: verdicts, chunks, and that nobody does one twice."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone, translation

from dfinery_django import tasks
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Action, ActionVerdict
from dfinery_django.models import DeliveryAttempt, Event, Repair
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from tests.settings import DATABASE
from tests.support.doubles import PURCHASE, FarSide, accepted
from tests.support.processes import Workers, ended
from tests.support.staff import make

CODE = """
import django; django.setup()
from dfinery_django.operations.bulk_action import advance
while advance("default"): pass
"""
DO_REPAIRS = ("-c", CODE)

pytestmark = pytest.mark.django_db(transaction=True)


def wish(action: str, selection: Selection | None = None, **fields: Any) -> Repair:
    made = bulk_action.new_bulk_action(Action(action), selection or Selection(), by="Kim", using="default")
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


def carry_out(made: Repair) -> Counter[str]:
    while bulk_action.advance("default", pk=made.pk):
        pass
    made.refresh_from_db()
    return Counter(made.tally)


def many(count: int, status: str = "failed") -> None:
    event = make(status)
    Event.objects.bulk_create(
        Event(**{f.attname: getattr(event, f.attname) for f in Event._meta.fields if f.name not in ("id", "event_id")})
        for _ in range(count - 1)
    )


@pytest.fixture
def of_every_kind(configured: Any, shop: Any) -> None:
    """Events in each state that an action meets."""
    configured(EVENTS={"purchase": PURCHASE})
    order = shop.place(customer=shop.customer())
    now = timezone.now()
    kept = {"definition": "purchase", "source": "shop.Order", "source_pk": str(order.pk)}
    make("failed", reason_code="rejected", **kept)
    make("delivered", **kept)
    make("delivered", **{**kept, "source_pk": "999999"})
    make("delivered", **{**kept, "source_pk": "no number"})
    make("expired", hours=49, **kept)
    make("failed", payload="", **kept)
    make("failed")
    make("failed", **{**kept, "definition": "given up"})
    make("failed", destination="nowhere", **kept)
    make("cancelled", **kept)
    make("captured", **kept)
    make("pending", **kept)
    make("sending", due_at=now + dt.timedelta(seconds=50))
    make("sending", due_at=now - dt.timedelta(seconds=1))
    make("sending", due_at=now + dt.timedelta(seconds=50), lapse_count=2)


EXPECTED = {
    "resend": {"ready": 4, "delivered": 3, "unfinished": 5, "too_old": 1, "not_built": 1, "no_destination": 1},
    "rebuild": {"ready": 4, "delivered": 1, "unfinished": 5, "too_old": 1, "no_definition": 2, "source_gone": 2},
    "cancel": {"ready": 2, "finished": 10, "in_flight": 1, "unsure": 2},
}


@pytest.mark.parametrize("action", EXPECTED)
def test_a_forecast_says_what_is_then_done(of_every_kind: None, action: str) -> None:
    """Each event has one verdict, and the numbers come true."""
    made = wish(action)
    forecast = bulk_action.Forecast(made)
    assert +forecast.tally == EXPECTED[action]
    assert forecast.total == 15
    assert carry_out(made) == EXPECTED[action]
    assert made.is_finished


@pytest.mark.parametrize(("may_have_arrived", "verdict"), [(False, "ready"), (True, "unsure")])
def test_a_refused_connection_leaves_no_doubt(configured: Any, may_have_arrived: bool, verdict: str) -> None:
    """A waiting event may have arrived only if a part of it was sent and no answer came."""
    configured()
    attempt = {"number": 1, "started_at": timezone.now(), "duration_ms": 1, "outcome": "transient"}
    stored = make("pending", attempt_count=1)
    DeliveryAttempt.objects.create(event=stored, may_have_arrived=may_have_arrived, **attempt)
    made = wish("cancel")
    assert +bulk_action.Forecast(made).tally == {verdict: 1}
    assert carry_out(made) == {verdict: 1}
    stored.refresh_from_db()
    assert ("may have arrived" in stored.reason) == may_have_arrived
    with translation.override("ko"):
        assert ("도착했을 수 있습니다" in stored.translated_reason) == may_have_arrived


def test_resend_and_cancel_do_what_they_say(of_every_kind: None) -> None:
    """What is sent again is pending with the same content; what is cancelled says by whom, and what is not known."""
    before = dict(Event.objects.values_list("event_id", "payload"))
    carry_out(wish("resend"))
    assert Event.objects.filter(status="pending", finished_at=None, due_at__isnull=False).count() == 8
    carry_out(wish("cancel"))
    reasons = Event.objects.filter(reason_code="by_hand").values_list("reason", flat=True)
    assert Counter(reasons) == {
        "Cancelled by Kim.": 9,
        "Cancelled by Kim after an attempt without a proper answer: it may have arrived.": 2,
    }
    assert Event.objects.filter(status="sending").count() == 1
    assert dict(Event.objects.values_list("event_id", "payload")) == before


def test_rebuild_finds_a_way_for_what_had_no_destination(of_every_kind: None, far_side: FarSide) -> None:
    """It is built where somebody drains, and building sets the right destination."""
    carry_out(wish("rebuild"))
    assert not Event.objects.filter(status="captured").exclude(destination="default").exists()
    drain("default", send=far_side)
    assert not Event.objects.filter(status="captured").exists()


@pytest.mark.parametrize("action", ["resend", "rebuild"])
@pytest.mark.parametrize("minutes", [-1000, -2, 2, 1000])
def test_a_worker_whose_clock_is_wrong_changes_nothing(configured: Any, shop: Any, action: str, minutes: int) -> None:
    """That an event ended "later" than the operator looked is its worker's clock, and no reason to leave it alone."""
    configured()
    order = shop.place(customer=shop.customer())
    ended_at = timezone.now() + dt.timedelta(minutes=minutes)
    kept = {"definition": "purchase", "source": "shop.Order", "source_pk": str(order.pk)}
    make("failed", **{**kept, "finished_at": ended_at})
    assert carry_out(wish(action)) == {"ready": 1}


def test_what_changed_meanwhile_is_left_alone(configured: Any) -> None:
    """An action asked for twice, by a double click or a task that runs again, sends nothing twice."""
    configured()
    event = make("failed")
    first, second = wish("resend"), bulk_action.new_bulk_action(Action.RESEND, Selection(), by="Kim", using="default")
    assert carry_out(first) == {"ready": 1}
    assert drain(send=lambda request: accepted()) == {"delivered": 1}
    second.save()
    assert carry_out(second) == {"changed": 1}
    make("failed")
    assert carry_out(wish("resend", last_pk=event.pk)) == {"delivered": 1}


def test_chunks(configured: Any) -> None:
    """Each event is come to once, whatever the chunk changes about what is selected."""
    configured()
    many(1200)
    made = wish("resend", Selection(status="failed"))
    sizes = []
    while found := bulk_action.advance("default"):
        sizes.append(len(found[1]))
    assert sizes == [500, 500, 200]
    made.refresh_from_db()
    assert made.tally == {"ready": 1200}
    assert made.is_finished


def test_a_worker_that_dies_in_a_chunk_has_done_nothing_of_it(configured: Any) -> None:
    """The chunk, its numbers and how far it came are one transaction."""
    configured()
    many(5)
    made = wish("resend")
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        assert bulk_action.advance("default")
        assert Event.objects.filter(status="pending").count() == 5
        raise KeyboardInterrupt
    made.refresh_from_db()
    assert (made.tally, made.reached_pk, made.is_finished) == ({}, 0, False)
    assert Event.objects.filter(status="failed").count() == 5
    assert carry_out(made) == {"ready": 5}


@pytest.mark.skipif(DATABASE == "sqlite", reason="the test can't see how far another process is")
def test_workers_that_are_killed_lose_and_repeat_nothing(configured: Any) -> None:
    """kill -9 in the midst, again and again; whoever comes next goes on."""
    configured()
    many(15_000)
    made = wish("resend")
    with Workers() as workers:
        for _ in range(3):
            worker, reached = workers.start(DO_REPAIRS), made.reached_pk
            until = time.monotonic() + 30
            while made.reached_pk == reached and time.monotonic() < until:
                time.sleep(0.01)
                made.refresh_from_db()
            worker.kill()
            worker.wait()
            time.sleep(0.5)  # a commit that was under way comes to its end without its client
            made.refresh_from_db()
            assert made.seen_count == Event.objects.filter(status="pending").count()
        assert not made.is_finished
        ended(workers.start(DO_REPAIRS), seconds=120)
    made.refresh_from_db()
    assert made.tally == {"ready": 15_000}
    assert made.is_finished
    assert Event.objects.filter(status="pending").count() == 15_000


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer at a time")
def test_two_workers_do_no_chunk_twice(configured: Any) -> None:
    """Whoever has the row's lock does the chunk; the other goes on with its deliveries."""
    configured()
    many(2000)
    made = wish("cancel", Selection(status="failed"))
    Repair.objects.filter(pk=made.pk).update(action="resend")
    done: list[int] = []

    def work() -> None:
        try:
            for _ in range(60):
                found = bulk_action.advance("default")
                done.extend(found[1] if found else [])
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(done) == len(set(done)) == 2000
    made.refresh_from_db()
    assert made.tally == {"ready": 2000}


def test_a_drain_does_repairs_beside_its_deliveries(configured: Any) -> None:
    """Whatever queue asks for drains; what is sent again goes out with the same drain, to every destination."""
    configured(TOKENS={"default": "a", "brand": "b"})
    many(600)
    make("failed", destination="brand")
    wish("resend")
    assert drain("default", send=lambda request: accepted()) == {"delivered": 601}
    assert Repair.objects.get().is_finished


def test_a_repair_that_can_t_be_done_ends_with_an_error(configured: Any, far_side: FarSide, caplog: Any) -> None:
    """It holds up no delivery, and is not tried again and again."""
    configured()
    broken = wish("resend")
    Repair.objects.update(selection='{"of another version": 1}')
    sound = wish("cancel")
    make("pending")
    assert drain("default", send=far_side)["delivered"] == 1
    broken.refresh_from_db()
    sound.refresh_from_db()
    assert broken.is_finished
    assert "of another version" in broken.error
    assert sound.is_finished
    assert "failed" in caplog.text


def test_a_repair_can_be_stopped(configured: Any) -> None:
    """What was done stays done."""
    configured()
    many(600)
    made = wish("resend")
    bulk_action.advance("default")
    assert bulk_action.stop(made)
    assert not bulk_action.stop(made)
    assert bulk_action.advance("default") is None
    assert Event.objects.filter(status="pending").count() == 500


def test_a_forecast_takes_its_time_and_says_so(of_every_kind: None) -> None:
    """Sources of very many events are not all looked for; those without one are left alone all the same."""
    made = wish("rebuild")
    forecast = bulk_action.Forecast(made, check_seconds=0)
    assert forecast.checked_sources == 0
    assert forecast.tally[ActionVerdict.SOURCE_GONE] == 0
    assert carry_out(made)["source_gone"] == 2


def test_a_cancelled_event_is_not_sent_and_a_late_answer_changes_nothing(configured: Any, far_side: FarSide) -> None:
    """The lease is gone: the worker that had it records nothing."""
    configured()
    event = make("pending", user_id="u")
    assert carry_out(wish("cancel")) == {"ready": 1}
    assert drain("default", send=far_side) == {}
    assert Event.objects.record_results([event], ["status"], status="sending", lease=timezone.now()) == []  # type: ignore[arg-type]
    assert Event.objects.get().status == "cancelled"


def test_old_repairs_are_pruned(configured: Any) -> None:
    """With the events that they were about."""
    configured(RETENTION_DAYS=1)
    made = wish("resend")
    carry_out(made)
    tasks.prune()
    assert Repair.objects.exists()
    Repair.objects.update(finished_at=timezone.now() - dt.timedelta(days=2))
    tasks.prune()
    assert not Repair.objects.exists()
