"""Who may do what in the admin: each person at each address."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dfinery_django.enums import Action
from dfinery_django.models import Event, Repair
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from tests.support.staff import LIST, ask, client_of, confirm, make, page_of, visitor

pytestmark = pytest.mark.django_db

VERBS = ("resend", "rebuild", "cancel")
#: Person -> permissions; whether staff.
PEOPLE: dict[str, tuple[list[str], bool]] = {
    "customer": (["view_event", "resend_event"], False),
    "clerk": ([], True),
    "viewer": (["view_event"], True),
    "reader": (["view_event", "view_payload"], True),
    "resender": (["view_event", "resend_event"], True),
    "rebuilder": (["view_event", "rebuild_event"], True),
    "canceller": (["view_event", "cancel_event"], True),
    "forgetter": (["view_event", "forget_user"], True),
    "blind": (["resend_event", "rebuild_event", "cancel_event", "forget_user"], True),
    "operator": (
        ["view_event", "resend_event", "rebuild_event", "cancel_event", "forget_user", "view_payload"],
        True,
    ),
}
MAY = {
    "resender": {"resend"},
    "rebuilder": {"rebuild"},
    "canceller": {"cancel"},
    "forgetter": {"forget"},
    "operator": {*VERBS, "forget"},
    "root": {*VERBS, "forget"},
}


@pytest.fixture(params=["anonymous", *PEOPLE, "root"])
def person(request: Any, configured: Any) -> tuple[str, Client]:
    configured()
    return request.param, visitor(request.param, PEOPLE)


def can_see(name: str) -> bool:
    return name in ("viewer", "reader", "operator", "root") or name in MAY


def refusal(name: str) -> int:
    """To the login for whoever is no staff, else a plain no."""
    return 302 if name in ("anonymous", "customer") else 403


def test_pages(person: tuple[str, Client]) -> None:
    """List, event, history and repairs are for those who may view events."""
    name, client = person
    event = make("failed")
    made = bulk_action.new_bulk_action(Action.RESEND, Selection(), by="x", using="default")
    made.save()
    repair_page = reverse("admin:dfinery_django_repair_change", args=[made.pk])
    for url in (
        LIST,
        page_of(event),
        f"{LIST}{event.pk}/history/",
        reverse("admin:dfinery_django_repair_changelist"),
        repair_page,
        reverse("admin:dfinery_django_repair_current", args=[made.pk]),
    ):
        answer = client.get(url)
        assert answer.status_code == (200 if can_see(name) else refusal(name)), url
        if answer.status_code == 302:
            assert answer["Location"].startswith("/admin/login/")


def test_nothing_is_added_changed_or_deleted(person: tuple[str, Client]) -> None:
    """By nobody, not even the superuser."""
    name, client = person
    event = make("failed")
    for url in (f"{LIST}add/", page_of(event), f"{LIST}{event.pk}/delete/", "/admin/dfinery_django/repair/add/"):
        answer = client.post(url, {"post": "yes", "status": "delivered"})
        assert answer.status_code == refusal(name), url
    form = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    client.post(LIST, form)
    assert Event.objects.get().status == "failed"


@pytest.mark.parametrize("verb", VERBS)
def test_actions(person: tuple[str, Client], verb: str) -> None:
    """Each action has a permission of its own: to be asked, on list and page, and to confirm."""
    name, client = person
    event = make("pending" if verb == "cancel" else "failed", definition="purchase")
    may = verb in MAY.get(name, set())
    asked = client.get(f"{LIST}{event.pk}/ask/{verb}/")
    assert asked.status_code == (200 if may else refusal(name))
    from_list = ask(client, verb, event)
    assert ("dfinery-lines" in from_list.content.decode()) == may
    assert client.get(reverse("admin:dfinery_django_event_act")).status_code == 405
    assert client.post(f"{LIST}{event.pk}/ask/{verb}/").status_code == 405
    # What another was asked can't be confirmed.
    root = client_of("somebody", *PEOPLE["operator"][0])
    token = re.search(r'name="confirmation" value="([^"]+)"', ask(root, verb, event).content.decode())
    if token:
        client.post(reverse("admin:dfinery_django_event_act"), {"confirmation": unescape(token[1])})
    assert Repair.objects.count() == 0
    assert Event.objects.get().status == event.status


def test_forgetting_people(person: tuple[str, Client]) -> None:
    """It has a permission of its own: to be asked, and to confirm; and nobody confirms what another was asked."""
    name, client = person
    event = make("delivered", user_id="u1")
    may = "forget" in MAY.get(name, set())
    asked = ask(client, "forget", event)
    assert ("Erase all events of this person?" in asked.content.decode()) == may
    url = reverse("admin:dfinery_django_event_forget")
    assert client.get(url).status_code == 405
    root = client_of("somebody", *PEOPLE["operator"][0])
    other = re.search(r'name="confirmation" value="([^"]+)"', ask(root, "forget", event).content.decode())
    assert other
    for place in (url, reverse("admin:dfinery_django_event_act")):
        client.post(place, {"confirmation": unescape(other[1])})
        assert Event.objects.count() == 1
    if may:
        confirm(client, asked)
        assert Event.objects.count() == 0


def test_a_permission_that_is_taken_away_meanwhile_counts(configured: Any, django_user_model: Any) -> None:
    """Between the question and the answer."""
    configured()
    client = client_of("op", "view_event", "resend_event")
    asked = ask(client, "resend", make("failed"))
    django_user_model.objects.get(username="op").user_permissions.clear()
    assert confirm(client, asked).status_code == 403
    assert Event.objects.get().status == "failed"


def test_read_only_staff_see_no_buttons(person: tuple[str, Client]) -> None:
    """Exactly the actions that one may take are offered, on list and page."""
    name, client = person
    if not can_see(name):
        return
    failed, waiting = make("failed", definition="purchase"), make("pending")
    pages = client.get(page_of(failed)).content.decode() + client.get(page_of(waiting)).content.decode()
    offered = set(re.findall(r"/ask/(\w+)/", pages))
    in_list = set(re.findall(r'<option value="(\w+)">', client.get(LIST).content.decode()))
    assert in_list == MAY.get(name, set())
    assert offered == in_list - {"forget"}  # of people, not of one event


def test_a_repair_is_stopped_by_those_who_may_take_its_action(person: tuple[str, Client]) -> None:
    """And only by POST."""
    name, client = person
    made = bulk_action.new_bulk_action(Action.CANCEL, Selection(), by="x", using="default")
    made.save()
    url = reverse("admin:dfinery_django_repair_stop", args=[made.pk])
    assert client.get(url).status_code == 405
    may = "cancel" in MAY.get(name, set())
    page = client.get(reverse("admin:dfinery_django_repair_change", args=[made.pk])).content.decode()
    assert (url in page) == may
    client.post(url)
    assert Repair.objects.get().is_finished == may


def test_actions_need_a_csrf_token(configured: Any) -> None:
    """A page elsewhere can't act for somebody who is logged in."""
    configured()
    client = client_of("op", *PEOPLE["operator"][0], enforce_csrf_checks=True)
    event = make("failed")
    assert ask(client, "resend", event).status_code == 403
    asked = client.get(f"{LIST}{event.pk}/ask/resend/")
    token = re.search(r'name="confirmation" value="([^"]+)"', asked.content.decode())
    assert token
    act, form = reverse("admin:dfinery_django_event_act"), {"confirmation": unescape(token[1])}
    assert client.post(act, form).status_code == 403
    assert Event.objects.get().status == "failed"
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"].value
    assert client.post(act, form).status_code == 302
    assert Event.objects.get().status == "pending"
