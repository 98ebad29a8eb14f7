"""Resend, rebuild and cancel from a command line: which events, what would happen, ask, do it in chunks."""

from __future__ import annotations

import getpass
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import connections
from django.utils.translation import override
from tqdm import tqdm

from .. import clock, wording
from ..models import Event, Repair
from ..patience import retry_transient
from ..repair import Forecast, advance, stop, wake, wish
from ..selection import Selection
from ..states import ACTIONABLE, Action
from . import choosing
from .faults import FAILED, STOPPED, WRONG_USE

#: How long a fault of the database is waited out.
PATIENCE_SECONDS = 30.0
#: Between two looks at a repair that a worker has in hand.
LOOK_SECONDS = 0.2

Write = Callable[[str], object]


@dataclass(frozen=True)
class Wish:
    """What is wanted of one database's events, and what it would do."""

    repair: Repair
    forecast: Forecast

    @property
    def using(self) -> str:
        return str(self.repair._state.db)


def selections(options: dict[str, Any]) -> dict[str, Selection]:
    """The events that were chosen, by database.

    :raises CommandError: if nothing was chosen, or something that there is not
    """
    plain: dict[str, Any] = {field: options[name] or "" for field, name in choosing.COLUMNS.items()}
    given = any(plain.values()) or any(options[name] for name in ("event_ids", "since", "until", "search"))
    if given == options["all"]:
        problem = "--all means all events: leave the filters out." if given else "Say which events, or --all."
        raise CommandError(f"{problem} Nothing was done.", returncode=WRONG_USE)
    databases = choosing.outboxes(options["database"])
    choosing.check_values(plain, databases)
    chosen = Selection(**plain, since=options["since"], until=options["until"], search=options["search"] or "")
    found = {using: chosen.resolved(Event.objects.using(using)) for using in databases}
    return _with_ids(found, options["event_ids"]) if options["event_ids"] else found


def _with_ids(chosen: dict[str, Selection], ids: Sequence[UUID]) -> dict[str, Selection]:
    """The same for these events alone.

    :raises CommandError: if one does not exist
    """
    found: dict[str, Selection] = {}
    unknown = set(ids)
    for using, selection in chosen.items():
        keys = dict(Event.objects.using(using).filter(event_id__in=ids).values_list("event_id", "pk"))
        unknown -= set(keys)
        if keys:
            found[using] = Selection(**{**dict(selection.given()), "pks": tuple(keys.values())})
    if unknown:
        others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        where = ", ".join(map(repr, chosen))
        message = f"There is no event {min(unknown)}{others} in database {where}. Nothing was done."
        raise CommandError(message, returncode=WRONG_USE)
    return found


def wishes(action: Action, chosen: dict[str, Selection]) -> list[Wish]:
    """What would be done where."""
    found = []
    for using, selection in chosen.items():
        wanted = wish(action, selection, by=f"command line ({_user()})", using=using)
        forecast = Forecast(wanted)
        wanted.event_count = forecast.total
        if forecast.total:
            found.append(Wish(wanted, forecast))
    return found


def _user() -> str:
    """Who is at the command line."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a container's user may have no name
        return "unknown"


@override("en")
def foretold(found: Sequence[Wish]) -> list[str]:
    """What would happen, in the words of the admin's confirmation."""
    lines = []
    for each in found:
        action = each.repair.action
        lines += [f"in database {each.using!r}:"] * (len(found) > 1)
        lines += map(_line, wording.lines(action, each.forecast.tally))
        lines += filter(None, [wording.unlooked(each.forecast, action)])
    return lines


@override("en")
def confirm(action: Action, found: Sequence[Wish], *, is_all: bool) -> None:
    """Ask whoever is at the terminal. A script that chose its events is not asked, one that means all has to say so.

    :raises CommandError: if the answer is no, or ``--all`` meets nobody to ask
    """
    if not sys.stdin or not sys.stdin.isatty():
        if not is_all:
            return
        message = "Nothing was done: there is no terminal to ask at. --no-input does it, --dry-run only says what."
        raise CommandError(message, returncode=WRONG_USE)
    question = wording.question(action, sum(each.forecast.done for each in found))
    try:
        answer = input(f"{question} [y/N] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
        print()  # behind the question
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done.", returncode=FAILED)


def carry_out(each: Wish) -> list[str]:
    """Do it, chunk by chunk, and say what was done. If this process is killed, whoever drains does the rest.

    :raises CommandError: if it can't be done, or was stopped
    """
    wanted, using = each.repair, each.using
    wanted.save(using=using, force_insert=True)
    try:
        with tqdm(total=each.forecast.total, desc=wanted.action, unit=" events", leave=False, disable=None) as bar:
            while not wanted.is_finished:
                wanted = _step(wanted, using)
                bar.update(wanted.seen_count - bar.n)
    except KeyboardInterrupt as error:
        raise _stopped(wanted, using) from error
    wake(using)
    if wanted.error:
        raise CommandError(f"That can't be done: {wanted.error}", returncode=FAILED)
    with override("en"):
        return [_outcome(wanted), *_left(wanted)]


def _step(wanted: Repair, using: str) -> Repair:
    """The repair as it stands after its next chunk, whoever does that."""
    until = clock.monotonic() + PATIENCE_SECONDS
    found = retry_transient(partial(advance, using, pk=wanted.pk), using=using, until=until)
    if found:
        return found[0]
    current = Repair.objects.using(using).get(pk=wanted.pk)
    if not current.is_finished:
        time.sleep(LOOK_SECONDS)  # a worker has it in hand
    return current


def _stopped(wanted: Repair, using: str) -> CommandError:
    """After Ctrl-C: the chunk that was under way is undone, and no other one is begun by anybody."""
    connections[using].close()  # it may stand in the midst of a statement
    stopped = stop(wanted)
    wanted = Repair.objects.using(using).get(pk=wanted.pk)
    wake(using)
    with override("en"):
        if not stopped:
            return CommandError(f"It was done already. {_outcome(wanted)}", returncode=STOPPED)
        reached = f"{wanted.seen_count:,} of {wanted.event_count:,} events were come to"
        message = f"Stopped: {reached}. {_outcome(wanted)} The rest is as it was."
        return CommandError(message, returncode=STOPPED)


def _outcome(done: Repair) -> str:
    tally = Counter(done.tally)
    return wording.outcome(done.action, sum(tally[verdict] for verdict in ACTIONABLE))


def _left(done: Repair) -> Iterator[str]:
    return (_line(each) for each in wording.lines(done.action, done.tally) if each.kind == "left")


def _line(line: wording.Line) -> str:
    return f"{line.number:>7} {line.text}"
