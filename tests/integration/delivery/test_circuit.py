"""Destinations: paused, closed, half-open, limited, mended; each change told once, whoever of the workers made it."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from dfinery_django import TransportError, tasks
from dfinery_django.conf import get_settings
from dfinery_django.delivery import circuit
from dfinery_django.delivery.circuit import (
    destination_row,
    fingerprint,
    has_due,
    pause,
    release,
    reserve,
    resume,
    update_circuit,
)
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Outcome
from dfinery_django.models import Destination, Event
from dfinery_django.outbox import wakeup
from dfinery_django.protocols.base import Request, Response, Result
from dfinery_django.signals import (
    destination_blocked,
    destination_closed,
    destination_paused,
    destination_recovered,
    destination_resumed,
)
from tests.settings import DATABASE
from tests.support.doubles import FarSide, accepted, answer
from tests.support.events import event, soon

pytestmark = pytest.mark.django_db

SIGNALS = {
    "blocked": destination_blocked,
    "closed": destination_closed,
    "paused": destination_paused,
    "recovered": destination_recovered,
    "resumed": destination_resumed,
}
REFUSED, OVER, DOWN = answer(401), answer(429, 4006), answer(503)


@pytest.fixture(autouse=True)
def _settings(configured: Any) -> None:
    configured(CONCURRENCY=4)


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Names of the signals that were sent, in order."""
    names: list[str] = []
    ears = {name: lambda name=name, **kwargs: names.append(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(ears[name])
    yield names
    for name, signal in SIGNALS.items():
        signal.disconnect(ears[name])


@pytest.fixture
def said(caplog: Any) -> Any:
    """The log lines about destinations: ``said()``, as level and first words."""
    caplog.set_level(logging.INFO, "dfinery_django")

    def lines() -> list[str]:
        found = [each for each in caplog.records if each.message.startswith("Delivery to default")]
        return [f"{each.levelname} {each.message.split('.')[0]}" for each in found]

    return lines


def row() -> Destination:
    return Destination.objects.get(alias="default")


def events(count: int) -> None:
    destination_row("default", "default")
    for number in range(count):
        event(number)


def limit(remaining: int | str, reset: float | str, period: str = "1m", *, over: bool = False) -> Response:
    """An answer that tells of the rate limit."""
    reset = reset if isinstance(reset, str) else str(int(reset))
    headers = {"X_Rate_Limit_Limit": period, "X_Rate_Limit_Remaining": str(remaining), "X_Rate_Limit_Reset": reset}
    return answer(429, 4006, **headers) if over else answer(200, 2000, **headers)


def from_now(seconds: float) -> float:
    return timezone.now().timestamp() + seconds


def seconds_until(moment: dt.datetime | None) -> float:
    assert moment is not None
    return (moment - timezone.now()).total_seconds()


# Paused.


def test_a_pause_holds_everything_until_it_is_taken_back(far_side: FarSide, heard: Any, said: Any) -> None:
    """Nothing is sent, what happens meanwhile waits; each change is told once, however often it is asked for."""
    events(3)
    for _ in range(2):
        pause("default", by="kim", using="default")
    assert drain("default", send=far_side) == {}
    assert not has_due("default", "default"), "no drain is asked for again and again"
    for _ in range(2):
        resume("default", using="default")
    assert drain("default", send=far_side)["delivered"] == 3
    assert heard == ["paused", "resumed"]
    assert said() == ["WARNING Delivery to default is paused by kim", "INFO Delivery to default is resumed"]


def test_a_pause_is_seen_by_a_drain_that_is_under_way(far_side: FarSide) -> None:
    """What is on its way ends; nothing more is claimed."""
    events(100)

    def pause_once() -> bool:
        if far_side.requests and not row().paused_by:
            pause("default", by="kim", using="default")
        return False

    def send(request: Request) -> Response:
        time.sleep(0.02)
        return far_side(request)

    drain("default", send=send, should_stop=pause_once)
    assert len(far_side.requests) < 40
    assert set(Event.objects.values_list("status", flat=True)) == {"delivered", "pending"}
    assert set(Event.objects.filter(status="pending").values_list("attempt_count", flat=True)) == {0}


def test_resume_tries_a_closed_destination_at_once(far_side: FarSide) -> None:
    """Whoever has mended something need not wait for the next probe."""
    events(3)
    far_side.always = REFUSED
    drain("default", send=far_side)
    far_side.always = None
    assert drain("default", send=far_side) == {}
    resume("default", using="default")
    assert drain("default", send=far_side)["delivered"] == 3


# Closed, half-open, recovered.


@pytest.mark.parametrize(
    ("refusal", "level", "signals"),
    [
        (REFUSED, "ERROR", ["closed", "blocked", "recovered"]),
        (OVER, "WARNING", ["closed", "recovered"]),
        (DOWN, "WARNING", ["closed", "recovered"]),
    ],
    ids=["blocked", "throttled", "down"],
)
def test_one_line_and_one_signal_for_each_change(
    far_side: FarSide, heard: Any, said: Any, refusal: Response, level: str, signals: list[str]
) -> None:
    """Closed with many events on their way, probed in vain, probed again, open: two changes, two lines."""
    events(60)
    far_side.always = refusal
    drain("default", send=far_side)
    for _ in range(3):
        soon(3600)
        drain("default", send=far_side)
    far_side.always = None
    soon(3600)
    drain("default", send=far_side)
    assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}
    assert heard == signals
    told = [line for line in said() if "is probed with one event" not in line]
    assert [line.split()[0] for line in told] == [level, "INFO"]
    assert told[0].endswith("is stopped")
    assert told[1].endswith("goes on")


def test_two_workers_that_see_the_same_refusal_tell_it_once(heard: Any, said: Any) -> None:
    """Each has its own copy of the destination; the row says who was first."""
    first, second = destination_row("default", "default"), destination_row("default", "default")
    refused = Result(Outcome.BLOCKED, "DFINERY refuses us")
    for worker in (first, second, second):
        update_circuit(worker, [refused] * 3, timezone.now())
    assert row().failure_count == 1
    for worker in (second, first):
        update_circuit(worker, [Result(Outcome.ACCEPTED)], timezone.now(), was_probe=True)
    assert heard == ["closed", "blocked", "recovered"]
    assert len(said()) == 2


def test_a_half_open_destination_is_probed_by_one_worker(far_side: FarSide) -> None:
    """Two workers find the wait over: one of them sends one event, the other none."""
    events(10)
    far_side.always = REFUSED
    drain("default", send=far_side)
    asked = len(far_side.requests)
    soon(31)
    inner: list[Any] = []

    def ask_the_other() -> bool:
        if len(far_side.requests) == asked + 1 and not inner:
            inner.append(drain("default", send=far_side))
        return False

    def send(request: Request) -> Response:
        response = far_side(request)
        time.sleep(0.3)
        return response

    drain("default", send=send, should_stop=ask_the_other)
    assert inner == [{}], "the other worker looked, and sent nothing"
    assert len(far_side.requests) == asked + 1


def test_the_right_to_probe_goes_to_one() -> None:
    """Of two workers with the same copy of the row only one may probe; when it dies, another may, after a while."""
    now = timezone.now()
    Destination.objects.create(alias="default", closed_until=now, closed_code="blocked", failure_count=1)
    first, second = row(), row()
    assert [reserve(worker, 8, now, probe_seconds=10) for worker in (first, second)] == [1, 0]
    assert reserve(row(), 8, now, probe_seconds=10) == 0
    later = now + dt.timedelta(seconds=11)
    assert reserve(row(), 8, later, probe_seconds=10) == 1


def test_the_waits_between_probes_grow(far_side: FarSide) -> None:
    """A refused token is tried after half a minute, and at last every half hour; an outage every minute."""
    events(2)
    far_side.always = REFUSED
    waits = []
    for _ in range(12):
        drain("default", send=far_side)
        waits.append(30 * round(seconds_until(row().closed_until) / 30))  # a machine that is busy takes some of them
        soon(3600)
    assert waits[0] == 30
    assert waits == sorted(waits)
    assert waits[-1] == 1800
    far_side.always = DOWN
    for _ in range(8):
        drain("default", send=far_side)
        assert seconds_until(row().closed_until) <= 60
        soon(3600)


def test_what_was_on_its_way_does_not_open_a_closed_destination(heard: Any, said: Any) -> None:
    """An answer from before the refusal says nothing about the token that was withdrawn since."""
    worker = destination_row("default", "default")
    for outcome in (Outcome.BLOCKED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.BLOCKED):
        update_circuit(worker, [Result(outcome, "…")], timezone.now())
    assert row().closed_code == "blocked"
    assert heard == ["closed", "blocked"]
    assert len(said()) == 1


def test_what_was_on_its_way_does_not_shorten_a_wait(said: Any) -> None:
    """A time-out of a request from before the 429 does not make the reset forgotten, nor a refusal."""
    worker = destination_row("default", "default")
    now = timezone.now()
    failed = Result(Outcome.TRANSIENT, "No answer")
    update_circuit(worker, [Result(Outcome.THROTTLED, "over", reset_at=from_now(40)), failed, failed], now)
    assert row().closed_code == "throttled"
    assert seconds_until(row().closed_until) == pytest.approx(40, abs=10)
    update_circuit(worker, [Result(Outcome.BLOCKED, "refused"), failed, Result(Outcome.THROTTLED, "over")], now)
    assert row().closed_code == "blocked"
    update_circuit(worker, [Result(Outcome.BLOCKED, "refused")], now)
    assert len(said()) == 2


def test_a_success_in_an_outage_ends_it(heard: Any) -> None:
    """Failures of one worker's own network close for all; another one's success is proof enough."""
    one, other = destination_row("default", "default"), destination_row("default", "default")
    update_circuit(one, [Result(Outcome.TRANSIENT, "No answer")] * 5, timezone.now())
    assert row().closed_code == "transient"
    other.refresh_from_db()
    update_circuit(other, [Result(Outcome.ACCEPTED)], timezone.now())
    assert row().closed_until is None
    assert heard == ["closed", "recovered"]


# Mended.


@pytest.mark.parametrize("mended", [{"TOKENS": {"default": "new"}}, {"BASE_URL": "http://127.0.0.1:10"}])
def test_a_mended_token_or_address_is_tried_at_once(far_side: FarSide, configured: Any, mended: Any) -> None:
    """Nobody waits for the next probe, let alone half an hour, after the settings were put right."""
    events(3)
    far_side.always = REFUSED
    for _ in range(5):
        drain("default", send=far_side)
        soon(3600)
    drain("default", send=far_side)
    far_side.always = None
    asked = len(far_side.requests)
    assert drain("default", send=far_side) == {}, "the same token waits"
    configured(**mended)
    assert drain("default", send=far_side)["delivered"] == 3
    assert len(far_side.requests) == asked + 3


def test_a_token_that_is_not_mended_is_probed_once(far_side: FarSide, configured: Any) -> None:
    """Another wrong token gets one try, and then waits like the first."""
    events(3)
    far_side.always = REFUSED
    drain("default", send=far_side)
    asked = len(far_side.requests)
    configured(TOKENS={"default": "also-wrong"})
    for _ in range(3):
        drain("default", send=far_side)
    assert len(far_side.requests) == asked + 1


def test_the_fingerprint_tells_tokens_apart_and_shows_none(configured: Any) -> None:
    """What is stored of a token is a salted hash."""
    before = fingerprint("default", get_settings())
    configured(TOKENS={"default": "other"})
    assert fingerprint("default", get_settings()) != before
    assert "test-token" not in before
    assert len(before) == 16


# The rate limit.


def test_plenty_is_no_concern(far_side: FarSide) -> None:
    """With ten million left nobody counts, and the row is not written for it."""
    events(20)
    far_side.always = limit("9,999,980", from_now(30))
    assert drain("default", send=far_side)["delivered"] == 20
    assert (row().quota_left, row().quota_resets_at) == (None, None)


@pytest.mark.parametrize("scale", [1, 1000], ids=["s", "ms"])
def test_never_more_than_the_answers_allow(far_side: FarSide, scale: int) -> None:
    """The first answers say how many are left until the reset; so many are sent, the rest waits without a 429."""
    events(40)
    reset, left = from_now(40), 20

    def send(request: Request) -> Response:
        far_side(request)
        response = limit(max(0, left - len(far_side.requests)), reset * scale)
        time.sleep(0.02 * (len(far_side.requests) % 4))  # so that some are still on their way when others come back
        return response

    drain("default", send=send)
    sent = len(far_side.requests)
    assert left - 4 <= sent <= left, "what is on its way is counted twice at worst"
    assert row().quota_left == 0
    assert abs(row().quota_resets_at.timestamp() - reset) < 1.1  # type: ignore[union-attr]
    assert not has_due("default", "default")
    assert set(Event.objects.exclude(status="delivered").values_list("status", "attempt_count")) == {("pending", 0)}
    Destination.objects.update(quota_resets_at=timezone.now())
    assert drain("default", send=far_side)["delivered"] == 40 - sent


def test_what_is_reserved_is_sent(far_side: FarSide, configured: Any) -> None:
    """The last places of a limit are used by who has reserved them, though nothing is left for anybody else."""
    configured(CONCURRENCY=2)
    events(9)
    reset, left = from_now(40), 4
    Destination.objects.update(quota_left=left, quota_resets_at=dt.datetime.fromtimestamp(int(reset), dt.timezone.utc))

    def send(request: Request) -> Response:
        far_side(request)
        time.sleep(0.1 if len(far_side.requests) == 1 else 0.5)
        return limit(left - len(far_side.requests), reset)

    drain("default", send=send)
    assert (len(far_side.requests), row().quota_left) == (left, 0)


def test_what_is_left_is_shared_by_all_workers() -> None:
    """What one has reserved no other one sends; what it did not need it gives back."""
    now = timezone.now()
    Destination.objects.create(alias="default", quota_left=10, quota_resets_at=now + dt.timedelta(seconds=30))
    one, other = row(), row()
    assert reserve(one, 8, now, probe_seconds=1) == 8
    assert reserve(other, 8, now, probe_seconds=1) == 0, "its copy is out of date"
    other.refresh_from_db()
    assert reserve(other, 8, now, probe_seconds=1) == 2
    release(one, 5, now)
    assert row().quota_left == 5


def test_what_was_reserved_and_not_sent_is_given_back(far_side: FarSide, configured: Any) -> None:
    """A worker that stops leaves the requests that it did not make to the others."""
    configured(CONCURRENCY=1)
    events(30)
    Destination.objects.update(quota_left=20, quota_resets_at=timezone.now() + dt.timedelta(seconds=30))

    def send(request: Request) -> Response:
        time.sleep(0.3)
        return far_side(request)

    drain("default", send=send, should_stop=lambda: Event.objects.filter(status="sending").count() > 1)
    assert len(far_side.requests) == 1
    assert row().quota_left == 19


def test_what_is_given_back_late_is_not_added_to_the_next_period() -> None:
    """A period that is over takes its rest with it."""
    now = timezone.now()
    Destination.objects.create(alias="default", quota_left=0, quota_resets_at=now + dt.timedelta(seconds=30))
    worker = row()
    Destination.objects.update(quota_left=7, quota_resets_at=now + dt.timedelta(seconds=90))
    release(worker, 5, now)
    assert row().quota_left == 7


@pytest.mark.parametrize("scale", [1, 1000], ids=["s", "ms"])
@pytest.mark.parametrize(
    ("reset_in", "period", "closed_for", "over_after"),
    [
        (40, "1m", 40, 40),
        (600, "1m", 60, 60),  # their clock is ten minutes ahead of ours: no period is longer than itself
        (7200, "1H", 3600, 3600),
        (7200, "1d", 3600, 7200),  # closed for an hour, and then for the last one still nothing left
        (7200, "nonsense", 3600, 7200),
        (-600, "1m", 5, 5),  # their clock is behind: a wait like after any failure
        (-600, "1s", 1, 1),
    ],
)
def test_how_long_a_limit_is_waited_for(
    far_side: FarSide, scale: int, reset_in: float, period: str, closed_for: float, over_after: float
) -> None:
    """Until the reset, in seconds or milliseconds; no longer than the period or an hour, should the clocks differ."""
    event()
    far_side.always = limit(0, from_now(reset_in) * scale, period, over=True)
    drain("default", send=far_side)
    assert closed_for - 2 <= seconds_until(row().closed_until) <= closed_for
    far_side.always = None
    soon(over_after)
    if (resets_at := row().quota_resets_at) is not None:
        Destination.objects.update(quota_resets_at=resets_at - dt.timedelta(seconds=over_after))
    assert drain("default", send=far_side)["delivered"] == 1


def test_a_clock_that_differs_holds_nothing_up_for_longer_than_a_period(far_side: FarSide) -> None:
    """Nothing is left, says an answer whose reset lies further off than its period: a period is waited."""
    events(2)
    far_side.answers = [limit(0, from_now(1800), "1m")]
    drain("default", send=far_side, should_stop=lambda: bool(far_side.requests))
    assert seconds_until(row().quota_resets_at) <= 60


def test_nothing_left_of_a_whole_day_is_tried_nonetheless(far_side: FarSide) -> None:
    """A reset that is hours away is not waited for in silence: a 429 is asked for, and closes visibly."""
    events(5)
    far_side.always = limit(0, from_now(36000), "1d")
    assert drain("default", send=far_side)["delivered"] == 5


# The clock.


def test_a_clock_set_back_leaves_nothing_stuck(far_side: FarSide) -> None:
    """Every wait that was written by a clock of tomorrow counts as over."""
    events(3)
    tomorrow = timezone.now() + dt.timedelta(days=1)
    pks = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    Event.objects.filter(pk=pks[0]).update(due_at=tomorrow)
    Event.objects.filter(pk=pks[1]).update(due_at=tomorrow, status="sending", attempt_count=1)
    Destination.objects.update(
        closed_until=tomorrow, closed_code="transient", quota_left=0, quota_resets_at=tomorrow, failure_count=5
    )
    assert has_due("default", "default")
    assert drain("default", send=far_side)["delivered"] == 3
    assert row().closed_until is None


@pytest.mark.parametrize("asked_at", [dt.timedelta(days=1), dt.timedelta(seconds=-61), dt.timedelta(minutes=2)])
def test_a_wake_flag_that_can_not_be_true_counts_as_lost(configured: Any, asked_at: dt.timedelta) -> None:
    """A drain that was asked for too long ago, or tomorrow, is asked for again."""
    woken.clear()
    configured(WAKE="tests.integration.delivery.test_circuit.remember_wake")
    Destination.objects.create(alias="default", wake_requested_at=timezone.now() + asked_at)
    wakeup.request_wake("default", "default")
    wakeup.request_wake("default", "default")
    assert woken == ["default"]


woken: list[str] = []


def remember_wake(destination: str) -> None:
    woken.append(destination)


def test_a_clock_set_forward_while_sending_costs_duplicates_at_most(far_side: FarSide, monkeypatch: Any) -> None:
    """Where the machine's clock is the only one, leases look lapsed to another worker, which sends once more: the first
    report is late, nothing is lost. A database with a clock of its own tells it better."""
    events(4)
    true_now = timezone.now
    inner: list[Any] = []

    def jump() -> bool:
        if len(far_side.requests) >= 4 and not inner:
            monkeypatch.setattr("django.utils.timezone.now", lambda: true_now() + dt.timedelta(minutes=30))
            inner.append(drain("default", send=far_side))
        return False

    def send(request: Request) -> Response:
        response = far_side(request)
        time.sleep(0.3)
        return response

    drain("default", send=send, should_stop=jump)
    assert inner == [{"delivered": 4} if DATABASE == "sqlite" else {}]
    assert len(far_side.requests) <= (8 if DATABASE == "sqlite" else 4)
    assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}


def test_a_clock_set_back_while_sending_loses_nothing(far_side: FarSide, monkeypatch: Any) -> None:
    """The lease that was given out is still the fence: results are written, and nothing is sent twice."""
    events(4)
    true_now = timezone.now
    back = dt.timedelta(0)
    monkeypatch.setattr("django.utils.timezone.now", lambda: true_now() + back)

    def send(request: Request) -> Response:
        nonlocal back
        response = far_side(request)
        if len(far_side.requests) == 4:
            back = dt.timedelta(hours=-3)
        return response

    drain("default", send=send)
    assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}
    assert len(far_side.requests) == 4


def test_the_task_asks_for_no_drain_that_could_do_nothing(far_side: FarSide, configured: Any) -> None:
    """A closed destination with a backlog is left to the schedule: no chain of tasks that find it closed."""
    woken.clear()
    configured(WAKE="tests.integration.delivery.test_circuit.remember_wake")
    events(3)
    woken.clear()
    far_side.always = TransportError("TLS failed", is_local_fault=True)
    drain("default", send=far_side)
    tasks.drain("default")
    assert woken == []
    assert circuit.destination_row("default", "default").closed_code == "blocked"
    far_side.always = accepted()


def test_who_was_refused_is_not_forgotten(configured: Any) -> None:
    """A worker with the new token does not put its name to the old one's refusal: the new one is tried at once."""
    place = destination_row("default", "default")
    refused = Result(Outcome.BLOCKED, "the API token is not valid")
    update_circuit(place, [refused], timezone.now(), wire="old")
    update_circuit(place, [Result(Outcome.ACCEPTED)], timezone.now(), wire="new")
    assert Destination.objects.get().closed_wire == "old"
