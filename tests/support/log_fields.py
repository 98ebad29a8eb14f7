"""The attributes of our log records, as ``docs/reference/metrics.md`` lists them."""

from __future__ import annotations

_NAMES = (
    *("event_id", "event_name", "definition", "destination", "status", "reason_code", "outcome", "attempt"),
    *("duration_ms", "status_code", "result_code", "count"),
)
LOG_FIELDS = frozenset(f"dfinery_{name}" for name in _NAMES)
