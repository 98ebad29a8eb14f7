"""Delivery of a Django shop's orders and users to DFINERY.

It may be imported from a settings module: names that need models (``capture``, ``track``, ``preview``) are imported at
first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .definitions.definition import EventDefinition
from .definitions.registry import register
from .exceptions import AlreadyRegistered, ConfigurationError, DfineryError, NotRegistered, PayloadError, TransportError
from .mapping.every import Every
from .mapping.expressions import Coalesce, Display, Hashed, Value
from .mapping.phone import Phone
from .mapping.rows import Joined, Rows
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
    from .building.dry_run import preview
    from .operations.forget import Forgotten, forget
    from .outbox.aio import acapture, atrack
    from .outbox.capture import capture
    from .outbox.track import track

__version__ = "1.0.0"

__all__ = [
    "AlreadyRegistered",
    "Coalesce",
    "ConfigurationError",
    "DfineryError",
    "Display",
    "EventDefinition",
    "Every",
    "Forgotten",
    "Hashed",
    "Joined",
    "NotRegistered",
    "PayloadError",
    "Phone",
    "Rows",
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
    "Forgotten": "operations.forget",
    "acapture": "outbox.aio",
    "atrack": "outbox.aio",
    "capture": "outbox.capture",
    "forget": "operations.forget",
    "preview": "building.dry_run",
    "track": "outbox.track",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_NEED_MODELS[name]}", __name__), name)
