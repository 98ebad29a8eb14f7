"""``Every``: the current slot of the clock, so that many firings within a slot are one event."""

from __future__ import annotations

import datetime as dt
from typing import Any

from .. import clock
from ..exceptions import ConfigurationError
from .expressions import Expression


class Every(Expression):
    """The number of the current slot of the clock: ``"once_per": Every(minutes=10)`` gives one event per ten minutes.

    With ``minutes=10`` slots begin at :00, :10, :20; those of a day at midnight in UTC. For ``track()`` write
    ``dedup_key=(user.pk, Every(minutes=10).slot())``.

    :param minutes: the length of a slot, a whole number
    :raises ConfigurationError: for any other length
    """

    def __init__(self, *, minutes: int) -> None:
        if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 1:
            raise ConfigurationError(f"Every(minutes={minutes!r}): give a whole number from 1, e.g. Every(minutes=10).")
        self.minutes = minutes

    def slot(self, at: dt.datetime | None = None) -> int:
        """Return the number of a slot, which is greater than that of any earlier slot.

        :param at: an aware datetime; default: now
        """
        return ((at or clock.now()) - clock.EPOCH) // dt.timedelta(minutes=self.minutes)

    def resolve(self, instance: Any) -> int:
        return self.slot()

    def __repr__(self) -> str:
        return f"Every(minutes={self.minutes})"
