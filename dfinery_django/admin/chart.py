"""The geometry of the chart of the last 48 hours as stacked bars. The template draws the SVG and its texts.

Horizontal positions are percentages and vertical ones pixels, so that the chart fills the page's width undistorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..monitoring.overview import Hour
from ..text.times import local

PLOT_HEIGHT = 150
#: Pixels above the plot, for small segments that are drawn larger than to scale.
HEADROOM = 14
#: Pixels: a single failure beside thousands of deliveries must be visible.
MIN_SEGMENT_HEIGHT = 4
#: From the bottom up.
STACK_ORDER = ("delivered", "waiting", "expired", "failed")
#: The bar's share of an hour's width.
BAR_SHARE = 0.8


@dataclass(frozen=True)
class Segment:
    """One kind of event in one bar; ``y`` and ``height`` in pixels."""

    kind: str
    y: int
    height: int


@dataclass(frozen=True)
class Bar:
    """One hour; ``x`` and ``width`` in percent."""

    hour: Hour
    x: str
    width: str
    parts: tuple[Segment, ...]


@dataclass(frozen=True)
class Tick:
    """A mark at midnight, labelled ``11-29``, or noon, in the reader's time zone."""

    x: str
    label: str


@dataclass(frozen=True)
class Chart:
    """The whole chart.

    :ivar top: number of events at the topmost grid line; ``middle`` is that of the line halfway
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
        """The hours with any event, newest first."""
        return tuple(bar for bar in reversed(self.bars) if bar.parts)


def build_chart(hours: Sequence[Hour]) -> Chart:
    """Lay out the chart of these hours."""
    top = _axis_top(max(sum(getattr(hour, kind) for kind in STACK_ORDER) for hour in hours))
    step = 100 / len(hours)
    width = f"{step * BAR_SHARE:.3f}%"
    bars = [
        Bar(hour, f"{(number + (1 - BAR_SHARE) / 2) * step:.3f}%", width, tuple(_segments(hour, top)))
        for number, hour in enumerate(hours)
    ]
    ticks = [
        Tick(f"{number * step:.3f}%", f"{here:%H:%M}" if here.hour else f"{here:%m-%d}")
        for number, hour in enumerate(hours)
        if (here := local(hour.began_at)).hour in (0, 12)
    ]
    totals = {kind: sum(getattr(hour, kind) for hour in hours) for kind in STACK_ORDER}
    return Chart(tuple(bars), tuple(ticks), top, top // 2, totals)


def _segments(hour: Hour, top: int) -> list[Segment]:
    parts, ground = [], HEADROOM + PLOT_HEIGHT
    for kind in STACK_ORDER:
        count = getattr(hour, kind)
        if count:
            height = max(MIN_SEGMENT_HEIGHT, round(count / top * PLOT_HEIGHT))
            ground -= height
            parts.append(Segment(kind, ground, height))
    return parts


def _axis_top(highest: int) -> int:
    """Round up to the next of 2, 4, 6, 8, 10, 20, 40, …, whose half is a whole number, too."""
    magnitude = 1
    while magnitude * 10 < highest:
        magnitude *= 10
    return next(magnitude * step for step in (2, 4, 6, 8, 10) if magnitude * step >= highest)
