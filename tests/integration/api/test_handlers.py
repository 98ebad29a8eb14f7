"""The REST API's errors under exception handlers of others: each has its own status, and none becomes a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.http import JsonResponse
from django.test import Client, override_settings
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response
from rest_framework.views import exception_handler

from dfinery_django.api.parsing import MAX_REQUEST_BYTES
from tests.integration.outbox.test_ingest import body
from tests.support.doubles import dfinery
from tests.support.staff import client_of, make

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/dfinery/v1/events/"
ID = "0166a71c-caf4-462d-8201-9c30c40f2354"
BAD = [body(), body(items=[{"price": "ten"}])]
TAKEN = body(ID, order_id="A-1")

#: What is asked for -> its status: method, address, content, more.
ASKED: dict[str, tuple[int, str, str, Any]] = {
    "no_json": (400, "POST", EVENTS, b"{"),
    "no_list": (400, "POST", EVENTS, []),
    "one_event": (400, "POST", EVENTS, BAD[1]),
    "some_events": (400, "POST", EVENTS, BAD),
    "no_event_is_left": (400, "POST", f"{EVENTS}?partial=1", BAD[1:]),
    "no_destination": (400, "POST", f"{EVENTS}?destination=x", BAD),
    "no_parameter": (400, "GET", f"{EVENTS}?x=1", b""),
    "no_value": (400, "GET", f"{EVENTS}?status=", b""),
    "no_time": (400, "GET", f"{EVENTS}?since=x", b""),
    "no_page": (400, "GET", f"{EVENTS}?page_size=x", b""),
    "no_place": (400, "GET", f"{EVENTS}?cursor=x", b""),
    "no_permission": (403, "GET", EVENTS, b""),
    "no_event": (404, "GET", f"{EVENTS}{ID}/", b""),
    "no_method": (405, "DELETE", EVENTS, b""),
    "no_form": (404, "GET", f"{EVENTS}?format=x", b""),
    "another_event": (409, "POST", EVENTS, body(ID, order_id="A-2")),
    "no_action": (409, "POST", f"{EVENTS}{ID}/resend/", b""),
    "too_large": (413, "POST", EVENTS, b" " * (MAX_REQUEST_BYTES + 1)),
    "no_content_type": (415, "POST", EVENTS, b"{}"),
    "too_many": (429, "GET", EVENTS, b""),
    "switched_off": (503, "POST", EVENTS, TAKEN),
    "misconfigured": (503, "POST", EVENTS, TAKEN),
    "no_database": (503, "GET", EVENTS, b""),
}


def answered(name: str, handler: str | None) -> Any:
    """The answer to one of ``ASKED`` under a handler of the site."""
    _status, method, address, content = ASKED[name]
    rest = {**({"EXCEPTION_HANDLER": handler} if handler else {}), "DEFAULT_AUTHENTICATION_CLASSES": [SESSION]}
    permissions = [] if name == "no_permission" else ["add_event", "view_event", "resend_event"]
    client = client_of("till", *permissions, is_staff=False, raise_request_exception=False)
    with ExitStack() as stack:
        stack.enter_context(override_settings(REST_FRAMEWORK=rest, DFINERY=dfinery()))
        prepare(name, client, stack, rest)
        sent = content if isinstance(content, bytes) else json.dumps(content)
        return client.generic(method, address, sent, "text/plain" if name == "no_content_type" else "application/json")


SESSION = "rest_framework.authentication.SessionAuthentication"


def prepare(name: str, client: Client, stack: ExitStack, rest: Any) -> None:
    """What makes it go wrong."""
    if name == "another_event":
        client.generic("POST", EVENTS, json.dumps(TAKEN), "application/json")
    elif name == "no_action":
        make("pending", event_id=ID)
    elif name == "too_many":
        cache.clear()
        rates = {"DEFAULT_THROTTLE_RATES": {"dfinery": "1/hour"}}
        stack.enter_context(override_settings(REST_FRAMEWORK={**rest, **rates}))
        client.get(EVENTS)
    elif name in ("switched_off", "misconfigured"):
        changes = {"ENABLED": False} if name == "switched_off" else {"MISSPELT": 1}
        stack.enter_context(override_settings(DFINERY=dfinery(**changes)))
    elif name == "no_database":
        stack.enter_context(connection.execute_wrapper(gone))


def gone(execute: Any, sql: str, *rest: Any) -> Any:
    if "dfinery_django_event" in sql:
        raise OperationalError("server closed the connection")
    return execute(sql, *rest)


def leaves(detail: Any) -> list[Any]:
    if isinstance(detail, dict):
        return [leaf for each in detail.values() for leaf in leaves(each)]
    return [leaf for each in detail for leaf in leaves(each)] if isinstance(detail, list) else [detail]


# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def walks(exc: Any, context: Any) -> Response:
    """One that reads ``detail`` as DRF documents it."""
    answer: Any = exception_handler(exc, context)
    found = leaves(getattr(exc, "detail", []))
    assert all(isinstance(each, ErrorDetail) and each.code for each in found)
    if hasattr(exc, "detail"):
        exc.get_codes(), exc.get_full_details()
    answer.data = {"messages": [str(each) for each in found]}
    return answer


def wraps(exc: Any, context: Any) -> Response:
    """One that puts what DRF says into a body of its own."""
    answer: Any = exception_handler(exc, context)
    answer.data = {"ok": False, "error": answer.data}
    return answer


def is_json(exc: Any, context: Any) -> JsonResponse:
    """One that answers with a response of Django's."""
    answer: Any = exception_handler(exc, context)
    return JsonResponse({"error": answer.data}, status=answer.status_code)


def raises(exc: Any, context: Any) -> Response:
    """One that expects a form's errors everywhere."""
    return Response(exc.detail["non_field_errors"][0].code, exc.status_code)


def knows_nothing(exc: Any, context: Any) -> None:
    """One that leaves all of them to somebody else."""


HANDLERS: list[Callable[..., Any] | None] = [None, walks, wraps, is_json, raises, knows_nothing]


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda each: each.__name__ if each else "default")
@pytest.mark.parametrize("name", ASKED)
def test_each_error_has_its_status(name: str, handler: Callable[..., Any] | None) -> None:
    """Whatever the site's handler makes of the body."""
    found = answered(name, f"{__name__}.{handler.__name__}" if handler else None)
    assert found.status_code == ASKED[name][0]
    assert found["Content-Type"] == "application/json"
    assert "connection" not in found.content.decode()
    assert ("Retry-After" in found) == (found.status_code in (429, 503))


@pytest.mark.parametrize("name", ["some_events", "another_event", "no_action", "no_parameter", "no_database"])
def test_bodies_are_as_documented(name: str) -> None:
    """Numbers are numbers and null is null, also in a body of the site's that has ours in it."""
    told = answered(name, None).json()
    assert isinstance(told["detail"], str)
    if name in ("some_events", "another_event"):
        [error] = told["errors"]
        assert error["index"] == (1 if name == "some_events" else 0)
        assert error["result_code"] == (4007 if name == "some_events" else None)
    assert told.get("verdict") == ("unfinished" if name == "no_action" else None)


def test_what_a_site_wraps_is_as_documented() -> None:
    """A handler that keeps DRF's data inside of its own loses no type."""
    told = answered("some_events", f"{__name__}.wraps").json()
    assert told["ok"] is False
    assert told["error"]["errors"][0]["result_code"] == 4007
