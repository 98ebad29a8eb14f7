"""Texts of shops, customers and servers as a page may show them, and as every database takes them.

On a page: escaped, isolated, nothing in them invisible. In a column: no U+0000, no half characters, not endless.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

#: Longest text kept in the indexed copies of user_id and order_id; the payload has them whole.
SEARCHABLE_LENGTH = 191
REASON_LENGTH = 2000
#: Joiners make up letters and emoji; they turn nothing around.
_HARMLESS = frozenset("\u200c\u200d")


def display_html(value: Any, *, chars: int = 0) -> SafeString:
    """A text as text: no markup, and no character in it that hides or turns around what stands beside it.

    :param chars: cut it after so many
    """
    text = str(value)
    text = Truncator(text).chars(chars) if chars else text
    if text.isprintable():  # as nearly all are, and a list shows hundreds
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
    """Controls, and format characters such as U+202E, which turns the rest of a line around."""
    if char in _HARMLESS or char in "\n\t" or 0xE0020 <= ord(char) <= 0xE007F:
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def display_text(text: str) -> str:
    """The same where no markup can stand: attributes, titles, log entries."""
    return text if text.isprintable() else "".join(_escape(char) if _is_unsafe_char(char) else char for char in text)


def has_invisible(text: str) -> bool:
    """Whether ``shown`` writes it otherwise than it is."""
    return any(map(_is_unsafe_char, text))


def badge(kind: str, label: Any) -> SafeString:
    """A status or an outcome: its word, on a colour of its own."""
    return format_html('<span class="dfinery-badge dfinery-{}">{}</span>', kind, label)


def searchable(text: str, length: int = SEARCHABLE_LENGTH) -> str:
    """The copy of an id that is stored for search."""
    return text.replace("\x00", "").encode(errors="backslashreplace").decode()[:length]


def storable(text: str, length: int = REASON_LENGTH) -> str:
    """A reason, with what no database takes written out."""
    clean = text[: length + 1].replace("\x00", "\\x00").encode(errors="backslashreplace").decode()
    return clean if len(clean) <= length else f"{clean[: length - 1]}…"
