"""DFINERY's S2S Event API: one JSON event per POST, bearer token.

Source: help.dfinery.io, article 19327613409305. HTTP status and ``result_code`` decide, never ``result_msg``: the
page's texts have placeholders, and 5001 has the text of 4001. The echoed ``event_id`` is not compared: the page's own
example echoes another id than was sent.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ..enums import Outcome
from ..text.reasons import ReasonText
from .base import Request, Response, Result, WireProtocol

ACCEPTED_CODE = 2000
INVALID_TOKEN_CODE = 4001
RATE_LIMIT_CODE = 4006
#: Wrong format or value (4002), unsupported property (4007): a retry can't help.
REJECTED_CODES = frozenset({4002, 4007})

#: Statuses for a wrong token or address: the event is not at fault.
BLOCKED_STATUSES = frozenset({401, 403, 404, 405})

#: X-Rate-Limit-Reset is epoch milliseconds in the documentation's examples; smaller numbers are read as seconds.
_FIRST_MILLISECOND_VALUE = 1e11

#: X-Rate-Limit-Limit is a period, e.g. ``1m`` (minute), ``1M`` (month): the case matters.
_UNIT_SECONDS = {"s": 1, "m": 60, "H": 3600, "d": 86400, "M": 30 * 86400, "y": 365 * 86400}


class S2SEventAPI(WireProtocol):
    """The S2S Event API."""

    label = "S2S Event API"
    PATH = "/api/v1/events"

    def encode(self, batch: Sequence[str]) -> Request:
        (payload,) = batch
        headers = {"Authorization": f"Bearer {self.token.reveal()}", "Content-Type": "application/json"}
        return Request(f"{self.base_url}{self.PATH}", payload.encode(), headers)

    def decode(self, response: Response) -> Result:
        answer = _envelope(response)
        code = answer.get("result_code")
        # bool is an int in Python, but not a result code.
        code = code if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**9 else None
        outcome = _classify(response.status_code, code)
        return Result(
            outcome=outcome,
            message=_message(response, answer, code, outcome),
            status_code=response.status_code,
            result_code="" if code is None else str(code),
            blames_token=outcome == Outcome.BLOCKED and (response.status_code in _CAUSES or code == INVALID_TOKEN_CODE),
            reset_at=_reset_at(response.headers),
            remaining=_remaining(response.headers),
            period_seconds=_period_seconds(response.headers),
            answered_at=_answered_at(response.headers),
        )


def _classify(status: int, code: int | None) -> Outcome:
    """Return the outcome of an answer; if its body contradicts its status, the event is retried."""
    if status == 429 or code == RATE_LIMIT_CODE:
        return Outcome.THROTTLED
    if status >= 500:
        return Outcome.TRANSIENT
    if status in BLOCKED_STATUSES or 300 <= status < 400 or code == INVALID_TOKEN_CODE:
        return Outcome.BLOCKED
    if status == 200 and code == ACCEPTED_CODE:
        return Outcome.ACCEPTED
    if status in (413, 422) or (status == 400 and code in REJECTED_CODES):
        return Outcome.REJECTED
    return Outcome.TRANSIENT


def _envelope(response: Response) -> Mapping[str, Any]:
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


_CAUSES = {401: ReasonText("token_not_accepted"), 403: ReasonText("token_without_right")}


def _message(response: Response, answer: Mapping[str, Any], code: int | None, outcome: Outcome) -> str:
    if outcome == Outcome.ACCEPTED:
        return ""
    # The message is stored: PostgreSQL refuses U+0000, and all refuse lone surrogates.
    words = str(answer.get("result_msg") or "").encode(errors="replace").decode().replace("\x00", "").strip()
    text = f"HTTP {response.status_code}" + (f", {code}" if code is not None else "") + (f": {words}" if words else "")
    said = text[:1000]
    if outcome == Outcome.BLOCKED:
        return ReasonText("blocked", cause=_cause(response.status_code, code), answer=said)
    if outcome == Outcome.REJECTED:
        return ReasonText("rejected", answer=said)
    if outcome == Outcome.THROTTLED:
        return ReasonText("rate_limited", answer=said)
    return ReasonText("answer_improper", answer=said)


def _cause(status: int, code: int | None) -> ReasonText:
    if code == INVALID_TOKEN_CODE:
        return ReasonText("token_invalid")
    return _CAUSES.get(status) or ReasonText("wrong_address")


def _reset_at(headers: Mapping[str, str]) -> float | None:
    """Return epoch seconds from ``X-Rate-Limit-Reset`` (seconds or milliseconds, commas tolerated)."""
    try:
        number = float(headers.get("x-rate-limit-reset", "").replace(",", ""))
    except ValueError:
        return None
    if not 0 < number < 1e14:  # also refuses NaN
        return None
    return number / 1000 if number >= _FIRST_MILLISECOND_VALUE else number


def _remaining(headers: Mapping[str, str]) -> int | None:
    """Return ``X-Rate-Limit-Remaining``; the documentation's tables print it with commas."""
    text = headers.get("x-rate-limit-remaining", "").replace(",", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _period_seconds(headers: Mapping[str, str]) -> float | None:
    text = headers.get("x-rate-limit-limit", "").strip()
    number, unit = text[:-1], text[-1:]
    if unit not in _UNIT_SECONDS or not (number.isascii() and number.isdigit() and len(number) < 6):
        return None
    return float(int(number) * _UNIT_SECONDS[unit]) or None


def _answered_at(headers: Mapping[str, str]) -> float | None:
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
