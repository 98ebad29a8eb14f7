"""The permission to read payloads, and all texts that may quote them: reasons, answers, errors."""

from __future__ import annotations

from typing import TypeVar

from django.http import HttpRequest

TextT = TypeVar("TextT")


def may_see_payload(request: HttpRequest) -> bool:
    """Return whether the user may read payloads."""
    return request.user.has_perm("dfinery_django.view_payload")


def redact(request: HttpRequest, text: TextT, instead: TextT) -> TextT:
    """Return a text that may quote a payload, or for users who may not read payloads one without values instead."""
    return text if not text or may_see_payload(request) else instead
