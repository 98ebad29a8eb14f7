"""Helpers for a site's own tests: see docs/testing.md. No other module of this package imports them.

``captured_events()`` shows what would be sent; ``FakeDfinery`` answers in place of DFINERY (needs ``responses``, extra
``testing``); ``live_dfinery()`` allows tests to send for real, which is refused otherwise; ``no_capture()`` switches
capture off, for example for ``assertNumQueries``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..delivery.test_guard import live_dfinery
from ..exceptions import RefusedInTests

if TYPE_CHECKING:
    from django.test import override_settings

    from .captured import CapturedEvent, CapturedEvents, captured_events
    from .fake import FakeDfinery

__all__ = [
    "CapturedEvent",
    "CapturedEvents",
    "FakeDfinery",
    "RefusedInTests",
    "captured_events",
    "live_dfinery",
    "no_capture",
]


def no_capture() -> override_settings:
    """Switch capture off, so that this package queries and stores nothing.

    Works like ``override_settings``: on a block, a function or a ``TestCase``.
    """
    from django.conf import settings
    from django.test import override_settings

    return override_settings(DFINERY={**getattr(settings, "DFINERY", {}), "ENABLED": False})


def __getattr__(name: str) -> Any:
    # Imported on use: there are no models before Django is set up, and not every site has responses installed.
    if name == "FakeDfinery":
        from .fake import FakeDfinery

        return FakeDfinery
    if name in ("CapturedEvent", "CapturedEvents", "captured_events"):
        from . import captured

        return getattr(captured, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
