"""The overview page as people see it who run the shop."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.staticfiles import finders
from django.db import connection
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from dfinery_django import clock, django_q2
from dfinery_django.admin.chart import MIN_SEGMENT_HEIGHT, PLOT_HEIGHT, STACK_ORDER, build_chart
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import FINISHED, EventStatus, Reason
from dfinery_django.models import Destination, Event
from dfinery_django.monitoring.overview import Hour, first_hour, look
from dfinery_django.protocols.base import Request
from dfinery_django.protocols.s2s import S2SEventAPI
from dfinery_django.sandbox import Sandbox
from dfinery_django.text.times import local
from tests.support.doubles import FarSide, answer

pytestmark = pytest.mark.django_db

PAGE = "admin:dfinery_django_overview_changelist"
ACTIONS = ("pause", "resume", "test")
HOUR = dt.timedelta(hours=1)


def url(action: str) -> str:
    return reverse(f"admin:dfinery_django_overview_{action}")


def text_of(client: Any, name: str = PAGE) -> str:
    answered = client.get(reverse(name))
    assert answered.status_code == 200
    return str(answered.content.decode())


def store(status: str, count: int = 1, **fields: Any) -> None:
    now = timezone.now()
    events = []
    for number in range(count):
        event = Event(**{"event_name": "purchase", "destination": "default", "order_id": f"A-{number}", **fields})
        event.set_occurred_at(now - 2 * HOUR)
        event.created_at = now - 2 * HOUR
        if status in FINISHED:
            code = Reason(fields.get("reason_code", Reason.REJECTED if status == "failed" else ""))
            event.finish(EventStatus(status), code, fields.get("reason", ""), now - HOUR)
        else:
            event.postpone(EventStatus(status), now, Reason.NONE, "")
        events.append(event)
    Event.objects.bulk_create(events)


@pytest.fixture
def staff(client: Any, django_user_model: Any) -> Any:
    """A client of somebody who may see events: ``staff("pause_destination")`` adds permissions."""
    user = django_user_model.objects.create_user("kim", password="x", is_staff=True)

    def with_permissions(*names: str) -> Any:
        user.user_permissions.set(Permission.objects.filter(codename__in=("view_event", *names)))
        client.force_login(user)
        return client

    return with_permissions


@pytest.fixture
def shop_at_work(configured: Any, far_side: FarSide) -> None:
    """Two destinations, one of them closed; events in every status."""
    configured(TOKENS={"default": "token-of-default", "outlet": "token-of-outlet"})
    for status in EventStatus.values:
        store(status, 2, reason_code={"failed": Reason.PAYLOAD, "expired": Reason.TOO_OLD}.get(status, ""))
    store("failed", 3, reason_code=Reason.REJECTED, reason="DFINERY refuses this event. It said: HTTP 400, 4002")
    drain(budget_seconds=2, send=far_side)
    store("pending", destination="outlet")
    far_side.always = answer(400, 4001, "Invalid API Token Error.")
    drain("outlet", send=far_side)


# --- Who may see it, and where


def test_it_comes_first_in_the_menu(configured: Any, rf: RequestFactory, admin_user: Any) -> None:
    """Of the app's pages, in the stock admin site."""
    configured()
    request = rf.get("/")
    request.user = admin_user
    (app,) = admin.site.get_app_list(request, "dfinery_django")
    assert [model["object_name"] for model in app["models"]][:1] == ["Overview"]
    assert app["models"][0]["admin_url"] == reverse(PAGE)
    assert app["models"][0]["name"].strip() == "Overview"


def test_it_needs_permission_to_view_events(configured: Any, client: Any, django_user_model: Any) -> None:
    """Staff without it are refused, others are asked to sign in."""
    configured()
    for name in ("changelist", "current"):
        assert client.get(url(name)).status_code == 302
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    for name in ("changelist", "current"):
        assert client.get(url(name)).status_code == 403
    assert "Overview" not in client.get(reverse("admin:index")).content.decode()


def test_read_only_staff_see_no_buttons(shop_at_work: None, staff: Any) -> None:
    """Each button has a permission of its own."""
    part = text_of(staff(), "admin:dfinery_django_overview_current")
    assert [tag for tag in ("<button", "<form", "<input") if tag in part] == []
    page = text_of(staff("pause_destination"))
    assert (url("pause") in page, url("resume") in page, url("test") in page) == (True, True, False)
    page = text_of(staff("send_test_event"))
    assert (url("pause") in page, url("resume") in page, url("test") in page) == (False, False, True)


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_need_post_permission_and_a_csrf_token(
    shop_at_work: None, staff: Any, admin_user: Any, action: str
) -> None:
    """GET changes nothing, nor does who may not, nor a form of another site."""
    before = list(Destination.objects.order_by("pk").values())
    data = {"destination": "outlet"}
    with_all = staff("pause_destination", "send_test_event")
    assert with_all.get(url(action), data).status_code == 405
    other = {"pause": "send_test_event", "resume": "send_test_event", "test": "pause_destination"}[action]
    assert staff(other).post(url(action), data).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(url(action), data).status_code == 403
    assert Client().post(url(action), data).status_code == 302
    assert list(Destination.objects.order_by("pk").values()) == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_destinations_are_not_made(shop_at_work: None, admin_client: Any, action: str) -> None:
    """Whatever the form says."""
    for alias in ("", "no such", "x" * 100):
        assert admin_client.post(url(action), {"destination": alias}).status_code == 404
    assert Destination.objects.count() == 2


# --- What it does


def test_pause_and_resume(shop_at_work: None, staff: Any) -> None:
    """Who did it is on the destination's row and in Django's own record."""
    client = staff("pause_destination")
    answered = client.post(url("pause"), {"destination": "default"}, follow=True)
    assert "Delivery to default is paused." in answered.content.decode()
    assert "Delivery to default is paused by kim since" in answered.content.decode()
    assert Destination.objects.get(pk="default").paused_by == "kim"
    answered = client.post(url("resume"), {"destination": "default"}, follow=True)
    assert "Delivery to default is resumed." in answered.content.decode()
    assert Destination.objects.get(pk="default").paused_by == ""
    entries = LogEntry.objects.order_by("pk").values_list("user__username", "object_id", "change_message")
    assert list(entries) == [("kim", "default", "Paused."), ("kim", "default", "Resumed.")]
    assert LogEntry.objects.first().get_admin_url() is not None


@pytest.mark.django_db(transaction=True)
def test_resume_tries_a_closed_destination_at_once(shop_at_work: None, admin_client: Any, far_side: FarSide) -> None:
    """Its button says so, and asks for a drain."""
    page = text_of(admin_client)
    assert "Try now" in page
    admin_client.post(url("resume"), {"destination": "outlet"})
    row = Destination.objects.get(pk="outlet")
    assert row.wake_requested_at is not None
    far_side.always = None
    assert drain("outlet", send=far_side)["delivered"] == 1


def test_a_queue_that_fails_does_not_break_resume(configured: Any, admin_client: Any) -> None:
    """The schedule drains, too."""
    configured(WAKE="nowhere.wake")
    Destination.objects.create(alias="default", paused_by="kim")
    assert admin_client.post(url("resume"), {"destination": "default"}).status_code == 302
    assert Destination.objects.get().paused_by == ""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tokens=["right-token"]) as running:
        yield running


def test_a_test_event(configured: Any, sandbox: Sandbox, staff: Any) -> None:
    """The token is checked for real; who answered and who asked is said; neither token is shown."""
    configured(BASE_URL=sandbox.url, TOKENS={"default": "right-token", "outlet": "wrong-token"})
    client = staff("send_test_event")
    page = client.post(url("test"), {"destination": "default"}, follow=True).content.decode()
    answered = f"The sandbox at {sandbox.url.removeprefix('http://')} answered: it"
    assert f'<li class="warning">{answered} accepts the token of default. DFINERY was not asked.' in page
    assert "DFINERY takes" not in page
    page = client.post(url("test"), {"destination": "outlet"}, follow=True).content.decode()
    assert f'<li class="error">{answered} refuses the token of outlet.' in page
    assert "Invalid API Token Error." in page
    assert "wrong-token" not in page
    assert len(sandbox.arrivals) == 1
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
        f"Sent a test event: {answered} accepts the token of default. DFINERY was not asked.",
        f"Sent a test event: {answered} refuses the token of outlet. DFINERY was not asked.",
    ]


def test_a_test_event_that_can_t_be_sent(configured: Any, admin_client: Any) -> None:
    """Words instead of an error page."""
    configured(ENABLED=False)
    page = admin_client.post(url("test"), {"destination": "default"}, follow=True).content.decode()
    assert "nothing is sent" in page


class InTransaction(S2SEventAPI):
    """Notes whether a transaction is open when a request is made."""

    seen: list[bool] = []

    def encode(self, batch: Any) -> Request:
        self.seen.append(connection.in_atomic_block)
        return super().encode(batch)


@pytest.mark.django_db(transaction=True)
def test_the_network_never_waits_inside_a_transaction(configured: Any, sandbox: Sandbox, admin_client: Any) -> None:
    """Not even on a site with ATOMIC_REQUESTS."""
    configured(BASE_URL=sandbox.url, PROTOCOL="tests.integration.admin.test_admin_overview.InTransaction")
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert admin_client.post(url("test"), {"destination": "default"}).status_code == 302
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert InTransaction.seen == [False]


# --- What it shows


def test_the_page_tells_all(shop_at_work: None, admin_client: Any) -> None:
    """Sentence, counts, picture with a table, times, failures, destinations."""
    page = text_of(admin_client)
    assert "Delivery to outlet is stopped: DFINERY refuses the API token since" in page
    assert re.search(r'<svg role="img" aria-labelledby="dfinery-hours dfinery-sum"', page)
    assert 'id="dfinery-sum">' in page
    assert re.search(r"<summary>As a table</summary>\s*<table", page)
    assert "half within" in page
    assert re.search(r"<strong>purchase</strong>: refused by DFINERY", page)
    assert "Next to expire" in page
    assert page.count('class="dfinery-destination"') == 2


def test_counts_lead_to_the_lists_that_they_count(shop_at_work: None, admin_client: Any) -> None:
    """A count and the list behind it agree, and so do failures."""
    page = text_of(admin_client).replace("&amp;", "&")
    tiles = dict(re.findall(r'<a href="([^"]+status__exact=[^"]+)"><strong>([\d,]+)</strong>', page))
    groups = dict(re.findall(r'<td[^>]*><a href="([^"]+reason_code__exact=[^"]*)">([\d,]+)</a>', page))
    assert len(tiles) == len(EventStatus)
    assert groups
    for link, count in {**tiles, **groups}.items():
        listed = admin_client.get(link)
        assert listed.status_code == 200, link
        assert listed.context["cl"].result_count == int(count), link


def test_nothing_is_shown_unescaped(configured: Any, admin_client: Any, far_side: FarSide) -> None:
    """Neither what comes from DFINERY nor names, ids and reasons."""
    evil = "<script>alert('x')</script>"
    configured(TOKENS={"default": "secret-token", evil[:64]: "other"})
    store("failed", reason_code=Reason.REJECTED, reason=evil, order_id=evil, event_name=evil)
    store("pending", event_name=evil, order_id=evil, destination=evil[:64])
    Destination.objects.create(alias="default", paused_by=evil, paused_at=timezone.now())
    Destination.objects.create(
        alias=evil[:64], closed_code=Reason.BLOCKED, closed_reason=evil, closed_at=timezone.now(),
        closed_until=timezone.now() + HOUR,
    )  # fmt: skip
    for name in (PAGE, "admin:dfinery_django_overview_current", "admin:dfinery_django_event_changelist"):
        page = text_of(admin_client, name)
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page
    page = admin_client.post(url("pause"), {"destination": evil[:64]}, follow=True).content.decode()
    assert "<script>alert" not in page


def test_no_token_anywhere(shop_at_work: None, admin_client: Any) -> None:
    """On no page, and in no message."""
    pages = [text_of(admin_client), text_of(admin_client, "admin:dfinery_django_overview_current")]
    pages.append(admin_client.post(url("test"), {"destination": "default"}, follow=True).content.decode())
    assert [page for page in pages if "token-of-" in page] == []


@pytest.mark.parametrize("setting", [None, {"ENABLED": False}, {"NO": 1}])
def test_it_is_there_when_the_settings_are_wrong(settings: Any, admin_client: Any, setting: Any) -> None:
    """Then most of all; pause works even so."""
    Destination.objects.create(alias="default")
    store("pending")
    settings.DFINERY = setting
    page = text_of(admin_client)
    assert "nothing is captured and nothing is sent" in page
    assert admin_client.post(url("pause"), {"destination": "default"}).status_code == 302
    assert Destination.objects.get().paused_by == "admin"
    assert "nothing is captured" in text_of(admin_client, "admin:dfinery_django_event_changelist")


def test_it_takes_few_queries(shop_at_work: None, admin_client: Any, django_assert_max_num_queries: Any) -> None:
    """Session and user included, however much there is to tell; none of them counts the whole table."""
    for number in range(20):
        store("failed", 2, event_name=f"event{number}")
    with django_assert_max_num_queries(10) as asked:
        text_of(admin_client)
    for query in asked.captured_queries:
        if "COUNT(" in query["sql"]:
            assert "finished_at" in query["sql"] or "destination" in query["sql"], query["sql"]
    with django_assert_max_num_queries(10):
        text_of(admin_client, "admin:dfinery_django_overview_current")


def test_a_reader_with_single_permissions_costs_two_more(
    shop_at_work: None, staff: Any, django_assert_max_num_queries: Any
) -> None:
    """Their own permissions and those of their groups."""
    client = staff()
    with django_assert_max_num_queries(12):
        text_of(client)


def test_a_missing_schedule_is_told(shop_at_work: None, configured: Any, admin_client: Any) -> None:
    """With what to type."""
    configured(WAKE="dfinery_django.tasks.wake")
    django_q2.ensure_schedules()
    assert "lacks schedules" not in text_of(admin_client)
    Schedule.objects.filter(name="dfinery: reconcile").delete()
    page = text_of(admin_client)
    assert "django-q2 lacks schedules: reconcile." in page
    assert "python manage.py dfinery schedule" in page


def test_what_refreshes_the_page_is_its_middle(shop_at_work: None, admin_client: Any) -> None:
    """No frame around it, and as much in it; messages wait for a page that somebody looks at."""
    admin_client.post(url("pause"), {"destination": "default"})
    part = text_of(admin_client, "admin:dfinery_django_overview_current")
    assert "<html" not in part
    assert "csrfmiddlewaretoken" in part
    assert 'class="dfinery-health' in part
    page = text_of(admin_client)
    assert f'data-url="{url("current")}"' in page
    assert "Delivery to default is paused.</li>" in page


def test_nothing_is_inline_or_from_elsewhere(shop_at_work: None, admin_client: Any) -> None:
    """So that a strict Content-Security-Policy lets it be; the files are in the package."""
    part = text_of(admin_client, "admin:dfinery_django_overview_current")
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", part)
    for file in ("overview.css", "overview.js"):
        assert finders.find(f"dfinery_django/{file}")
        assert f"/static/dfinery_django/{file}" in text_of(admin_client)


def test_the_strip_above_the_event_list(shop_at_work: None, staff: Any, django_assert_num_queries: Any) -> None:
    """The sentence and the way to the overview, for three queries."""
    page = text_of(staff(), "admin:dfinery_django_event_changelist")
    assert "Delivery to outlet is stopped: DFINERY refuses the API token since" in page
    assert f'<a href="{reverse(PAGE)}">Overview</a>' in page
    with django_assert_num_queries(3):
        Template("{% load dfinery %}{% dfinery_strip %}").render(Context())


PAGES = [
    PAGE, "admin:dfinery_django_overview_current", "admin:dfinery_django_event_changelist",
    "admin:dfinery_django_destination_changelist",
]  # fmt: skip


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("http://127.0.0.1:8089", "Events go to a sandbox on 127.0.0.1:8089, not to DFINERY."),
        ("https://mock.example", "Events go to mock.example, which is not DFINERY&#x27;s host."),
        ("https://openapi.dfinery.io", ""),
    ],
)
def test_events_that_do_not_reach_dfinery_are_marked(
    configured: Any, admin_client: Any, base_url: str, words: str
) -> None:
    """On the overview, above the list, on each event and destination; where nothing is sent there is nothing to say."""
    configured(BASE_URL=base_url)
    store("delivered")
    event = reverse("admin:dfinery_django_event_change", args=[Event.objects.get().pk])
    for page in [*map(reverse, PAGES), event]:
        shown = admin_client.get(page).content.decode()
        assert (words in shown) if words else ("dfinery-elsewhere" not in shown), page
        if "overview" in page or "destination" in page:
            assert f"{base_url.partition('://')[2]} · S2S Event API" in shown
    configured(BASE_URL=base_url, ENABLED=False)
    assert "dfinery-elsewhere-note" not in text_of(admin_client)


def test_the_destinations_page_is_one_to_act_from(
    shop_at_work: None, staff: Any, django_assert_max_num_queries: Any
) -> None:
    """State, why, waiting and since when, the way to its events, its buttons, which lead back; few queries."""
    listed = "admin:dfinery_django_destination_changelist"
    client = staff("view_destination", "pause_destination", "send_test_event")
    with django_assert_max_num_queries(12):
        page = text_of(client, listed)
    assert "DFINERY refuses the API token" in page
    assert "Invalid API Token Error" not in page  # quotes may be read by those who may see payloads
    assert re.search(r"<dd>1, the oldest since <time[^>]*>[-\d]{10} \d\d:\d\d</time></dd>", page)
    assert f'{reverse("admin:dfinery_django_event_changelist")}?destination=outlet"' in page
    assert f'href="{reverse("admin:dfinery_django_destination_change", args=["outlet"])}"' in page
    answered = client.post(url("pause"), {"destination": "outlet", "back": "destination"}, follow=True)
    assert answered.redirect_chain == [(reverse(listed), 302)]
    assert "Delivery to outlet is paused.</li>" in answered.content.decode()
    plain = text_of(staff("view_destination"), listed)
    assert [address for address in map(url, ACTIONS) if address in plain] == []
    assert staff().get(reverse(listed)).status_code == 403


def test_what_is_over_is_not_told_as_if_it_was_so(configured: Any, admin_client: Any) -> None:
    """After a recovery the row keeps why and since when it was stopped: no page says so of an open destination."""
    configured()
    hour_ago = timezone.now() - HOUR
    Destination.objects.create(
        alias="default", drained_at=hour_ago, closed_at=hour_ago, closed_reason="R-1", closed_code=Reason.TRANSIENT
    )
    change = admin_client.get(reverse("admin:dfinery_django_destination_change", args=["default"])).content.decode()
    cards = text_of(admin_client, "admin:dfinery_django_destination_changelist")
    for page in (change, cards):
        assert "open" in page
        assert [words for words in ("R-1", "no proper answer yet", "<dt>Since", "Closed since") if words in page] == []


def test_a_destination_without_a_row_is_listed(configured: Any, admin_client: Any) -> None:
    """Its row is made by its first drain."""
    configured(TOKENS={"default": "t", "outlet": "t"})
    page = text_of(admin_client, "admin:dfinery_django_destination_changelist")
    assert page.count('class="dfinery-destination"') == 2
    assert "Details and history" not in page


def test_destinations_have_a_page_without_secrets(shop_at_work: None, admin_client: Any) -> None:
    """State and since when, read-only."""
    page = text_of(admin_client, "admin:dfinery_django_destination_changelist")
    assert "stopped" in page
    row = Destination.objects.get(pk="outlet")
    answered = admin_client.get(reverse("admin:dfinery_django_destination_change", args=["outlet"]))
    page = answered.content.decode()
    assert "Invalid API Token Error." in page
    assert row.closed_wire
    assert row.closed_wire not in page
    assert 'name="_save"' not in page


# --- The picture


def test_a_bar_is_as_high_as_its_hour() -> None:
    """Shares of the topmost line; a single failure beside many deliveries is still seen."""
    now = timezone.now()
    hours = [Hour(first_hour(now) + number * HOUR) for number in range(48)]
    hours[3] = Hour(hours[3].began_at, delivered=5000, failed=1)
    hours[4] = Hour(hours[4].began_at, delivered=2500, waiting=1500, expired=500)
    chart = build_chart(hours)
    assert (chart.top, chart.middle) == (6000, 3000)
    heights = {part.kind: part.height for part in chart.bars[3].parts}
    assert heights == {"delivered": round(PLOT_HEIGHT * 5 / 6), "failed": MIN_SEGMENT_HEIGHT}
    parts = chart.bars[4].parts
    assert [part.kind for part in parts] == ["delivered", "waiting", "expired"]
    assert parts[0].y == parts[1].y + parts[1].height
    assert [len(chart.bars), len(chart.filled)] == [48, 2]
    assert chart.totals == dict(zip(STACK_ORDER, (7500, 1500, 500, 1), strict=True))


@pytest.mark.parametrize(("highest", "top"), [(0, 2), (1, 2), (3, 4), (7, 8), (10, 10), (11, 20), (61, 80), (101, 200)])
def test_the_grid_has_round_numbers(highest: int, top: int) -> None:
    """Of which the half is a whole number, too."""
    assert build_chart([Hour(timezone.now(), delivered=highest)]).top == top


def test_midnight_and_noon_are_the_reader_s(configured: Any) -> None:
    """Two or so of each in 48 hours, in the active time zone, half-hour zones included."""
    configured()
    for zone in ("UTC", "Asia/Seoul", "Asia/Kolkata"):
        with timezone.override(zone):
            ticks = build_chart(look().hours).ticks
            noon = "12:30" if zone == "Asia/Kolkata" else "12:00"
            dates = {tick.label for tick in ticks} - {noon}
            assert len(ticks) == 4
            assert len(dates) == 2
            assert dates < {f"{local(clock.now()) - dt.timedelta(days=each):%m-%d}" for each in range(3)}
