"""Resend, rebuild and cancel in the admin: asked first, done, told and logged."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from benchmarks.growth.filling import fill_finished
from dfinery_django import track
from dfinery_django.admin import bulk_actions
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event, Repair
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
    assert "1 sent again, with the same event_id and the same content." in text_of(asked)
    assert Event.objects.get().status == "failed"
    assert "1 event is on its way again." in text_of(confirm(admin_client, asked))
    assert drain("default", send=far_side) == {"delivered": 1}
    assert far_side.requests[0].body == far_side.requests[1].body
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("admin", str(refused.pk))
    history = text_of(admin_client.get(f"{LIST}{refused.pk}/history/"))
    assert "Resent: the same event_id and content again." in history


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
    assert "2 events are built anew and sent." in text_of(done)
    assert drain("default", send=far_side)["delivered"] == 2
    assert {json.loads(request.body)["event_attributes"]["event_id"] for request in far_side.requests} == set(
        map(str, ids)
    )


def test_the_question_says_exactly_what_will_happen(configured: Any, admin_client: Any) -> None:
    """So many delivered before, so many too old, so many on their way; and then just that is done."""
    configured()
    events = [make("failed"), make("delivered"), make("delivered"), make("expired", hours=50), make("pending")]
    page = text_of(asked := ask(admin_client, "resend", *events))
    assert "Resend 5 events?" in page
    assert "1 sent again, with the same event_id" in page
    assert "2 delivered already, and sent again" in page
    assert "DFINERY may count this twice" in page
    assert "1 left alone: past the hours in which DFINERY takes events" in page
    assert "1 left alone: still on the way" in page
    assert 'value="Yes, resend 3 events"' in asked.content.decode()
    done = text_of(confirm(admin_client, asked))
    assert "3 events are on their way again." in done
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
    assert "60 sent again" in page
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
    assert "1,000 events are on their way again." in text_of(
        confirm(admin_client, ask(admin_client, "resend", across=True))
    )
    assert Event.objects.filter(status="pending").count() == 1000
    assert LogEntry.objects.count() == 1


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
    assert "on its way again" in text_of(confirm(admin_client, ask(admin_client, "resend", refused)))
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
