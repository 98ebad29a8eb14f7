"""Text for a terminal: its width, wrapping, safe characters, progress bars."""

from __future__ import annotations

import shutil
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

#: Django writes it into spans of time.
NO_BREAK_SPACE = "\xa0"
INDENT = "  "


def text_width(narrowest: int) -> int:
    """Return the width for text: one column less than the terminal's, up to 120."""
    return min(max(shutil.get_terminal_size((100, 24)).columns - 1, narrowest), 120)


def progress_bar(unit: str, *, title: str, total: int | None = None) -> tqdm[Any]:
    """Return a progress bar, which shows on a terminal only; the unit is a noun in the plural."""
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=f" {unit}", leave=False, disable=None)


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines of ``width`` columns at most: at blanks, after punctuation of a path, or else anywhere."""
    text, lines = printable(text), []
    while text_columns(text) > width:
        end = next(i for i in range(len(text), 0, -1) if text_columns(text[:i]) <= width)
        blank = text.rfind(" ", 1, end + 1)
        sign = max(text.rfind(each, 1, end) for each in "._,(-") + 1
        end = blank if blank > end // 3 else sign if sign > end // 3 else end
        lines.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*lines, text]


def printable(text: str) -> str:
    """Escape what moves a terminal's cursor or reverses its text: a customer's name may contain anything."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def text_columns(text: str) -> int:
    """Return how many columns a terminal needs: East Asian characters take two."""
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
