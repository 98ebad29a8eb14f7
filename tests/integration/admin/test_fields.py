"""The page of custom fields: what to register in DFINERY's console."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dfinery_django import Value
from dfinery_django.models import CustomField
from tests.support.doubles import PURCHASE
from tests.support.staff import client_of, text_of

pytestmark = pytest.mark.django_db

URL = "/admin/dfinery_django/customfield/"
MAPPED = {
    **PURCHASE,
    "event_name": "order_paid",
    "event_attributes": {**PURCHASE["event_attributes"], "source_type": Value("WEB"), "note": "note"},
}


def remember(scope: str, name: str, type_name: str, **fields: Any) -> None:
    now = timezone.now()
    CustomField.objects.create(
        key=CustomField.key_of(scope, name), scope=scope, name=name, type=type_name,
        first_seen_at=now, last_seen_at=now, **fields,
    )  # fmt: skip


def test_it_says_what_to_register(configured: Any) -> None:
    """Declared, mapped and seen, events first, each by the name and type that the console asks for."""
    configured(EVENTS={"purchase": MAPPED}, CUSTOM_FIELDS={"event": {"source_type": "string"}})
    remember("user", "grade", "long")
    text = text_of(client_of("viewer", "view_customfield").get(URL))
    assert "c:order_paid purchase never never" in text
    assert "c:source_type String declared purchase never never" in text
    assert "c:note String a model's field purchase never" in text
    assert "c:grade Long its first value" in text
    assert text.index("c:order_paid") < text.index("c:note") < text.index("c:grade")


def test_a_field_that_drifts_is_told_with_the_line_to_write(configured: Any) -> None:
    """As often as it happened, and the other type."""
    configured()
    remember("event", "size", "string", drift_count=3, drift_type="long")
    text = text_of(client_of("viewer", "view_customfield").get(URL))
    assert "1 field was sent with more than one type" in text
    assert (
        '3 values came as another type, lately as Long. Decide its type: DFINERY["CUSTOM_FIELDS"]["event"]["size"]'
        in text
    )


def test_a_spreadsheet(configured: Any) -> None:
    """The same as a file that a spreadsheet reads."""
    configured(EVENTS={"purchase": MAPPED})
    answer = client_of("viewer", "view_customfield").get(URL, {"format": "csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))
    assert {"console_name": "c:note", "scope": "event", "type": "string"}.items() <= next(
        row for row in rows if row["name"] == "note"
    ).items()


def test_nothing_yet(configured: Any) -> None:
    """An empty page says so."""
    configured()
    assert "No custom event or field is declared" in text_of(client_of("viewer", "view_customfield").get(URL))


def test_names_are_text(configured: Any) -> None:
    """A name from elsewhere is no markup."""
    configured()
    remember("event", "<script>alert(1)</script>", "string", drift_count=1, drift_type="long")
    content = client_of("viewer", "view_customfield").get(URL).content.decode()
    assert "<script>alert" not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content


@pytest.mark.parametrize(
    ("permissions", "expected"), [(None, 302), ([], 403), (["view_event"], 403), (["view_customfield"], 200)]
)
def test_who_may_see_it(configured: Any, permissions: list[str] | None, expected: int) -> None:
    """Whoever may view custom fields; nobody adds or changes one."""
    configured()
    remember("event", "size", "string")
    client = Client() if permissions is None else client_of("somebody", *permissions)
    assert client.get(URL).status_code == expected
    refused = 405 if expected == 200 else expected
    assert client.post(URL, {"action": "delete_selected"}).status_code == refused
    assert CustomField.objects.count() == 1


def test_few_queries(configured: Any, django_assert_max_num_queries: Any) -> None:
    """As many for a hundred fields as for one."""
    configured(EVENTS={"purchase": MAPPED})
    for number in range(100):
        remember("event", f"field_{number}", "string")
    client = client_of("viewer", "view_customfield")
    with django_assert_max_num_queries(6):
        client.get(URL)


def test_a_row_has_no_page_of_its_own() -> None:
    """There is nothing more to say of it."""
    assert reverse("admin:dfinery_django_customfield_changelist") == URL
    assert client_of("viewer", "view_customfield").get(f"{URL}x/change/").status_code == 404
