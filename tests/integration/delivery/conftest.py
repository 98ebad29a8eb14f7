"""A shop that delivers to a server of the test's."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def pointed_at(configured: Any) -> Any:
    """Point the shop to a server: ``pointed_at(server.url)``. What must arrive has seconds, on a busy machine, too."""

    def point(url: str, **changes: Any) -> None:
        limits = {"CONCURRENCY": 2, "CONNECT_TIMEOUT": 2, "READ_TIMEOUT": 5, "DRAIN_SECONDS": 20}
        configured(**{**limits, "BASE_URL": url, **changes})

    return point
