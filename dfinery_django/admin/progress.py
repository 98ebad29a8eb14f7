"""The present state of a bulk action's events, and what holds them up. No HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count

from .. import clock
from ..enums import UNFINISHED, Action, EventStatus
from ..models import Repair
from ..operations.bulk_action import changed_events


class Holdup(NamedTuple):
    """A hold-up in sentences, with its remedy, and commands that help."""

    text: str
    commands: tuple[str, ...]


@dataclass(frozen=True)
class ActionProgress:
    """The present state of a bulk action's events.

    :ivar states: each status that they have now, and how many have it; empty if they are too many to follow
    :ivar waiting, ended: of the events that are followed, how many are unfinished, and how many are not
    :ivar deleted: events that were deleted since
    :ivar is_over: true if it is finished and, as far as is known, each of its events has ended
    """

    states: tuple[tuple[EventStatus, int], ...]
    waiting: int
    ended: int
    deleted: int
    is_followed: bool
    is_over: bool
    holdups: list[Holdup]

    @property
    def followed(self) -> int:
        return self.waiting + self.ended


def holdups_now(destinations: Collection[str], *, is_sending: bool = True) -> list[Holdup]:
    """Return what holds up events of these destinations now. See ``monitoring.holdups``."""
    from ..monitoring.holdups import find_holdups, holdup_text
    from ..monitoring.overview import look

    found = find_holdups(look(with_schedules=False, with_events=False), destinations, is_sending=is_sending)
    return [Holdup(holdup_text(each), each.commands) for each in found]


def read_progress(bulk_action: Repair) -> ActionProgress:
    """Return what became of the events that a bulk action changed."""
    from ..monitoring.overview import settings_in_force

    settings = settings_in_force()[1]
    counts, destinations = Counter[str](), set[str]()
    events = changed_events(bulk_action)
    if events is not None:
        for status, alias, count in events.order_by().values_list("status", "destination").annotate(Count("pk")):
            counts[status] += count
            if status in UNFINISHED:
                destinations.add(alias)
    finished_at = bulk_action.finished_at
    if finished_at is None or (events is None and clock.now() < finished_at + settings.max_age):
        destinations.update(settings.TOKENS)
    is_sending = bulk_action.action != Action.CANCEL
    unfinished = sum(counts[status] for status in UNFINISHED)
    is_held = bool(destinations) and (is_sending or finished_at is None)
    return ActionProgress(
        states=tuple((status, counts[status]) for status in EventStatus if counts[status]),
        waiting=unfinished,
        ended=counts.total() - unfinished,
        deleted=len(bulk_action.changed_pks or ()) - counts.total(),
        is_followed=events is not None,
        is_over=finished_at is not None and not unfinished,
        holdups=holdups_now(destinations, is_sending=is_sending) if is_held else [],
    )
