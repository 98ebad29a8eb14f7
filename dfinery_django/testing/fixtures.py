"""pytest fixtures. In the site's conftest.py: ``pytest_plugins = ["dfinery_django.testing.fixtures"]``.

Not an entry point: a plugin that pytest loads on its own would import Django in every run of the environment, before
coverage and settings are ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .. import testing

if TYPE_CHECKING:
    from .captured import CapturedEvents
    from .fake import FakeDfinery


@pytest.fixture(name="captured_events")
def captured_events_fixture(db: None) -> Iterator[CapturedEvents]:
    """Collect what the test would have sent: ``captured_events()`` around the whole test."""
    with testing.captured_events() as events:
        yield events


@pytest.fixture(name="no_capture")
def no_capture_fixture() -> Iterator[None]:
    """Apply ``no_capture()`` to the whole test."""
    with testing.no_capture():
        yield


@pytest.fixture(name="fake_dfinery")
def fake_dfinery_fixture() -> Iterator[FakeDfinery]:
    """Apply ``FakeDfinery()`` to the whole test."""
    with testing.FakeDfinery() as fake:
        yield fake
