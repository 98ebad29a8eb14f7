"""While tests run, nothing of ours is sent to another machine, unless a test says that it may.

Analytics clients have filled live projects with what tests made up; a token that a developer's machine has in its
environment is enough. Asked once a drain and once a request: outside of tests it costs a look into two dicts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from .addresses import LOOPBACK_HOSTS
from .exceptions import RefusedInTests

_permits: set[object] = set()


def are_tests_running() -> bool:
    """Whether Django's test environment is set up, by its runner or pytest-django, or pytest runs a test."""
    # Looked for, not imported: no site in production has it.
    utils = sys.modules.get("django.test.utils")
    return hasattr(getattr(utils, "_TestState", None), "saved_data") or "PYTEST_CURRENT_TEST" in os.environ


def refuse_in_tests(url: str) -> None:
    """
    :raises RefusedInTests: if tests run and the host of the URL is not this machine
    """
    if not are_tests_running() or _permits or urlsplit(url).hostname in LOOPBACK_HOSTS:
        return
    raise RefusedInTests(
        f"Tests run, so that nothing is sent to {urlsplit(url).hostname}. To see what would be sent: "
        "dfinery_django.testing.captured_events(); to deliver without network: FakeDfinery(), or the sandbox "
        '("BASE_URL": "http://127.0.0.1:8089"); to have nothing of it run: DFINERY["ENABLED"] = False; to send for '
        "real: live_dfinery(). All but the settings are in dfinery_django.testing."
    )


@contextmanager
def live_dfinery() -> Iterator[None]:
    """Within it, tests really send to ``BASE_URL``, whatever host that is; in all threads of the process."""
    permit = object()
    _permits.add(permit)
    try:
        yield
    finally:
        _permits.discard(permit)
