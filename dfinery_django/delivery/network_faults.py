"""The cause of a request without an answer, as a reason for people: from the errors of the network, by their classes.

Knows no HTTP library: what it wraps are errors of Python's own. The library's words are kept apart, for the attempt.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..text.reasons import ReasonText
from .connections import AnswerTooSlow, Stage

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
#: OpenSSL's codes of a certificate that is not trusted: no issuer, self-signed, or a chain that can't be followed.
_UNTRUSTED = (2, 18, 19, 20, 21, 27)
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_IP = 9, 10, 62, 64


def place_of(url: str) -> str:
    """Return host and port of an address: ``openapi.dfinery.io:443``."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def unsent_reason(error: BaseException, place: str, connect_seconds: float) -> ReasonText:
    """Return why no connection was made."""
    for each in error_chain(error):
        if isinstance(each, socket.gaierror):
            return ReasonText("name_unknown", place=place)
        if isinstance(each, ConnectionRefusedError):
            return ReasonText("connection_refused", place=place)
        if isinstance(each, TimeoutError):
            return ReasonText("connect_timed_out", place=place, seconds=f"{connect_seconds:g}")
        if isinstance(each, (ConnectionError, ssl.SSLEOFError)):
            return ReasonText("connection_cut", place=place)
        if isinstance(each, OSError) and each.errno in _UNREACHABLE:
            return ReasonText("unreachable", place=place)
    return ReasonText("not_connected", place=place)


def unanswered_reason(
    error: BaseException, place: str, stage: Stage, *, is_timeout: bool, read_seconds: float, total_seconds: float
) -> ReasonText:
    """Return why no answer came to a request that was sent, at least in part."""
    chain = list(error_chain(error))
    if any(isinstance(each, AnswerTooSlow) for each in chain):
        return ReasonText("answer_too_slow", place=place, seconds=f"{total_seconds:g}")
    if not is_timeout and stage is Stage.SENDING and any(isinstance(each, TimeoutError) for each in chain):
        return ReasonText("send_timed_out", place=place)
    if is_timeout or any(isinstance(each, TimeoutError) for each in chain):
        return ReasonText("answer_timed_out", place=place, seconds=f"{read_seconds:g}")
    if any(isinstance(each, ssl.SSLError) and not isinstance(each, ssl.SSLEOFError) for each in chain):
        return ReasonText("tls_broke", place=place)
    if any(isinstance(each, (ConnectionError, ssl.SSLEOFError)) for each in chain):
        is_sending = stage is Stage.SENDING
        return ReasonText("cut_while_sending" if is_sending else "cut_before_answer", place=place)
    return ReasonText("answer_unreadable", place=place)


def certificate_reason(error: BaseException, place: str) -> ReasonText:
    """Return why no safe connection was made."""
    refused = (each for each in error_chain(error) if isinstance(each, ssl.SSLCertVerificationError))
    code = getattr(next(refused, None), "verify_code", 0)
    if code == _EXPIRED:
        return ReasonText("certificate_expired", place=place)
    if code == _NOT_YET_VALID:
        return ReasonText("certificate_not_yet_valid", place=place)
    if code in (_OTHER_HOST, _OTHER_IP):
        return ReasonText("certificate_of_another", place=place)
    return ReasonText("certificate_untrusted" if code in _UNTRUSTED else "tls_failed", place=place)
