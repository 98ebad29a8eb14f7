"""Who may not see payloads reads no words that may quote one, but codes and their labels: reasons, answers, errors."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dfinery_django.enums import Action
from dfinery_django.models import DeliveryAttempt, Destination, Event, Repair
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from dfinery_django.text.reasons import ReasonText, to_json
from tests.support.doubles import PURCHASE
from tests.support.staff import LIST, ask, client_of, confirm, make, page_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = "/admin/dfinery_django/"
API = "/dfinery/v1/"
SAID = "kim@example.com is not a Double"
ALL = ("view_event", "view_destination", "resend_event", "rebuild_event", "cancel_event", "forget_user", "add_event")


@pytest.fixture
def event(configured: Any) -> Event:
    """A failed event, and everything else that says why something failed."""
    configured()
    now = timezone.now()
    why = ReasonText("rejected", answer=SAID)
    stored = {"reason": str(why), "reason_data": to_json(why)}
    failed = make("failed", reason_code="rejected", definition="purchase", **stored)
    waits = make("pending", reason_code="transient", **stored)
    for each in (failed, waits):
        DeliveryAttempt.objects.create(
            event=each, number=1, started_at=now, duration_ms=5, outcome="rejected", status_code=400,
            result_code="4007", error=SAID, response_body=SAID, **stored,
        )  # fmt: skip
    until = now + timezone.timedelta(hours=1)
    for alias, code in (("default", "transient"), ("brand", "token")):
        Destination.objects.create(
            alias=alias, closed_code=code, closed_reason=str(why), closed_data=to_json(why), closed_at=now,
            closed_until=until,
        )  # fmt: skip
    wish = bulk_action.new_bulk_action(Action.RESEND, Selection(pks=(failed.pk,)), by="root", using="default")
    wish.error, wish.finished_at = SAID, now
    wish.save()
    return failed


def pages(event: Event) -> dict[str, str]:
    """Address -> what stands there instead; all of them have the words."""
    waits = Event.objects.get(status="pending")
    return {
        LIST: "refused by DFINERY",
        page_of(event): "refused by DFINERY",
        page_of(waits): "no proper answer yet",
        f"{ADMIN}overview/": "refused by DFINERY",
        f"{ADMIN}overview/current/": "DFINERY refuses the API token",
        f"{ADMIN}destination/": "DFINERY refuses the API token",
        f"{ADMIN}destination/brand/change/": "DFINERY refuses the API token",
        f"{ADMIN}repair/{Repair.objects.get().pk}/change/": "see the log",
    }


def test_pages(event: Event) -> None:
    """The same pages for both: one reads the words, the other the label."""
    reader, viewer = client_of("reader", *ALL, "view_payload"), client_of("viewer", *ALL)
    for address, label in pages(event).items():
        assert SAID in reader.get(address).content.decode(), address
        page = viewer.get(address)
        assert SAID not in page.content.decode(), address
        assert label in text_of(page), address
    for address in (page_of(event).replace("change/", "ask/resend/"), f"{LIST}?q=x", f"{ADMIN}repair/"):
        assert SAID not in viewer.get(address).content.decode(), address


def test_the_api(event: Event) -> None:
    """List, one event, and the answers to resend and cancel; health has no such words for anybody."""
    reader, viewer = client_of("reader", *ALL, "view_payload"), client_of("viewer", *ALL)
    one = f"{API}events/{event.event_id}/"
    for address in (f"{API}events/", one):
        assert SAID in reader.get(address).content.decode(), address
        assert SAID not in viewer.get(address).content.decode(), address
    told = viewer.get(one).json()
    assert (told["reason_code"], told["reason"]) == ("rejected", "refused by DFINERY")
    attempt = told["attempts"][0]
    assert (attempt["reason"], attempt["error"], attempt["result_code"]) == ("rejected", "rejected", "4007")
    assert "response_body" not in told["attempts"][0]
    assert SAID not in viewer.get(f"{API}health/").content.decode()
    waits = Event.objects.get(status="pending")
    for each, verb in ((event, "resend"), (waits, "cancel")):
        done = viewer.post(f"{API}events/{each.event_id}/{verb}/")
        assert done.status_code == 200
        assert SAID not in done.content.decode()


def test_the_api_speaks_english(event: Event) -> None:
    """Labels don't depend on what a browser prefers."""
    told = client_of("viewer", *ALL).get(f"{API}events/?status=failed", headers={"accept-language": "ko"}).json()
    assert told["results"][0]["reason"] == "refused by DFINERY"


# ── signed fields ────────────────────────────────────────────────────────────────────────────────────────────────


def signed(page: Any) -> str:
    """What anybody can read of a page's signed field."""
    found = re.search(r'name="confirmation" value="([^"]+)"', page.content.decode())
    assert found
    body = unescape(found[1]).split(":")[0]
    raw = base64.urlsafe_b64decode(body.lstrip(".") + "==")
    return (zlib.decompress(raw) if body.startswith(".") else raw).decode()


@pytest.mark.parametrize("action", ["resend", "rebuild", "cancel", "forget"])
@pytest.mark.parametrize("across", [False, True])
def test_no_id_of_a_person_is_in_a_page_that_asks(shop: Any, action: str, across: bool) -> None:
    """Neither one that is too long for its column, nor one that only the source knows."""
    long = "kim-" + "x" * 200
    payload = {"event_attributes": {}, "user_attributes": {"user_id": long}}
    make("failed", user_id=long[:191], payload=json.dumps(payload), definition="purchase")
    lee = shop.customer("lee-of-the-source", pk=770077)
    shop.pay(shop.place(customer=lee))
    page = ask(client_of("operator", *ALL), action, *Event.objects.all(), across=across)
    for text in (page.content.decode().split("csrfmiddlewaretoken")[-1], signed(page)):
        assert not any(each in text for each in (long[:191], "770077"))


def test_the_people_are_found_again(shop: Any) -> None:
    """Without their ids in the page, the same are forgotten."""
    lee = shop.customer("lee")
    shop.pay(shop.place(customer=lee))
    make("delivered", user_id="kim")
    make("delivered", user_id="other")
    client = client_of("operator", *ALL)
    done = confirm(client, ask(client, "forget", *Event.objects.exclude(user_id="other")))
    assert "Erased: 2 events, with their contents and attempts." in text_of(done)
    assert Event.objects.exclude(reason_code="forgotten").get().user_id == "other"


def test_others_than_those_that_were_asked_about_stay(configured: Any) -> None:
    """An event that is about somebody else by now: nothing is done."""
    configured(EVENTS={"purchase": PURCHASE})
    client = client_of("operator", *ALL)
    chosen = make("delivered", user_id="kim")
    asked = ask(client, "forget", chosen)
    payload = {"event_attributes": {}, "user_attributes": {"user_id": "lee"}}
    Event.objects.filter(pk=chosen.pk).update(user_id="lee", payload=json.dumps(payload))
    assert "Nothing was done: choose again." in text_of(confirm(client, asked))
    assert Event.objects.count() == 1


def test_a_person_whose_event_is_gone(configured: Any) -> None:
    """Pruned between question and answer: nobody can say who that was."""
    configured()
    client: Client = client_of("operator", *ALL)
    chosen = make("delivered", user_id="kim")
    rest = make("delivered", user_id="kim")
    asked = ask(client, "forget", chosen, rest)
    chosen.delete()
    # The other one still names them.
    assert "Erased: 1 event, with its content and attempts." in text_of(confirm(client, asked))
