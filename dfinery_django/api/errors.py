"""Errors in the shape of Django REST framework's: ``detail``, and ``errors`` with one entry per event.

A site's own ``EXCEPTION_HANDLER`` finds in ``detail`` what DRF promises: texts with a code, in dicts and lists. What it
passes on gets its original type back before the response: a number is a number again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail

from ..db.outage import RETRY_AFTER_SECONDS
from ..exceptions import PayloadError
from ..outbox.ingest import RejectedEvent
from ..protocols.s2s_inbound import Refused

#: Our own text: DFINERY has no error for it.
ID_CONFLICT = "This event_id belongs to another event."

_CODES = {
    status.HTTP_400_BAD_REQUEST: "invalid",
    status.HTTP_409_CONFLICT: "conflict",
    status.HTTP_413_REQUEST_ENTITY_TOO_LARGE: "too_large",
    status.HTTP_503_SERVICE_UNAVAILABLE: "unavailable",
}


class TypedErrorDetail(ErrorDetail):
    """A text with a code that remembers the value it was made from.

    :ivar value: the original value
    """

    value: Any

    def __new__(cls, value: Any, code: str | None = None) -> TypedErrorDetail:
        detail = super().__new__(cls, "" if value is None else str(value), code)
        detail.value = value
        return detail


class ApiError(APIException):
    """An error response.

    :param code: HTTP status
    :param more: further keys besides ``detail``
    """

    def __init__(self, code: int, detail: str, **more: Any) -> None:
        # Not through the base class, whose details forget the original values.
        Exception.__init__(self, detail)
        self.status_code = code
        self.detail: Any = _as_details({"detail": detail, **more} if more else detail, _CODES[code])


class Unavailable(ApiError):
    """A 503.

    :ivar wait: seconds, from which DRF and other handlers make ``Retry-After``
    """

    wait = RETRY_AFTER_SECONDS

    def __init__(self, detail: str) -> None:
        super().__init__(status.HTTP_503_SERVICE_UNAVAILABLE, detail)


def _as_details(value: Any, code: str) -> Any:
    if isinstance(value, dict):
        return {name: _as_details(each, code) for name, each in value.items()}
    return [_as_details(each, code) for each in value] if isinstance(value, list) else TypedErrorDetail(value, code)


def restore_types(data: Any) -> Any:
    """Replace the texts in a response by their original values."""
    if isinstance(data, dict):
        return {name: restore_types(each) for name, each in data.items()}
    if isinstance(data, (list, tuple)):
        return [restore_types(each) for each in data]
    return data.value if isinstance(data, TypedErrorDetail) else data


def bad_request(detail: str) -> ApiError:
    """Return a 400."""
    return ApiError(status.HTTP_400_BAD_REQUEST, detail)


def malformed_body(error: Refused) -> ApiError:
    """Return the 400 for a body that is no event and no list of events."""
    return ApiError(status.HTTP_400_BAD_REQUEST, error.refusal.message, errors=[error_entry(None, error)])


def events_refused(left: Iterable[RejectedEvent], total: int | None) -> ApiError:
    """Return the 400 or 409 for events of which none was stored.

    :param total: number of events sent; ``None`` for one sent outside a list
    """
    errors = [error_entry(each.index, each.error) for each in left]
    is_conflict = all(each["result_code"] is None for each in errors)
    detail = f"Nothing was stored: {len(errors)} of {total} events can't be taken."
    return ApiError(
        status.HTTP_409_CONFLICT if is_conflict else status.HTTP_400_BAD_REQUEST,
        errors[0]["message"] if total is None else detail,
        errors=errors,
    )


def error_entry(index: int | None, error: PayloadError) -> dict[str, Any]:
    """Return the entry of one event: DFINERY's code and text, and the exact problem."""
    code, message = error.refusal if isinstance(error, Refused) else (None, ID_CONFLICT)
    return {"index": index, "path": error.path, "message": message, "result_code": code, "problem": f"{error.problem}."}
