"""Helpers for a site's own tests: see docs/map/testing.md. No other module of this package imports them.

``captured_events()`` shows what would be sent; ``FakeDfinery`` answers in place of DFINERY (needs ``responses``, extra
``testing``); ``live_dfinery()`` allows tests to send for real, which is refused otherwise; ``no_capture()`` switches
capture off, for example for ``assertNumQueries``.
"""

from __future__ import annotations

from importlib import import_module
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
    """Switch capture off: on a block, a function or a ``TestCase``, like ``override_settings``."""
    from django.conf import settings
    from django.test import override_settings

    return override_settings(DFINERY={**getattr(settings, "DFINERY", {}), "ENABLED": False})


def __getattr__(name: str) -> Any:
    # Imported on use: there are no models before Django is set up, and not every site has responses installed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(".fake" if name == "FakeDfinery" else ".captured", __name__)
    return getattr(module, name)
