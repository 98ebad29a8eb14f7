"""Without ``USE_TZ``, and with a connection in a time zone of its own: the story, and what stands in the tables."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Case, F, Max, Min, Value, When
from django.test import override_settings
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from prometheus_client import CollectorRegistry, generate_latest

from dfinery_django import clock, django_q2, tasks, track
from dfinery_django.db.columns import as_site_datetime
from dfinery_django.definitions import registry
from dfinery_django.definitions.source import Source
from dfinery_django.delivery import circuit
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Action, Outcome
from dfinery_django.metrics import DfineryCollector
from dfinery_django.models import CustomField, Destination, Event, Repair
from dfinery_django.monitoring import health
from dfinery_django.monitoring.overview import look
from dfinery_django.outbox import reconcile, wakeup
from dfinery_django.protocols.base import Result
from dfinery_django.sandbox import Sandbox
from dfinery_django.telemetry import incidents
from tests.settings import DATABASE
from tests.shop.models import Order
from tests.support.doubles import FarSide, answer
from tests.support.events import run_queue
from tests.support.staff import LIST, ask, client_of, confirm, make, page_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)

UTC, HOUR = dt.timezone.utc, dt.timedelta(hours=1)
OVERVIEW, DESTINATION = "/admin/dfinery_django/overview/", "/admin/dfinery_django/destination/default/change/"
PAID = {
    "model": "shop.Order",
    "when": {"status": "paid"},
    "event_datetime": "paid_at",
    "event_attributes": {"order_id": "number", "paid": "paid_at"},
    "user": "customer",
}
HAS_NO_ZONES = DATABASE in ("sqlite", "mariadb")


@pytest.fixture(params=["Asia/Seoul", "America/St_Johns"])
def zone(request: Any) -> Iterator[ZoneInfo]:
    """``USE_TZ`` is off; the site lies 9 hours before UTC, or 3½ or 2½ behind it."""
    with override_settings(USE_TZ=False, TIME_ZONE=request.param):
        yield ZoneInfo(request.param)


def minutes_ago(minutes: float) -> dt.datetime:
    """As the shop has moments: naive."""
    moment = timezone.now() - dt.timedelta(minutes=minutes)
    assert timezone.is_naive(moment)
    return moment.replace(microsecond=0)


def stored(column: str, table: str = "dfinery_django_event") -> str:
    """What stands in the one row, in UTC, as a text."""
    with connection.cursor() as cursor:
        if DATABASE == "postgresql":
            column = f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
        cursor.execute(f"SELECT {column} FROM {table}")
        return str(cursor.fetchone()[0])[:19]


def as_utc(naive: dt.datetime, zone: ZoneInfo) -> str:
    return f"{naive.replace(tzinfo=zone).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def test_from_a_save_to_the_admin(zone: ZoneInfo, configured: Any, shop: Any, admin_client: Any) -> None:
    """Queued, delivered with the moment that the shop means, found and shown in the site's own time."""
    with Sandbox(tokens=["test-token"]) as sandbox:
        configured(BASE_URL=sandbox.url, WAKE="dfinery_django.tasks.wake", EVENTS={"purchase": PAID}, METRICS=True)
        paid_at = minutes_ago(200)
        order = shop.place(customer=shop.customer(), status="paid", paid_at=paid_at)
        assert run_queue() == 1
        (arrival,) = sandbox.arrivals
    told, moment = arrival.body["event_attributes"], paid_at.replace(tzinfo=zone)
    assert told["event_datetime"] == moment.timestamp() * 1000
    assert told["paid"] == f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert arrival.warnings == ()
    event = Event.objects.get()
    assert (event.status, event.occurred_at, event.expires_at) == ("delivered", moment, moment + 48 * HOUR)
    assert {event.occurred_at.tzinfo, event.created_at.tzinfo, event.finished_at.tzinfo} == {UTC}
    assert stored("occurred_at") == as_utc(paid_at, zone)
    for query in (f"?q={order.number}", f"?occurred_at__gte={paid_at:%Y-%m-%dT%H:%M}", "?hours=4"):
        page = admin_client.get(LIST + query)
        assert [each.pk for each in page.context["cl"].result_list] == [event.pk], query
        assert f"{paid_at:%H:%M}" in text_of(page)
    assert admin_client.get(f"{LIST}?occurred_at__lt={paid_at:%Y-%m-%dT%H:%M}").context["cl"].result_count == 0
    assert f"{paid_at:%H:%M}" in text_of(admin_client.get(page_of(event)))
    assert f"As of {timezone.now():%Y-%m-%d %H}:" in text_of(admin_client.get(OVERVIEW))


def test_every_page_is_in_the_sites_own_time(zone: ZoneInfo, configured: Any, admin_client: Any) -> None:
    """Destinations, overview, custom fields and repairs: no moment is shown in UTC."""
    configured(EVENTS={})
    at = clock.now().replace(minute=17, second=7) - dt.timedelta(hours=5)
    here = f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
    moments = dict.fromkeys(("drained_at", "closed_at", "closed_until", "paused_at", "quota_resets_at"), at)
    Destination.objects.create(alias="default", paused_by="kim", quota_left=1, **moments)
    CustomField.objects.create(key="k", scope="event", name="x", type="long", first_seen_at=at, last_seen_at=at)
    pks = {"last_pk": 0, "last_attempt_pk": 0}
    Repair.objects.create(action=Action.RESEND, selection="{}", seen_at=at, asked_at=at, finished_at=at, **pks)
    for address in (OVERVIEW, DESTINATION, "/admin/dfinery_django/destination/", "/admin/dfinery_django/repair/"):
        page = text_of(admin_client.get(address))
        assert here in page, (address, page)
        assert f"{at:%Y-%m-%d %H:%M}" not in page, (address, page)
    assert admin_client.get("/admin/dfinery_django/customfield/").status_code == 200


def test_the_api(zone: ZoneInfo, configured: Any) -> None:
    """Taken, listed by time in pages, and every moment is told in UTC."""
    configured()
    client = client_of("till", "add_event", "view_event", "view_destination", is_staff=False)
    happened = [clock.now().replace(microsecond=0) - number * HOUR for number in (1, 2, 3)]
    for number, moment in enumerate(happened):
        body = {
            "event_attributes": {
                "event_id": f"00000000-0000-4000-8000-00000000000{number}",
                "event_name": "custom_visited",
                "event_datetime": int(moment.timestamp() * 1000),
            },
            "user_attributes": {"user_id": "u1"},
        }
        for status in (202, 200):
            sent = client.post("/dfinery/v1/events/", json.dumps(body), content_type="application/json")
            assert sent.status_code == status, sent.content
    since = f"{happened[2].astimezone(zone):%Y-%m-%dT%H:%M:%S}"
    address, found = f"/dfinery/v1/events/?page_size=1&since={since}", []
    while address:
        page = client.get(address).json()
        found += [each["occurred_at"] for each in page["results"]]
        address = page["next"]
    assert found == [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in happened]
    told = client.get("/dfinery/v1/health/").json()
    assert told["expires_next_at"] == f"{happened[2] + 48 * HOUR:%Y-%m-%dT%H:%M:%SZ}"


def test_the_command_line(zone: ZoneInfo, configured: Any, shop: Any, capsys: Any) -> None:
    """``status``, ``preview``, ``reconcile`` and ``resend --since`` read and tell the site's own time."""
    configured(EVENTS={"purchase": PAID}, WAKE="dfinery_django.tasks.wake")
    Schedule.objects.all().delete()  # made with USE_TZ, after the last test
    django_q2.ensure_schedules()
    drain("default", send=FarSide())

    def run(*words: str) -> str:
        call_command("dfinery", *words)
        return capsys.readouterr().out

    told = json.loads(run("status", "--json"))
    assert [each["code"] for each in told["findings"]] == ["empty"], told
    assert {each["name"] for each in told["schedules"]} == set(django_q2.schedules())
    for each in told["schedules"]:
        assert abs(dt.datetime.fromisoformat(each["next_run_at"]) - clock.now()) < dt.timedelta(minutes=2), each
    run("status")
    order = Order.objects.bulk_create([Order(number="A-1", status="paid", paid_at=minutes_ago(90))])[0]
    Order.objects.filter(pk=order.pk).update(customer=shop.customer())
    paid_at = Order.objects.get().paid_at
    assert f"{paid_at:%Y-%m-%d %H:%M:%S}" in run("preview", "shop.Order", str(order.pk))
    assert "1" in run("reconcile")
    far_side = FarSide()
    drain("default", send=far_side)
    run("resend", "--since", f"{paid_at + dt.timedelta(minutes=1):%Y-%m-%dT%H:%M}", "--no-input")
    assert Event.objects.get().status == "delivered"
    run("resend", "--since", f"{paid_at - dt.timedelta(minutes=1):%Y-%m-%dT%H:%M}", "--no-input")
    assert Event.objects.get().status == "pending"


def test_reconcile_sees_the_sites_own_moments(zone: ZoneInfo, configured: Any, monkeypatch: Any) -> None:
    """Rows of the last 48 hours but the last minute, in pages; no others, though UTC is hours away."""
    configured(EVENTS={"purchase": PAID})
    monkeypatch.setattr(reconcile, "PAGE_SIZE", 2)
    ages = (48 * 60 + 5, 48 * 60 - 5, 600, 600, 5, 2, 0, -60)
    Order.objects.bulk_create([Order(number=str(age), status="paid", paid_at=minutes_ago(age)) for age in ages])
    assert tasks.reconcile() == {"purchase": 5}
    assert tasks.reconcile() == {"purchase": 0}
    wanted = Order.objects.filter(number__in=[str(age) for age in ages[1:6]])
    assert {int(key) for key in Event.objects.values_list("source_pk", flat=True)} == {each.pk for each in wanted}


def test_faults_and_their_times(zone: ZoneInfo, configured: Any, far_side: FarSide) -> None:
    """A retry, an event that is too old, a closed destination and an incident wait for as long as usual."""
    configured(EVENTS={})
    far_side.answers = [answer(503)]
    track("visited", user_id="u1")
    track("visited", user_id="u2", occurred_at=minutes_ago(49 * 60))
    before = clock.now()
    drain("default", send=far_side)
    late, retried = Event.objects.order_by("occurred_at")
    assert (late.status, retried.status) == ("expired", "pending")
    assert before < retried.due_at < before + HOUR
    row = Destination.objects.get()
    assert abs(row.drained_at - before) < HOUR
    result = Result(Outcome.BLOCKED, "x", 401, "4001", blames_token=True)
    circuit.update_circuit(row, [result], now=before, was_probe=False)
    row = Destination.objects.get()
    assert row.is_closed(before + dt.timedelta(seconds=1))
    assert not row.is_closed(before + HOUR)
    assert incidents.begins("x", using="default", now=before)
    assert not incidents.begins("x", using="default", now=before + HOUR)
    assert incidents.begins("x", using="default", now=before + 8 * HOUR)


def test_a_wake_up_is_asked_for_once(zone: ZoneInfo, configured: Any, shop: Any) -> None:
    """The note of it is read as the moment it was written; one that is a minute old counts as lost."""
    configured(WAKE="dfinery_django.tasks.wake")
    shop.place(status="paid", customer=shop.customer())
    shop.place(status="paid", customer=shop.customer("kim"))
    assert abs(Destination.objects.get().wake_requested_at - clock.now()) < dt.timedelta(minutes=1)
    assert OrmQ.objects.count() == 1
    Destination.objects.update(wake_requested_at=clock.now() - dt.timedelta(minutes=2))
    wakeup.clear_seen_flags()
    shop.place(status="paid", customer=shop.customer("lee"))
    assert OrmQ.objects.count() == 2


def test_what_was_delivered_is_pruned_and_repaired(zone: ZoneInfo, configured: Any, admin_client: Any) -> None:
    """A repair spares what changed after its operator looked; what is older than RETENTION_DAYS goes."""
    configured(RETENTION_DAYS=3)
    failed = make("failed", hours=2, reason_code="rejected")
    make("delivered", hours=80, finished_at=clock.now() - 80 * HOUR)
    confirm(admin_client, ask(admin_client, "resend", failed))
    drain("default", send=FarSide())
    failed.refresh_from_db()
    assert failed.status == "delivered"
    assert tasks.prune() == 1
    assert Event.objects.get() == failed


def test_numbers(zone: ZoneInfo, configured: Any) -> None:
    """The overview counts by whole hours of UTC, and metrics tell ages and timestamps."""
    configured(METRICS=True)
    make("delivered", hours=3, finished_at=clock.now() - 3 * HOUR)
    make("pending", hours=2)
    Destination.objects.create(alias="default", drained_at=clock.now())
    seen = look()
    assert sum(each.delivered for each in seen.hours) == sum(each.waiting for each in seen.hours) == 1
    assert [each.began_at for each in seen.hours if each.waiting] == [
        (clock.now() - 2 * HOUR).replace(minute=0, second=0, microsecond=0)
    ]
    assert abs(seen.oldest_waiting_at - (clock.now() - 2 * HOUR)) < dt.timedelta(minutes=1)
    assert health.assess(seen).level
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DfineryCollector())
    lines = dict(line.rsplit(" ", 1) for line in generate_latest(registry).decode().splitlines() if line[0] != "#")
    assert 7200 <= float(lines['dfinery_oldest_waiting_seconds{destination="default"}']) < 7300
    assert (
        abs(float(lines['dfinery_last_drain_timestamp_seconds{destination="default"}']) - clock.now().timestamp()) < 99
    )


def test_moments_of_ours_in_queries(zone: ZoneInfo) -> None:
    """Comparisons with aware, naive and text values, aggregates, ``update()``, CASE and ``F()`` mean one moment."""
    naive = minutes_ago(30)
    moment = naive.replace(tzinfo=zone).astimezone(UTC)
    event = make(finished_at=moment)
    events = Event.objects.filter(pk=event.pk)
    for same in (moment, moment.astimezone(ZoneInfo("Asia/Tokyo")), naive, moment.isoformat(), naive.isoformat()):
        assert events.filter(finished_at=same).exists(), same
        assert events.filter(finished_at__range=(same, same), finished_at__in=[same]).exists()
        assert not events.filter(finished_at__lt=same).exists()
    bounds = events.aggregate(first=Min("finished_at"), last=Max("finished_at"))
    assert bounds == {"first": moment, "last": moment}
    assert list(events.values_list("finished_at", flat=True)) == [moment]
    event.finished_at = naive
    Event.objects.bulk_update([event], ["finished_at"])
    assert events.get().finished_at == moment
    field = Event._meta.get_field("finished_at")
    events.update(finished_at=Case(When(pk=event.pk, then=Value(moment + HOUR, field)), output_field=field))
    assert events.get().finished_at == moment + HOUR
    events.update(finished_at=F("created_at"))
    assert events.get().finished_at == events.get().created_at


def test_a_site_that_turns_use_tz_on(zone: ZoneInfo, configured: Any) -> None:
    """Rows of before mean the same afterwards."""
    moment = minutes_ago(30).replace(tzinfo=zone)
    make(occurred_at=moment)
    as_it_was = stored("occurred_at")
    with override_settings(USE_TZ=True):
        assert Event.objects.get().occurred_at == moment
        assert Event.objects.filter(occurred_at=moment).update(occurred_at=moment) == 1
        assert stored("occurred_at") == as_it_was


def test_the_hour_that_comes_twice() -> None:
    """Ours are told apart in it, where the site's own moments can't be."""
    first, second = (dt.datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6))
    with override_settings(USE_TZ=False, TIME_ZONE="America/New_York"):
        event = make(occurred_at=first, expires_at=second)
        found = Event.objects.get(occurred_at=first, expires_at__gt=first)
        assert (found.occurred_at, found.expires_at) == (first, second)
        assert Event.objects.filter(pk=event.pk, expires_at=second).update(expires_at=first) == 1
        assert Event.objects.aggregate(Max("expires_at")) == {"expires_at__max": first}


def test_once_per_in_the_hour_that_comes_twice(configured: Any) -> None:
    """A fresh instance and its reloaded row have one key, though the driver knows which hour it was."""
    configured(EVENTS={"purchase": {**PAID, "once_per": ["paid_at"]}})
    with override_settings(USE_TZ=False, TIME_ZONE="America/New_York"):
        (definition,) = registry.definitions()
        fresh = Order.objects.create(number="A-1", paid_at=dt.datetime(2026, 11, 1, 1, 30))  # noqa: DTZ001
        keys = {Source(definition, each, "default").dedup_key() for each in (fresh, Order.objects.get())}
        assert len(keys) == 1


def test_a_moment_as_the_sites_columns_have_it(zone: ZoneInfo) -> None:
    """Naive in the site's time zone where a database has none, aware elsewhere and with ``USE_TZ``."""
    moment = clock.now()
    local = moment.astimezone(zone)
    assert as_site_datetime(moment, "default") == (local.replace(tzinfo=None) if HAS_NO_ZONES else moment)
    with override_settings(USE_TZ=True):
        assert as_site_datetime(moment, "default") is moment


@pytest.fixture
def own_zone() -> Iterator[None]:
    """``DATABASES["default"]["TIME_ZONE"]``, which Django takes with ``USE_TZ`` only."""

    def connect(name: str | None) -> None:
        connection.settings_dict["TIME_ZONE"] = name
        for known in ("timezone", "timezone_name"):
            connection.__dict__.pop(known, None)
        connection.ensure_timezone()

    with override_settings(USE_TZ=True):
        connect("America/St_Johns")
        yield
        connect(None)


@pytest.mark.usefixtures("own_zone")
def test_a_connection_in_a_time_zone_of_its_own(configured: Any, shop: Any, far_side: FarSide) -> None:
    """Ours are in UTC all the same: delivered, counted by the hour, woken once, reconciled."""
    configured(EVENTS={"purchase": PAID}, WAKE="dfinery_django.tasks.wake")
    paid_at = (clock.now() - 2 * HOUR).replace(microsecond=0)
    shop.place(customer=shop.customer(), status="paid", paid_at=paid_at)
    Order.objects.bulk_create([Order(number="A-2", status="paid", paid_at=paid_at - HOUR)])
    assert tasks.reconcile() == {"purchase": 1}
    assert abs(Destination.objects.get().wake_requested_at - clock.now()) < dt.timedelta(minutes=1)
    drain("default", send=far_side)
    assert [each["event_attributes"]["event_datetime"] for each in far_side.bodies] == [paid_at.timestamp() * 1000]
    assert Event.objects.order_by("pk").first().occurred_at == paid_at
    Event.objects.exclude(status="delivered").delete()
    assert stored("occurred_at") == f"{paid_at:%Y-%m-%d %H:%M:%S}"
    assert sum(each.delivered for each in look().hours) == 1
