"""The wall clock (``now``) and the clock that measures durations (``monotonic``)."""

from __future__ import annotations

import datetime as dt
import sys
import time

from django.utils import timezone

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def now() -> dt.datetime:
    """Return the current time, aware, in UTC, whatever ``USE_TZ`` is."""
    moment = timezone.now()
    return moment if moment.tzinfo else moment.astimezone(dt.timezone.utc)  # naive: the machine's own time zone


def is_travelling() -> bool:
    """Return whether a test tool (freezegun, time-machine) controls the clock."""
    time_machine = sys.modules.get("time_machine")
    if time_machine is not None and time_machine.escape_hatch.is_travelling():
        return True
    return type(timezone.now()).__module__.startswith("freezegun")


def monotonic() -> float:
    """Return seconds that never go back, to bound loops and waits.

    freezegun stops ``time.monotonic()`` in a site's tests, so that a loop bounded by it would never end. No test tool
    stops this clock.
    """
    return _real_monotonic() if _real_monotonic else time.clock_gettime(time.CLOCK_MONOTONIC)


#: For Windows, which has no ``clock_gettime``: bound before a test tool replaces it.
_real_monotonic = None if hasattr(time, "clock_gettime") else time.monotonic
