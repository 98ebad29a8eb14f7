"""How deliveries stand: the numbers, and the sentences that are said of them."""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone, translation
from django_q.models import Schedule

from dfinery_django import django_q2
from dfinery_django.delivery import circuit
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import FINISHED, DestinationState, EventStatus, Outcome, Reason
from dfinery_django.models import Destination, Event
from dfinery_django.monitoring import recent
from dfinery_django.monitoring.findings import Level
from dfinery_django.monitoring.health import HealthReport, assess
from dfinery_django.monitoring.overview import HOURS, Snapshot, look
from dfinery_django.protocols.base import Result
from dfinery_django.text.times import format_datetime, number, span, time_ago, time_element
from tests.support.doubles import PURCHASE, FarSide, accepted, answer

pytestmark = pytest.mark.django_db

#: A Thursday, 10:15 in the suite's time zone (Seoul).
NOW = dt.datetime(2026, 5, 14, 1, 15, tzinfo=dt.timezone.utc)
HOUR, MINUTE, SECOND = dt.timedelta(hours=1), dt.timedelta(minutes=1), dt.timedelta(seconds=1)
_numbers = itertools.count()


def made(status: str, before: dt.timedelta, *, took: float = 1, **fields: Any) -> Event:
    """An event that happened so long before NOW; finished ones took so many seconds."""
    code, reason = fields.pop("code", ""), fields.pop("reason", "")
    event = Event(**{"event_name": "purchase", "destination": "default", "order_id": f"A-{next(_numbers)}", **fields})
    event.set_occurred_at(NOW - before)
    event.created_at = NOW - before
    if status in FINISHED:
        event.finish(EventStatus(status), code, reason, NOW - before + dt.timedelta(seconds=took))
    else:
        event.postpone(EventStatus(status), NOW, code, reason)
    return event


def store(status: str, before: dt.timedelta, **fields: Any) -> Event:
    event = made(status, before, **fields)
    event.save()
    return event


def expire(before: dt.timedelta) -> Event:
    """An event that expired so long before NOW."""
    return store("expired", before + 48 * HOUR, took=48 * 3600, code=Reason.TOO_OLD)


def alive(*aliases: str, **fields: Any) -> None:
    """Destinations that a drain looked after just now."""
    for alias in aliases or ("default",):
        Destination.objects.update_or_create(alias=alias, defaults={"drained_at": NOW - 12 * SECOND, **fields})


def close(code: Reason, since: dt.timedelta, **fields: Any) -> None:
    closed = {"closed_code": code, "closed_at": NOW - since, "closed_until": NOW + MINUTE, "failure_count": 7}
    alive(**{**closed, "closed_reason": "It said: HTTP 400", **fields})


@pytest.fixture
def health(configured: Any) -> Callable[[], HealthReport]:
    configured()
    return lambda: assess(look(NOW))


@pytest.fixture
def overview(configured: Any) -> Callable[[], Snapshot]:
    configured()
    return lambda: look(NOW)


# --- Numbers


def test_counts_are_of_what_waits_and_of_48_hours(overview: Callable[[], Snapshot]) -> None:
    """All that is unfinished counts, and of the finished those of the last 48 hours."""
    alive("default", "outlet")
    for status, before in (("captured", 70), ("pending", 1), ("pending", 47), ("sending", 0), ("delivered", 46)):
        store(status, before * HOUR)
    store("delivered", 2 * HOUR, destination="outlet")
    store("delivered", 60 * HOUR)
    store("cancelled", 3 * HOUR)
    found = overview()
    assert found.counts == {"captured": 1, "pending": 2, "sending": 1, "delivered": 2, "cancelled": 1}
    assert found.lately == {"delivered": 1, "cancelled": 1}
    assert found.waiting == 4
    assert found.last_delivered_at == NOW - 2 * HOUR + SECOND


def test_hours_tell_what_finished_and_what_waits_since(overview: Callable[[], Snapshot]) -> None:
    """48 whole hours, the present one last: what finished stands where it finished, what waits where it happened."""
    alive()
    store("delivered", 2 * HOUR)
    store("failed", 2 * HOUR)
    store("pending", 2 * HOUR)
    expire(2 * HOUR)
    store("pending", 47 * HOUR)
    store("captured", 0 * HOUR)
    hours = overview().hours
    assert len(hours) == HOURS
    assert hours[-1].began_at == NOW.replace(minute=0)
    assert (hours[-3].delivered, hours[-3].failed, hours[-3].expired, hours[-3].waiting) == (1, 1, 1, 1)
    assert (hours[0].waiting, hours[-1].waiting) == (1, 1)
    assert sum(each.delivered + each.failed + each.expired + each.waiting for each in hours) == 6


def test_what_lies_beyond_the_picture_stands_at_its_edge(configured: Any) -> None:
    """Events that wait for longer than 48 hours, or are dated ahead, are not left out."""
    configured(MAX_AGE_HOURS=72)
    alive()
    for before in (71, -3):
        store("pending", before * HOUR)
    hours = look(NOW).hours
    assert (hours[0].waiting, hours[-1].waiting) == (1, 1)


def test_hours_begin_with_the_hour_in_every_time_zone(overview: Callable[[], Snapshot]) -> None:
    """A reader's time zone moves no event to another bar."""
    alive()
    store("delivered", 2 * HOUR)
    with timezone.override("Asia/Kathmandu"):
        assert overview().hours[-3].delivered == 1


def test_a_destination_s_report(overview: Callable[[], Snapshot]) -> None:
    """State, since when, why, next try, rate limit, last drain, and what waits for it."""
    close(Reason.TOKEN, 2 * HOUR, quota_left=7, quota_resets_at=NOW + MINUTE)
    first = store("pending", 30 * HOUR)
    store("captured", 2 * HOUR)
    (report,) = overview().destinations
    assert (report.alias, report.has_token, report.state) == ("default", True, DestinationState.CLOSED)
    assert (report.code, report.why, report.since) == (Reason.TOKEN, "It said: HTTP 400", NOW - 2 * HOUR)
    assert (report.next_try_at, report.quota_left, report.quota_resets_at) == (NOW + MINUTE, 7, NOW + MINUTE)
    assert (report.waiting, report.at_risk, report.expires_next_at) == (2, 1, first.expires_at)
    assert report.drained_at == NOW - 12 * SECOND


def test_states_of_a_destination(overview: Callable[[], Snapshot]) -> None:
    """Paused beats closed; once its time is over a closed one is half-open."""
    close(Reason.TRANSIENT, HOUR)
    assert overview().destinations[0].state == DestinationState.CLOSED
    Destination.objects.update(closed_until=NOW - SECOND)
    assert overview().destinations[0].state == DestinationState.HALF_OPEN
    Destination.objects.update(paused_by="kim", paused_at=NOW - MINUTE)
    (report,) = overview().destinations
    assert (report.state, report.since, report.next_try_at) == (DestinationState.PAUSED, NOW - MINUTE, None)


def test_the_row_says_since_when(configured: Any, far_side: FarSide, shop: Any) -> None:
    """A refusal notes its moment and keeps it over failed probes, an answer takes it back; so do pause and resume."""
    shop.place(status="paid", customer=shop.customer())
    far_side.always = answer(400, 4001, "Invalid API Token Error.")
    drain(send=far_side)
    row = Destination.objects.get()
    assert (row.closed_code, bool(row.drained_at)) == (Reason.TOKEN, True)
    since = row.closed_at
    assert since is not None
    Destination.objects.update(closed_until=timezone.now())
    drain(send=far_side)
    assert len(far_side.requests) == 2
    assert Destination.objects.get().closed_at == since
    circuit.pause("default", by="kim", using="default")
    assert Destination.objects.get().paused_at is not None
    circuit.resume("default", using="default")
    far_side.always = accepted()
    drain(send=far_side)
    row = Destination.objects.get()
    assert (row.closed_code, row.closed_at, row.paused_at) == ("", None, None)


def test_another_reason_begins_anew(configured: Any) -> None:
    """Since when is said of the reason that is told: when an outage ends in a refused token, since the refusal."""
    configured()
    destination = circuit.destination_row("default", "default")
    outage = [Result(Outcome.TRANSIENT, "no answer")] * circuit.FAILURES_TO_CLOSE
    circuit.update_circuit(destination, outage, NOW - HOUR)
    circuit.update_circuit(destination, [Result(Outcome.TRANSIENT, "no answer")], NOW - MINUTE, was_probe=True)
    assert (destination.closed_code, destination.closed_at) == (Reason.TRANSIENT, NOW - HOUR)
    circuit.update_circuit(
        destination, [Result(Outcome.BLOCKED, "wrong token", blames_token=True)], NOW, was_probe=True
    )
    assert (destination.closed_code, destination.closed_at) == (Reason.TOKEN, NOW)


def test_times_to_arrival(overview: Callable[[], Snapshot]) -> None:
    """Median and 95th percentile, from capture to arrival, of what was delivered within 24 hours."""
    assert recent.arrival_times(NOW) is None
    Event.objects.bulk_create(made("delivered", HOUR, took=seconds) for seconds in range(1, 101))
    store("delivered", 30 * HOUR, took=3600)
    store("failed", HOUR, took=3600)
    assert recent.arrival_times(NOW) == recent.ArrivalTimes(50, 95, 100)


def test_failures_are_grouped_by_reason(overview: Callable[[], Snapshot]) -> None:
    """The largest group that can still be sent first, with its number, and the newest as the example."""
    store("failed", HOUR, code=Reason.REJECTED, reason="4002: a")
    last = store("failed", HOUR, code=Reason.REJECTED, reason="4002: b")
    store("failed", HOUR, code=Reason.NO_USER)
    store("failed", 60 * HOUR, code=Reason.REJECTED)
    for _ in range(3):
        expire(HOUR)
    found = recent.failures(NOW)
    assert [(each.status, each.code, each.count, each.resendable) for each in found] == [
        ("failed", "rejected", 2, 2),
        ("failed", "no_user", 1, 1),
        ("expired", "too_old", 3, 0),
    ]
    assert (found[0].example.pk, found[0].example.reason) == (last.pk, "4002: b")
    assert overview().resendable == 3


def test_many_reasons_are_cut(overview: Callable[[], Snapshot]) -> None:
    """A page has room for the largest groups only."""
    for group in range(recent.MOST_FAILURE_GROUPS + 3):
        store("failed", HOUR, event_name=f"event{group}")
    assert len(recent.failures(NOW)) == recent.MOST_FAILURE_GROUPS


def test_the_event_that_expires_next(overview: Callable[[], Snapshot]) -> None:
    """Of all destinations and unfinished states."""
    alive("default", "outlet")
    assert recent.first_to_expire(overview().first_to_expire) is None
    store("pending", 2 * HOUR)
    first = store("captured", 3 * HOUR, destination="outlet")
    found = overview()
    assert recent.first_to_expire(found.first_to_expire) == first
    assert found.oldest_waiting_at == first.occurred_at


@pytest.mark.django_db(transaction=True)
def test_it_costs_three_queries(
    overview: Callable[[], Snapshot], configured: Any, django_assert_num_queries: Any
) -> None:
    """However many events; one more where nothing was delivered lately, and one for django-q2's schedules."""
    alive("default", "outlet", "third")
    for alias in ("default", "outlet", "third"):
        store("pending", HOUR, destination=alias)
    with django_assert_num_queries(4):
        overview()
    store("delivered", HOUR)
    with django_assert_num_queries(3):
        overview()
    configured(WAKE="dfinery_django.tasks.wake")
    with django_assert_num_queries(4):
        overview()


# --- Sentences


def test_all_is_well(health: Callable[[], HealthReport]) -> None:
    """One sentence: how many in 24 hours, and when the last one arrived."""
    alive()
    Event.objects.bulk_create(made("delivered", 4 * SECOND) for _ in range(1204))
    found = health()
    assert (found.level, found.findings, found.needs_a_person) == (Level.OK, (), False)
    assert found.headline == "All is well: 1,204 events delivered in the last 24 hours, the last one 3 seconds ago."


def test_all_is_well_with_one_and_with_none(health: Callable[[], HealthReport]) -> None:
    """One event is no plural, and a quiet day is no fault."""
    alive()
    store("pending", MINUTE)
    store("delivered", 70 * HOUR)
    assert health().headline == (
        "All is well. No event was delivered in the last 24 hours, the last one 2026-05-11 12:15. "
        "1 event is on its way."
    )
    store("delivered", HOUR)
    assert health().headline == (
        "All is well: 1 event delivered in the last 24 hours, 59\xa0minutes ago. 1 event is on its way."
    )


def test_a_refused_token(health: Callable[[], HealthReport]) -> None:
    """Who refuses, since when, what waits and until when; what to do."""
    close(Reason.TOKEN, dt.timedelta(minutes=13))
    Event.objects.bulk_create(made("pending", 20 * HOUR) for _ in range(311))
    found = health()
    assert found.headline == (
        "Delivery to default is stopped: DFINERY refuses the API token since 2026-05-14 10:02. "
        "311 events wait; the first expires at 2026-05-15 14:15."
    )
    (finding,) = found.findings
    assert (finding.code, finding.destination, finding.said) == ("refused", "default", "It said: HTTP 400")
    assert "DFINERY['TOKENS']" in finding.remedy
    assert found.needs_a_person


def test_a_wrong_address(health: Callable[[], HealthReport]) -> None:
    """It is not the token that is blamed."""
    close(Reason.BLOCKED, MINUTE)
    store("pending", dt.timedelta(hours=47))
    assert health().findings[0].text == (
        "Delivery to default is stopped: DFINERY refuses us since 2026-05-14 10:14. "
        "1 event waits; it expires at 2026-05-14 11:15."
    )
    assert "BASE_URL" in health().findings[0].remedy


def test_too_late_already(health: Callable[[], HealthReport]) -> None:
    """What no drain has ended yet is not promised to anybody."""
    close(Reason.BLOCKED, MINUTE)
    store("pending", dt.timedelta(hours=49))
    assert "1 event waits; it has expired already." in health().headline


def test_a_pause(health: Callable[[], HealthReport]) -> None:
    """Who paused it, and since when; a person has to take it back."""
    alive(paused_by="kim", paused_at=NOW - dt.timedelta(days=8))
    found = health()
    assert found.headline == "Delivery to default is paused by kim since 2026-05-06 10:15."
    assert (found.findings[0].code, found.level) == ("paused", Level.ALARM)


def test_nobody_drains(health: Callable[[], HealthReport]) -> None:
    """A minute's schedule that is three minutes old: an alarm while something waits; with what to type."""
    alive(drained_at=NOW - dt.timedelta(minutes=4))
    found = health()
    assert found.headline == "No events are delivered: no worker has looked for events since 2026-05-14 10:11."
    assert found.level == Level.WARNING
    store("captured", MINUTE)
    found = health()
    assert found.headline.endswith("1 event waits; it expires at 2026-05-16 10:14.")
    assert (found.level, found.findings[0].code) == (Level.ALARM, "undrained")


def test_nobody_has_ever_drained(configured: Any) -> None:
    """With django-q2 the commands are its own, with another queue they are not."""
    configured(WAKE="dfinery_django.tasks.wake")
    django_q2.ensure_schedules()
    (finding, _) = assess(look(NOW)).findings
    assert finding.text == "No events are delivered: no worker has ever looked for events."
    assert finding.commands == ("python manage.py qcluster", "python manage.py dfinery schedule")
    configured()
    assert assess(look(NOW)).findings[0].commands == ("python manage.py dfinery drain --forever",)


def test_one_of_several_is_not_drained(configured: Any) -> None:
    """It is named; a long DRAIN_SECONDS is not taken for absence."""
    configured(TOKENS={"default": "a", "outlet": "b"})
    alive("default")
    alive("outlet", drained_at=NOW - dt.timedelta(minutes=4))
    assert assess(look(NOW)).findings[0].text.endswith("since 2026-05-14 10:11. This concerns: outlet.")
    configured(TOKENS={"default": "a", "outlet": "b"}, DRAIN_SECONDS=600)
    assert not look(NOW).undrained


def test_a_schedule_is_missing(configured: Any) -> None:
    """Drains that orders ask for hide it: what was to be tried again, or missed, then waits for the next order."""
    configured(WAKE="dfinery_django.tasks.wake")
    django_q2.ensure_schedules()
    alive()
    store("delivered", HOUR)
    found = look(NOW)
    assert set(found.schedules) == {"dfinery: drain", "dfinery: prune", "dfinery: reconcile"}
    assert assess(found).findings == ()
    Schedule.objects.filter(name="dfinery: drain").delete()
    Schedule.objects.filter(name="dfinery: prune").update(repeats=0)
    (finding,) = assess(look(NOW)).findings
    assert (finding.code, finding.level) == ("unscheduled", Level.ALARM)
    assert finding.text == "django-q2 lacks schedules: drain, prune."
    assert finding.commands == ("python manage.py dfinery schedule",)
    configured()
    assert assess(look(NOW)).findings == (), "another queue has its own"


def test_schedules_that_can_t_be_read(configured: Any, monkeypatch: Any) -> None:
    """Without django-q2's tables the rest is told all the same, in a transaction of the site, too."""
    configured(WAKE="dfinery_django.tasks.wake")
    alive()
    store("delivered", HOUR)
    monkeypatch.setattr(Schedule._meta, "db_table", "no_such_table")
    with transaction.atomic():
        found = look(NOW)
        assert Event.objects.exists()
    (finding,) = assess(found).findings
    assert (finding.code, finding.text) == ("unscheduled", "django-q2's schedules can't be read.")
    assert "no_such_table" in finding.said
    assert "\n" not in finding.said
    assert finding.commands == ("python manage.py migrate",)


@pytest.mark.parametrize("module", ["raise KeyError('QUEUE_URL')", "from nowhere import wake", "wake = None"])
def test_a_queue_that_can_t_be_imported(configured: Any, monkeypatch: Any, tmp_path: Any, module: str) -> None:
    """The check tells; the page is there."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_queue.py").write_text(module)
    monkeypatch.delitem(sys.modules, "broken_queue", raising=False)
    configured(WAKE="broken_queue.wake")
    alive()
    store("delivered", HOUR)
    found = look(NOW)
    assert (dict(found.schedules), found.schedules_fault) == ({}, "")
    assert assess(found).findings == ()


def test_a_queue_of_the_site_s_own_that_fails(configured: Any, monkeypatch: Any) -> None:
    """Whatever it raises, the page is there, and says so."""
    configured(WAKE="tests.integration.monitoring.test_overview.wake")
    alive()
    store("delivered", HOUR)
    assert assess(look(NOW)).findings == ()
    monkeypatch.setattr(wake, "planned", {}.popitem, raising=False)
    (finding,) = assess(look(NOW)).findings
    assert (finding.code, finding.said) == ("unscheduled", "KeyError: 'popitem(): dictionary is empty'")


def wake(destination: str) -> None:
    """A queue of the site's own."""


def test_a_drain_leaves_its_mark(configured: Any) -> None:
    """Even one that finds nothing to do."""
    configured()
    assert [each.alias for each in look().undrained] == ["default"]
    drain(send=FarSide())
    assert look().undrained == ()


def test_events_at_risk(health: Callable[[], HealthReport]) -> None:
    """Half of the 48 hours are over: a person is needed, whatever the cause."""
    alive()
    for before in (25, 30, 2):
        store("pending", dt.timedelta(hours=before))
    found = health()
    assert (found.level, found.findings[0].code) == (Level.ALARM, "at_risk")
    assert found.headline == (
        "2 events for default have waited for more than half of their time. "
        "3 events wait; the first expires at 2026-05-15 04:15."
    )


def test_an_outage_mends_itself_at_first(health: Callable[[], HealthReport]) -> None:
    """DFINERY does not answer: worth a look; after an hour it may be our own network."""
    close(Reason.TRANSIENT, dt.timedelta(minutes=50))
    found = health()
    assert (found.level, found.findings[0].code) == (Level.WARNING, "outage")
    assert (
        found.headline == "DFINERY gives default no proper answer since 2026-05-14 09:25; it is retried every minute."
    )
    close(Reason.TRANSIENT, dt.timedelta(minutes=61))
    assert health().needs_a_person


def test_a_used_up_rate_limit(health: Callable[[], HealthReport]) -> None:
    """It goes on by itself."""
    close(Reason.THROTTLED, MINUTE)
    found = health()
    assert (
        found.headline
        == "DFINERY's rate limit for default is used up since 2026-05-14 10:14; it resumes automatically."
    )
    assert found.level == Level.WARNING


def test_failures_of_the_last_48_hours(health: Callable[[], HealthReport]) -> None:
    """First how many can still be sent, and until when; then those for which it is too late, of the same 48 hours."""
    alive()
    store("failed", HOUR)
    store("failed", 30 * HOUR)
    late = store("failed", 40 * HOUR)
    Event.objects.filter(pk=late.pk).update(expires_at=NOW - HOUR)
    expire(HOUR)
    expire(30 * HOUR)
    found = health()
    assert [(each.code, each.text) for each in found.findings] == [
        ("failed", "2 failed events can still be sent, the first until 2026-05-15 04:15. For 1 more it is too late."),
        (
            "expired",
            "2 events were not delivered in time and expired in the last 48 hours; they can't be sent any more.",
        ),
    ]
    assert found.findings[0].remedy == "Fix the cause, then rebuild or resend."
    assert found.findings[0].commands == ("python manage.py dfinery resend --status failed --rebuild --dry-run",)
    assert (found.level, found.needs_a_person) == (Level.WARNING, False)
    Event.objects.update(expires_at=NOW - HOUR)
    assert health().findings[0].text == "3 events failed in the last 48 hours; it is too late to send them."


def test_what_waits_for_no_told_reason(health: Callable[[], HealthReport]) -> None:
    """Single events that get nowhere while all others do."""
    alive()
    store("pending", 2 * HOUR)
    store("pending", MINUTE)
    assert health().headline == "2 events wait, the oldest since 2026-05-14 08:15."
    assert health().findings[0].code == "waiting"


def test_a_destination_without_a_token(health: Callable[[], HealthReport]) -> None:
    """Events that no lane will ever take."""
    alive("default", "old_brand")
    store("pending", HOUR, destination="old_brand")
    assert health().headline == (
        "Nothing is sent to old_brand: it has no token. 1 event waits; it expires at 2026-05-16 09:15."
    )


def test_nothing_captured_yet(health: Callable[[], HealthReport], configured: Any) -> None:
    """What to check on the first day, with definitions and without."""
    alive()
    (finding,) = health().findings
    assert (finding.text, finding.level) == ("No event has been captured yet.", Level.WARNING)
    assert finding.commands == ("python manage.py dfinery reconcile --dry-run",)
    configured(EVENTS={})
    assert "DFINERY['EVENTS']" in health().findings[0].remedy
    store("delivered", 70 * HOUR)
    assert health().findings == ()


def test_the_worst_comes_first(health: Callable[[], HealthReport], configured: Any) -> None:
    """Several at once: what needs a person before what is worth a look, a refused token before all."""
    configured(TOKENS={"default": "a", "outlet": "b", "third": "c"}, EVENTS={"purchase": PURCHASE, "broken": {}})
    alive("default", paused_by="kim", paused_at=NOW)
    alive("outlet", closed_code=Reason.TOKEN, closed_at=NOW, closed_until=NOW + MINUTE)
    alive("third", drained_at=NOW - HOUR)
    store("failed", HOUR)
    store("pending", 30 * HOUR, destination="third")
    assert [each.code for each in health().findings] == [
        "refused", "paused", "undrained", "at_risk", "broken_definitions", "failed",
    ]  # fmt: skip


def test_switched_off(health: Callable[[], HealthReport], configured: Any) -> None:
    """ENABLED=False is said, and nothing else complained of."""
    configured(ENABLED=False, TOKENS={})
    store("pending", 30 * HOUR)
    (finding,) = health().findings
    assert finding.text == "DFINERY is switched off: nothing is captured and nothing is sent."
    assert finding.level == Level.WARNING


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"TOKENS": {"default": "secret-1"}, "BASE": "x"}, "unknown key 'BASE'"),
        (None, "DFINERY is not a dict"),
    ],
)
def test_wrong_settings_are_said(settings: Any, setting: Any, said: str) -> None:
    """The overview never breaks on them, still counts, and shows no token."""
    alive()
    store("pending", HOUR)
    settings.DFINERY = setting
    found = look(NOW)
    (finding,) = assess(found).findings
    assert (finding.code, finding.level) == ("misconfigured", Level.ALARM)
    assert said in finding.said
    assert "secret" not in f"{found} {finding}"
    assert found.waiting == 1


@pytest.mark.parametrize("tokens", [None, {}, "hidden", {"default": None}, {"default": "hid den hidden"}])
def test_a_token_that_can_not_be_used_is_said(configured: Any, tokens: Any) -> None:
    """Before a drain has met it, too: events wait, and a person is needed."""
    configured(TOKENS=tokens)
    alive()
    store("pending", HOUR)
    found = look(NOW)
    finding = assess(found).findings[0]
    assert (finding.code, finding.level, finding.destination) == ("unusable_token", Level.ALARM, "default")
    assert "DFINERY['TOKENS']['default'] is" in finding.said
    assert "hidden" not in f"{found} {finding}"
    assert found.waiting == 1


def test_a_token_that_no_worker_could_read_is_not_refused_by_dfinery(configured: Any) -> None:
    """A secret store or a variable that is missing: DFINERY was never asked. The page itself asks no store."""

    def missing() -> str:
        raise KeyError("DFINERY_API_TOKEN")

    configured(TOKENS={"default": missing})
    Event.objects.create(
        event_name="purchase", destination="default", status="pending", payload="{}", occurred_at=timezone.now(),
        expires_at=timezone.now() + 48 * HOUR, due_at=timezone.now(),
    )  # fmt: skip
    drain()
    finding = assess(look(timezone.now())).findings[0]
    assert (finding.code, finding.text.split(":")[0]) == ("unusable_token", "Nothing is sent to default")
    assert finding.said == "DFINERY['TOKENS']['default'] is not readable: its source raised KeyError."


def test_no_token_in_any_of_it(configured: Any) -> None:
    """Whatever is printed of an overview."""
    configured(TOKENS={"default": "very-secret"})
    assert "very-secret" not in f"{look(NOW)} {assess(look(NOW))}"


# --- Words


def test_points_in_time_are_the_reader_s() -> None:
    """One format in every language, in the time zone that is active; the tooltip has the seconds and the offset."""
    moment = NOW + 9 * SECOND
    for language in ("en", "ko", "ja", "de"):
        with translation.override(language):
            assert format_datetime(moment) == "2026-05-14 10:15"
            assert 'title="2026-05-14 10:15:09+09:00">2026-05-14 10:15<' in time_element(moment)
    with timezone.override("UTC"):
        assert format_datetime(moment) == "2026-05-14 01:15"
    assert format_datetime(timezone.localtime(moment).replace(tzinfo=None)) == "2026-05-14 10:15"
    assert format_datetime(dt.datetime.max.replace(tzinfo=dt.timezone.utc)) == "9999-12-31 23:59"


def test_spans_and_numbers() -> None:
    """As people say them."""
    assert [time_ago(NOW - each * SECOND, NOW) for each in (-5, 1, 59)] == [
        "0 seconds ago",
        "1 second ago",
        "59 seconds ago",
    ]
    assert time_ago(NOW - 3 * HOUR, NOW).replace("\xa0", " ") == "3 hours ago"
    assert [span(each) for each in (0.04, 0.36, 9.96, 12.4)] == ["0.0 s", "0.4 s", "10.0 s", "12 s"]
    assert span(200).replace("\xa0", " ") == "3 minutes"
    assert number(1234567) == "1,234,567"
