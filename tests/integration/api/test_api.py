"""The REST API over HTTP: what is answered, and that nothing a sender can send is a 500."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django.api.parsing import MAX_REQUEST_BYTES
from dfinery_django.delivery.circuit import pause
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Destination, Event, Repair
from tests.settings import DATABASE
from tests.support.bodies import BAD, raw
from tests.support.doubles import FarSide, answer
from tests.support.events import at_once, body
from tests.support.staff import client_of, make

pytestmark = pytest.mark.django_db

V1 = "/dfinery/v1/"
EVENTS = f"{V1}events/"
ALL = ("add_event", "view_event", "view_payload", "resend_event", "cancel_event")


@pytest.fixture
def client(configured: Any) -> Client:
    configured()
    return client_of("till", *ALL, is_staff=False, raise_request_exception=False)


def post(client: Client, sent: Any, query: str = "", **options: Any) -> Any:
    content = sent if isinstance(sent, bytes) else json.dumps(sent)
    return client.generic("POST", EVENTS + query, content, options.pop("content_type", "application/json"), **options)


def of(event: Any, verb: str = "") -> str:
    return f"{EVENTS}{event.event_id}/{verb}"


# ── POST events/ ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_taken(client: Client) -> None:
    """202 and its id; the same again 200; another body under that id 409; nothing is changed by either."""
    sent = body(order_id="A-1", channel="x")
    sent["channel"] = "till"
    event_id = sent["event_attributes"]["event_id"]
    first = post(client, sent)
    assert first.status_code == 202
    note = "'channel' is not part of an event, and is not sent."
    taken = {"index": 0, "event_id": event_id, "is_new": True, "notes": [note]}
    assert first.json() == {"stored": 1, "events": [taken], "errors": []}
    again = post(client, sent)
    assert again.status_code == 200
    assert again.json() == {"stored": 0, "events": [{**taken, "is_new": False}], "errors": []}
    sent["user_attributes"]["user_id"] = "u2"
    other = post(client, sent)
    assert other.status_code == 409
    assert other.json() == {
        "detail": "This event_id belongs to another event.",
        "errors": [
            {
                "index": 0,
                "path": "event_attributes.event_id",
                "message": "This event_id belongs to another event.",
                "result_code": None,
                "problem": "an event with this id exists, with other content.",
            }
        ],
    }
    assert Event.objects.get().user_id == "u1"


def test_a_list_is_taken(client: Client) -> None:
    """202 if anything is new; each mistake with its place, or with ``partial`` beside what was stored."""
    known, bad = body(), body(items=[{}, {"price": "1"}])
    post(client, known)
    assert post(client, [known]).status_code == 200
    mixed = post(client, [known, body()])
    assert (mixed.status_code, mixed.json()["stored"]) == (202, 1)
    refused = post(client, [body(), bad, body(note=None)])
    assert refused.status_code == 400
    assert refused.json()["detail"] == "Nothing was stored: 2 of 3 events can't be taken."
    assert [
        (each["index"], each["path"], each["message"], each["result_code"]) for each in refused.json()["errors"]
    ] == [
        (1, "items[1].price", "Contains unsupported property value.", 4007),
        (2, "event_attributes.note", "eventAttribute contains unsupported value type.", 4002),
    ]
    assert Event.objects.count() == 2
    partly = post(client, [body(), bad, known], "?partial=1")
    assert partly.status_code == 202
    assert [(each["index"], each["is_new"]) for each in partly.json()["events"]] == [(0, True), (2, False)]
    assert [each["index"] for each in partly.json()["errors"]] == [1]
    assert post(client, [bad, known], "?partial=true").status_code == 200
    assert post(client, [bad], "?partial=1").status_code == 400
    assert Event.objects.count() == 3


def test_conflicts_in_a_list(client: Client) -> None:
    """409 where ids are the only mistake, else 400; either keeps all out."""
    mine = uuid.uuid4()
    post(client, body(mine))
    assert post(client, [body(), body(mine, x=1)]).status_code == 409
    assert post(client, [body(mine, x=1), body(note=None)]).status_code == 400
    assert Event.objects.count() == 1


@pytest.mark.parametrize("name", BAD)
def test_nothing_that_can_be_sent_is_a_500(client: Client, name: str) -> None:
    """DFINERY's code and text for each, in the shape of DRF's errors, alone and among others."""
    found = post(client, raw(BAD[name]))
    assert found.status_code == 400
    [error] = found.json()["errors"]
    assert found.json()["detail"] == error["message"]
    assert error["result_code"] in (4002, 4007)
    listed = post(client, b"[" + raw(body()) + b"," + raw(BAD[name]) + b"]")
    assert listed.status_code == 400
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"[]", "application/json", 400),
        (b"[" + b"{}," * 500 + b"{}]", "application/json", 400),
        (b"", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"{}", "application/xml", 415),
        (b"[" + b" " * MAX_REQUEST_BYTES + b"]", "application/json", 413),
        (raw(body(note=None)), "application/json; charset=nonsense", 400),
        (raw("x"), "multipart/form-data; boundary=x", 415),
    ],
    ids=range(10),
)
def test_forms_of_requests(client: Client, content: bytes, content_type: str, status: int) -> None:
    """One to 500 events of JSON, no more than 5 MB."""
    found = post(client, content, content_type=content_type)
    assert found.status_code == status, found.content
    assert found.json()["detail"]
    assert not Event.objects.exists()


def test_a_body_that_is_too_large_is_not_read(client: Client) -> None:
    """The limit holds whatever the length that was announced, and Django's own for forms does not."""
    found = post(client, b"[" + b" " * (MAX_REQUEST_BYTES * 20) + b"]")
    assert (found.status_code, found["Content-Type"]) == (413, "application/json")
    sent = [body(note="x" * 9000) for _ in range(450)]  # more than DATA_UPLOAD_MAX_MEMORY_SIZE
    assert post(client, sent).status_code == 202


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?partial=maybe", "partial: 1 or 0."),
        ("?destination=nowhere", "destination: unknown alias"),
        ("?destination=%00", "destination: contains U+0000."),
        ("?destination=", "destination: empty; leave it out."),
        ("?partal=1", "Did you mean 'partial'?"),
    ],
)
def test_parameters(client: Client, query: str, words: str) -> None:
    """One that is none, or has no such value, is told; a destination that is none lists none that are."""
    found = post(client, body(), query)
    assert found.status_code == 400
    assert words in found.json()["detail"]
    assert "default:" not in found.content.decode()
    assert "test-token" not in found.content.decode()


def test_switched_off_or_misconfigured(client: Client, configured: Any, settings: Any) -> None:
    """503: a till keeps its events and tries again."""
    configured(ENABLED=False)
    event = make("failed")
    found = post(client, body())
    assert found.status_code == 503
    assert "switched off" in found.json()["detail"]
    settings.DFINERY = {"TOKENS": {"default": "se cret"}, "MISSPELT": 1}
    found = post(client, body())
    assert found.status_code == 503
    assert "cret" not in found.content.decode()
    assert client.post(of(event, "resend/")).status_code == 503
    assert client.get(of(event)).status_code == 200
    assert client.get(EVENTS).status_code == 200


def test_what_is_taken_is_delivered(client: Client, far_side: FarSide) -> None:
    """From the till to DFINERY, and seen from here."""
    sent = body(order_sales=4000000, items=[{"price": 5}])
    post(client, sent)
    far_side.answers.append(answer(500, 5001, "oops"))
    drain("default", send=far_side)
    Event.objects.update(due_at=timezone.now())
    drain("default", send=far_side)
    told = client.get(EVENTS + sent["event_attributes"]["event_id"] + "/").json()
    assert told["status"] == "delivered"
    assert [(each["number"], each["outcome"]) for each in told["attempts"]] == [(1, "transient"), (2, "accepted")]
    assert json.dumps(told["payload"]["event_attributes"]["order_sales"]) == "4000000.0"
    assert told["payload"] == far_side.bodies[1]


# ── GET events/ ──────────────────────────────────────────────────────────────────────────────────────────────────


def listed(client: Client, **query: Any) -> list[str]:
    found = client.get(EVENTS, query)
    assert found.status_code == 200, found.content
    return [each["order_id"] for each in found.json()["results"]]


def test_the_list(client: Client) -> None:
    """Newest first, by the filters of the admin, each alone and together; no payload."""
    make("failed", order_id="a", reason_code="rejected", event_name="refund", user_id="u1")
    make("delivered", order_id="b", hours=30, destination="brand", user_id="u2")
    make("pending", order_id="abc", definition="purchase", source="shop.Order", source_pk="7", user_id="u1")
    found = client.get(EVENTS).json()
    assert [each["order_id"] for each in found["results"]] == ["abc", "b", "a"]
    assert (found["next"], found["previous"]) == (None, None)
    assert "payload" not in found["results"][0]
    event = Event.objects.get(order_id="a")
    day_ago = (timezone.now() - dt.timedelta(hours=24)).isoformat()
    for query, ids in (
        ({"status": "failed"}, ["a"]),
        ({"reason_code": "rejected"}, ["a"]),
        ({"event_name": "refund"}, ["a"]),
        ({"destination": "brand"}, ["b"]),
        ({"definition": "purchase", "source_pk": "7"}, ["abc"]),
        ({"definition": "x,purchase"}, ["abc"]),
        ({"since": day_ago}, ["abc", "a"]),
        ({"until": day_ago}, ["b"]),
        ({"since": "2020-01-01", "until": "2099-01-01 00:00"}, ["abc", "a", "b"]),
        ({"event_id": event.event_id}, ["a"]),
        ({"order_id": "a"}, ["a"]),
        ({"user_id": "u1"}, ["abc", "a"]),
        ({"user_id": "u1", "status": "pending"}, ["abc"]),
        ({"search": "a"}, ["a"]),
        ({"search": "a*"}, ["abc", "a"]),
        ({"search": "ab"}, ["abc"]),
        ({"search": str(event.event_id)}, ["a"]),
        ({"user_id": "u3"}, []),
    ):
        assert sorted(listed(client, **query)) == sorted(ids), query
    assert listed(client, since="2020-01-01")[-1] == "b"  # by when it happened


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("status=faild", "status: 'faild' is unknown. Known: captured, pending,"),
        ("reason_code=x", "reason_code: 'x' is unknown."),
        ("since=yesterday", "since: 'yesterday' is not a time."),
        ("until=0001-01-01T00:00%2B14:00", "until:"),
        ("until=9999-12-31T23:59:59-14:00", "until:"),
        ("since=2026-02-30", "since:"),
        ("event_id=1", "event_id: '1' is not a UUID."),
        ("user_id=a%00", "user_id: contains U+0000."),
        ("search=%00", "search: contains U+0000"),
        ("page_size=0", "page_size: a whole number from 1 to 200."),
        ("page_size=201", "page_size:"),
        ("page_size=%D9%A1", "page_size:"),
        ("page_size=" + "9" * 9999, "page_size:"),
        ("statsu=failed", "There is no parameter 'statsu'. Did you mean 'status'?"),
        ("status=", "status: empty; leave it out."),
        ("cursor=x", "cursor: take it from"),
        ("cursor=%C3%A9", "cursor:"),
        ("cursor=n-1", "cursor:"),
        ("cursor=n%D9%A1", "cursor:"),
        ("cursor=n1%0A", "cursor:"),
        ("cursor=n" + "9" * 19, "cursor:"),
        ("cursor=n1t1", "cursor:"),
        ("since=2026-01-01&cursor=n1", "cursor:"),
        ("since=2026-01-01&cursor=n1t" + "9" * 18, "cursor:"),
    ],
)
def test_bad_filters_are_told(client: Client, query: str, words: str) -> None:
    """400 with what is wrong and what would be right."""
    make("failed")
    found = client.get(f"{EVENTS}?{query}")
    assert found.status_code == 400, found.content
    assert found.json()["detail"].startswith(words)


@pytest.mark.parametrize("query", [{}, {"since": "2020-01-01"}])
def test_pages(client: Client, query: dict[str, str]) -> None:
    """Each event once, forth and back, although others arrive meanwhile; nothing is counted."""
    moment = timezone.now()
    for number in range(7):
        event = make("delivered", order_id=str(number))
        Event.objects.filter(pk=event.pk).update(occurred_at=moment)  # all at the same moment
    seen, url, pages = [], f"{EVENTS}?{urlencode({**query, 'page_size': 3})}", []
    while url:
        with CaptureQueriesContext(connection) as made:
            pages.append(client.get(url).json())
        assert not any("COUNT(" in each["sql"] for each in made)
        seen += [each["order_id"] for each in pages[-1]["results"]]
        url = pages[-1]["next"]
        if len(pages) == 1:
            late = make("delivered", order_id="late")
            Event.objects.filter(pk=late.pk).update(occurred_at=moment + dt.timedelta(seconds=1))
    assert seen == list("6543210")
    assert client.get(pages[-1]["previous"]).json()["results"] == pages[-2]["results"]


def test_a_page_costs_few_queries(client: Client, django_assert_num_queries: Any) -> None:
    """However many events it has: session, user, two for permissions, the page."""
    for _ in range(60):
        make("delivered")
    with django_assert_num_queries(5):
        assert len(listed(client, page_size=200)) == 60


# ── GET events/<id>/ ─────────────────────────────────────────────────────────────────────────────────────────────


def test_one_event(client: Client, far_side: FarSide) -> None:
    """Payload and answers for those who may see payloads; the rest for all who may see events."""
    event = make("pending", user_id="u1", order_id="A")
    far_side.answers.append(answer(400, 4007, "no"))
    drain("default", send=far_side)
    told = client.get(of(event)).json()
    assert told["payload"] == {"event_attributes": {}, "user_attributes": {}}
    assert "4007" in told["attempts"][0]["response_body"]
    other = client_of("viewer", "view_event").get(of(event)).json()
    assert "payload" not in other
    assert "response_body" not in other["attempts"][0]
    assert other["reason_code"] == "rejected"
    assert other["occurred_at"].endswith("Z")
    Event.objects.update(payload="")
    assert client.get(of(event)).json()["payload"] is None
    Event.objects.update(payload="{broken")
    assert client.get(of(event)).json()["payload"] is None


@pytest.mark.parametrize("event_id", ["1", "x" * 999, "%00", "0166a71c-caf4-462d-8201-9c30c40f2354", "{0}", "é"])
@pytest.mark.parametrize("verb", ["", "resend/", "cancel/"])
def test_no_such_event(client: Client, event_id: str, verb: str) -> None:
    """404 in JSON."""
    url = f"{EVENTS}{event_id}/{verb}"
    found = client.post(url) if verb else client.get(url)
    assert (found.status_code, found["Content-Type"]) == (404, "application/json")


# ── POST events/<id>/resend/ and cancel/ ─────────────────────────────────────────────────────────────────────────


def test_resend_and_cancel(client: Client) -> None:
    """The event as it stands now; who did it is at the repair and in Django's log."""
    event = make("failed", user_id="u1")
    now = timezone.now()
    Destination.objects.create(alias="default", drained_at=now, paused_by="kim", paused_at=now)
    told = client.post(of(event, "resend/"), HTTP_ACCEPT_LANGUAGE="ko")
    assert (told.status_code, told.json()["status"]) == (200, "pending")
    (held_up,) = told.json()["held_up_by"]
    assert held_up.startswith("Delivery to default is paused by somebody since ")
    told = client.post(of(event, "cancel/"))
    assert (told.status_code, told.json()["status"]) == (200, "cancelled")
    assert told.json()["reason"] == "Cancelled by till."
    assert [(each.action, each.asked_by, each.is_finished) for each in Repair.objects.order_by("pk")] == [
        ("resend", "till", True),
        ("cancel", "till", True),
    ]
    messages = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(messages) == ["resend (API)", "cancel (API)"]
    assert client.post(of(make("delivered"), "resend/")).status_code == 200


@pytest.mark.parametrize(
    ("verb", "status", "fields", "verdict"),
    [
        ("resend", "pending", {}, "unfinished"),
        ("resend", "expired", {"hours": 49}, "too_old"),
        ("resend", "failed", {"payload": ""}, "not_built"),
        ("resend", "failed", {"destination": "gone"}, "no_destination"),
        ("cancel", "delivered", {}, "finished"),
        ("cancel", "sending", {"in_seconds": 60}, "in_flight"),
    ],
)
def test_what_can_t_be_done_is_told(client: Client, verb: str, status: str, fields: Any, verdict: str) -> None:
    """409 with a word for machines and a sentence, in English whatever the reader's language; nothing is changed."""
    if "in_seconds" in fields:
        fields = {"due_at": timezone.now() + dt.timedelta(seconds=fields["in_seconds"])}
    event = make(status, **fields)
    found = client.post(of(event, f"{verb}/"), HTTP_ACCEPT_LANGUAGE="ko")
    assert found.status_code == 409
    assert found.json()["verdict"] == verdict
    assert found.json()["detail"].startswith("Nothing was done: ")
    assert found.json()["detail"].isascii()
    assert Event.objects.get().status == status
    assert not LogEntry.objects.exists()


# ── GET health/ ──────────────────────────────────────────────────────────────────────────────────────────────────


def health(client: Client) -> Any:
    return client.get(f"{V1}health/", HTTP_ACCEPT_LANGUAGE="ko")


def test_health(configured: Any, far_side: FarSide) -> None:
    """200 while no person is needed; numbers, moments and destinations."""
    configured()
    monitor = client_of("monitor", "view_destination", is_staff=False)
    make("pending", user_id="kim", order_id="A-1")
    drain("default", send=far_side)
    waiting = make("pending", hours=2, due_at=timezone.now() + dt.timedelta(minutes=1))
    found = health(monitor)
    told = found.json()
    assert (found.status_code, told["level"]) == (200, "warning")
    assert (told["waiting"], told["delivered"], told["failed"], told["expired"]) == (1, 1, 0, 0)
    assert dt.datetime.fromisoformat(told["expires_next_at"].replace("Z", "+00:00")) == waiting.expires_at
    assert dt.datetime.fromisoformat(told["oldest_waiting_at"].replace("Z", "+00:00")) == waiting.occurred_at
    [destination] = told["destinations"]
    assert (destination["alias"], destination["state"], destination["waiting"]) == ("default", "open", 1)
    assert [each["code"] for each in told["reasons"]] == ["waiting"]
    Event.objects.all().delete()
    make("delivered")
    assert health(monitor).json()["level"] == "ok"
    assert monitor.head(f"{V1}health/").status_code == 200


def test_health_that_is_none(configured: Any) -> None:
    """503 with reasons; no name of a person, no value, no token, nothing that was said word for word."""
    configured(TOKENS={"default": "hidden-token", "brand": "b"})
    monitor = client_of("monitor", "view_destination", is_staff=False)
    make("pending", user_id="secret-user", order_id="secret-order", reason="secret-reason")
    pause("default", by="secret-person", using="default")
    Destination.objects.create(
        alias="brand", closed_until=timezone.now() + dt.timedelta(minutes=5), closed_at=timezone.now(),
        closed_code="token", closed_reason="secret-words",
    )  # fmt: skip
    found = health(monitor)
    told = found.json()
    assert (found.status_code, told["level"]) == (503, "alarm")
    assert {each["code"] for each in told["reasons"]} >= {"paused", "refused", "undrained"}
    assert "Delivery to default is paused by somebody since" in found.content.decode()
    for word in ("secret", "hidden"):
        assert word not in found.content.decode()


def test_health_without_settings_or_database(configured: Any, settings: Any) -> None:
    """503 all the same."""
    configured()
    monitor = client_of("monitor", "view_destination", is_staff=False)
    settings.DFINERY = {"TOKENS": {"default": "se cret"}, "MISSPELT": 1}
    found = health(monitor)
    assert found.status_code == 503
    assert [each["code"] for each in found.json()["reasons"]] == ["misconfigured"]
    assert "cret" not in found.content.decode()
    configured()

    def gone(execute: Any, sql: str, *rest: Any) -> Any:
        if "dfinery_django" in sql and "auth_permission" not in sql:
            raise OperationalError("gone")
        return execute(sql, *rest)

    with connection.execute_wrapper(gone):
        found = health(monitor)
    assert found.status_code == 503
    assert found.json() == {"detail": "The outbox can't be read: see the log."}


@pytest.mark.django_db(transaction=True)
def test_what_is_answered_is_committed(client: Client, monkeypatch: Any) -> None:
    """Also where the site wraps each request in a transaction: a deadlock can be tried again."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    waiting = make("pending")
    for url, sent in ((EVENTS, json.dumps(body())), (of(waiting, "cancel/"), ""), (of(waiting, "resend/"), "")):
        with CaptureQueriesContext(connection) as made:
            found = client.post(url, sent, content_type="application/json")
        assert found.status_code in (200, 202)
        statements = [each["sql"] for each in made]
        first = next(place for place, sql in enumerate(statements) if sql.startswith("INSERT"))
        assert not any(sql.startswith("SAVEPOINT") for sql in statements[:first]), statements


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer at a time")
def test_the_same_action_at_once(client: Client) -> None:
    """One of them does it; the others are told, and nobody fails."""
    event = make("failed")

    def work(place: int) -> int:
        mine = Client(raise_request_exception=False)
        mine.cookies = client.cookies
        return int(mine.post(of(event, "resend/")).status_code)

    statuses = at_once(6, work)
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]


# ── the site's own settings of DRF ───────────────────────────────────────────────────────────────────────────────


def test_the_throttle_holds_if_the_site_sets_a_rate(client: Client, settings: Any) -> None:
    """Scope "dfinery", per user; without a rate DRF's own class would raise."""
    cache.clear()
    settings.REST_FRAMEWORK = {
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.ScopedRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"other": "1/day"},
    }
    assert [client.get(EVENTS).status_code for _ in range(3)] == [200] * 3
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"dfinery": "2/day"}}
    answers = [client.get(EVENTS) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 80_000
    assert client_of("other", "view_event").get(EVENTS).status_code == 200


def test_pages_for_people(client: Client) -> None:
    """DRF's browsable API shows each address, errors too."""
    event = make("failed")
    for url in (EVENTS, f"{EVENTS}?page_size=1", f"{EVENTS}?status=x", of(event), f"{V1}health/", f"{EVENTS}x/"):
        page = client.get(url, HTTP_ACCEPT="text/html")
        assert page["Content-Type"].startswith("text/html"), url
        assert b"HTTP" in page.content
    assert client.get(of(event, "resend/"), HTTP_ACCEPT="text/html").status_code == 405
    for url, sent in ((EVENTS, "{"), (EVENTS, json.dumps(body())), (of(event, "resend/"), "")):
        page = client.post(url, sent, content_type="application/json", HTTP_ACCEPT="text/html")
        assert page["Content-Type"].startswith("text/html"), url
    assert client.get(EVENTS, {"format": "json"})["Content-Type"] == "application/json"
    assert client.get(EVENTS, HTTP_ACCEPT="image/png").status_code == 406


def test_a_site_without_rest_framework_among_its_apps(client: Client, settings: Any) -> None:
    """All is JSON, also for a browser: DRF's pages have templates that Django finds in installed apps only."""
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if each != "rest_framework"]
    event = make("failed")
    for url in (EVENTS, of(event), f"{V1}health/", f"{EVENTS}x/", f"{EVENTS}?status=x"):
        answer = client.get(url, HTTP_ACCEPT="text/html,*/*;q=0.8")
        assert answer["Content-Type"] == "application/json", url
        assert answer.json()
    assert post(client, body()).status_code == 202
    assert client.post(of(event, "resend/")).status_code == 200
    assert Client().get(EVENTS).status_code in (401, 403)
    settings.REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"]}
    assert client.get(EVENTS).json()["results"]


def test_answers_are_not_kept_by_caches(client: Client) -> None:
    """They hold personal data."""
    assert "private" in client.get(EVENTS)["Cache-Control"]
    assert "no-store" in client.get(of(make("failed")))["Cache-Control"]


def test_a_session_needs_a_csrf_token(configured: Any) -> None:
    """A page elsewhere can't post for somebody who is logged in to the admin."""
    configured()
    client = client_of("op", *ALL, enforce_csrf_checks=True)
    assert post(client, body()).status_code == 403
    assert post(client, b"{").status_code in (400, 403)
    assert client.post(of(make("failed"), "resend/")).status_code == 403
    assert Event.objects.get().status == "failed"


def test_basic_auth_for_a_till(configured: Any, django_user_model: Any) -> None:
    """The site's own ways to log in; a person who is no longer active has none."""
    configured()
    client_of("till", "add_event", is_staff=False)
    header = "Basic " + base64.b64encode(b"till:x").decode()
    assert post(Client(), body(), HTTP_AUTHORIZATION=header).status_code == 202
    wrong = "Basic " + base64.b64encode(b"till:y").decode()
    assert post(Client(), body(), HTTP_AUTHORIZATION=wrong).status_code in (401, 403)
    django_user_model.objects.update(is_active=False)
    assert post(Client(), body(), HTTP_AUTHORIZATION=header).status_code in (401, 403)
