"""The two clocks: when something happened, and how long something takes."""

from __future__ import annotations

import datetime as dt
import sys
import time

from django.utils import timezone


def now() -> dt.datetime:
    """Return the moment, aware, in UTC, whatever ``USE_TZ`` says."""
    moment = timezone.now()
    return moment if moment.tzinfo else moment.astimezone(dt.timezone.utc)  # naive: the machine's own time zone


def is_travelling() -> bool:
    """Answer whether a tool for tests (freezegun, time-machine) has the clock: then its moment is the only one."""
    time_machine = sys.modules.get("time_machine")
    if time_machine is not None and time_machine.escape_hatch.is_travelling():
        return True
    return type(timezone.now()).__module__.startswith("freezegun")


def monotonic() -> float:
    """Return seconds that only go forward, to bound loops and waits by.

    Tests of a site may freeze the clock: freezegun stops ``time.monotonic()`` too, and a loop bounded by that would
    never end. No such tool stops this one.
    """
    return _read_monotonic()


def _system_monotonic() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


#: Windows has no ``clock_gettime``.
_read_monotonic = _system_monotonic if hasattr(time, "clock_gettime") else time.monotonic
