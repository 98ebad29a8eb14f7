"""Who may do what over the API: each person at each address by each method."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.backends import BaseBackend
from django.test import Client
from django.urls import get_resolver

from dfinery_django.models import Event
from tests.support.api_people import MAY, PEOPLE
from tests.support.events import body
from tests.support.staff import make, visitor

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@pytest.fixture(params=["anonymous", *PEOPLE, "root"])
def person(request: Any, configured: Any) -> tuple[str, Client]:
    configured()
    return request.param, visitor(request.param, PEOPLE)


def test_the_matrix_has_every_address() -> None:
    """None is forgotten."""
    [mount] = [each for each in get_resolver().url_patterns if str(each.pattern) == "dfinery/"]
    [version] = mount.url_patterns
    assert str(version.pattern) == "v1/"
    assert {str(each.pattern) for each in version.url_patterns} == set(MAY)


def test_the_page_says_so() -> None:
    """docs/reference/rest-api.md has each address and method with the permissions that open it."""
    page = (Path(__file__).parents[3] / "docs/reference/rest-api.md").read_text()
    rows = re.findall(r"^\| `(GET|POST) v1/(\S+)` \|.*\| (.*) \|$", page, re.MULTILINE)
    told = {
        (method, address.replace("<", "<str:")): {frozenset(re.findall(r"`(\w+)`", way)) for way in ways.split(" or ")}
        for method, address, ways in rows
    }
    views = {
        str(each.pattern): each.callback.cls
        for each in get_resolver("dfinery_django.api.urls").url_patterns[0].url_patterns
    }
    assert told == {
        (method, address): {frozenset(each.removeprefix("dfinery_django.") for each in way) for way in ways}
        for address, view in views.items()
        for method, ways in view.permissions.items()
    }


def expected(name: str, by_method: dict[str, set[str]], method: str) -> set[int]:
    may = by_method.get("GET" if method == "HEAD" else method)
    if may is not None:
        return {200, 202, 409} if name in may else {401, 403}
    is_anybody = any(name in each for each in by_method.values())
    if not is_anybody:
        return {401, 403}
    return {200} if method == "OPTIONS" else {405}


@pytest.mark.parametrize("address", MAY)
def test_who_may_what(person: tuple[str, Client], address: str) -> None:
    """Nothing but the permissions of this app opens it, and what is refused changes nothing."""
    name, client = person
    sent = json.dumps(body()) if address == "events/" else ""
    for method in METHODS:
        event = make("pending" if "cancel" in address else "failed")
        url = "/dfinery/v1/" + address.replace("<str:event_id>", str(event.event_id))
        found = client.generic(method, url, sent, "application/json")
        statuses = expected(name, MAY[address], method)
        if address == "health/" and 200 in statuses:
            statuses = {*statuses, 503}
        assert found.status_code in statuses, method
        if found.status_code in (401, 403, 405):
            assert Event.objects.get().status == event.status, method
            if method != "HEAD":
                assert set(found.json()) == {"detail"}, method
        Event.objects.all().delete()


def test_a_permission_for_nobody_in_particular_opens_nothing(configured: Any, settings: Any) -> None:
    """A backend that gives everybody every permission gives it to nobody who is not known."""
    configured()
    settings.AUTHENTICATION_BACKENDS = ["tests.integration.api.test_api_permissions.Generous"]
    event = make("failed")
    for address, by_method in MAY.items():
        for method in by_method:
            url = "/dfinery/v1/" + address.replace("<str:event_id>", str(event.event_id))
            assert Client().generic(method, url).status_code in (401, 403)


class Generous(BaseBackend):
    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return True


def test_payloads_are_for_those_who_may_see_them(person: tuple[str, Client]) -> None:
    """In what is retrieved and in what an action answers."""
    name, client = person
    may_see = name in ("reader", "operator", "root")
    event = make("failed", payload='{"event_attributes":{"secret":1},"user_attributes":{}}')
    url = f"/dfinery/v1/events/{event.event_id}/"
    for found in (
        client.get(url),
        client.post(f"{url}resend/"),
        client.post(f"{url}cancel/"),
        client.get("/dfinery/v1/events/"),
    ):
        may_see_here = may_see and "results" not in found.json()
        assert ("secret" in found.content.decode()) == (may_see_here and found.status_code == 200)
