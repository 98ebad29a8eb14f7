"""A report on each destination: the state of its circuit, since when and why, and its waiting events. No queries."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..addresses import Endpoint
from ..conf import Settings
from ..enums import DestinationState, Reason
from ..models import Destination
from ..protocols.load import protocol_label
from ..text.reasons import restore

_BY_SEVERITY = (DestinationState.OPEN, DestinationState.HALF_OPEN, DestinationState.CLOSED, DestinationState.PAUSED)

#: The result of a grouped query: a dict per group, with ``alias``, ``status`` and counts.
Grouped = list[dict[str, Any]]


@dataclass(frozen=True)
class DestinationReport:
    """The state of one destination."""

    alias: str
    has_token: bool
    has_row: bool
    endpoint: Endpoint
    protocol: str  # the name of the wire protocol for people
    state: DestinationState = DestinationState.OPEN
    code: Reason = Reason.NONE  # for which delivery is stopped
    why: str = ""  # the same in words; a ``ReasonText`` can be translated
    since: dt.datetime | None = None  # stopped for this reason, or paused
    next_try_at: dt.datetime | None = None  # with one event
    paused_by: str = ""
    quota_left: int | None = None
    quota_resets_at: dt.datetime | None = None
    drained_at: dt.datetime | None = None  # when a drain last began; the earliest of several databases
    waiting: int = 0
    at_risk: int = 0  # those waiting that have used more than half of their time
    expires_next_at: dt.datetime | None = None
    oldest_waiting_at: dt.datetime | None = None  # when the event that expires next happened
    lately: Mapping[str, int] = field(default_factory=dict)  # finished within 24 hours, by status


def sum_by_status(rows: Grouped, of: str) -> Mapping[str, int]:
    """Add up one count of grouped rows by status."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["status"]] += row[of]
    return counts


def report_all(
    rows: Iterable[Destination], waiting: Grouped, finished: Grouped, now: dt.datetime, settings: Settings
) -> tuple[DestinationReport, ...]:
    """Report on every destination that is configured or has a row."""
    by_alias: dict[str, list[Destination]] = {alias: [] for alias in settings.TOKENS}
    for row in rows:
        by_alias.setdefault(row.alias, []).append(row)
    return tuple(_report(alias, its, waiting, finished, now, settings) for alias, its in by_alias.items())


def _report(
    alias: str,
    rows: list[Destination],
    waiting: Grouped,
    finished: Grouped,
    now: dt.datetime,
    settings: Settings,
) -> DestinationReport:
    waiting = [each for each in waiting if each["alias"] == alias]
    # The state may differ between databases: report the worst.
    row = max(rows, key=lambda each: _BY_SEVERITY.index(each.state(now)), default=Destination(alias=alias))
    state = row.state(now)
    has_quota = row.has_quota(now)
    drained = [each.drained_at for each in rows]
    expires_next_at = min((each["expires_next_at"] for each in waiting), default=None)
    return DestinationReport(
        alias,
        has_token=alias in settings.TOKENS,
        has_row=bool(rows),
        endpoint=settings.endpoint,
        protocol=protocol_label(settings),
        state=state,
        code=Reason(row.closed_code),
        why=restore(row.closed_data, row.closed_reason) if row.closed_until else "",
        since=row.paused_at if state == DestinationState.PAUSED else row.closed_at,
        next_try_at=row.closed_until if state == DestinationState.CLOSED else None,
        paused_by=row.paused_by,
        quota_left=row.quota_left if has_quota else None,
        quota_resets_at=row.quota_resets_at if has_quota else None,
        drained_at=min(each for each in drained if each) if drained and all(drained) else None,
        waiting=sum(each["count"] for each in waiting),
        at_risk=sum(each["at_risk"] for each in waiting),
        expires_next_at=expires_next_at,
        oldest_waiting_at=expires_next_at and expires_next_at - settings.max_age,
        lately=sum_by_status([each for each in finished if each["alias"] == alias], "lately"),
    )
