"""Each page for users has a Korean twin beside it that says the same: page.ko.md beside page.md."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.pages import (
    KOREAN_PAGES,
    USERS_PAGES,
    Link,
    anchors_of,
    fenced,
    headings_of,
    inline_code_of,
    links_of,
    text_of,
    twin_of,
)

#: Languages of blocks that may be translated: pictures in characters, and texts.
PICTURES = {"", "text", "mermaid"}
#: A comment is translated. It begins a line, or follows a blank.
COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|--|//) .*$", re.MULTILINE)
HANGUL = re.compile(r"[가-힣]")
#: Six words of English in a row are a sentence that nobody translated. Names of products are shorter.
ENGLISH = re.compile(r"(?:\b[A-Za-z][A-Za-z'-]*[,;:]? ){5}[A-Za-z]+")
NO_WORDS = re.compile(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|https?:\S+|^:::.*\n(?: {4}.*\n)*", re.MULTILINE)
ADMONITION = re.compile(r"^ *(?:!!!|\?\?\?\+?) (\w+)", re.MULTILINE)

each_page = pytest.mark.parametrize("page", USERS_PAGES, ids=lambda page: page.name)


def without_comments(code: str) -> str:
    return re.sub(r"[ \t]+$|^\n", "", COMMENT.sub("", code), flags=re.MULTILINE)


def test_every_korean_page_is_a_twin() -> None:
    """No Korean page is left of an English one that was moved."""
    assert sorted(KOREAN_PAGES) == sorted(map(twin_of, USERS_PAGES))


@each_page
def test_the_headings_are_the_same(page: Path) -> None:
    """Number, order and levels agree. A heading that is a name in code is the same in both."""
    english, korean = headings_of(page), headings_of(twin_of(page))
    assert [level for level, _ in korean] == [level for level, _ in english]
    assert [text for _, text in korean if re.fullmatch(r"`.+`", text)] == [
        text for _, text in english if re.fullmatch(r"`.+`", text)
    ]


@each_page
def test_the_code_is_the_same(page: Path) -> None:
    """Blocks agree byte for byte, but for comments. Pictures in characters may be translated."""
    english, korean = fenced(page), fenced(twin_of(page))
    assert [language for language, _ in korean] == [language for language, _ in english]
    for (language, ours), (_, theirs) in zip(english, korean, strict=True):
        if language not in PICTURES:
            assert without_comments(theirs) == without_comments(ours)


@each_page
def test_the_names_are_the_same(page: Path) -> None:
    """What is set in code within the text agrees: settings, ids of checks, commands, fields, values."""
    assert inline_code_of(twin_of(page)) == inline_code_of(page)


@each_page
def test_tables_and_notes_are_the_same(page: Path) -> None:
    """Tables have as many rows; notes and warnings come in the same order; what is rendered is the same."""
    for pattern in (re.compile(r"^\|", re.MULTILINE), ADMONITION, re.compile(r"^(:::.*)$", re.MULTILINE)):
        assert pattern.findall(text_of(twin_of(page))) == pattern.findall(text_of(page)), pattern.pattern


def place_of(link: Link, page: Path) -> tuple[str, int | str]:
    """Return a link's English target, and the number of the heading that it leads to."""
    target = (page.parent / link.path).resolve() if link.path else page
    anchors = anchors_of(target) if link.anchor and target.suffix == ".md" else []
    name = re.sub(r"\.(?:ko|en)(?=\.\w+$)", "", str(target))
    return name, anchors.index(link.anchor) if link.anchor in anchors else link.anchor


@each_page
def test_the_links_lead_to_the_same_places(page: Path) -> None:
    """A twin links to twins, page.ko.md#제목, in any order; to an English page if it has no twin, or is its own."""
    links = links_of(twin_of(page))
    places = Counter(place_of(link, twin_of(page)) for link in links)
    assert places == Counter(place_of(link, page) for link in links_of(page))
    english = {page.parent / link.path for link in links if link.path.endswith(".md")} - {page}
    assert [each for each in english if each.suffixes == [".md"] and twin_of(each).exists()] == []


@each_page
def test_nothing_is_left_in_english(page: Path) -> None:
    """No sentence is in English, and most lines have Hangul."""
    text = NO_WORDS.sub("", text_of(twin_of(page)))
    assert ENGLISH.findall(text) == []
    lines = [line for line in text.splitlines() if len(re.findall(r"[A-Za-z가-힣]+", line)) > 3]
    assert sum(1 for line in lines if HANGUL.search(line)) >= 0.9 * len(lines)
