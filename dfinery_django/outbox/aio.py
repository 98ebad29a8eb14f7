"""``acapture()`` and ``atrack()``: ``capture()`` and ``track()`` for code in an event loop, such as an ASGI view."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db import models

from ..models import Event
from .capture import capture
from .track import track


async def acapture(name: str, instance: models.Model, *, using: str | None = None) -> Event | None:
    """Call ``capture()`` from async code.

    Runs in the thread that has the caller's connection: it joins a transaction that synchronous code around it has
    opened. Async code can't open a Django transaction; without one the event is stored at once.
    """
    return await sync_to_async(capture)(name, instance, using=using)


async def atrack(event_name: str, *, user_id: Any, **content: Any) -> Event | None:
    """Call ``track()``, with its arguments, from async code. Transactions: as for ``acapture()``."""
    return await sync_to_async(track)(event_name, user_id=user_id, **content)
