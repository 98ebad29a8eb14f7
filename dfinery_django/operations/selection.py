"""The selection of events that a list shows or a bulk action changes. One value, stored as JSON.

Every condition is served by an index, however many events there are.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Q

from ..enums import EventStatus
from ..models.queryset import EventQuerySet
from ..text.escape import searchable

#: At the end of a search term: match every id with this prefix.
WILDCARD = "*"
#: No more events of one status than this are read to find their reasons.
MAX_READ_FOR_REASONS = 2000


@dataclass(frozen=True)
class Selection:
    """Conditions that an event must all match; an empty selection matches every event."""

    pks: tuple[int, ...] = ()
    status: str = ""
    event_name: str = ""
    destination: str = ""
    reason_code: str = ""
    definitions: tuple[str, ...] = ()
    source_pk: str = ""
    since: dt.datetime | None = None  # happened at this time or later
    until: dt.datetime | None = None  # happened before this time
    search: str = ""  # an event id, order id or user id; with ``is_prefix``, the prefix of an order id or user id
    is_prefix: bool = False

    def narrow(self, events: EventQuerySet, destinations: Sequence[str] | None = None) -> EventQuerySet:
        """Filter a queryset down to the selected events; the destinations that events have are queried if not given."""
        plain = {field: getattr(self, field) for field in ("status", "event_name", "destination", "source_pk")}
        plain |= {"pk__in": self.pks, "definition__in": self.definitions, "reason_code": self.reason_code}
        plain |= {"occurred_at__gte": self.since, "occurred_at__lt": self.until}
        events = events.filter(**{lookup: wanted for lookup, wanted in plain.items() if wanted})
        if self.reason_code and not self.status:
            # Delivered events are the most and have no reason: the index can skip them.
            events = events.filter(status__in=[each for each in EventStatus if each != EventStatus.DELIVERED])
        if (self.status or self.reason_code) and not self.destination and not self.pks:
            # The claim's index starts with the destination.
            known = events.in_use("destination") if destinations is None else destinations
            events = events.filter(destination__in=known)
        return events.filter(_matches(self.search, self.is_prefix, events.db)) if self.search else events

    def resolved(self, events: EventQuerySet) -> Selection:
        """Return a copy with ``is_prefix`` set: false if an event has exactly this id, else true."""
        term = searchable(self.search.strip())
        if term.endswith(WILDCARD):
            return dataclasses.replace(self, search=term.removesuffix(WILDCARD), is_prefix=True)
        is_whole = not term or events.filter(_matches(term, False, events.db)).exists()
        return dataclasses.replace(self, search=term, is_prefix=self.is_prefix or not is_whole)

    def conditions(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and value of every condition that is set."""
        for field in dataclasses.fields(self):
            if value := getattr(self, field.name):
                yield field.name, value

    def without_ids(self) -> Selection:
        """Return a copy for a log that outlives its events: ids of orders and users are masked."""
        hidden: dict[str, Any] = {name: "…" for name in ("search", "source_pk") if getattr(self, name)}
        return dataclasses.replace(self, is_prefix=False, **hidden)

    def to_json(self) -> str:
        """Return the conditions that are set, as a JSON object."""
        return json.dumps(dict(self.conditions()), default=dt.datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Selection:
        """Parse what ``to_json`` returned; any other text raises ``ValueError`` or ``TypeError``."""
        stored = json.loads(text)
        for name in ("pks", "definitions"):
            stored[name] = tuple(stored.get(name, ()))
        for name in ("since", "until"):
            stored[name] = dt.datetime.fromisoformat(stored[name]) if name in stored else None
        return cls(**stored)


def reasons_in_use(events: EventQuerySet, destinations: Sequence[str]) -> dict[str, set[str] | None]:
    """Return the statuses that events have, each with its reason codes; ``None`` if there are too many to read.

    One search in the index of the claim for each status; several at once SQLite would answer by reading the table.
    """
    connection, parts, parameters = connections[events.db], [], []
    for number, status in enumerate(EventStatus if destinations else ()):
        limit = 1 if status == EventStatus.DELIVERED else MAX_READ_FOR_REASONS + 1  # delivered ones have no reason
        of_status = events.filter(destination__in=destinations, status=status).order_by()
        sql, values = of_status.values_list("status", "reason_code")[:limit].query.get_compiler(events.db).as_sql()
        parts.append(f"SELECT * FROM ({sql}) part_{number}")  # noqa: S608 - Django's own SQL  # nosec B608
        parameters += values
    found: dict[str, set[str] | None] = {}
    counts: dict[str, int] = {}
    if parts:
        counted = f"SELECT status, reason_code, COUNT(*) FROM ({' UNION ALL '.join(parts)}) parts"  # noqa: S608  # nosec B608
        with connection.cursor() as cursor:
            cursor.execute(f"{counted} GROUP BY status, reason_code", parameters)
            for status, reason, count in cursor.fetchall():
                counts[status] = counts.get(status, 0) + count
                found[status] = (found.get(status) or set()) | {reason}
    return {status: codes if counts[status] <= MAX_READ_FOR_REASONS else None for status, codes in found.items()}


def _matches(term: str, is_prefix: bool, using: str) -> Q:
    if is_prefix:
        vendor = connections[using].vendor
        return _starts_with("order_id", term, vendor) | _starts_with("user_id", term, vendor)
    found = Q(order_id=term) | Q(user_id=term)
    with suppress(ValueError):
        found |= Q(event_id=UUID(term))
    return found


def _starts_with(field: str, prefix: str, vendor: str) -> Q:
    """Match a column's prefix with the lookup for which each database uses its index."""
    if vendor == "mysql":
        return Q(**{f"{field}__istartswith": prefix})  # LIKE BINARY would read every row
    if vendor == "sqlite":
        return Q(**{f"{field}__gte": prefix, f"{field}__lt": f"{prefix}\U0010ffff"})  # its LIKE ignores case
    return Q(**{f"{field}__startswith": prefix})
