"""Delivery of a Django shop's orders and users to DFINERY.

It may be imported from a settings module: names that need models (``capture``, ``track``, ``preview``) are imported at
first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .definitions import EventDefinition
from .exceptions import (
    AlreadyRegistered,
    ConfigurationError,
    DfineryError,
    NotRegistered,
    PayloadError,
    TransportError,
)
from .expressions import Coalesce, Display, Hashed, Joined, Value
from .registry import register
from .signals import (
    destination_blocked,
    destination_closed,
    destination_paused,
    destination_recovered,
    destination_resumed,
    event_delivered,
    event_expired,
    event_failed,
    events_at_risk,
)

if TYPE_CHECKING:
    from .asynchronous import acapture, atrack
    from .forgetting import Forgotten, forget
    from .outbox import capture, track
    from .reading import preview

__version__ = "0.1.0"

__all__ = [
    "AlreadyRegistered",
    "Coalesce",
    "ConfigurationError",
    "DfineryError",
    "Display",
    "EventDefinition",
    "Forgotten",
    "Hashed",
    "Joined",
    "NotRegistered",
    "PayloadError",
    "TransportError",
    "Value",
    "acapture",
    "atrack",
    "capture",
    "destination_blocked",
    "destination_closed",
    "destination_paused",
    "destination_recovered",
    "destination_resumed",
    "event_delivered",
    "event_expired",
    "event_failed",
    "events_at_risk",
    "forget",
    "preview",
    "register",
    "track",
]

_NEED_MODELS = {
    "Forgotten": "forgetting",
    "acapture": "asynchronous",
    "atrack": "asynchronous",
    "capture": "outbox",
    "forget": "forgetting",
    "preview": "reading",
    "track": "outbox",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_NEED_MODELS[name]}", __name__), name)
