"""What went wrong, in the shape of Django REST framework's errors: ``detail``, and here ``errors``, one per event.

A site's own ``EXCEPTION_HANDLER`` finds in ``detail`` what DRF promises: texts with a code, in dicts and lists. What it
passes on of them has its own type again before it is answered: a number is a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail

from ..exceptions import PayloadError
from ..ingest import RejectedEvent
from ..outage import RETRY_AFTER_SECONDS
from ..protocols.s2s_body import Refused

#: DFINERY has no words for it.
CONFLICT = "This event_id is another event's."

_CODES = {
    status.HTTP_400_BAD_REQUEST: "invalid",
    status.HTTP_409_CONFLICT: "conflict",
    status.HTTP_413_REQUEST_ENTITY_TOO_LARGE: "too_large",
    status.HTTP_503_SERVICE_UNAVAILABLE: "unavailable",
}


class Told(ErrorDetail):
    """:ivar value: what it is the text of"""

    value: Any

    def __new__(cls, value: Any, code: str | None = None) -> Told:
        told = super().__new__(cls, "" if value is None else str(value), code)
        told.value = value
        return told


class ApiError(APIException):
    """
    :param code: HTTP status
    :param more: what is told besides ``detail``
    """

    def __init__(self, code: int, detail: str, **more: Any) -> None:
        # Not through the base class, whose texts don't know what they were made of.
        Exception.__init__(self, detail)
        self.status_code = code
        self.detail: Any = _as_texts({"detail": detail, **more} if more else detail, _CODES[code])


class Unavailable(ApiError):
    """:ivar wait: what DRF, and whoever handles its errors, makes ``Retry-After`` of"""

    wait = RETRY_AFTER_SECONDS

    def __init__(self, detail: str) -> None:
        super().__init__(status.HTTP_503_SERVICE_UNAVAILABLE, detail)


def _as_texts(value: Any, code: str) -> Any:
    if isinstance(value, dict):
        return {name: _as_texts(each, code) for name, each in value.items()}
    return [_as_texts(each, code) for each in value] if isinstance(value, list) else Told(value, code)


def as_values(data: Any) -> Any:
    """The texts in an answer as what they were made of."""
    if isinstance(data, dict):
        return {name: as_values(each) for name, each in data.items()}
    if isinstance(data, (list, tuple)):
        return [as_values(each) for each in data]
    return data.value if isinstance(data, Told) else data


def bad_request(detail: str) -> ApiError:
    return ApiError(status.HTTP_400_BAD_REQUEST, detail)


def unavailable(detail: str) -> ApiError:
    return Unavailable(detail)


def malformed(error: Refused) -> ApiError:
    """A request that is no list of events at all."""
    return ApiError(status.HTTP_400_BAD_REQUEST, error.refusal.message, errors=[told(None, error)])


def refused(left: Iterable[RejectedEvent], total: int | None) -> ApiError:
    """
    :param total: how many events were sent; ``None`` for one that came alone
    """
    errors = [told(each.index, each.error) for each in left]
    is_conflict = all(each["result_code"] is None for each in errors)
    detail = f"Nothing was stored: {len(errors)} of {total} events can't be taken."
    return ApiError(
        status.HTTP_409_CONFLICT if is_conflict else status.HTTP_400_BAD_REQUEST,
        errors[0]["message"] if total is None else detail,
        errors=errors,
    )


def told(index: int | None, error: PayloadError) -> dict[str, Any]:
    """One event's error: DFINERY's code and text, and in our words what exactly."""
    code, message = error.refusal if isinstance(error, Refused) else (None, CONFLICT)
    return {"index": index, "path": error.path, "message": message, "result_code": code, "problem": f"{error.problem}."}
