"""A guard that keeps tests from sending to another machine, unless a test allows it.

Analytics clients have filled live projects with test data; a token in a developer's environment is enough. The guard
is called once per drain and once per request, and costs two dict lookups outside of tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from ..addresses import LOOPBACK_HOSTS
from ..exceptions import RefusedInTests

_permits: set[object] = set()


def are_tests_running() -> bool:
    """Return whether Django's test environment is set up, by its runner or pytest-django, or pytest runs a test."""
    # Not imported: production never loads it.
    utils = sys.modules.get("django.test.utils")
    return hasattr(getattr(utils, "_TestState", None), "saved_data") or "PYTEST_CURRENT_TEST" in os.environ


def refuse_in_tests(url: str) -> None:
    """Raise ``RefusedInTests`` for a request to another machine while tests run."""
    if not are_tests_running() or _permits or urlsplit(url).hostname in LOOPBACK_HOSTS:
        return
    raise RefusedInTests(
        f"Tests are running, so nothing is sent to {urlsplit(url).hostname}. To see what would be sent: "
        "dfinery_django.testing.captured_events(); to deliver without network: FakeDfinery(), or the sandbox "
        '("BASE_URL": "http://127.0.0.1:8089"); to switch the app off: DFINERY["ENABLED"] = False; to send for '
        "real: live_dfinery(). All but the settings are in dfinery_django.testing."
    )


@contextmanager
def live_dfinery() -> Iterator[None]:
    """Allow tests to send to ``BASE_URL``, whatever its host is, in all threads of the process."""
    permit = object()
    _permits.add(permit)
    try:
        yield
    finally:
        _permits.discard(permit)
