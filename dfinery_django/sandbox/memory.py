"""What arrived at the sandbox and what it refused, in memory and, if a file is named, across runs.

It must not import anything of ``dfinery_django`` but the sandbox's own rules, and never sees a token.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .rules import Arrival, Refusal

KEPT_REFUSALS = 50
SHOWN = ("received_at", "event_id", "event_name", "user_id", "processed", "warnings", "body", "raw")


def utc(seconds: float) -> str:
    """Write an instant for people; years beyond 9999 stay numbers."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:.3f} s"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"


class Memory:
    """What arrived and what was refused; arrivals in a file as well, if one is named. Callers must hold a lock."""

    def __init__(self, store: str | os.PathLike[str] | None) -> None:
        self.store = None if store is None else Path(store)
        self.forget()
        if self.store is not None:
            self.store.touch(mode=0o600)  # customers' data
            self._load(self.store)

    def forget(self, wipe: bool = False) -> None:
        """Start empty; ``wipe`` empties the file, too."""
        if wipe and self.store is not None:
            self.store.write_text("")
        self.arrivals: list[Arrival] = []
        self.refused: deque[dict[str, Any]] = deque(maxlen=KEPT_REFUSALS)
        self.refused_count = 0
        self.times_arrived: Counter[str] = Counter()
        self.types: dict[tuple[str, str], dict[str, str]] = {}  # (scope, console name): type: id that brought it first

    def _load(self, store: Path) -> None:
        text = store.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):  # a run that was killed while it wrote
            with store.open("a", encoding="utf-8") as file:
                file.write("\n")
        for line in text.split("\n"):
            try:
                known = json.loads(line)
                arrival = Arrival.of(known["raw"], known["received_at"], tuple(known["warnings"]))
            except (KeyError, TypeError, ValueError):  # torn, or not of the sandbox's making
                continue
            self._know(arrival)

    def _know(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self.times_arrived[arrival.event_id] += 1
        for found in arrival.properties():
            self.types.setdefault((found.scope, found.console_name), {}).setdefault(found.type, arrival.event_id)

    def keep(self, arrival: Arrival) -> None:
        """Remember it; when this returns, the file has it."""
        if self.store is not None:
            line = {"received_at": arrival.received_at, "raw": arrival.raw, "warnings": arrival.warnings}
            with self.store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._know(arrival)

    def refuse(self, at: float, refusal: Refusal) -> None:
        self.refused_count += 1
        self.refused.append({"at": utc(at), **refusal._asdict()})

    def drift(self) -> list[dict[str, Any]]:
        """List the fields that came with several types: the console would show several fields."""
        return [
            {"scope": scope, "console_name": name, "types": [{"type": t, "event_id": i} for t, i in types.items()]}
            for (scope, name), types in self.types.items()
            if len(types) > 1
        ]

    def shown(self, arrival: Arrival) -> dict[str, Any]:
        """Describe an arrival for the page and for events.json."""
        return {
            **{name: getattr(arrival, name) for name in SHOWN},
            "happened_at_utc": utc(arrival.body["event_attributes"]["event_datetime"] / 1000),
            "received_at_utc": utc(arrival.received_at),
            "arrivals_of_id": self.times_arrived[arrival.event_id],
            "properties": [found._asdict() for found in arrival.properties()],
        }
