"""What log records of ours carry besides their words, for logs that machines read. Never payloads, never tokens.

Everything is told under the logger ``dfinery_django``; what happens to each single event under its child
``dfinery_django.events``, at INFO, so that a busy shop can silence that alone.
"""

from __future__ import annotations

import logging
from typing import Any

events_logger = logging.getLogger("dfinery_django.events")

#: Attributes of the records: what they say.
FACTS = {
    "dfinery_event_id": "the event's id, as DFINERY knows it",
    "dfinery_event_name": "its name",
    "dfinery_definition": "its definition; empty for `track()`",
    "dfinery_destination": "alias of `TOKENS`",
    "dfinery_status": "what became of the event: delivered, failed, expired, cancelled",
    "dfinery_reason_code": "why, in a word",
    "dfinery_outcome": "what came of the request: accepted, transient, throttled, rejected, blocked",
    "dfinery_attempt": "the number of the attempt",
    "dfinery_duration_ms": "how long the request took, or the drain",
    "dfinery_status_code": "the answer's HTTP status, if one came",
    "dfinery_result_code": "DFINERY's own code",
    "dfinery_count": "how many events it is about",
}


def about(**facts: Any) -> dict[str, Any]:
    """``extra`` of a record: ``about(destination="default")`` is its attribute ``dfinery_destination``."""
    return {f"dfinery_{name}": value for name, value in facts.items()}
