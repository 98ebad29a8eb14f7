"""The database's clock, which all workers share, however wrong their machines' clocks are.

A drain uses it, so that no worker expires an event, or another worker's lease, too early. Captures don't: they query
nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connections, models

from .. import clock

TOLERATED_SECONDS = 1.0  # a smaller difference counts as none
REPORTED_SECONDS = 30.0  # a larger difference is reported
#: A drain queries the clock again after this time: the machine's clock may have been set.
CLOCK_REFRESH_SECONDS = 10.0

#: Epoch seconds, independent of time zones. SQLite has only the machine's clock.
_EPOCH_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())::double precision",
    "mysql": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6",
}


class EpochSeconds(models.Func):
    """The database's current time as an expression; null if it has no clock of its own."""

    output_field = models.FloatField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        return _EPOCH_SECONDS.get(connection.vendor, "NULL"), []


def seconds_ahead(epoch_seconds: float | None) -> float:
    """Return how many seconds this machine's clock is ahead of the database's time, just queried."""
    if epoch_seconds is None or clock.is_travelling():
        return 0.0
    seconds = clock.now().timestamp() - float(epoch_seconds)
    return seconds if abs(seconds) > TOLERATED_SECONDS else 0.0


class DatabaseClock:
    def __init__(self, using: str) -> None:
        self.using, self._queried_at = using, float("-inf")
        #: How many seconds this machine's clock is ahead of the database's; 0 if they agree.
        self.ahead_seconds = 0.0

    def refresh(self) -> DatabaseClock:
        """Query the database's time, unless that was done a moment ago."""
        expression = _EPOCH_SECONDS.get(connections[self.using].vendor)
        if expression and clock.monotonic() - self._queried_at >= CLOCK_REFRESH_SECONDS:
            with connections[self.using].cursor() as cursor:
                cursor.execute(f"SELECT {expression}")  # nosec B608 - constants of this module
                self.ahead_seconds = seconds_ahead(cursor.fetchone()[0])
            self._queried_at = clock.monotonic()
        return self

    def now(self) -> dt.datetime:
        """Return the database's time, computed from this machine's."""
        return clock.now() - dt.timedelta(seconds=self.ahead_seconds)
