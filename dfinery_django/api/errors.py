"""What went wrong, in the shape of Django REST framework's errors: ``detail``, and here ``errors``, one per event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException

from ..exceptions import PayloadError
from ..ingest import Left
from ..protocols.s2s_body import Refused

#: DFINERY has no words for it.
CONFLICT = "This event_id is another event's."


class ApiError(APIException):
    """
    :param code: HTTP status
    :param told: what is told besides ``detail``
    """

    def __init__(self, code: int, detail: str, **told: Any) -> None:
        # Not through the base class: it would turn numbers into text.
        Exception.__init__(self, detail)
        self.status_code = code
        self.message = detail
        self.detail: Any = {"detail": detail, **told}

    def get_codes(self) -> Any:
        """For a site's EXCEPTION_HANDLER; the base class expects texts of its own kind everywhere."""
        return {"detail": "error"}

    def get_full_details(self) -> Any:
        return {"detail": {"message": self.message, "code": "error"}}


def bad_request(detail: str) -> ApiError:
    return ApiError(status.HTTP_400_BAD_REQUEST, detail)


def unavailable(detail: str) -> ApiError:
    return ApiError(status.HTTP_503_SERVICE_UNAVAILABLE, detail)


def malformed(error: Refused) -> ApiError:
    """A request that is no list of events at all."""
    return ApiError(status.HTTP_400_BAD_REQUEST, error.refusal.message, errors=[told(None, error)])


def refused(left: Iterable[Left], total: int | None) -> ApiError:
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
