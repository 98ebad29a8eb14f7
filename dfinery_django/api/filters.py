"""Query parameters of the event list: the filters and the search of the admin's list. Bad values return 400."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ..enums import EventStatus, Reason
from ..models.queryset import EventQuerySet
from ..operations.selection import Selection
from ..text.escape import searchable
from ..text.times import parse_moment
from .errors import bad_request

STATUSES = EventStatus.values
REASONS = [value for value in Reason.values if value]
ID_PARAMETERS = ("order_id", "user_id")
QUERY_PARAMETERS = (
    *("status", "reason_code", "definition", "since", "until", "event_id", "cursor", "page_size"),
    *("event_name", "destination", "source_pk", "search"), *ID_PARAMETERS,
)  # fmt: skip


def filter_events(events: EventQuerySet, chosen: Mapping[str, str]) -> EventQuerySet:
    """Narrow the events by the query parameters.

    :raises ApiError: for a malformed value
    """
    selection = Selection(
        status=_parse_word("status", STATUSES, chosen),
        reason_code=_parse_word("reason_code", REASONS, chosen),
        definitions=tuple(filter(None, chosen.get("definition", "").split(","))),
        since=_parse_time("since", chosen),
        until=_parse_time("until", chosen),
        event_name=chosen.get("event_name", ""),
        destination=chosen.get("destination", ""),
        source_pk=chosen.get("source_pk", ""),
        search=chosen.get("search", ""),
    )
    events = selection.resolved(events).narrow(events)
    exact: dict[str, Any] = {name: searchable(chosen[name]) for name in ID_PARAMETERS if chosen.get(name)}
    if chosen.get("event_id"):
        exact["event_id"] = _parse_uuid(chosen["event_id"])
    return events.filter(**exact)


def _parse_word(name: str, words: list[str], chosen: Mapping[str, str]) -> str:
    value = chosen.get(name, "")
    if value and value not in words:
        raise bad_request(f"{name}: {value[:100]!r} is unknown. Known: {', '.join(words)}.")
    return value


def _parse_time(name: str, chosen: Mapping[str, str]) -> dt.datetime | None:
    """Parse a time; a naive one is in the site's time zone."""
    text = chosen.get(name, "")
    if not text:
        return None
    try:
        return parse_moment(text)
    except (ValueError, OverflowError):
        example = "2026-01-31T18:00:00+09:00"
        raise bad_request(f"{name}: {text[:100]!r} is not a time. Write e.g. {example} (+ as %2B).") from None


def _parse_uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise bad_request(f"event_id: {text[:100]!r} is not a UUID.") from None
