"""Who may read what a payload says. A reason, an answer or an error may quote its values: one rule for all of them."""

from __future__ import annotations

from typing import TypeVar

from django.http import HttpRequest

T = TypeVar("T")


def may_see_payload(request: HttpRequest) -> bool:
    return request.user.has_perm("dfinery_django.view_payload")


def redact(request: HttpRequest, text: T, instead: T) -> T:
    """Words of DFINERY or of the site's code as whoever asks may read them.

    :param instead: what says as much without a value: the label of a code
    """
    return text if not text or may_see_payload(request) else instead
