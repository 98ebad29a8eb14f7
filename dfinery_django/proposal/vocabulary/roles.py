"""The role of a field: its words with points, and the kinds of columns that it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .words import Table, know_words


@dataclass(frozen=True, eq=False)
class Role:
    """A kind of value that is looked for.

    :ivar kinds: the kinds of columns that it may be, with the points that each adds
    :ivar against: patterns whose points are taken off
    :ivar least: points below which nothing is proposed
    """

    noun: str
    words: Table
    kinds: Mapping[str, int]
    against: Table = field(default_factory=dict)
    least: int = 40
    is_amount: bool = False

    def __post_init__(self) -> None:
        know_words(self.words, self.against)
