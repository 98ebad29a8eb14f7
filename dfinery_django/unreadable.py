"""Events whose row no driver can read: found by SQL alone, and put right, so that every reader goes on.

Python knows the years 1 to 9999. PostgreSQL also keeps years before Christ, after 9999 and infinity, MariaDB zero
dates, SQLite any text. Nothing of ours writes such a moment; SQL by hand may.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DataError, connections, models, transaction
from django.db.models import F, Q

from . import clock
from .states import UNFINISHED, EventStatus, Reason
from .values import FIRST_MOMENT, LAST_MOMENT

logger = logging.getLogger("dfinery_django")

#: What a driver, or Django on its behalf, raises for a value that it can't turn into Python's.
UNREADABLE_ERRORS = (DataError, ValueError, TypeError, AttributeError, OverflowError)
_REQUIRED = ("occurred_at", "expires_at", "created_at")
_MOMENTS = (*_REQUIRED, "due_at", "finished_at")
_CHUNK = 500


class _IsNoDate(models.Func):
    """Whether SQLite has a text in a column of dates that is no day of the calendar."""

    template, output_field = (
        "(date(%(expressions)s, '+0 days') IS NOT substr(%(expressions)s, 1, 10))",
        models.BooleanField(),
    )


def quarantine(events: models.QuerySet[Any]) -> int:
    """Fail every event that has a date which can't be read; the date becomes now. One that has ended keeps its status.

    :param events: all of a database, as a plain queryset
    :returns: how many
    """
    odd, total = Q(), 0
    for column in _MOMENTS:
        odd |= _is_unreadable(column, events.db)
    while found := list(events.filter(odd).values_list("pk", "event_id")[:_CHUNK]):
        with transaction.atomic(using=events.db):
            for pk, event_id in found:
                _fix_row(events.filter(pk=pk), event_id)
        total += len(found)
        ids = ", ".join(str(event_id) for _, event_id in found)
        logger.error("Events with a date that can't be read; it was set to now, and what had not ended failed: %s", ids)
    return total


def lacks_required_date(row: Any) -> bool:
    """Whether it is an event without a date that each has: zero dates of MariaDB, and texts in SQLite, are read so."""
    return isinstance(row, models.Model) and any(row.__dict__.get(name, row) is None for name in _REQUIRED)


def quarantine_out_of_range(events: models.QuerySet[Any]) -> int:
    """The same where an index shows one at a glance; for what is read without an error, and can't be shown."""
    return quarantine(events) if events.filter(_is_out_of_range("occurred_at")).exists() else 0


def _fix_row(row: models.QuerySet[Any], event_id: Any) -> None:
    now = clock.now()
    names = [each for each in _MOMENTS if row.filter(_is_unreadable(each, row.db)).update(**{each: now})]
    reason = (
        f"Event {event_id} could not be read: {' and '.join(names)} held no date between the years "
        f"{FIRST_MOMENT.year} and {LAST_MOMENT.year}. It was set to when that was found."
    )
    row.update(reason=reason)
    failed = {"status": EventStatus.FAILED, "reason_code": Reason.PAYLOAD, "due_at": None, "finished_at": now}
    row.filter(status__in=UNFINISHED).update(**failed)


def _is_unreadable(column: str, using: str) -> Q:
    odd = _is_out_of_range(column)
    return odd | Q(_IsNoDate(F(column))) if connections[using].vendor == "sqlite" else odd


def _is_out_of_range(column: str) -> Q:
    return Q(**{f"{column}__lt": FIRST_MOMENT}) | Q(**{f"{column}__gt": LAST_MOMENT})
