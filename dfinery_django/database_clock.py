"""The database's clock: the one that all workers share, however wrong their machines' own clocks are.

A drain takes its time from here, so that no worker ends an event, or another worker's lease, before its time. Captures
don't: they ask for nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connections, models

from . import clock

#: A difference that no one need hear of; below it the machine's clock is taken as it is.
TOLERATED_SECONDS = 1.0
#: From so much on it is told.
REPORTED_SECONDS = 30.0
#: A drain asks again after so long: a machine's clock may be set meanwhile.
CLOCK_REFRESH_SECONDS = 10.0

#: Epoch seconds, without a word about time zones. SQLite has no other clock than the machine's.
_EPOCH_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())::double precision",
    "mysql": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6",
}


class EpochSeconds(models.Func):
    """The database's moment as an expression; null where it has no clock of its own."""

    output_field = models.FloatField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        return _EPOCH_SECONDS.get(connection.vendor, "NULL"), []


def seconds_ahead(epoch_seconds: float | None) -> float:
    """By how many seconds this machine's clock is ahead of a moment that the database has just told."""
    if epoch_seconds is None or clock.is_travelling():
        return 0.0
    seconds = clock.now().timestamp() - float(epoch_seconds)
    return seconds if abs(seconds) > TOLERATED_SECONDS else 0.0


class DatabaseClock:
    """
    :ivar ahead_seconds: by how much this machine's clock is ahead of the database's; 0 where the two agree
    """

    def __init__(self, using: str) -> None:
        self.using, self.ahead_seconds = using, 0.0
        self._asked_at = float("-inf")

    def refresh(self) -> DatabaseClock:
        """One statement, unless the database was asked a moment ago."""
        expression = _EPOCH_SECONDS.get(connections[self.using].vendor)
        if expression and clock.monotonic() - self._asked_at >= CLOCK_REFRESH_SECONDS:
            with connections[self.using].cursor() as cursor:
                cursor.execute(f"SELECT {expression}")  # nosec B608 - our own words
                self.ahead_seconds = seconds_ahead(cursor.fetchone()[0])
            self._asked_at = clock.monotonic()
        return self

    def now(self) -> dt.datetime:
        """Return the database's moment, reckoned from this machine's."""
        return clock.now() - dt.timedelta(seconds=self.ahead_seconds)
