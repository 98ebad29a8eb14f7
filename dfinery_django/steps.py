"""What decides whether an object becomes an event and what becomes of that: a ``Step`` for each, with its words.

Asks the conditions that capture, building and reconcile ask. Reads only; errors of the site's own code are told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Field
from django.db.models.constants import LOOKUP_SEP
from django.utils import timezone

from . import conditions, consent, reconcile, schema
from .building import is_ready
from .conf import get_settings
from .definitions import EventDefinition
from .fieldwise import MOMENT_OF_SAVE, Part, attempt, has_own, moment_source, shown, source_text
from .models import Event

#: So many values of a to-many relation are named in a condition.
SHOWN_VALUES = 3


_WORDS = {"created": "its insertion", "saved": "every save", "deleted": "its deletion"}


@dataclass(frozen=True)
class Step:
    """One thing that decides.

    :ivar holds: whether it lets the event pass; ``None`` where it decides nothing
    """

    name: str
    holds: bool | None
    words: str


def firing(definition: EventDefinition, row: Any, using: str) -> Iterator[Step]:
    """Whether a signal would fire the definition for this row as it is."""
    if not get_settings().ENABLED:
        yield Step("ENABLED", False, "DFINERY['ENABLED'] is False: nothing is captured.")
    when, signal = definition.condition, definition.signal
    if signal is not None:
        yield Step("signal", None, f"{signal[0]} fires it; {signal[1]!r} carries the object.")
    if isinstance(when, Mapping):
        yield from _lookups(definition, when, row, using)
    elif callable(when):
        yield _asked("when", source_text(when), lambda created: when(row, created))
    elif signal is None:
        yield Step("when", True, f"{when!r}: {_WORDS[when]} fires it.")
    if has_own(definition, "should_capture"):
        yield _asked("should_capture", "It", lambda created: definition.should_capture(row, created=created))
    yield from _consent(definition, row)


def _consent(definition: EventDefinition, row: Any) -> Iterator[Step]:
    """Whether the person agreed, where anybody is asked."""
    if definition.consent is None and not get_settings().CONSENT:
        return
    answer, fault = attempt("", lambda: consent.is_given(definition, row))
    if fault:
        yield Step(
            "consent", False, f"It counts as refused: {fault.problem}. Nothing is captured, and the log says so."
        )
    else:
        yield Step("consent", answer, f"It says {_yes(bool(answer))}.")


def _lookups(definition: EventDefinition, when: Mapping[str, Any], row: Any, using: str) -> Iterator[Step]:
    rows = definition.model_class._base_manager.using(using).filter(pk=row.pk)
    steps = [_lookup(rows, key, wanted) for key, wanted in when.items()]
    yield from steps
    held, _ = attempt("", lambda: conditions.holds_after(definition, row, using, None))
    if not held and all(step.holds for step in steps):
        yield Step("when", False, "Each holds, but not all of them for the same related object.")


def _lookup(rows: Any, key: str, wanted: Any) -> Step:
    path, _, lookup = key.rpartition(LOOKUP_SEP)
    if not path or lookup not in Field.class_lookups:
        path, lookup = key, "exact"
    values, _ = attempt("", lambda: list(rows.values_list(path, flat=True)[: SHOWN_VALUES + 1]))
    holds, fault = attempt("", lambda: bool(rows.filter(**{key: wanted}).exists()))
    if fault:
        return Step("when", False, f"{key} can't be asked: {fault.problem}.")
    texts = [shown(value) for value in values or ()]
    found = ", ".join([*texts[:SHOWN_VALUES], *("…" for _ in texts[SHOWN_VALUES:])])
    return Step("when", holds, f"{path} is {found}, wanted {'' if lookup == 'exact' else lookup + ' '}{shown(wanted)}.")


def _asked(name: str, called: str, ask: Callable[[bool], Any]) -> Step:
    """A callable of the site, asked as a save would and as an insertion would."""
    save, fault = attempt("", lambda: bool(ask(False)))
    insertion, second = attempt("", lambda: bool(ask(True)))
    if fault or second:
        problem = (fault or second).problem  # type: ignore[union-attr]
        return Step(name, False, f"{called}: {problem}. Nothing is captured, and the log says so.")
    if save == insertion:
        return Step(name, save, f"{called} says {_yes(save)}.")
    return Step(name, True, f"{called} says {_yes(save)} to a save, {_yes(insertion)} to an insertion.")


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def once(definition: EventDefinition, captured: Event | None) -> Step:
    """Whether the once-only rule lets it be captured."""
    known = captured and f"Event {captured.event_id} of {local(captured.created_at)}: {captured.status}."
    if definition.identity is None:
        last = f" The last: {known}" if known else ""
        return Step("once_per", True, f"It is None: every firing is an event of its own.{last}")
    return Step("once_per", not known, known or "There is no event yet.")


def ready(definition: EventDefinition, row: Any, item_count: int | None) -> Iterator[Step]:
    """Whether building would wait."""
    if definition.condition == "deleted" or (item_count is None and not has_own(definition, "is_ready")):
        return
    answer, fault = attempt("items", lambda: is_ready(definition, row))
    counted = "" if item_count is None else f"{item_count} item{'' if item_count == 1 else 's'}."
    patience = f"Building waits for {get_settings().READY_SECONDS:g} s at most, then goes on."
    if fault:
        yield Step("is_ready", False, str(fault))
    elif answer:
        yield Step("is_ready", True, counted or "It says yes.")
    else:
        yield Step("is_ready", False, f"{counted if item_count == 0 else 'It says no.'} {patience}")


def moment(definition: EventDefinition, envelope: Part, now: dt.datetime) -> Step:
    """How much is left of the 48 hours."""
    hours = get_settings().MAX_AGE_HOURS
    reading = next(each for each in envelope.readings if each.name == schema.EVENT_DATETIME)
    if reading.fault:
        return Step("event_datetime", False, str(reading.fault))
    if moment_source(definition) == MOMENT_OF_SAVE:
        return Step("event_datetime", True, f"{MOMENT_OF_SAVE.capitalize()}: {hours:g} h from then.")
    happened = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(milliseconds=int(reading.wire or 0))
    age = now - happened
    left = dt.timedelta(hours=hours) - age
    if left > dt.timedelta(0):
        return Step("event_datetime", True, f"{local(happened)}: {_span(left)} left of {hours:g} h.")
    words = f"{local(happened)}: {_span(age)} ago. DFINERY processes nothing older than {hours:g} h."
    return Step("event_datetime", False, words)


def user(definition: EventDefinition, part: Part) -> Step:
    """Whether somebody is named, without whom DFINERY takes no event."""
    reading = next((each for each in part.readings if each.name == schema.USER_ID), None)
    fault = part.fault or (reading and reading.fault)
    if fault:
        return Step("user_id", False, str(fault))
    if reading and str(reading.wire or "").strip():
        return Step("user_id", True, f"It has one, from {reading.source}{f' of {part.start}' if part.start else ''}.")
    if definition.guests == "skip":
        return Step("user_id", False, 'It is empty: a guest, whom the definition skips ("guests": "skip").')
    return Step("user_id", False, "It is empty, and DFINERY takes no event without a user.")


def destination(definition: EventDefinition, row: Any) -> Step:
    """Where it goes, and whether there is a token for that."""
    alias, fault = attempt("destination", lambda: definition.destination_for(row))
    if fault:
        return Step("destination", False, str(fault))
    if alias in get_settings().TOKENS:
        return Step("destination", True, f"{alias}, which has a token.")
    return Step("destination", False, f"{alias!r} has no token: add it to DFINERY['TOKENS'].")


def found_by_reconcile(definition: EventDefinition, row: Any, using: str, *, is_wanted: bool, has_event: bool) -> Step:
    """Whether reconcile captures the row, should no signal have told of it.

    :param is_wanted: whether a signal would fire the definition
    """
    settings, obstacle = get_settings(), reconcile.obstacle(definition)
    if obstacle:
        return Step("reconcile", False, f"It can't find it: {obstacle}.")
    if using != reconcile.database_of_sources(definition):
        return Step("reconcile", False, f"It does not look into database {using!r}.")
    if has_event:
        return Step("reconcile", False, "It captures only what has no event.")
    if not is_wanted or not reconcile.candidate_keys(definition).filter(pk=row.pk).exists():
        window = f"{reconcile.MARGIN_SECONDS} s to {settings.MAX_AGE_HOURS:g} h ago"
        return Step("reconcile", False, f"It passes over it: it takes what matches and happened {window}.")
    if not settings.RECONCILE_MINUTES:
        return Step("reconcile", True, "It captures it when it is run: manage.py dfinery reconcile.")
    return Step("reconcile", True, f"It captures it; it runs every {settings.RECONCILE_MINUTES} min.")


def local(moment: dt.datetime) -> str:
    """A moment in the site's time zone, where the calendar has it there."""
    try:
        moment = timezone.localtime(moment, timezone.get_default_timezone())
    except OverflowError:  # year 1 or 9999, as shops use for "never"
        pass
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _span(time: dt.timedelta) -> str:
    minutes = int(time.total_seconds() // 60)
    if minutes >= 72 * 60:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h {minutes % 60:02} min"
