"""Columns with choices: what is proposed is the label, as people read it."""

from __future__ import annotations

from .candidates import Candidate, Ranked


def with_labels(found: list[Ranked]) -> list[Ranked]:
    """Return the same, with the labels of choices that are numbers."""
    return [_with_label(each) if each.candidate.kind == "choice" else each for each in found]


def _with_label(each: Ranked) -> Ranked:
    before, _, name = each.path.rpartition(".")
    path = f"{before}.get_{name}_display" if before else f"get_{name}_display"
    candidate = Candidate(path, each.candidate.holder, name, each.candidate.column)
    return Ranked(each.points, candidate, f"{each.reason}; the label of its choice")
