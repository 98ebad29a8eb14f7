"""Lists and counts as lines of text. Decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..custom_fields import ListedField

FIELD_HEADINGS = ("console name", "scope", "type", "type from", "first seen", "last seen", "drift", "mapped by")


def summary(total: Counter[str]) -> str:
    """``3 delivered, 1 failed``."""
    return ", ".join(f"{count} {word}" for word, count in sorted(total.items()) if count) or "Nothing was due."


def of_fields(listed: Sequence[ListedField]) -> Iterator[str]:
    """Custom events and fields, a line each."""
    if not listed:
        yield "No custom event or field is declared, mapped or was ever sent."
        return
    rows = [FIELD_HEADINGS, *map(_words, listed)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _words(listed: ListedField) -> tuple[str, ...]:
    seen = [f"{each:%Y-%m-%d %H:%M}" if each else "never" for each in (listed.first_seen_at, listed.last_seen_at)]
    drift = f"{listed.drift_count} as {listed.drift_type}" if listed.drift_count else ""
    used_by = ", ".join(listed.definitions)
    return (listed.console_name, listed.scope or "event name", listed.type, listed.origin, *seen, drift, used_by)
