"""Check messages by number."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error, Info, Warning


def message_of(number: str, message: str, hint: str) -> CheckMessage:
    """Return the message of check ``number``, whose letter gives its level."""
    kind = {"E": Error, "W": Warning, "I": Info}[number[0]]
    return kind(message, hint=hint, id=f"dfinery.{number}")
