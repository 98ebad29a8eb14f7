"""What works is what ``manage.py check`` lets pass: each way of writing is checked, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.checks import messages, run_checks


def _assert_checked(request: Any) -> None:
    expected = {f"dfinery.{number}" for mark in request.node.iter_markers("checks") for number in mark.args}
    expected.add("dfinery.W020")  # other shops have other statuses
    found = [each for each in run_checks(tags=["dfinery"]) if each.level > messages.INFO]
    assert [str(each) for each in found if each.id not in expected] == []


@pytest.fixture(autouse=True)
def _checked(request: Any, settings: Any) -> Iterator[None]:
    """Whatever a test leaves behind as DFINERY, definitions that it registered included."""
    yield
    _assert_checked(request)


@pytest.fixture
def configured(request: Any, configured: Callable[..., None]) -> Callable[..., None]:
    """As everywhere, and each setting is checked when it comes into force."""

    def configure(**changes: Any) -> None:
        configured(**changes)
        _assert_checked(request)

    return configure
