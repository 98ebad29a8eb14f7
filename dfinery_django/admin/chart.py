"""48 hours as stacked bars: where each part of the picture lies. The SVG itself is a template; no text is drawn here.

Across, everything is in percent and downwards in pixels, so that the picture is as wide as its page and nothing in it
is stretched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from ..overview import Hour

PLOT_HEIGHT = 150
#: Room for small parts that are drawn larger than they are.
HEADROOM = 14
#: A single failure beside thousands of deliveries must be seen.
LEAST_HEIGHT = 4
#: From the ground up.
KINDS = ("delivered", "waiting", "expired", "failed")
#: Of the width that an hour has, so much is bar.
FILLED = 0.8


@dataclass(frozen=True)
class Part:
    kind: str
    y: int
    height: int


@dataclass(frozen=True)
class Bar:
    hour: Hour
    x: str
    width: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Tick:
    """Where midnight and noon are, in the reader's time zone."""

    x: str
    at: dt.datetime
    is_midnight: bool


@dataclass(frozen=True)
class Chart:
    """
    :ivar top: what the topmost line of the grid stands for, ``middle`` what the one halfway does
    """

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    top: int
    middle: int
    totals: dict[str, int]
    headroom: int = HEADROOM
    middle_y: int = HEADROOM + PLOT_HEIGHT // 2
    ground_y: int = HEADROOM + PLOT_HEIGHT

    @property
    def filled(self) -> tuple[Bar, ...]:
        """The hours in which anything happened, newest first."""
        return tuple(bar for bar in reversed(self.bars) if bar.parts)


def draw(hours: Sequence[Hour]) -> Chart:
    top = _ceiling(max(sum(getattr(hour, kind) for kind in KINDS) for hour in hours))
    step = 100 / len(hours)
    width = f"{step * FILLED:.3f}%"
    bars = [
        Bar(hour, f"{(number + (1 - FILLED) / 2) * step:.3f}%", width, tuple(_parts(hour, top)))
        for number, hour in enumerate(hours)
    ]
    ticks = [
        Tick(f"{number * step:.3f}%", local, local.hour == 0)
        for number, hour in enumerate(hours)
        if (local := timezone.localtime(hour.began_at)).hour in (0, 12)
    ]
    totals = {kind: sum(getattr(hour, kind) for hour in hours) for kind in KINDS}
    return Chart(tuple(bars), tuple(ticks), top, top // 2, totals)


def _parts(hour: Hour, top: int) -> list[Part]:
    parts, ground = [], HEADROOM + PLOT_HEIGHT
    for kind in KINDS:
        count = getattr(hour, kind)
        if count:
            height = max(LEAST_HEIGHT, round(count / top * PLOT_HEIGHT))
            ground -= height
            parts.append(Part(kind, ground, height))
    return parts


def _ceiling(highest: int) -> int:
    """The next of 2, 4, 6, 8, 10, 20, 40, …: half of it is a whole number, too."""
    magnitude = 1
    while magnitude * 10 < highest:
        magnitude *= 10
    return next(magnitude * step for step in (2, 4, 6, 8, 10) if magnitude * step >= highest)
