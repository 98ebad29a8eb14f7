"""How each destination stands: open, stopped or paused, since when and why, and what waits for it. No queries."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .conf import Settings
from .models import Destination
from .states import DestinationState, Reason

_GRAVITY = (DestinationState.OPEN, DestinationState.HALF_OPEN, DestinationState.CLOSED, DestinationState.PAUSED)

#: What a grouped query gives: a dict per group, with ``alias``, ``status`` and counts.
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class DestinationReport:
    """How one destination stands.

    :ivar code: why it is closed
    :ivar why: the same in the words that came from the wire
    :ivar since: when it was closed for this reason, or paused
    :ivar next_try_at: when a closed one is tried with one event
    :ivar at_risk: how many of those that wait have waited for more than half of their time
    :ivar expires_next_at: when the first of those that wait expires
    :ivar lately: how many events finished within 24 hours, by status
    """

    alias: str
    has_token: bool
    state: DestinationState = DestinationState.OPEN
    code: Reason = Reason.NONE
    why: str = ""
    since: dt.datetime | None = None
    next_try_at: dt.datetime | None = None
    paused_by: str = ""
    quota_left: int | None = None
    quota_resets_at: dt.datetime | None = None
    drained_at: dt.datetime | None = None
    waiting: int = 0
    at_risk: int = 0
    expires_next_at: dt.datetime | None = None
    lately: Mapping[str, int] = field(default_factory=dict)


def counted(rows: Rows, of: str) -> Mapping[str, int]:
    """Grouped rows, one of their counts added up by status."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["status"]] += row[of]
    return counts


def report_all(
    rows: Iterable[Destination], waiting: Rows, finished: Rows, now: dt.datetime, settings: Settings
) -> tuple[DestinationReport, ...]:
    by_alias: dict[str, list[Destination]] = {alias: [] for alias in settings.TOKENS}
    for row in rows:
        by_alias.setdefault(row.alias, []).append(row)
    return tuple(
        _report(
            alias,
            its_rows,
            [row for row in waiting if row["alias"] == alias],
            [row for row in finished if row["alias"] == alias],
            now,
            settings,
        )
        for alias, its_rows in by_alias.items()
    )


def _report(
    alias: str, rows: list[Destination], waiting: Rows, finished: Rows, now: dt.datetime, settings: Settings
) -> DestinationReport:
    # In several databases it may stand differently: the worst is told.
    row = max(rows, key=lambda each: _GRAVITY.index(each.state(now)), default=Destination(alias=alias))
    state = row.state(now)
    is_closed = row.closed_until is not None
    has_quota = row.has_quota(now)
    drained = [each.drained_at for each in rows]
    return DestinationReport(
        alias,
        has_token=alias in settings.TOKENS,
        state=state,
        code=Reason(row.closed_code),
        why=row.closed_reason if is_closed else "",
        since=row.paused_at if state == DestinationState.PAUSED else row.closed_at,
        next_try_at=row.closed_until if state == DestinationState.CLOSED else None,
        paused_by=row.paused_by,
        quota_left=row.quota_left if has_quota else None,
        quota_resets_at=row.quota_resets_at if has_quota else None,
        drained_at=min(each for each in drained if each) if drained and all(drained) else None,
        waiting=sum(each["count"] for each in waiting),
        at_risk=sum(each["at_risk"] for each in waiting),
        expires_next_at=min((each["expires_next_at"] for each in waiting), default=None),
        lately=counted(finished, "lately"),
    )
