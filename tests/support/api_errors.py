"""The REST API's errors: what to ask for so that each of them is answered."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client, override_settings

from dfinery_django.api.parsing import MAX_REQUEST_BYTES
from tests.support.doubles import dfinery
from tests.support.events import body
from tests.support.staff import client_of, make

EVENTS = "/dfinery/v1/events/"
ID = "0166a71c-caf4-462d-8201-9c30c40f2354"
BAD = [body(), body(items=[{"price": "ten"}])]
TAKEN = body(ID, order_id="A-1")
SESSION = "rest_framework.authentication.SessionAuthentication"

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
