"""Whatever a browser sends to a page of our admin: it is done, refused or passed over, and never a 500."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.urls import get_resolver

from dfinery_django.enums import Action
from dfinery_django.models import Destination, Event, Repair
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from tests.support.staff import LIST, make, text_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/dfinery_django/"
#: What is no key.
KEYS = (
    *("abc", "", "-1", "0", "1.5", "1e3", "\x00", "1\x00", "%00", "'", "²", "9223372036854775808", "1" * 5000, "🎁"),
    "0166a71c-caf4-462d-8201-9c30c40f2354",
)
HALF = "\ud83d"
TIMES = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01", "9999-12-31", "2026-02-30", "nan")
NAMES = (
    *("q", "p", "o", "e", "all", "_popup", "_to_field", "_changelist_filters", "_facets", "status__exact", "hours"),
    *("repair", "event_name", "destination", "reason_code__exact", "definition__in", "source_pk", "pk__in"),
    "payload__contains",
)
#: Model -> its pages of one thing.
PAGES = {
    "event": ("", "change/", "history/", "delete/", "ask/resend/", "ask/abc/"),
    "repair": ("change/", "history/", "stop/", "current/"),
    "destination": ("change/", "history/", "delete/"),
    "customfield": ("change/",),
}


@pytest.fixture
def root(configured: Any, admin_client: Client) -> Client:
    configured()
    admin_client.raise_request_exception = False
    for status in ("failed", "pending", "delivered"):
        make(status, definition="purchase", source_pk="1", user_id="u1", order_id="o1")
    Destination.objects.create(alias="default")
    wish = bulk_action.new_bulk_action(Action.RESEND, Selection(pks=(1,)), by="root", using="default")
    wish.save()
    return admin_client


def url(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")


@pytest.mark.parametrize("model", PAGES)
def test_addresses_of_things(root: Client, model: str) -> None:
    """What is no key of a thing, under each address that takes one."""
    for key, page in itertools.product((*KEYS, HALF), PAGES[model]):
        for method in ("GET", "POST") if page in ("change/", "stop/") else ("GET",):
            found = root.generic(method, f"{ADMIN}{model}/{url(key)}/{page}")
            assert found.status_code in (200, 301, 302, 400, 403, 404, 405), (method, key, page)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_the_list(root: Client, name: str) -> None:
    """Filters, pages, columns and whatever else an address may say."""
    for value in ("abc", "", "-1", "\x00", "1" * 5000, HALF, "nan", "1e308"):
        assert root.get(f"{LIST}?{name}={url(value)}").status_code in (200, 302, 400), value


def test_parameters_of_other_lists(root: Client) -> None:
    """The same of destinations, repairs, custom fields and the overview."""
    for model, name in itertools.product(
        ("destination", "repair", "customfield", "overview"), ("q", "p", "o", "format")
    ):
        for value in ("abc", "\x00", "1" * 5000, HALF):
            found = root.get(f"{ADMIN}{model}/?{name}={url(value)}")
            assert found.status_code in (200, 302, 400), (model, name, value)


def test_times_that_no_calendar_shows(root: Client, settings: Any) -> None:
    """The first and the last hours that Python knows lie beyond them in the time zone of some site."""
    for zone, value in itertools.product(("America/New_York", "Asia/Seoul", "UTC"), TIMES):
        settings.TIME_ZONE = zone
        for name in ("occurred_at__gte", "occurred_at__lt"):
            assert root.get(f"{LIST}?{name}={url(value)}").status_code in (200, 302), (zone, value)


@pytest.mark.parametrize("action", ["resend", "forget", "delete_selected", "\x00"])
def test_keys_that_were_ticked(root: Client, action: str) -> None:
    """What is no key is none that was ticked; the others are."""
    for value in KEYS:
        form = {"action": action, "_selected_action": [value], "select_across": "0"}
        assert root.post(LIST, form).status_code in (200, 302), value
        assert root.post(LIST, {**form, "index": value}).status_code in (200, 302), value
        found = root.post(f"{LIST}?q={url(value)}", {**form, "select_across": value})
        assert found.status_code in (200, 302, 400), value
    for across in ("1", "true", "-1"):
        assert root.post(LIST, {**form, "select_across": across}).status_code in (200, 302), across


def test_a_key_among_garbage_is_taken(root: Client) -> None:
    """Once, however often it stands there."""
    pk = Event.objects.values_list("pk", flat=True).get(status="failed")
    found = root.post(LIST, {"action": "resend", "_selected_action": [*KEYS, str(pk), str(pk), f"0{pk}"]})
    assert "Resend 1 event?" in text_of(found)


def test_thousands_of_keys(root: Client, settings: Any) -> None:
    """Django refuses so many fields; a site may let them pass."""
    keys = [str(each) for each in range(1, 6000)]

    def post(action: str) -> int:
        form = urlencode({"action": action, "_selected_action": keys}, doseq=True)
        return int(root.post(LIST, form, content_type="application/x-www-form-urlencoded").status_code)

    assert post("resend") == 400
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    for action in ("resend", "rebuild", "cancel", "forget"):
        assert post(action) == 200


def test_forms_that_nobody_was_asked(root: Client) -> None:
    """A page's signed field that was made up; destinations that there are not."""
    for value, page in itertools.product((*KEYS, "a:b:c", "W10:1x:y"), ("act", "forget")):
        assert root.post(f"{ADMIN}event/{page}/", {"confirmation": value}).status_code == 302, value
    for value, page in itertools.product(KEYS, ("pause", "resume", "test")):
        assert root.post(f"{ADMIN}overview/{page}/", {"destination": value}).status_code == 404, value
    assert not Repair.objects.exclude(asked_by="root").exists()


def test_each_address_was_asked() -> None:
    """No page of ours is missing above."""
    [admin] = [each for each in get_resolver().url_patterns if str(each.pattern) == "admin/"]
    ours = [each for each in admin.url_patterns if str(each.pattern).startswith("dfinery_django/")]
    routes = {
        str(page.pattern).split("/")[-2 if "/" in str(page.pattern) else -1] for m in ours for page in m.url_patterns
    }
    asked = {"", "add", "act", "forget", "change", "history", "delete", "stop", "pause", "resume", "test", "current"}
    assert routes - asked <= {"<slug:action>", "<path:object_id>"}
