"""What a site's own tests need: see docs/testing.md. Nothing else of ours imports it.

``captured_events()`` shows what would be sent; ``FakeDfinery`` delivers to nobody (needs ``responses``, extra
``testing``); ``live_dfinery()`` lets tests send for real, which they are refused else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import RefusedInTests
from ..loopback import live_dfinery

if TYPE_CHECKING:
    from .captured import CapturedEvent, CapturedEvents, captured_events
    from .fake import FakeDfinery

__all__ = [
    "CapturedEvent",
    "CapturedEvents",
    "FakeDfinery",
    "RefusedInTests",
    "captured_events",
    "live_dfinery",
]


def __getattr__(name: str) -> Any:
    # Imported when used: before Django is set up there are no models, and not every site has responses.
    if name == "FakeDfinery":
        from .fake import FakeDfinery

        return FakeDfinery
    if name in ("CapturedEvent", "CapturedEvents", "captured_events"):
        from . import captured

        return getattr(captured, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
