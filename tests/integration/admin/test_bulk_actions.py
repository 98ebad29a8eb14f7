"""Resend, rebuild and cancel in the admin: asked first, done, told and logged."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from benchmarks.growth.filling import fill_finished
from dfinery_django import clock, track
from dfinery_django.admin import bulk_actions
from dfinery_django.delivery import circuit
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Destination, Event, Repair
from dfinery_django.operations import bulk_action
from tests.support.doubles import PURCHASE, FarSide, accepted, answer
from tests.support.staff import LIST, ask, client_of, confirm, make, page_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused(configured: Any, far_side: FarSide) -> Event:
    configured()
    track("purchase", user_id="u1", event_attributes={"order_id": "A-1"})
    far_side.answers = [answer(400, 4002, "Invalid request format.")]
    drain("default", send=far_side)
    return Event.objects.get()


def test_resend_sends_the_same_bytes_again(refused: Event, admin_client: Any, far_side: FarSide) -> None:
    """Same id, same payload, on its way at once; the log says who did it."""
    asked = ask(admin_client, "resend", refused)
    assert "1 to be sent again, with the same event_id and the same content." in text_of(asked)
    assert Event.objects.get().status == "failed"
    assert "1 event will be sent again." in text_of(confirm(admin_client, asked))
    assert drain("default", send=far_side) == {"delivered": 1}
    assert far_side.requests[0].body == far_side.requests[1].body
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("admin", str(refused.pk))
    history = text_of(admin_client.get(f"{LIST}{refused.pk}/history/"))
    assert "Asked to send it again: the same event_id and content." in history
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d admin", history)


def test_rebuild_after_the_mapping_was_mended(configured: Any, shop: Any, admin_client: Any, far_side: FarSide) -> None:
    """The payload is made anew and keeps its event_id; a lost destination is found again."""
    broken = {**PURCHASE, "event_attributes": {"order_id": "broken"}}
    configured(EVENTS={"purchase": broken, "astray": {**PURCHASE, "destination": lambda order: "nowhere"}})
    shop.place(status="paid", customer=shop.customer())
    drain("default", send=far_side)
    ids = set(Event.objects.values_list("event_id", flat=True))
    assert set(Event.objects.values_list("reason_code", flat=True)) == {"payload", "no_destination"}
    configured(EVENTS={"purchase": PURCHASE, "astray": PURCHASE})
    done = confirm(admin_client, ask(admin_client, "rebuild", *Event.objects.all()))
    assert "2 events will be rebuilt and sent." in text_of(done)
    assert drain("default", send=far_side)["delivered"] == 2
    assert {json.loads(request.body)["event_attributes"]["event_id"] for request in far_side.requests} == set(
        map(str, ids)
    )


def test_the_question_says_exactly_what_will_happen(configured: Any, admin_client: Any) -> None:
    """So many delivered before, so many too old, so many on their way; and then just that is done."""
    configured()
    events = [make("failed"), make("delivered"), make("delivered"), make("expired", hours=50), make("pending")]
    page = text_of(asked := ask(admin_client, "resend", *events))
    assert "Resend 3 of 5 events?" in page
    assert "1 to be sent again, with the same event_id" in page
    assert "2 delivered already, and to be sent again" in page
    assert "DFINERY may count this twice" in page
    assert "1 left alone: past the hours in which DFINERY takes events" in page
    assert "1 left alone: still on the way" in page
    assert 'value="Yes, resend 3 events"' in asked.content.decode()
    done = text_of(confirm(admin_client, asked))
    assert "3 events will be sent again." in done
    assert "1 left alone: still on the way." in done
    assert Counter(Event.objects.values_list("status", flat=True)) == {"pending": 4, "expired": 1}
    assert LogEntry.objects.count() == 3


def test_what_is_too_old_can_t_be_confirmed(configured: Any, admin_client: Any) -> None:
    """There is no button where there is nothing to do, and the page of the event offers none."""
    configured()
    event = make("failed", hours=49)
    asked = ask(admin_client, "resend", event)
    assert "So there is nothing to do." in text_of(asked)
    assert 'type="submit"' not in asked.content.decode().split('id="content-main"')[1].split("</form>")[0]
    page = admin_client.get(page_of(event))
    assert "/ask/" not in page.content.decode()
    assert "It can't be sent any more: it expired on" in text_of(page)


def test_the_page_of_an_event_leads_to_the_question_and_back(refused: Event, admin_client: Any) -> None:
    """One click asks, one does; then the event is shown again."""
    url = f"{LIST}{refused.pk}/ask/resend/"
    assert url in admin_client.get(page_of(refused)).content.decode()
    done = confirm(admin_client, admin_client.get(url))
    assert done.redirect_chain[-1][0] == page_of(refused)
    assert "waits for its turn" in text_of(done)
    assert admin_client.get(f"{LIST}{refused.pk}/ask/forget/").status_code == 404


def test_cancel_tells_honestly_what_it_can_t_do(configured: Any, admin_client: Any, far_side: FarSide) -> None:
    """What is being sent can't be called back; what waits is never sent."""
    configured()
    waiting = make("pending")
    flying = make("sending", due_at=timezone.now() + timezone.timedelta(seconds=50))
    asked = ask(admin_client, "cancel", waiting, flying)
    assert "1 left alone: being sent at this moment, which nothing can call back" in text_of(asked)
    confirm(admin_client, asked)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == ("cancelled", "Cancelled by admin.")
    assert "cancelled by hand" in text_of(admin_client.get(page_of(waiting)))
    assert drain("default", send=far_side) == {}


def test_a_selection_across_pages_is_what_the_filters_leave(configured: Any, admin_client: Any) -> None:
    """All that match, whether listed or not, and nothing else; what comes later is not drawn in."""
    configured()
    for _ in range(3):
        make("failed", order_id="A-1")
    make("failed", order_id="B-1")
    make("expired", order_id="A-1")
    asked = ask(admin_client, "resend", across=True, query="?status__exact=failed&q=A-")
    make("failed", order_id="A-1")
    assert "Resend 3 events?" in text_of(asked)
    done = confirm(admin_client, asked)
    assert done.redirect_chain[-1][0] == f"{LIST}?status__exact=failed&q=A-"
    assert Event.objects.filter(status="pending", order_id="A-1").count() == 3
    assert Event.objects.filter(status="failed").count() == 2


def test_a_large_selection_is_left_to_a_worker(configured: Any, admin_client: Any) -> None:
    """A page shows how far it is, and the next drain does it, whatever it is mostly made of."""
    configured()
    fill_finished(0, 6_000, timezone.now(), 6_000)
    before = timezone.now()
    asked = ask(admin_client, "cancel", across=True)
    assert "6,000 left alone" in text_of(asked)
    Event.objects.filter(status="failed").update(expires_at=timezone.now() + timezone.timedelta(hours=1))
    made = Repair(
        action="resend",
        selection="{}",
        asked_by="x",
        seen_at=before,
        last_pk=10**9,
        last_attempt_pk=10**9,
        event_count=6_000,
    )
    made.save()
    page = text_of(admin_client.get(reverse("admin:dfinery_django_repair_change", args=[made.pk])))
    assert "Under way" in page
    assert "0 of 6,000" in page
    total = drain("default", send=lambda request: accepted())
    assert total["delivered"] == 60
    page = text_of(admin_client.get(reverse("admin:dfinery_django_repair_change", args=[made.pk])))
    assert "6,000 of 6,000" in page
    assert "60 to be sent again" in page
    assert "5,940 left alone: past the hours" in page


def test_of_many_a_chunk_is_done_at_once_and_the_rest_elsewhere(configured: Any, admin_client: Any) -> None:
    """With one entry in the log for all of it; the page that follows shows how far it is."""
    configured()
    now = timezone.now()
    Event.objects.bulk_create(_failed(now) for _ in range(1100))
    done = confirm(admin_client, ask(admin_client, "resend", across=True))
    made = Repair.objects.get()
    assert done.redirect_chain[-1][0] == reverse("admin:dfinery_django_repair_change", args=[made.pk])
    assert "500 of 1,100" in text_of(done)
    entry = LogEntry.objects.get()
    assert entry.object_id == str(made.pk)
    assert "1100" in entry.get_change_message()
    assert drain("default", send=lambda request: accepted()) == {"delivered": 1100}
    made.refresh_from_db()
    assert (made.tally, made.asked_by) == ({"ready": 1100}, "admin")


def _failed(now: Any) -> Event:
    event = Event(event_name="x", destination="default", payload='{"x":1}', status="failed", finished_at=now)
    event.set_occurred_at(now)
    return event


def test_up_to_a_thousand_are_done_at_once(configured: Any, admin_client: Any) -> None:
    """No worker is needed for them, and one entry in the log is enough."""
    configured()
    now = timezone.now()
    Event.objects.bulk_create(_failed(now) for _ in range(1000))
    assert "1,000 events will be sent again." in text_of(
        confirm(admin_client, ask(admin_client, "resend", across=True))
    )
    assert Event.objects.filter(status="pending").count() == 1000
    assert LogEntry.objects.count() == 1


def test_a_rebuild_for_a_paused_destination(configured: Any, shop: Any, admin_client: Any, far_side: FarSide) -> None:
    """It says what was begun, what holds it up, and where to see what became of it; that page shows its end."""
    configured(EVENTS={"purchase": PURCHASE})
    for name in ("hong", "kim"):
        shop.place(status="paid", customer=shop.customer(name))
    far_side.answers = [answer(400, 4002, "No."), answer(400, 4002, "No.")]
    drain("default", send=far_side)
    bad, good = Event.objects.order_by("pk")
    circuit.pause("default", by="kim", using="default")
    asked = ask(admin_client, "rebuild", bad, good)
    held_up = "Delivery to default is paused by kim since"
    assert held_up in text_of(asked)
    done = confirm(admin_client, asked)
    (message,) = done.context["messages"]
    assert message.level_tag == "warning"
    assert "2 events will be rebuilt and sent. Delivery to default is paused by kim since" in message.message
    assert "The events wait meanwhile. Resume it to go on." in message.message
    made = Repair.objects.get()
    page = reverse("admin:dfinery_django_repair_change", args=[made.pk])
    assert f'href="{page}"' in message.message
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"order_id": _number_of(bad)}}})
    drain("default", send=far_side)
    seen = admin_client.get(page)
    assert seen.context["states"] == [
        ("pending", 1, f"{LIST}?repair={made.pk}&status__exact=pending"),
        ("failed", 1, f"{LIST}?repair={made.pk}&status__exact=failed"),
    ]
    assert held_up in text_of(seen)
    assert "overview.js" in seen.content.decode()
    listed = admin_client.get(seen.context["states"][1][2])
    assert [event.pk for event in listed.context["cl"].result_list] == [bad.pk]
    circuit.resume("default", using="default")
    drain("default", send=far_side)
    current = admin_client.get(reverse("admin:dfinery_django_repair_current", args=[made.pk]))
    assert [state[:2] for state in current.context["states"]] == [("delivered", 1), ("failed", 1)]
    assert "data-over" in current.content.decode()
    assert held_up not in text_of(current)
    assert "overview.js" not in admin_client.get(page).content.decode()


def _number_of(bad: Event) -> Any:
    """A mapping that fails for one event's order."""

    def number(order: Any) -> str:
        if str(order.pk) == bad.source_pk:
            raise ValueError
        return str(order.number)

    return number


def test_too_many_to_follow(configured: Any, admin_client: Any, monkeypatch: Any) -> None:
    """The page leads to the list with the filters less the status; the filter by bulk action shows none, not all."""
    configured()
    monkeypatch.setattr(bulk_action, "MAX_FOLLOWED_EVENTS", 1)
    for _ in range(2):
        make("failed", order_id="A-1")
    confirm(admin_client, ask(admin_client, "resend", across=True, query="?status__exact=failed&q=A-"))
    made = Repair.objects.get()
    assert made.changed_pks is None
    page = admin_client.get(reverse("admin:dfinery_django_repair_change", args=[made.pk]))
    assert f'href="{LIST}?q=A-%2A"' in page.content.decode()
    for unknown in (made.pk, 10**9, "abc"):
        assert not admin_client.get(f"{LIST}?repair={unknown}").context["cl"].result_list, unknown
    asked = ask(admin_client, "cancel", across=True, query=f"?repair={made.pk}")
    assert "None of these events can be cancelled" in text_of(asked)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ENABLED": False}, "DFINERY is switched off"),
        ({}, "no worker has looked for events since"),
        ({"drained_at": 0, "closed_code": "token"}, "DFINERY refuses the API token since"),
        ({"drained_at": 0, "closed_code": "throttled"}, "DFINERY's rate limit for default is used up since"),
        ({"drained_at": 0}, ""),
    ],
)
def test_what_holds_up(configured: Any, admin_client: Any, fields: dict[str, Any], words: str) -> None:
    """Whatever keeps events from being sent is said before and after; a cancellation waits for nothing."""
    now = clock.now()
    stored = {"drained_at": now - dt.timedelta(minutes=30)}
    if "drained_at" in fields:
        stored["drained_at"] = now
    if code := fields.get("closed_code"):
        stored |= {"closed_code": code, "closed_at": now, "closed_until": now + dt.timedelta(minutes=5)}
    configured(ENABLED=fields.get("ENABLED", True))
    Destination.objects.create(alias="default", **stored)
    event = make("failed")
    asked = ask(admin_client, "resend", event)
    (message,) = confirm(admin_client, asked).context["messages"]
    assert [bool(words) and words in text_of(asked), message.level_tag] == (
        [True, "warning"] if words else [False, "success"]
    )
    assert words in unescape(message.message)
    asked = ask(admin_client, "cancel", event)
    assert "dfinery-holdup" not in asked.content.decode()
    (message,) = confirm(admin_client, asked).context["messages"]
    assert (message.message, message.level_tag) == ("1 event is cancelled.", "success")


def test_the_question_lists_what_it_would_change(configured: Any, admin_client: Any) -> None:
    """As many as its title and its button say: those that are left alone are not among them."""
    configured()
    events = [make("failed") for _ in range(12)]
    left = make("pending")
    asked = ask(admin_client, "resend", *events, left)
    assert "Resend 12 of 13 events?" in text_of(asked)
    assert (len(asked.context["listed"]), asked.context["unlisted"]) == (10, 2)
    assert left not in asked.context["listed"]


def test_a_double_click_does_nothing_twice(refused: Event, admin_client: Any, far_side: FarSide) -> None:
    """Even where the first has been delivered meanwhile."""
    asked = ask(admin_client, "resend", refused)
    confirm(admin_client, asked)
    drain("default", send=far_side)
    assert "1 left alone: changed since you looked." in text_of(confirm(admin_client, asked))
    assert len(far_side.requests) == 2


def test_a_question_is_not_good_for_ever(refused: Event, admin_client: Any) -> None:
    """What was forged, or asked of another, or hours ago, is not done."""
    act = reverse("admin:dfinery_django_event_act")
    for text in ("", "x", signing.dumps({"action": "resend"}), signing.dumps({}, salt=f"{bulk_actions.ACTION_SALT}.0")):
        answer = admin_client.post(act, {"confirmation": text}, follow=True)
        assert "That page was too old." in text_of(answer)
    assert Event.objects.get().status == "failed"
    assert not Repair.objects.exists()


def test_nothing_chosen_is_nothing_done(refused: Event, admin_client: Any) -> None:
    """An action without rows is not an action on all."""
    answer = admin_client.post(LIST, {"action": "resend", "select_across": "0"}, follow=True)
    assert "Resend" not in answer.context.get("title", "")
    assert not Repair.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_is_down_loses_no_action(configured: Any, refused: Event, admin_client: Any, caplog: Any) -> None:
    """The rows are due; the next scheduled drain will do."""
    configured(WAKE="tests.integration.admin.test_bulk_actions.broken_wake")
    assert "will be sent again" in text_of(confirm(admin_client, ask(admin_client, "resend", refused)))
    assert Event.objects.get().status == "pending"
    assert "No drain could be requested" in caplog.text


def broken_wake(destination: str) -> None:
    raise ConnectionError("the queue is down")


def test_a_rebuild_shows_what_it_would_change(configured: Any, shop: Any, far_side: FarSide, admin_client: Any) -> None:
    """On the event's page and on the page that asks, to those who may see payloads."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"order_id": "number", "order_sales": "discount"}}})
    shop.place(status="paid", customer=shop.customer())
    drain("default", send=far_side)
    event = Event.objects.get()
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"order_id": "number", "order_sales": "total"}}})
    for url in (page_of(event), f"{LIST}{event.pk}/ask/rebuild/"):
        page = text_of(admin_client.get(url))
        assert "abx:order_sales 0.0 Double 4000000.0 Double" in page
    operator = client_of("op", "view_event", "rebuild_event")
    assert "order_sales" not in text_of(operator.get(f"{LIST}{event.pk}/ask/rebuild/"))
