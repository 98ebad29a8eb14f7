"""``python -m tests.support.readability``: words and Flesch reading ease of each page.

    python -m tests.support.readability              the English pages of README and docs
    python -m tests.support.readability FOLDER       all Markdown files below a folder
    git archive REVISION README.md docs | tar -x -C FOLDER     an earlier state

Words are counted as ``wc -w`` does, code included. The ease is that of sentences alone: 206.835 - 1.015 x (words per
sentence) - 84.6 x (syllables per word). 60 is plain English; tables, headings and code are left out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.support.pages import HTML_COMMENT, INLINE_CODE
from tests.support.typed_docs import PAGES, ROOT

_CODE = re.compile(r"^ *```.*?^ *```[^\n]*$", re.MULTILINE | re.DOTALL)
_NO_SENTENCE = re.compile(r"^(\||#|:::|!!!|\[!|    options:).*$", re.MULTILINE)
_VOWELS = re.compile(r"[aeiouy]+")


def prose_of(markdown: str) -> str:
    """Return the sentences of a page. Names in code are read as their words: ``READY_SECONDS`` are two."""
    text = HTML_COMMENT.sub("", _CODE.sub("\n\n", markdown))
    text = INLINE_CODE.sub(lambda found: re.sub(r"\W|_", " ", found[2]), _NO_SENTENCE.sub("\n", text))
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"^\s*([-*]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)


def sentences_of(prose: str) -> list[list[str]]:
    """Return the words of each sentence. A colon and a semicolon end none."""
    paragraphs = re.split(r"\n\s*\n", prose)
    parts = [part for each in paragraphs for part in re.split(r"(?<=[.!?])[\"*_)]*\s+", each)]
    return [words for part in parts if (words := re.findall(r"[A-Za-z][A-Za-z'-]*|\d[\d.,]*", part))]


def syllables(word: str) -> int:
    """Return an estimate: groups of vowels, without a silent e."""
    word = word.lower()
    count = len(_VOWELS.findall(word))
    is_silent = word.endswith("e") and not word.endswith(("le", "ee")) and count > 1
    is_silent |= word.endswith("ed") and not word.endswith(("ted", "ded")) and count > 1
    return max(1, count - is_silent)


def reading_ease(markdown: str) -> tuple[float, float]:
    """Return the Flesch reading ease and the average number of words in a sentence."""
    sentences = sentences_of(prose_of(markdown))
    words = [word for sentence in sentences for word in sentence]
    if not words:
        return 0.0, 0.0
    length = len(words) / len(sentences)
    return 206.835 - 1.015 * length - 84.6 * sum(map(syllables, words)) / len(words), length


def main() -> None:
    top = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    found = PAGES if top == ROOT else sorted(page for page in top.rglob("*.md") if page.suffixes == [".md"])
    texts = {page: page.read_text() for page in found if page.parent.name != "decisions"}
    row = "{:>7} {:>6} {:>15}  {}\n"
    sys.stdout.write(row.format("words", "ease", "words/sentence", "page"))
    for page, text in texts.items():
        ease, length = reading_ease(text)
        name = page.relative_to(top)
        sys.stdout.write(row.format(f"{len(text.split()):,}", f"{ease:.0f}", f"{length:.1f}", name))
    users = [text for page, text in texts.items() if "contributing" not in page.relative_to(top).parts]
    for name, group in (("for users", users), ("in all", list(texts.values()))):
        ease, length = reading_ease("\n\n".join(group))
        words = sum(len(text.split()) for text in group)
        sys.stdout.write(row.format(f"{words:,}", f"{ease:.0f}", f"{length:.1f}", f"{len(group)} pages {name}"))


if __name__ == "__main__":
    main()
