"""The REST API's errors under exception handlers of others: each has its own status, and none becomes a 500."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import JsonResponse
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response
from rest_framework.views import exception_handler

from tests.support.api_errors import ASKED, answered

pytestmark = pytest.mark.django_db


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
