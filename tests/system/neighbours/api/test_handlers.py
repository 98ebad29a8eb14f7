"""Errors of the REST API under drf-standardized-errors."""

from __future__ import annotations

import pytest

from tests.support.api_errors import ASKED, answered

pytestmark = pytest.mark.django_db(transaction=True)

HANDLER = "drf_standardized_errors.handler.exception_handler"


@pytest.mark.parametrize("name", ASKED)
def test_each_error_has_its_status(name: str) -> None:
    """And a body in the handler's form, whose first error is our sentence."""
    found = answered(name, HANDLER)
    assert found.status_code == ASKED[name][0]
    told = found.json()
    assert told["type"] == ("server_error" if found.status_code == 503 else "client_error")
    assert told["errors"][0]["detail"]
    assert told["errors"][0]["code"]


def test_each_event_is_told() -> None:
    """Which event, where in it and why stand in the handler's form, too."""
    told = {each["attr"]: each["detail"] for each in answered("some_events", HANDLER).json()["errors"]}
    assert told["detail"] == "Nothing was stored: 1 of 2 events can't be taken."
    assert (told["errors.0.index"], told["errors.0.path"]) == ("1", "items[0].price")
