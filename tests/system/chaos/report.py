"""The table: events, attempts, kills, faults by kind, duplicates on the wire with their cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .duplicates import duplicates
from .evidence import Evidence

Row = tuple[str, int]


def table(evidence: Evidence) -> str:
    arrivals = evidence.arrivals
    sections: list[tuple[str, Iterable[Row]]] = [
        ("orders", _counted(each.kind.value for each in evidence.plan)),
        ("events", _counted(" ".join(filter(None, (e.status, e.reason_code))) for e in evidence.events)),
        ("attempts", [
            ("requests at the server", len(arrivals)),
            *_counted(f"  sent by {each.program}" for each in arrivals),
            ("attempts recorded", evidence.attempts),
            ("leases that lapsed while sending", _lapses(evidence)),
            ("settles that came too late", sum(max(0, each - 1) for each in evidence.accepted.values())),
        ]),
        ("answers and faults of the server", _counted(each.did for each in arrivals)),
        ("kills", _counted(each.kind for each in evidence.mishaps)),
        ("faults of the database", [
            *_counted(each.kind for each in evidence.strikes),
            ("transactions that the shop did again", evidence.shop_retries),
        ]),
        ("duplicates on the wire", _counted(cause for _, _, cause in duplicates(evidence))),
    ]  # fmt: skip
    return "\n".join(_section(title, list(rows)) for title, rows in sections)


def _counted(words: Iterable[str]) -> list[Row]:
    return sorted(Counter(words).items(), key=lambda row: (-row[1], row[0]))


def _lapses(evidence: Evidence) -> int:
    return sum(change.is_lapse for changes in evidence.changes.values() for change in changes)


def _section(title: str, rows: list[Row]) -> str:
    total = f"{sum(count for _, count in rows):>8}" if title not in ("attempts", "faults of the database") else ""
    lines = [f"  {name:<52}{count:>8}" for name, count in rows]
    return "\n".join([f"{title:<54}{total}".rstrip(), *lines])
