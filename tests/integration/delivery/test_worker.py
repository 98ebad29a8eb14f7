"""The drain: where each outcome leads, what is sent, what a lost lease changes."""

from __future__ import annotations

import datetime as dt
import logging
import time
from queue import SimpleQueue
from typing import Any

import pytest
from django.utils import timezone

from dfinery_django import (
    TransportError,
    destination_blocked,
    destination_recovered,
    event_delivered,
    event_expired,
    event_failed,
    track,
)
from dfinery_django.conf import get_settings
from dfinery_django.delivery.exchange import send_batch
from dfinery_django.delivery.lane import Lane
from dfinery_django.delivery.lane_store import LaneStore
from dfinery_django.delivery.worker import drain
from dfinery_django.models import DeliveryAttempt, Destination, Event
from tests.support.doubles import FarSide, answer
from tests.support.events import event, soon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settings(configured: Any) -> None:
    configured(CONCURRENCY=2)


@pytest.fixture
def heard() -> Any:
    """Names of the signals that were sent, in order."""
    names: list[str] = []
    receivers = []
    for name, signal in {
        "delivered": event_delivered,
        "failed": event_failed,
        "expired": event_expired,
        "blocked": destination_blocked,
        "recovered": destination_recovered,
    }.items():

        def hear(name: str = name, **kwargs: Any) -> None:
            names.append(name)

        receivers.append(hear)
        signal.connect(hear, weak=False, dispatch_uid=f"test {name}")
    yield names
    for name, signal in {"delivered": event_delivered, "failed": event_failed, "expired": event_expired}.items():
        signal.disconnect(dispatch_uid=f"test {name}")
    destination_blocked.disconnect(dispatch_uid="test blocked")
    destination_recovered.disconnect(dispatch_uid="test recovered")


def test_accepted(far_side: FarSide, heard: Any) -> None:
    """200 and 2000: delivered, with the exchange on record and the stored bytes on the wire."""
    stored = event()
    assert drain("default", send=far_side)["delivered"] == 1
    stored.refresh_from_db()
    assert (stored.status, stored.due_at, stored.attempt_count) == ("delivered", None, 1)
    assert stored.finished_at is not None
    assert far_side.requests[0].body == stored.payload.encode()
    assert far_side.requests[0].headers["Authorization"] == "Bearer test-token"
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.status_code, attempt.result_code) == (1, "accepted", 200, "2000")
    assert heard == ["delivered"]


@pytest.mark.parametrize(
    "said", [answer(500, 5001, "Invalid API Token Error."), answer(408), answer(502), TransportError("refused")]
)
def test_transient(far_side: FarSide, said: Any) -> None:
    """Tried again after a pause, with the same id and the same bytes."""
    stored = event()
    far_side.answers = [said]
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert (stored.status, stored.attempt_count, stored.reason_code) == ("pending", 1, "transient")
    assert stored.due_at is not None
    assert timezone.now() - dt.timedelta(seconds=1) < stored.due_at < timezone.now() + dt.timedelta(seconds=6)
    soon(10)
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert (stored.status, stored.attempt_count) == ("delivered", 2)
    assert far_side.requests[0].body == far_side.requests[1].body


@pytest.mark.parametrize(
    "said", [answer(400, 4002, "Invalid request format."), answer(400, 4007), answer(413), answer(422)]
)
def test_rejected(far_side: FarSide, heard: Any, said: Any) -> None:
    """Failed for good, with DFINERY's own words; the destination works."""
    stored = event()
    far_side.answers = [said]
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert (stored.status, stored.reason_code) == ("failed", "rejected")
    assert f"HTTP {said.status_code}" in stored.reason
    assert heard == ["failed"]
    event(2)
    assert drain("default", send=far_side)["delivered"] == 1


@pytest.mark.parametrize(
    "said",
    [
        *(answer(status) for status in (401, 403, 404, 405, 301, 307)),
        answer(400, 4001, "Invalid API Token Error."),
        TransportError("TLS failed", is_local_fault=True),
    ],
)
def test_blocked(far_side: FarSide, heard: Any, said: Any, caplog: Any) -> None:
    """Nothing is used up: the destination closes, is probed with one event, and everything goes on by itself."""
    for number in range(5):
        event(number)
    far_side.always = said
    drain("default", send=far_side)
    assert set(Event.objects.values_list("status", "attempt_count")) == {("pending", 0)}
    asked = len(far_side.requests)
    assert asked <= 2, "one per connection, then it is closed"
    drain("default", send=far_side)
    assert len(far_side.requests) == asked, "closed"
    soon(31)
    drain("default", send=far_side)
    assert len(far_side.requests) == asked + 1, "half-open: one probe"
    far_side.always = None
    soon(61)
    drain("default", send=far_side)
    assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}
    assert heard[0] == "blocked"
    assert heard.count("blocked") == 1
    assert heard.count("recovered") == 1
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 1


@pytest.mark.parametrize("scale", [1, 1000])
def test_throttled(far_side: FarSide, scale: int) -> None:
    """429: closed until the moment the headers name, in seconds or milliseconds."""
    for number in range(5):
        event(number)
    reset = timezone.now().timestamp() + 40
    far_side.always = answer(429, 4006, "API RateLimit exceeded.", X_Rate_Limit_Reset=str(int(reset * scale)))
    drain("default", send=far_side)
    closed_until = Destination.objects.get().closed_until
    assert closed_until is not None
    assert abs(closed_until.timestamp() - reset) < 2
    assert set(Event.objects.values_list("status", flat=True)) == {"pending"}
    far_side.always = None
    soon(41)
    assert drain("default", send=far_side)["delivered"] == 5


def test_several_failures_in_a_row_close_the_destination(far_side: FarSide) -> None:
    """An outage is noticed: no drain hammers a dead server with a whole backlog."""
    for number in range(30):
        event(number)
    far_side.always = answer(503)
    drain("default", send=far_side)
    assert len(far_side.requests) < 30
    assert Destination.objects.get().closed_until is not None


def test_after_48_hours_it_expires_unsent(far_side: FarSide, heard: Any, caplog: Any) -> None:
    """DFINERY would say 200 and drop it; one log line for all of them."""
    for number in range(3):
        event(number)
    Event.objects.update(expires_at=timezone.now(), reason="HTTP 503")
    assert drain("default", send=far_side) == {"expired": 3}
    assert far_side.requests == []
    assert set(Event.objects.values_list("status", "due_at", "reason_code")) == {("expired", None, "too_old")}
    assert "HTTP 503" in Event.objects.all()[0].reason
    assert heard == ["expired"] * 3
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 1


def test_what_expires_first_goes_first(far_side: FarSide) -> None:
    """In a backlog the most urgent events are claimed first."""
    numbers = [event(number).pk for number in range(6)]
    for place, pk in enumerate(reversed(numbers)):
        Event.objects.filter(pk=pk).update(expires_at=timezone.now() + dt.timedelta(hours=1 + place))
    drain("default", send=far_side)
    sent = [body["user_attributes"]["user_id"] for body in far_side.bodies]
    assert sent[0] in ("u5", "u4")
    assert sent[-1] in ("u0", "u1")


def test_a_lapsed_lease_is_due_again(far_side: FarSide) -> None:
    """A worker that died while sending leaves nothing behind but its attempt."""
    stored = event()
    Event.objects.all().claim(limit=1, now=timezone.now(), lease_seconds=60, into="sending")
    drain("default", send=far_side)
    assert far_side.requests == [], "somebody holds it"
    soon(61)
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert (stored.status, stored.attempt_count) == ("delivered", 2)


def test_a_late_report_changes_nothing() -> None:
    """The lease is the fence: a worker that lost it records nothing."""
    stored = event()
    claimed = Event.objects.all().claim(limit=1, now=timezone.now(), lease_seconds=60, into="sending")
    lease = claimed[0].due_at
    assert lease is not None
    Event.objects.filter(pk=stored.pk).update(status="delivered", due_at=None)
    claimed[0].status = "failed"
    assert Event.objects.all().record_results(claimed, ["status"], status="sending", lease=lease) == []
    stored.refresh_from_db()
    assert stored.status == "delivered"


def test_two_claims_never_share_an_event() -> None:
    """What one has claimed the other is not given."""
    for number in range(5):
        event(number)
    claims = [
        Event.objects.all().claim(limit=3, now=timezone.now(), lease_seconds=60, into="sending") for _ in range(2)
    ]
    assert [len(claim) for claim in claims] == [3, 2]
    assert len({each.pk for claim in claims for each in claim}) == 5


def test_a_paused_destination_sends_nothing(far_side: FarSide) -> None:
    """An operator's pause holds until it is taken back."""
    event()
    Destination.objects.update_or_create(alias="default", defaults={"paused_by": "admin"})
    drain("default", send=far_side)
    assert far_side.requests == []


def test_a_bug_in_the_exchange_loses_nothing(far_side: FarSide, caplog: Any) -> None:
    """An exception that nobody foresaw counts as no answer, and is logged."""
    stored = event()
    far_side.answers = [ZeroDivisionError("a bug")]
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert (stored.status, stored.reason_code) == ("pending", "transient")
    assert "a bug" in caplog.text


def test_the_wake_up_flag_is_cleared(far_side: FarSide) -> None:
    """A drain clears the flag, so that the next commit asks for another one."""
    event()
    assert Destination.objects.get().wake_requested_at is not None
    drain("default", send=far_side)
    assert Destination.objects.get().wake_requested_at is None


def test_disabled_sends_nothing(far_side: FarSide, configured: Any) -> None:
    """ENABLED=False: nothing leaves."""
    event()
    configured(ENABLED=False)
    assert drain("default", send=far_side) == {}
    assert far_side.requests == []


def test_another_destinations_events_are_left_alone(far_side: FarSide, configured: Any) -> None:
    """Each destination has its own token and its own drain."""
    configured(TOKENS={"default": "a", "brand_b": "b"})
    track("x", user_id="1", destination="brand_b")
    track("x", user_id="2")
    drain("brand_b", send=far_side)
    assert [request.headers["Authorization"] for request in far_side.requests] == ["Bearer b"]
    assert Event.objects.filter(status="pending").count() == 1


def test_prune_deletes_old_finished_events_only(far_side: FarSide) -> None:
    """Finished ones go with their attempts, in chunks; what waits stays."""
    for number in range(3):
        event(number)
    drain("default", send=far_side)
    event(9)
    then = timezone.now() - dt.timedelta(days=31)
    Event.objects.filter(status="delivered").update(finished_at=then, expires_at=then + dt.timedelta(hours=48))
    before = timezone.now() - dt.timedelta(days=30)
    assert [Event.objects.all().prune(before=before, limit=2) for _ in range(3)] == [2, 1, 0]
    assert Event.objects.get().status == "pending"
    assert not DeliveryAttempt.objects.exists()


def test_a_lingering_drain_serves_what_becomes_due_meanwhile(far_side: FarSide) -> None:
    """An order in autocommit waits for its lines; who commits in the meantime does not wait for it."""
    event(1)
    late = event(2)
    Event.objects.filter(pk=late.pk).update(due_at=timezone.now() + dt.timedelta(seconds=0.6))
    times: dict[str, float] = {}

    def note_time(event: Event, **kwargs: object) -> None:
        times[event.user_id] = time.monotonic()
        assert event.user_id == "u1" or Destination.objects.get().wake_requested_at is not None

    event_delivered.connect(note_time)
    try:
        assert drain("default", send=far_side, linger_seconds=5)["delivered"] == 2
    finally:
        event_delivered.disconnect(note_time)
    assert times["u1"] < times["u2"]
    assert Destination.objects.get().wake_requested_at is None


def test_an_event_that_kills_its_workers_ends_as_failed(far_side: FarSide) -> None:
    """Five lapsed leases in a row: sent alone; six: failed, so that it takes no more workers with it."""
    killer = event(1)
    for _ in range(5):
        Event.objects.filter(pk=killer.pk).claim(limit=1, now=timezone.now(), lease_seconds=60, into="sending")
        soon(61)
    event(2)
    event(3)
    flying: list[int] = []

    def send(request: Any) -> Any:
        flying.append(1)
        time.sleep(0.05)
        alone = b'"u1"' not in request.body or sum(flying) == 1
        flying.pop()
        return answer(200, 2000) if alone else answer(400, 4002, "not alone")

    assert drain("default", send=send)["delivered"] == 3
    killer.refresh_from_db()
    assert killer.lapse_count == 0
    lost = event(4)
    for _ in range(6):
        Event.objects.filter(pk=lost.pk).claim(limit=1, now=timezone.now(), lease_seconds=60, into="sending")
        soon(61)
    assert drain("default", send=far_side) == {"failed": 1}
    lost.refresh_from_db()
    assert lost.reason_code == "worker_lost"
    assert far_side.requests == []


def test_a_row_that_vanishes_in_flight_costs_no_other_result(far_side: FarSide) -> None:
    """Erased while it was sent: its siblings are recorded and not sent again."""
    for number in range(4):
        event(number)
    gone = Event.objects.order_by("pk")[0]
    made = []

    def send(request: Any) -> Any:
        made.append(request)
        return answer(200, 2000)

    lane = Lane(LaneStore("default", "default", get_settings()), send, SimpleQueue(), float("inf"))
    claimed = Event.objects.all().claim(limit=4, now=timezone.now(), lease_seconds=60, into="sending")
    Event.objects.filter(pk=gone.pk).delete()
    lane.unrecorded = [send_batch(lane.protocol, send, [each]) for each in claimed]
    lane.record_if_due()
    assert list(Event.objects.values_list("status", flat=True)) == ["delivered"] * 3
    assert DeliveryAttempt.objects.count() == 3


def test_events_of_a_destination_that_was_removed_expire(configured: Any) -> None:
    """No drain looks at them, so the scheduled one ends them when their time is over."""
    from dfinery_django import tasks

    configured(TOKENS={"default": "t", "old_brand": "t"})
    track("coupon", user_id="u", destination="old_brand")
    configured()
    Event.objects.update(expires_at=timezone.now())
    tasks.drain()
    assert Event.objects.get().status == "expired"


def test_what_waits_too_long_is_said_once_and_in_time(far_side: FarSide, caplog: Any) -> None:
    """After half of the 48 hours: one ERROR and one signal, and another only when all was well in between."""
    from dfinery_django import events_at_risk
    from dfinery_django.delivery.expiry import warn_of_risk

    heard: list[Any] = []

    def hear(**kwargs: Any) -> None:
        heard.append((kwargs["destination"], kwargs["count"]))

    events_at_risk.connect(hear)
    try:
        event(1)
        event(2)
        warn_of_risk("default", "default", timezone.now())
        assert heard == []
        later = timezone.now() + dt.timedelta(hours=25)
        warn_of_risk("default", "default", later)
        warn_of_risk("default", "default", later)
        assert heard == [("default", 2)]
        drain("default", send=far_side)
        warn_of_risk("default", "default", later)
        event(3)
        warn_of_risk("default", "default", later)
        assert heard == [("default", 2), ("default", 1)]
    finally:
        events_at_risk.disconnect(hear)
    assert sum("half of their time" in record.message for record in caplog.records) == 2
