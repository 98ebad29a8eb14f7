"""Limits of seconds: the pace is learnt, shared by all workers, kept, and raised again."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from dfinery_django.delivery import rate_limit
from dfinery_django.delivery.circuit import destination_row, update_circuit
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Outcome, Reason
from dfinery_django.models import Destination, Event
from dfinery_django.protocols.base import Result
from tests.settings import DATABASE
from tests.support.doubles import FarSide, answer
from tests.support.events import event, soon
from tests.support.limited import Limited

pytestmark = pytest.mark.django_db(transaction=True)

TAKEN, OVER = Result(Outcome.ACCEPTED), Result(Outcome.THROTTLED, "over")
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


#: Without a pace a quarter and more is refused, with one it is 1 to 4 in a hundred; a busy machine may add to that.
MOST_REFUSED = 0.12


def later(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def told(remaining: int, period: float = 1.0, outcome: Outcome = Outcome.ACCEPTED) -> Result:
    reset_at = NOW.timestamp() + period
    return Result(outcome, remaining=remaining, period_seconds=period, reset_at=reset_at)


def row() -> Destination:
    return Destination.objects.get(alias="default")


def deliver_all(far_side: Limited) -> None:
    """As a worker does: drain after drain, until nothing waits."""
    while Event.objects.filter(finished_at=None).exists():
        drain("default", send=far_side, linger_seconds=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seconds", "headers"), [("fixed", 0.0, False), ("sliding", 0.05, True), ("bucket", 0.02, False)]
)
def test_hardly_any_request_is_refused(configured: Any, kind: str, seconds: float, headers: bool) -> None:
    """40 a second, with or without a word about it, are kept to."""
    configured()
    for number in range(200):
        event(number)
    far_side = Limited(40, kind=kind, headers=headers, seconds=seconds)
    deliver_all(far_side)
    assert (far_side.accepted, Event.objects.filter(status="delivered").count()) == (200, 200)
    assert far_side.share_refused < MOST_REFUSED, far_side.refused


@pytest.mark.slow
@pytest.mark.skipif(DATABASE == "sqlite", reason="two drains at once need two connections")
@pytest.mark.parametrize("headers", [False, True], ids=["untold", "told"])
def test_two_workers_share_the_pace(configured: Any, headers: bool) -> None:
    """Two drains at once keep to the limit together: nothing is sent twice, and hardly anything refused."""
    configured()
    for number in range(300):
        event(number)
    far_side = Limited(40, headers=headers, seconds=0.01)

    def work() -> None:
        try:
            deliver_all(far_side)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert far_side.accepted == 300
    assert far_side.share_refused < MOST_REFUSED, far_side.refused


def test_no_limit_no_pace(configured: Any, far_side: FarSide) -> None:
    """Where nothing is refused nothing is slowed down, and the row knows of no pace."""
    configured()
    for number in range(100):
        event(number)
    far_side.always = answer(200, 2000, X_Rate_Limit_Limit="1m", X_Rate_Limit_Remaining="9,999,900")
    assert drain("default", send=far_side)["delivered"] == 100
    assert (row().rate, row().paced_until) == (None, None)


def test_the_headers_tell_the_pace(configured: Any) -> None:
    """The first answer of a period has the most left: nine tenths of that are used, and kept through the period."""
    place = destination_row("default", "default")
    update_circuit(place, [told(14), told(15)], NOW)
    assert place.rate == pytest.approx(0.9 * 16)
    update_circuit(place, [told(19), told(3)], later(1))
    assert place.rate == pytest.approx(18)
    update_circuit(place, [told(3)], later(1.5))
    assert row().rate == pytest.approx(18)


def test_a_limit_that_is_lifted_is_forgotten(configured: Any) -> None:
    """Answers that tell of a minute again, and of plenty, end a pace that headers had set."""
    place = destination_row("default", "default")
    update_circuit(place, [told(19)], NOW)
    update_circuit(place, [told(9_999_999, 60)], later(1))
    assert (place.rate, row().rate) == (None, None)


def test_a_refusal_without_a_word_teaches_the_pace(configured: Any) -> None:
    """What came through in the last second is what is allowed, the parts of all workers together."""
    one, other = destination_row("default", "default"), destination_row("default", "default")
    update_circuit(one, [TAKEN, OVER], NOW, sent=12)
    update_circuit(other, [OVER], NOW, sent=8)
    assert row().rate == pytest.approx(0.9 * 20)
    assert row().closed_until == later(1)


def test_a_refusal_in_spite_of_the_pace_slows_down_once(configured: Any) -> None:
    """However many requests were under way, and however many workers see it."""
    Destination.objects.create(alias="default", rate=10, rate_at=NOW)
    one, other = row(), row()
    update_circuit(one, [OVER, OVER], later(60), sent=10)
    update_circuit(other, [OVER], later(60), sent=10)
    assert row().rate == pytest.approx(8)


@pytest.mark.parametrize(("waited", "expected"), [(1, 18), (2, 9), (16, 18 / 16)])
def test_a_long_wait_tells_of_a_long_period(configured: Any, waited: float, expected: float) -> None:
    """20 requests at once, and none for so many seconds: the pace is that of the whole."""
    place = destination_row("default", "default")
    update_circuit(place, [TAKEN, OVER], NOW, sent=20)
    update_circuit(place, [TAKEN], later(waited), was_probe=True)
    assert row().rate == pytest.approx(expected)
    assert row().closed_until is None


def test_probes_come_at_growing_intervals(configured: Any) -> None:
    """A limit per second is tried again after a second, one per minute not sixty times."""
    place = destination_row("default", "default")
    update_circuit(place, [TAKEN, OVER], NOW, sent=20)
    waits, now = [], NOW
    for _ in range(6):
        assert place.closed_until is not None
        waits.append((place.closed_until - now).total_seconds())
        now = place.closed_until
        update_circuit(place, [OVER], now, was_probe=True)
    assert waits == [1, 1, 2, 4, 8, 16]


def test_slots_are_shared_by_all_workers(configured: Any) -> None:
    """Each worker gets a slice of time of its own, the next one after it, and none too far ahead."""
    Destination.objects.create(alias="default", rate=10, rate_at=NOW)
    one, other = row(), row()
    assert rate_limit.reserve_slots(one, 100, NOW) == (5, NOW)
    assert rate_limit.reserve_slots(other, 100, NOW) == (5, later(0.5))
    assert rate_limit.reserve_slots(one, 100, NOW) == (5, later(1))
    assert rate_limit.reserve_slots(other, 100, NOW)[0] == 0
    assert rate_limit.reserve_slots(other, 100, later(0.5)) == (5, later(1.5))


def test_slots_that_are_not_used_are_given_back(configured: Any) -> None:
    """An event that comes a moment after another does not wait for slots that nobody needs."""
    Destination.objects.create(alias="default", rate=10, rate_at=NOW)
    place = row()
    places, first = rate_limit.reserve_slots(place, 100, NOW)
    rate_limit.release_slots(place, places - 1)
    assert (first, row().paced_until) == (NOW, later(0.1))


def test_the_pace_recovers(configured: Any) -> None:
    """While more is wanted than the pace allows and nothing is refused it rises, until nobody waits any more."""
    Destination.objects.create(alias="default", rate=10, rate_at=NOW)
    place, now = row(), NOW
    rates = [10.0]
    for _ in range(3000):
        rate_limit.reserve_slots(place, 10_000, now)
        if place.rate is None:
            break
        rates.append(place.rate)
        now += dt.timedelta(seconds=0.4)
    assert place.rate is None
    assert rates == sorted(rates)
    assert rates[10] == 10, "not at once"


def test_a_pace_of_a_clock_that_was_set_back_holds_nobody_up(configured: Any) -> None:
    """Slots that lie further ahead than anything of ours waits were reserved by a clock of tomorrow."""
    Destination.objects.create(alias="default", rate=10, rate_at=later(86400), paced_until=later(86400))
    assert rate_limit.reserve_slots(row(), 5, NOW) == (5, NOW)


@pytest.mark.parametrize(
    ("result", "short"),
    [
        (told(0, 1, Outcome.THROTTLED), True),
        (told(0, 10, Outcome.THROTTLED), True),
        (told(0, 60, Outcome.THROTTLED), False),
        (told(5, 60, Outcome.THROTTLED), True),  # there is another limit, of which it does not tell
        (Result(Outcome.THROTTLED), True),
        (Result(Outcome.THROTTLED, reset_at=NOW.timestamp() + 3600), False),
        (TAKEN, False),
    ],
)
def test_which_limits_are_paced(result: Result, short: bool) -> None:
    """Those of at most ten seconds, and those that no header explains; minutes are used up and waited for."""
    assert rate_limit.is_short_limit(result, NOW) is short


def test_who_is_always_refused_learns_no_pace(configured: Any, far_side: FarSide) -> None:
    """Nothing came through, so that nothing is known; when it does, everything goes out."""
    configured(CONCURRENCY=2)
    for number in range(10):
        event(number)
    far_side.always = answer(429, 4006)
    drain("default", send=far_side)
    assert (row().rate, row().closed_code) == (None, Reason.THROTTLED)
    far_side.always = None
    soon(10)
    assert drain("default", send=far_side)["delivered"] == 10


def test_a_short_stop_is_waited_out_by_the_drain(configured: Any) -> None:
    """A drain that nobody asked to linger goes on after a second, instead of leaving the rest for the next one."""
    configured(CONCURRENCY=4)
    for number in range(30):
        event(number)
    assert drain("default", send=Limited(20, kind="sliding"))["delivered"] == 30


def test_slots_begin_by_the_database_clock() -> None:
    """What is reserved is a moment: now or later, never one that is over."""
    Destination.objects.create(alias="default", rate=10, rate_at=timezone.now(), paced_until=later(0))
    now = timezone.now()
    assert rate_limit.reserve_slots(row(), 1, now) == (1, now)
