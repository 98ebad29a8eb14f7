"""Resend, rebuild and cancel from a command line: choose events, print a forecast, confirm, act in chunks."""

from __future__ import annotations

import getpass
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, OutputWrapper
from django.db import connections
from django.utils.translation import override

from .. import clock
from ..conf import did_you_mean, get_settings
from ..db.retry import retry
from ..definitions import registry
from ..enums import ACTIONABLE, Action
from ..models import Event, Repair
from ..monitoring.holdups import find_holdups, holdup_text
from ..monitoring.overview import look
from ..operations import messages
from ..operations.bulk_action import Forecast, advance, new_bulk_action, stop, wake_all_on_commit
from ..operations.selection import Selection
from ..outbox.databases import outbox_databases
from .arguments import choose
from .exit_codes import FAILED, STOPPED, wrong_use
from .terminal import progress_bar

#: How long a database fault that passes is retried.
COMMAND_RETRY_SECONDS = 30.0
#: The pause before looking again at a bulk action that a worker has locked.
LOCKED_PAUSE_SECONDS = 0.2
#: Columns of events that are compared with a value -> the option's name.
_COLUMN_OPTIONS = {"status": "status", "event_name": "event", "destination": "destination", "reason_code": "reason"}


@dataclass(frozen=True)
class PlannedAction:
    """A bulk action in one database, not yet stored, with its forecast."""

    using: str
    bulk_action: Repair
    forecast: Forecast


def run_bulk_action(action: Action, options: dict[str, Any], stdout: OutputWrapper) -> None:
    """Run ``resend`` or ``cancel`` with the options of ``arguments.add_event_filters``."""
    planned = _plan_actions(action, _choose_events(options))
    if not planned:
        stdout.write("No event matches.")
        return
    stdout.write("\n".join(_forecast_lines(planned)))
    stdout.flush()
    planned = [each for each in planned if each.forecast.done]
    if options["dry_run"] or not planned:
        stdout.write("Nothing was done: --dry-run." if planned else "Nothing to do.")
        return
    if options["interactive"]:
        _confirm(action, planned, is_all=options["all"])
    for each in planned:
        stdout.write("\n".join(_carry_out(each)))


def _choose_events(options: dict[str, Any]) -> dict[str, Selection]:
    values: dict[str, Any] = {column: options[name] or "" for column, name in _COLUMN_OPTIONS.items()}
    is_filtered = any(values.values()) or any(options[name] for name in ("event_ids", "since", "until", "search"))
    if is_filtered and options["all"]:
        raise wrong_use("--all means all events: leave the filters out. Nothing was done.")
    if not is_filtered and not options["all"]:
        raise wrong_use("Choose events by their ids or by filters, or all with --all. Nothing was done.")
    alias = options["database"]
    databases = choose(alias, outbox_databases(), f"Database {alias!r} has no events.")
    _check_values(values, databases)
    chosen = Selection(**values, since=options["since"], until=options["until"], search=options["search"] or "")
    by_database = {using: chosen.resolved(Event.objects.using(using)) for using in databases}
    return _narrow_to_ids(by_database, options["event_ids"]) if options["event_ids"] else by_database


def _check_values(values: dict[str, Any], databases: Sequence[str]) -> None:
    names, aliases = {each.event_name for each in registry.definitions()}, set(get_settings().TOKENS)
    for column, verb, known in (("event_name", "is called", names), ("destination", "goes to", aliases)):
        value = values[column]
        if value and value not in known:
            known.update(*(Event.objects.using(using).in_use(column) for using in databases))
            if value not in known:
                raise wrong_use(f"No event {verb} {value!r}. {did_you_mean(value, tuple(sorted(known)))}")


def _narrow_to_ids(chosen: dict[str, Selection], ids: Sequence[UUID]) -> dict[str, Selection]:
    narrowed: dict[str, Selection] = {}
    unknown = set(ids)
    for using, selection in chosen.items():
        keys = dict(Event.objects.using(using).filter(event_id__in=ids).values_list("event_id", "pk"))
        unknown -= set(keys)
        if keys:
            narrowed[using] = Selection(**{**dict(selection.conditions()), "pks": tuple(keys.values())})
    if unknown:
        others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        databases = ", ".join(map(repr, chosen))
        raise wrong_use(f"There is no event {min(unknown)}{others} in database {databases}. Nothing was done.")
    return narrowed


def _plan_actions(action: Action, chosen: dict[str, Selection]) -> list[PlannedAction]:
    planned = []
    for using, selection in chosen.items():
        bulk_action = new_bulk_action(action, selection, by=f"command line ({_user_name()})", using=using)
        forecast = Forecast(bulk_action)
        bulk_action.event_count = forecast.total
        if forecast.total:
            planned.append(PlannedAction(using, bulk_action, forecast))
    return planned


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a container's user may have no name
        return "unknown"


@override("en")
def _forecast_lines(planned: Sequence[PlannedAction]) -> list[str]:
    lines = []
    for each in planned:
        action = each.bulk_action.action
        lines += [f"in database {each.using!r}:"] * (len(planned) > 1)
        lines += map(_tally_line, messages.action_lines(action, each.forecast.tally))
        lines += filter(None, [messages.unchecked_note(each.forecast, action)])
    return lines


@override("en")
def _confirm(action: Action, planned: Sequence[PlannedAction], *, is_all: bool) -> None:
    """Ask at the terminal. Without one, only ``--all`` needs an explicit ``--no-input``."""
    if not sys.stdin or not sys.stdin.isatty():
        if not is_all:
            return
        message = "Nothing was done: no terminal to confirm at. Add --no-input to do it, or --dry-run for a forecast."
        raise wrong_use(message)
    done, total = (sum(getattr(each.forecast, name) for each in planned) for name in ("done", "total"))
    question = messages.action_title(action, done, total)
    try:
        answer = input(f"{question} [y/N] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
        print()  # ends the line of the question
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done.", returncode=FAILED)


def _carry_out(planned: PlannedAction) -> list[str]:
    """Act chunk by chunk, and return what was done. If this process is killed, the next drain does the rest."""
    bulk_action, using = planned.bulk_action, planned.using
    bulk_action.save(using=using, force_insert=True)
    try:
        with progress_bar("events", title=bulk_action.action, total=planned.forecast.total) as bar:
            while not bulk_action.is_finished:
                bulk_action = _do_next_chunk(bulk_action, using)
                bar.update(bulk_action.seen_count - bar.n)
    except KeyboardInterrupt as error:
        raise _stop_after_ctrl_c(bulk_action, using) from error
    wake_all_on_commit(using)
    if bulk_action.error:
        raise CommandError(f"That can't be done: {bulk_action.error}", returncode=FAILED)
    with override("en"):
        skipped = [each for each in messages.action_lines(bulk_action.action, bulk_action.tally) if each.kind == "left"]
        lines = [_outcome_sentence(bulk_action), *map(_tally_line, skipped)]
        return lines if bulk_action.action == Action.CANCEL else [*lines, *_holdup_lines(planned.forecast)]


def _holdup_lines(forecast: Forecast) -> list[str]:
    """Return what keeps the events from being sent for now, with its remedy and the commands that help."""
    holdups = find_holdups(look(with_schedules=False, with_events=False), forecast.destinations)
    return [line for each in holdups for line in (holdup_text(each), *(f"  {command}" for command in each.commands))]


def _do_next_chunk(bulk_action: Repair, using: str) -> Repair:
    """Return the bulk action after its next chunk, which a worker may do instead."""
    until = clock.monotonic() + COMMAND_RETRY_SECONDS
    advanced = retry(lambda: advance(using, pk=bulk_action.pk), using=using, until=until)
    if advanced:
        return advanced[0]
    current = Repair.objects.using(using).get(pk=bulk_action.pk)
    if not current.is_finished:
        time.sleep(LOCKED_PAUSE_SECONDS)
    return current


def _stop_after_ctrl_c(bulk_action: Repair, using: str) -> CommandError:
    """Undo the chunk that was interrupted, and let no worker begin another."""
    connections[using].close()  # it may be in the middle of a statement
    was_stopped = stop(bulk_action)
    bulk_action = Repair.objects.using(using).get(pk=bulk_action.pk)
    wake_all_on_commit(using)
    with override("en"):
        if not was_stopped:
            return CommandError(f"It was already finished. {_outcome_sentence(bulk_action)}", returncode=STOPPED)
        progress = f"{bulk_action.seen_count:,} of {bulk_action.event_count:,} events were processed"
        message = f"Stopped: {progress}. {_outcome_sentence(bulk_action)} The rest is unchanged."
        return CommandError(message, returncode=STOPPED)


def _outcome_sentence(bulk_action: Repair) -> str:
    tally = Counter(bulk_action.tally)
    return messages.action_result(bulk_action.action, sum(tally[verdict] for verdict in ACTIONABLE))


def _tally_line(line: messages.Line) -> str:
    return f"{line.number:>7} {line.text}"
