"""``acapture()`` and ``atrack()``: the same for code that runs in an event loop, such as a view under ASGI."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db import models

from .models import Event
from .outbox import capture, track


async def acapture(name: str, instance: models.Model, *, using: str | None = None) -> Event | None:
    """``capture()`` from async code.

    Runs in the thread that holds the caller's connection: it joins a transaction that synchronous code around it has
    opened. Django's transactions can't be opened in async code; without one it is stored at once.

    :raises NotRegistered: if no definition has that name
    """
    return await sync_to_async(capture)(name, instance, using=using)


async def atrack(event_name: str, *, user_id: Any, **content: Any) -> Event | None:
    """``track()`` from async code; takes what that takes. Transactions: as for ``acapture()``."""
    return await sync_to_async(track)(event_name, user_id=user_id, **content)
