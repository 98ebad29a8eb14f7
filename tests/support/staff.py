"""People of the shop, and what they do in the admin."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from dfinery_django import clock
from dfinery_django.enums import EventStatus
from dfinery_django.models import Event

LIST = "/admin/dfinery_django/event/"


def client_of(name: str, *permissions: str, is_staff: bool = True, **options: Any) -> Client:
    """A browser in which somebody with these permissions has logged in."""
    user = get_user_model().objects.create_user(name, password="x", is_staff=is_staff)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=permissions, content_type__app_label="dfinery_django")
    )
    client = Client(**options)
    client.force_login(user)
    return client


def visitor(name: str, people: dict[str, tuple[list[str], bool]]) -> Client:
    """A browser of one of these people (name -> permissions, is_staff), of somebody unknown, or of a superuser."""
    if name == "anonymous":
        return Client()
    if name == "root":
        client = Client()
        client.force_login(get_user_model().objects.create_superuser("root", password="x"))
        return client
    permissions, is_staff = people[name]
    return client_of(name, *permissions, is_staff=is_staff)


def make(status: str = "delivered", *, hours: float = 1, **fields: Any) -> Event:
    """An event as it stands some hours after it happened."""
    now = clock.now()
    event = Event(event_name="purchase", destination="default", payload='{"event_attributes":{},"user_attributes":{}}')
    event.set_occurred_at(now - dt.timedelta(hours=hours))
    event.status = EventStatus(status)
    if event.is_finished:
        event.finished_at = now - dt.timedelta(minutes=1)
    else:
        event.due_at = now
    for name, value in fields.items():
        setattr(event, name, value)
    event.save()
    return event


def page_of(event: Event) -> str:
    return reverse("admin:dfinery_django_event_change", args=[event.pk])


def ask(client: Any, action: str, *events: Event, across: bool = False, query: str = "") -> Any:
    """Choose events in the list and an action: the page that asks."""
    chosen = [event.pk for event in events] or list(Event.objects.values_list("pk", flat=True)[:1])
    form = {"action": action, "_selected_action": chosen, "select_across": "1" if across else "0"}
    return client.post(LIST + query, form)


def confirm(client: Any, asked: Any) -> Any:
    """Say yes; the page that one is led to."""
    page = asked.content.decode()
    found = re.search(r'name="confirmation" value="([^"]+)"', page)
    url = re.search(r'<form method="post" action="([^"]+)" class="dfinery-buttons"', page)
    assert found, page
    assert url, page
    return client.post(url[1], {"confirmation": unescape(found[1])}, follow=True)


def text_of(answer: Any) -> str:
    """What a page says, without markup and doubled blanks."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bare)))
