"""Every page of our admin, under the theme that ``THEME`` names. Run by ``test_themes``, a process for each."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from dfinery_django import clock
from dfinery_django.enums import Action, EventStatus
from dfinery_django.models import CustomField, DeliveryAttempt, Destination, Event, Repair
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from tests.shop.models import Order
from tests.support.staff import LIST, ask, client_of, confirm, make, page_of, text_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/dfinery_django/"
SAID = "kim@example.com is not a Double"
CHOICES = (
    *(f"status__exact={each}" for each in EventStatus), "reason_code__exact=rejected", "event_name=purchase",
    "destination=default", "hours=24", "source_pk=1&definition__in=purchase", "occurred_at__gte=2026-01-31T18:00",
    "occurred_at__lt=2126-01-31T18:00%2B09:00", "q=2026-1", "q=nobody", "p=1", "all=", "o=4.-5", "_popup=1",
)  # fmt: skip
GARBAGE = ("status__exact=abc", "hours=abc", "occurred_at__gte=abc", "unknown=1", "p=abc", "o=abc", "e=1", "q=%00")


@pytest.fixture(autouse=True)
def order() -> Order:
    """An event in each status, an attempt, destinations that are closed and paused, a repair under way, a field."""
    now = clock.now()
    order = Order.objects.create(number="2026-1", total=1)
    source = {"definition": "purchase", "source": "shop.Order", "source_pk": str(order.pk)}
    why = {"reason_code": "rejected", "reason": SAID}
    for status in EventStatus:
        event = make(status, order_id="2026-1", user_id="u1", **source, **(why if status == "failed" else {}))
        DeliveryAttempt.objects.create(
            event=event, number=1, started_at=now, duration_ms=5, outcome="rejected", status_code=400, error=SAID,
            response_body=SAID,
        )  # fmt: skip
    closed = {"closed_until": now + dt.timedelta(hours=1), "closed_at": now, "closed_code": "transient"}
    Destination.objects.create(alias="default", closed_reason=SAID, **closed)
    Destination.objects.create(alias="brand", paused_by="root", paused_at=now)
    CustomField.objects.create(
        key="k", scope="event", name="source_type", type="string", first_seen_at=now, last_seen_at=now
    )
    wish = bulk_action.new_bulk_action(Action.RESEND, Selection(pks=(event.pk,)), by="root", using="default")
    wish.event_count = 1
    wish.save()
    return order


def failed() -> Event:
    return Event.objects.get(status="failed")


def pages() -> dict[str, str]:
    """Each address of ours -> what stands on its page."""
    event, wish = page_of(failed()), f"{ADMIN}repair/{Repair.objects.get().pk}/"
    return {
        "/admin/": "Custom fields", ADMIN: "Custom fields",
        **{f"{LIST}?{each}": "Event id, order id or user id" for each in ("", *CHOICES)},
        **dict.fromkeys((event, f"{event}?_popup=1"), "Current status"),
        event.replace("/change/", "/history/"): "",
        **{event.replace("change/", f"ask/{action}/"): "What will happen" for action in Action},
        f"{ADMIN}overview/": "Why events did not arrive", f"{ADMIN}overview/current/": "Rate limit",
        **dict.fromkeys((f"{ADMIN}destination/", f"{ADMIN}destination/?_popup=1"), "brand"),
        f"{ADMIN}destination/brand/change/": "root", f"{ADMIN}destination/brand/history/": "",
        f"{ADMIN}repair/": "resend", wish + "change/": "What was asked for", wish + "history/": "",
        f"{ADMIN}customfield/": "source_type", f"{ADMIN}customfield/?format=csv": "source_type",
    }  # fmt: skip


def test_every_page_shows_what_it_is_for(admin_client: Client) -> None:
    """Each opens, with its own words and a head that brings our styles."""
    for address, words in pages().items():
        answer = admin_client.get(address)
        assert answer.status_code == 200, address
        assert words in text_of(answer), address
    for address in (LIST, page_of(failed()), f"{ADMIN}repair/", f"{ADMIN}customfield/"):
        assert "dfinery_django/events.css" in admin_client.get(address).content.decode(), address
    overview = admin_client.get(f"{ADMIN}overview/").content.decode()
    assert "dfinery_django/overview.css" in overview
    assert "dfinery_django/overview.js" in overview


def test_the_list_has_its_filters_and_actions(admin_client: Client) -> None:
    """Every filter offers its choices, every action can be chosen, and each row leads to its event."""
    page = admin_client.get(LIST).content.decode()
    for name, value in (("status__exact", "failed"), ("event_name", "purchase"), ("hours", "24")):
        # Links, options with a link as value, or options with a name and a value.
        assert re.search(rf'"[^"]*{name}={value}|data-name="{name}" value="{value}"', page), name
    for action in ("resend", "rebuild", "cancel", "forget"):
        assert f'<option value="{action}"' in page
    assert page_of(failed()) in page


def test_what_is_no_choice_is_no_error(admin_client: Client) -> None:
    """An address that somebody typed leads back to the list, shows nothing, or is refused."""
    for each in GARBAGE:
        assert admin_client.get(f"{LIST}?{each}", follow=True).status_code in (200, 400), each


@pytest.mark.parametrize("action", ["resend", "rebuild", "cancel", "forget"])
def test_an_action_asks_and_does(admin_client: Client, action: str) -> None:
    """From the list over the page that asks to the message and the log."""
    event = failed() if action != "cancel" else Event.objects.get(status="pending")
    asked = ask(admin_client, action, event)
    assert "What will happen" in text_of(asked)
    done = confirm(admin_client, asked)
    assert done.status_code == 200
    words = {"forget": "Erased: 7 events", "rebuild": "1 event will be rebuilt"}
    assert words.get(action, "1 event") in text_of(done)


def test_buttons_of_the_overview_and_of_a_repair(admin_client: Client) -> None:
    """Pause, resume, and stop lead back to a page with a message."""
    for button in ("pause", "resume"):
        done = admin_client.post(f"{ADMIN}overview/{button}/", {"destination": "default"}, follow=True)
        assert "Delivery to default" in text_of(done)
    done = admin_client.post(f"{ADMIN}repair/{Repair.objects.get().pk}/stop/", follow=True)
    assert "Stopped. What" in text_of(done)
    assert LogEntry.objects.count() == 3


def test_an_order_shows_its_events(admin_client: Client, order: Order) -> None:
    """On the page of the shop's own model."""
    answer = admin_client.get(f"/admin/shop/order/{order.pk}/change/")
    assert answer.status_code == 200
    assert "All its DFINERY events" in text_of(answer)


def test_who_may_not_see_payloads_reads_no_reason() -> None:
    """On none of the pages: no theme shows what our own templates leave out."""
    viewer = client_of("viewer", "view_event", "view_destination", "view_customfield", "resend_event", "rebuild_event")
    for address in pages():
        assert SAID not in viewer.get(address).content.decode(), address
