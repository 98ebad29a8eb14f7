"""What a site's own tests need: see docs/testing.md. Nothing else of ours imports it.

``captured_events()`` shows what would be sent; ``FakeDfinery`` delivers to nobody (needs ``responses``, extra
``testing``); ``live_dfinery()`` lets tests send for real, which they are refused else; ``no_capture()`` leaves the
counts of ``assertNumQueries`` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import RefusedInTests
from ..loopback import live_dfinery

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
    """No save is looked at, and nothing of ours is queried or stored: ``with no_capture(): …``, or as a decorator.

    Takes what ``override_settings`` takes: a block, a function, a ``TestCase``.
    """
    from django.conf import settings
    from django.test import override_settings

    return override_settings(DFINERY={**getattr(settings, "DFINERY", {}), "ENABLED": False})


def __getattr__(name: str) -> Any:
    # Imported when used: before Django is set up there are no models, and not every site has responses.
    if name == "FakeDfinery":
        from .fake import FakeDfinery

        return FakeDfinery
    if name in ("CapturedEvent", "CapturedEvents", "captured_events"):
        from . import captured

        return getattr(captured, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
