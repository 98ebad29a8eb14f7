"""Quarantine of events with dates that no driver can read. They are found and fixed by SQL alone.

Python knows the years 1 to 9999. PostgreSQL also stores years before Christ, after 9999 and infinity, MariaDB zero
dates, SQLite any text. This app writes no such date; SQL by hand may.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DataError, connections, models, transaction
from django.db.models import F, Q

from .. import clock
from ..enums import UNFINISHED, EventStatus, Reason
from ..schema.types import FIRST_MOMENT, LAST_MOMENT
from ..text.reasons import ReasonText, to_json

logger = logging.getLogger("dfinery_django")

#: Errors of a driver, or of Django for it, for a value that can't be converted to Python's.
UNREADABLE_ERRORS = (DataError, ValueError, TypeError, AttributeError, OverflowError)
_REQUIRED = ("occurred_at", "expires_at", "created_at")
_MOMENTS = (*_REQUIRED, "due_at", "finished_at")
_CHUNK = 500


class _IsNoDate(models.Func):
    """SQLite's test for a text in a date column that is not a day of the calendar."""

    template = "(date(%(expressions)s, '+0 days') IS NOT substr(%(expressions)s, 1, 10))"
    output_field = models.BooleanField()


def quarantine(events: models.QuerySet[Any]) -> int:
    """Fail every event (of a plain queryset) with a date that is unreadable, and set the date to now; return how many.

    A finished event keeps its status.
    """
    unreadable, total = Q(), 0
    for column in _MOMENTS:
        unreadable |= _is_unreadable(column, events.db)
    while found := list(events.filter(unreadable).values_list("pk", "event_id")[:_CHUNK]):
        with transaction.atomic(using=events.db):
            for pk, event_id in found:
                _fix_row(events.filter(pk=pk), event_id)
        total += len(found)
        ids = ", ".join(str(event_id) for _, event_id in found)
        logger.error("Events with an unreadable date: it was set to now, and unfinished ones failed: %s", ids)
    return total


def lacks_required_date(row: Any) -> bool:
    """Return whether a required date was read as ``None``: zero dates of MariaDB and texts in SQLite are."""
    return isinstance(row, models.Model) and any(row.__dict__.get(name, row) is None for name in _REQUIRED)


def quarantine_any(events: models.QuerySet[Any]) -> int:
    """Quarantine only if an index finds such an event: some dates are read without an error, but can't be shown."""
    return quarantine(events) if events.filter(_is_out_of_range("occurred_at")).exists() else 0


def _fix_row(row: models.QuerySet[Any], event_id: Any) -> None:
    now = clock.now()
    names = [each for each in _MOMENTS if row.filter(_is_unreadable(each, row.db)).update(**{each: now})]
    years = {"first": str(FIRST_MOMENT.year), "last": str(LAST_MOMENT.year)}
    reason = ReasonText("unreadable_date", event=str(event_id), columns=", ".join(names), **years)
    row.update(reason=str(reason), reason_data=to_json(reason))
    failed = {"status": EventStatus.FAILED, "reason_code": Reason.PAYLOAD, "due_at": None, "finished_at": now}
    row.filter(status__in=UNFINISHED).update(**failed)


def _is_unreadable(column: str, using: str) -> Q:
    condition = _is_out_of_range(column)
    return condition | Q(_IsNoDate(F(column))) if connections[using].vendor == "sqlite" else condition


def _is_out_of_range(column: str) -> Q:
    return Q(**{f"{column}__lt": FIRST_MOMENT}) | Q(**{f"{column}__gt": LAST_MOMENT})
