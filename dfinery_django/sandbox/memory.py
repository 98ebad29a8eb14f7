"""The log of arrivals and refusals, in memory and, if a file is given, across runs. It never sees a token."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .rules import Arrival, ErrorResponse

KEPT_REFUSALS = 50
DESCRIBED_FIELDS = ("received_at", "event_id", "event_name", "user_id", "processed", "warnings", "body", "raw")


def utc(seconds: float) -> str:
    """Format an instant; years beyond 9999 stay numbers."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:.3f} s"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"


class ArrivalLog:
    """The log of arrivals and refusals; arrivals in a file as well, if one is given. Callers must hold a lock."""

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
        if text and not text.endswith("\n"):  # a run was killed while it wrote
            with store.open("a", encoding="utf-8") as file:
                file.write("\n")
        for line in text.split("\n"):
            try:
                known = json.loads(line)
                arrival = Arrival.of(known["raw"], known["received_at"], tuple(known["warnings"]))
            except (KeyError, TypeError, ValueError):  # torn, or not written by the sandbox
                continue
            self._add(arrival)

    def _add(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self.times_arrived[arrival.event_id] += 1
        for each in arrival.properties():
            self.types.setdefault((each.scope, each.console_name), {}).setdefault(each.type, arrival.event_id)

    def keep(self, arrival: Arrival) -> None:
        """Add an arrival; it is in the file when this returns."""
        if self.store is not None:
            line = {"received_at": arrival.received_at, "raw": arrival.raw, "warnings": arrival.warnings}
            with self.store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._add(arrival)

    def refuse(self, at: float, refusal: ErrorResponse) -> None:
        """Add a refusal."""
        self.refused_count += 1
        self.refused.append({"at": utc(at), **refusal._asdict()})

    def drift(self) -> list[dict[str, Any]]:
        """Return the fields that came with several types, each of which the console would show as a field."""
        return [
            {"scope": scope, "console_name": name, "types": [{"type": t, "event_id": i} for t, i in types.items()]}
            for (scope, name), types in self.types.items()
            if len(types) > 1
        ]

    def describe(self, arrival: Arrival) -> dict[str, Any]:
        """Describe an arrival for the page and for events.json."""
        return {
            **{name: getattr(arrival, name) for name in DESCRIBED_FIELDS},
            "happened_at_utc": utc(arrival.body["event_attributes"]["event_datetime"] / 1000),
            "received_at_utc": utc(arrival.received_at),
            "arrivals_of_id": self.times_arrived[arrival.event_id],
            "properties": [each._asdict() for each in arrival.properties()],
        }
