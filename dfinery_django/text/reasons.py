"""Reasons in the reader's language: an English text that remembers its code and parameters, and how it is stored.

Logs, the REST API, commands and signals have the English text; the admin translates it. Foreign texts, such as
DFINERY's answer or the error of a mapping, are parameters and stay as they are.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from django.utils import translation

from ..exceptions import PayloadError
from . import times
from .escape import storable
from .reason_texts import TEMPLATES

#: The longest JSON that is stored beside a reason, and the lengths to which its parameters are cut until it fits.
REASON_DATA_LENGTH = 4000
_PARAMETER_LENGTHS = (1000, 300, 60)
#: The key of a point in time in the JSON. No parameter is stored as a mapping otherwise.
_MOMENT = "at"
_DAMAGED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class ReasonText(str):
    """The English text of a code of the catalogue: ``ReasonText("connection_refused", place="127.0.0.1:9")``.

    :param code: a key of ``TEMPLATES``
    :param params: the value of each placeholder: a text, a number, a datetime or another ``ReasonText``
    """

    code: str
    params: Mapping[str, Any]

    def __new__(cls, code: str, /, **params: Any) -> ReasonText:
        values = {name: _in_english(value) for name, value in params.items()}
        text = super().__new__(cls, TEMPLATES[code] % values)
        text.code, text.params = code, params
        return text

    def __reduce__(self) -> Any:
        return _restored, (self.code, self.params)


def _restored(code: str, params: Mapping[str, Any]) -> ReasonText:
    return ReasonText(code, **params)


def _in_english(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M:%S %Z}" if isinstance(value, dt.datetime) else value


def reason_of(error: PayloadError) -> ReasonText:
    """Return the reason of an event that can't be sent: place, problem and remedy."""
    return ReasonText("payload", path=error.path, problem=error.problem, remedy=error.remedy)


def unusable_token(destination: str, fault: str) -> ReasonText:
    """Return why nothing is sent to a destination whose token has a fault (see ``tokens``)."""
    known = (code for code, text in TEMPLATES.items() if text == fault)
    code = next(known, "")
    return ReasonText("token_unusable", destination=repr(destination), fault=ReasonText(code) if code else fault)


def in_language(reason: str) -> str:
    """Return a reason in the active language; a plain text as it is."""
    if not isinstance(reason, ReasonText):
        return reason
    return translation.gettext(TEMPLATES[reason.code]) % {name: _shown(value) for name, value in reason.params.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return times.format_datetime(value)
    return times.number(value) if isinstance(value, int) else in_language(value)


def to_json(reason: str) -> str:
    """Return a reason as JSON, in ASCII, to be stored beside its English text; empty for a plain text."""
    if not isinstance(reason, ReasonText):
        return ""
    for length in _PARAMETER_LENGTHS:
        text = json.dumps(_as_list(reason, length), separators=(",", ":"))
        if len(text) <= REASON_DATA_LENGTH:
            return text
    return ""


def _as_list(reason: ReasonText, length: int) -> list[Any]:
    params = {name: _as_json(value, length) for name, value in reason.params.items()}
    return [reason.code, params] if params else [reason.code]


def _as_json(value: Any, length: int) -> Any:
    if isinstance(value, ReasonText):
        return _as_list(value, length)
    if isinstance(value, dt.datetime):
        return {_MOMENT: value.isoformat()}
    return int(value) if isinstance(value, int) else storable(str(value), length)


def restore(data: str, english: str) -> str:
    """Return a stored reason, to be translated or to become a parameter of another one.

    :param data: its JSON; without it, or if it is damaged or of another version, the English text is returned
    """
    try:
        return _from_list(json.loads(data)) if data else english
    except _DAMAGED:
        return english


def translated(data: str, english: str) -> str:
    """Return a stored reason in the active language; the English text if its JSON can't be used."""
    try:
        return in_language(restore(data, english))
    except _DAMAGED:
        return english


def _from_list(found: Any) -> ReasonText:
    code, params = found[0], found[1] if len(found) > 1 else {}
    return ReasonText(code, **{name: _from_json(value) for name, value in params.items()})


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return _from_list(value)
    if isinstance(value, dict):
        return dt.datetime.fromisoformat(value[_MOMENT])
    if isinstance(value, (str, int)):
        return value
    raise TypeError(f"{value!r} is no parameter of a reason")
