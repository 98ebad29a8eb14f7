"""The role of a field: its words with points, and the kinds of columns that it may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .words import Table, table


@dataclass(frozen=True, eq=False)
class Role:
    """A kind of value that is looked for.

    :ivar kinds: the kinds of columns that it may be, with the points that each adds
    :ivar against: patterns whose points are taken off
    :ivar least: points below which nothing is proposed
    """

    noun: str
    kinds: Mapping[str, int]
    words: Table
    against: Table
    least: int
    is_amount: bool


def role(noun: str, kinds: str, words: str, *, least: int = 40, is_amount: bool = False) -> Role:
    """Return a role.

    :param kinds: ``"text count-3"``: texts, and integers for 3 points less
    :param words: a table, in which points below 0 speak against it
    """
    pairs = re.findall(r"([a-z]+)([+-]\d+)?", kinds)
    both = table(words)
    against = {-points: text for points, text in both.items() if points < 0}
    found = {points: text for points, text in both.items() if points > 0}
    return Role(noun, {kind: int(points or 0) for kind, points in pairs}, found, against, least, is_amount)
