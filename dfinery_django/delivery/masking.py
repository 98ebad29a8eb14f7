"""Masking of tokens and passwords that a server echoes, so that they appear in no log, row or page.

An echo may differ from the secret: escaped for JSON, HTML or a URL, character by character, or inside base64.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

from ..protocols.base import Response

MASK = b"********"
#: A shorter secret occurs in too many words; masking it would make an answer unreadable.
SHORTEST = 6
#: base64 has two alphabets, and forms encode a blank as a plus.
_FOLDS = bytes.maketrans(b"-_ ", b"+/+")
_LIKENESSES = {"+": rb"[+ \-]", "-": rb"[+\-]", " ": rb"[ +]", "/": rb"[/_]", "_": rb"[/_]"}
_ENTITIES = {"&": b"|amp", "<": b"|lt", ">": b"|gt", '"': b"|quot", "'": b"|apos"}
_ESCAPE = re.compile(rb"[%&\\]")


def masked(data: bytes, *secrets: str) -> bytes:
    """Mask these secrets in untrusted bytes, in any form of an echo."""
    forms, folded = _forms(secrets), _folded(data)
    # This rules out nearly all answers; the search for all forms takes much longer.
    if forms and (_ESCAPE.search(data) or any(_folded(form) in folded for form in forms)):
        return _pattern(forms).sub(MASK, data)
    return data


def masked_text(text: str, *secrets: str) -> str:
    """Mask these secrets in an untrusted text."""
    return masked(text.encode("utf-8", "surrogatepass"), *secrets).decode("utf-8", "surrogatepass")


def masked_response(response: Response, *secrets: str) -> Response:
    """Mask these secrets in the headers and body of an answer."""
    body, headers = masked(response.body, *secrets), response.headers
    joined = "\n".join(f"{name}\n{value}" for name, value in headers.items())
    if masked_text(joined, *secrets) != joined:
        headers = {masked_text(name, *secrets): masked_text(value, *secrets) for name, value in headers.items()}
    return Response(response.status_code, headers, body)


@lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return each secret and its three forms inside base64, cut to the characters that depend on the secret alone."""
    found = []
    for raw in (secret.encode() for secret in secrets if len(secret) >= SHORTEST):
        found.append(raw)
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + raw)
            found.append(encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6])
    return tuple(found)


def _folded(data: bytes) -> bytes:
    return data.lower().translate(_FOLDS)


@lru_cache(maxsize=64)
def _pattern(forms: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"".join(map(_character, form.decode())) for form in forms), re.IGNORECASE)


def _character(character: str) -> bytes:
    r"""Match a character as itself or escaped, even repeatedly: ``\/``, ``\u002f``, ``%2F``, ``%252F``, ``&#47;``."""
    code, plain = ord(character), _LIKENESSES.get(character) or re.escape(character.encode())
    # The repetitions are bounded, so that no answer takes long to search.
    percent = b"".join(b"%%(?:25){0,3}%02x" % byte for byte in character.encode())
    entity = rb"&(?:amp;){0,3}(?:#0{0,5}%d|#x0{0,5}%x%s);" % (code, code, _ENTITIES.get(character, b""))
    return rb"(?:%s|%s|%s|\\{1,4}(?:%s|u%04x|x%02x))" % (plain, percent, entity, plain, code, code)
