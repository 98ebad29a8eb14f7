"""The list of bulk actions: what was asked for, how far it is, and its result in words."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from django.utils import timezone

from dfinery_django.models import Repair
from tests.support.staff import client_of

pytestmark = pytest.mark.django_db

PAGE = "/admin/dfinery_django/repair/"


def bulk_action(action: str, count: int, tally: dict[str, int], **fields: Any) -> None:
    chosen = '{"status": "failed", "event_name": "purchase"}'
    fields = {"asked_by": "kim", "seen_at": timezone.now(), "last_pk": 9, "last_attempt_pk": 0, **fields}
    Repair.objects.create(action=action, selection=chosen, event_count=count, tally=tally, **fields)


def rows(client: Any) -> list[list[str]]:
    """The cells of the list as text."""
    page = client.get(PAGE).content.decode()
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in body.split("</tr>")]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells if row]


def test_each_says_what_became_of_it(configured: Any) -> None:
    """Numbers of the events that it changed and left alone; what is not over has no end."""
    configured()
    now = timezone.now()
    bulk_action("cancel", 3, {"ready": 2, "unsure": 1}, finished_at=now)
    bulk_action("rebuild", 10, {"ready": 7, "delivered": 1, "too_old": 2}, finished_at=now)
    bulk_action("resend", 1300, {"ready": 500}, asked_at=now - dt.timedelta(minutes=1))
    bulk_action("resend", 5, {})
    client = client_of("viewer", "view_event")
    listed = rows(client)
    assert [(row[0], row[4], row[-1]) for row in listed] == [
        ("resend", "0 / 5", "-"),
        ("resend", "500 / 1,300", "500 to be sent again"),
        ("rebuild and resend", "10 / 10", "8 to be rebuilt and sent, 2 left alone"),
        ("cancel", "3 / 3", "3 cancelled"),
    ]
    assert [row[5] == "-" for row in listed] == [True, True, False, False]
    assert all("event: purchase" in row[1] for row in listed)
    assert '<progress value="500" max="1300"' in client.get(PAGE).content.decode()


def test_an_error_is_quoted_to_those_who_may_read_payloads(configured: Any) -> None:
    """It may quote one; others are sent to the log."""
    configured()
    bulk_action("rebuild", 2, {}, finished_at=timezone.now(), error="ValueError: <b>kim@example.com</b>")
    assert rows(client_of("viewer", "view_event"))[0][-1] == "It can't be done: see the log."
    reader = client_of("reader", "view_event", "view_payload")
    assert "ValueError: &lt;b&gt;kim@example.com" in reader.get(PAGE).content.decode()


def test_an_empty_list_says_how_to_begin(configured: Any) -> None:
    """Not only that there are none."""
    configured()
    page = client_of("viewer", "view_event").get(PAGE).content.decode()
    assert "Tick events in the list of events and choose an action." in page
