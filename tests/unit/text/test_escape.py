"""Texts of others on a page: text, and nothing but text."""

from __future__ import annotations

import pytest

from dfinery_django.text.escape import badge, escaped, escaped_text, has_invisible


@pytest.mark.parametrize(
    "text", ["plain", "한글 상품", "שלום", "👩‍👩‍👧", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "a\u200cb", "x\xa0y", "two\nlines\tand a tab", ""]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    """Any script, joined emoji, line ends; isolated, so that it turns nothing beside it around."""
    assert escaped(text) == f"<bdi>{text}</bdi>"
    assert escaped_text(text) == text
    assert not has_invisible(text)


@pytest.mark.parametrize("char", "\u202e\u202a\u2066\u2069\u200e\u061c\u200b\ufeff\u2028\x00\x1b\x9b\xad")
def test_what_hides_or_deceives_is_written_as_its_code(char: str) -> None:
    """Controls of direction, of terminals, and what has no width."""
    assert char not in escaped(f"a{char}b")
    assert f"\\u{ord(char):04x}" in escaped(f"a{char}b")
    assert escaped_text(f"a{char}b") == f"a\\u{ord(char):04x}b"
    assert has_invisible(char)


def test_markup_is_text() -> None:
    """Also beside an odd character, in a cut text, and as a status."""
    assert "<i>" not in escaped("<i>\u202e<i>") + escaped("<i>" * 9, chars=12) + badge("x", "<i>")
    assert escaped(7) == "<bdi>7</bdi>"
