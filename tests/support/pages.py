"""The pages of the documentation: headings, links, code and text of a Markdown file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.typed_docs import DOCS, PAGES, ROOT

#: The English pages for users, README first; each has a Korean twin. Contributors' pages are in English only.
USERS_PAGES = [page for page in PAGES if DOCS / "contributing" not in page.parents]
KOREAN_PAGES = [*sorted(ROOT.glob("*.ko.md")), *sorted(DOCS.rglob("*.ko.md"))]

FENCED = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```[^\n]*\n?", re.MULTILINE | re.DOTALL)
HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INLINE_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?(?:\s+\"[^\"]*\")?\)")


class Link(NamedTuple):
    path: str  # empty: this page
    anchor: str


def twin_of(page: Path) -> Path:
    """Return the Korean page beside an English one."""
    return page.with_suffix(".ko.md")


def text_of(page: Path) -> str:
    """Return a page without its blocks of code and its comments."""
    return HTML_COMMENT.sub("", FENCED.sub("", page.read_text()))


def fenced(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each block of code."""
    return [(language, body) for _, language, body in FENCED.findall(page.read_text())]


def headings_of(page: Path) -> list[tuple[int, str]]:
    """Return the level and the text of each heading."""
    found = re.findall(r"^(#{1,6}) (.+)$", text_of(page), re.MULTILINE)
    return [(len(marks), text.strip()) for marks, text in found]


def anchors_of(page: Path) -> list[str]:
    """Return the anchor of each heading, as GitHub makes it and mkdocs.yml configures it."""
    return [_anchor(text) for _, text in headings_of(page)]


def _anchor(heading: str) -> str:
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-")


def links_of(page: Path) -> list[Link]:
    """Return the links and pictures of a page that lead to files of this project."""
    text = INLINE_CODE.sub("", text_of(page))
    return [Link(*found) for found in LINK.findall(text) if not re.match(r"[a-z]+:", found[0])]


def inline_code_of(page: Path) -> set[str]:
    """Return what is set in code within the text: names of settings, checks, commands, fields."""
    return {" ".join(code.split()) for _, code in INLINE_CODE.findall(text_of(page))}
