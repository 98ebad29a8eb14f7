"""Untrusted texts of shops, customers and servers, made safe for pages and for database columns.

On a page they are escaped and isolated, with no invisible characters. In a column they have no U+0000, no lone
surrogates and a maximum length.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

#: The length of the indexed copies of user_id and order_id; the payload has them whole.
SEARCHABLE_LENGTH = 191
REASON_LENGTH = 2000
#: Joiners form letters and emoji; they don't change the direction of text.
_HARMLESS = frozenset("\u200c\u200d")


def escaped(value: Any, *, chars: int = 0) -> SafeString:
    """Return a text, truncated to ``chars``, as HTML: escaped, isolated, with its control characters made visible."""
    text = str(value)
    text = Truncator(text).chars(chars) if chars else text
    if text.isprintable():  # the common case, fast: a list shows hundreds
        return format_html("<bdi>{}</bdi>", text)
    return format_html("<bdi>{}</bdi>", format_html_join("", "{}", ((part,) for part in _html_parts(text))))


def _html_parts(text: str) -> Iterator[str]:
    plain = ""
    for char in text:
        if _is_unsafe_char(char):
            yield plain
            plain = ""
            name = f"U+{ord(char):04X}"
            yield format_html('<span class="dfinery-odd" title="{}">{}</span>', name, _escape(char))
        else:
            plain += char
    yield plain


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}"


def _is_unsafe_char(char: str) -> bool:
    """Return whether a character is a control or format character, such as U+202E, which reverses the text after it."""
    if char in _HARMLESS or char in "\n\t" or 0xE0020 <= ord(char) <= 0xE007F:
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def escaped_text(text: str) -> str:
    """Return a text with its control characters escaped, for places without markup: attributes, titles, log entries."""
    return text if text.isprintable() else "".join(_escape(char) if _is_unsafe_char(char) else char for char in text)


def has_invisible(text: str) -> bool:
    """Return whether ``escaped`` changes any character of a text."""
    return any(map(_is_unsafe_char, text))


def badge(kind: str, label: Any) -> SafeString:
    """Return the label of a status or an outcome on its colour."""
    return format_html('<span class="dfinery-badge dfinery-{}">{}</span>', kind, label)


def searchable(text: str, length: int = SEARCHABLE_LENGTH) -> str:
    """Return the copy of an id that is stored for search."""
    return text.replace("\x00", "").encode(errors="backslashreplace").decode()[:length]


def storable(text: str, length: int = REASON_LENGTH) -> str:
    """Return a reason, with the characters that some database refuses escaped."""
    clean = text[: length + 1].replace("\x00", "\\x00").encode(errors="backslashreplace").decode()
    return clean if len(clean) <= length else f"{clean[: length - 1]}…"
