"""The decisions on whether an object becomes an event, and on the event: a ``Step`` for each, with an explanation.

Checks the same conditions as capture, building and reconcile. Reads only; errors of the site's own code are reported.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Field, Q
from django.db.models.constants import LOOKUP_SEP

from .. import clock
from ..building.build import is_ready
from ..clock import EPOCH
from ..conf import get_settings
from ..definitions import conditions, consent
from ..definitions.definition import EventDefinition
from ..definitions.in_memory import leaves
from ..definitions.source import Source
from ..mapping.model_paths import trace
from ..models import Event
from ..outbox import reconcile
from ..schema import properties
from ..schema.model_fields import is_none_of
from ..text.times import site_span, site_time
from .fields import SAVE_TIME, PayloadPart, datetime_source, short_repr, source_text, try_call

SHOWN_VALUES = 3  # number of values of a to-many relation that an explanation names
SHOWN_CHOICES = 8

_TRIGGERS = {"created": "its insertion", "saved": "every save", "deleted": "its deletion"}


@dataclass(frozen=True)
class Step:
    name: str
    holds: bool | None  # true if it lets the event pass; ``None`` if it decides nothing
    words: str


def firing_steps(definition: EventDefinition, row: Any, using: str) -> Iterator[Step]:
    """Yield the decisions on whether a signal would fire the definition for this row as it is."""
    if not get_settings().ENABLED:
        yield Step("ENABLED", False, "DFINERY['ENABLED'] is False: nothing is captured.")
    when, signal = definition.condition, definition.signal
    if signal is not None:
        yield Step("signal", None, f"{signal[0]} fires it; {signal[1]!r} carries the object.")
    if (query := conditions.condition_query(definition)) is not None:
        yield from _query_steps(definition, query, row, using)
    elif callable(when):
        yield _hook_step("when", source_text(when), lambda created: when(row, created))
    elif signal is None:
        yield Step("when", True, f"{when!r}: {_TRIGGERS[str(when)]} fires it.")
    if definition.overrides("should_capture"):
        yield _hook_step("should_capture", "It", lambda created: definition.should_capture(row, created=created))
    yield from _consent_step(definition, row)


def _consent_step(definition: EventDefinition, row: Any) -> Iterator[Step]:
    if definition.consent is None and not get_settings().CONSENT:
        return
    answer, fault = try_call("", lambda: consent.is_given(definition, row))
    if fault:
        words = f"It counts as refused: {fault.problem}. Nothing is captured, and the log says so."
        yield Step("consent", False, words)
    else:
        yield Step("consent", answer, f"It says {_yes_or_no(bool(answer))}.")


def _query_steps(definition: EventDefinition, query: Q, row: Any, using: str) -> Iterator[Step]:
    rows = definition.model_class._base_manager.using(using).filter(pk=row.pk)
    is_flat = query.connector == Q.AND and not query.negated
    steps = [_condition_step(rows, each) for each in (query.children if is_flat else [query])]
    yield from steps
    held, _ = try_call("", lambda: conditions.holds_after(Source(definition, row, using), None))
    if not held and all(step.holds for step in steps):
        yield Step("when", False, "Each condition is true, but not all of them for the same related object.")


def _condition_step(rows: Any, condition: Any) -> Step:
    """Return the decision of one condition of a ``when``: a lookup, an expression, or a ``Q`` of several."""
    if isinstance(condition, (tuple, list)):
        return _lookup_step(rows, *condition)
    words = _condition_words(condition)
    holds, fault = try_call("", lambda: bool(rows.filter(condition).exists()))
    if fault:
        return Step("when", False, f"{words} can't be evaluated: {fault.problem}.")
    looked_at = [each for each in leaves(Q(condition)) if isinstance(each, (tuple, list))]
    found = dict.fromkeys(_found_values(rows, _split_lookup(key)[0]) for key, _ in looked_at)
    return Step("when", holds, f"{words} is {'true' if holds else 'false'}{': ' if found else ''}{', '.join(found)}.")


def _condition_words(condition: Any) -> str:
    """Return a condition as one would write it in Python, with names for the operators."""
    if isinstance(condition, (tuple, list)):
        return f"{condition[0]}={short_repr(condition[1])}"
    if not isinstance(condition, Q):
        return short_repr(condition)
    parts = [
        f"({_condition_words(each)})" if isinstance(each, Q) and not each.negated else _condition_words(each)
        for each in condition.children
    ]
    words = f" {condition.connector} ".join(parts)
    return f"NOT ({words})" if condition.negated else words


def _split_lookup(key: str) -> tuple[str, str]:
    path, _, lookup = key.rpartition(LOOKUP_SEP)
    return (path, lookup) if path and lookup in Field.class_lookups else (key, "exact")


def _found_values(rows: Any, path: str) -> str:
    values, _ = try_call("", lambda: list(rows.values_list(path, flat=True)[: SHOWN_VALUES + 1]))
    return f"{path} is {_listing(values or (), SHOWN_VALUES)}"


def _lookup_step(rows: Any, key: str, wanted: Any) -> Step:
    path, lookup = _split_lookup(key)
    holds, fault = try_call("", lambda: bool(rows.filter(**{key: wanted}).exists()))
    if fault:
        return Step("when", False, f"{key} can't be evaluated: {fault.problem}.")
    comparison = "" if lookup == "exact" else f"{lookup} "
    choices, _ = try_call("", lambda: _missed_choices(rows.model, path, lookup, wanted))
    note = f" (none of its choices: {_listing(choices, SHOWN_CHOICES)})" if choices else ""
    return Step("when", holds, f"{_found_values(rows, path)}, wanted {comparison}{short_repr(wanted)}{note}.")


def _listing(values: Sequence[Any], limit: int) -> str:
    return ", ".join([*map(short_repr, values[:limit]), *(["…"] if len(values) > limit else [])])


def _missed_choices(model: Any, path: str, lookup: str, wanted: Any) -> list[Any]:
    """Return the choices of a field if a comparison wants only values that are none of them."""
    field = trace(model, path.replace(LOOKUP_SEP, "."), through_many=True).field
    if field is None or not field.choices or lookup not in ("exact", "in"):
        return []
    choices = [value for value, _ in field.flatchoices]
    values = list(wanted) if lookup == "in" else [wanted]
    return choices if all(is_none_of(field, value, choices) for value in values) else []


def _hook_step(name: str, called: str, ask: Callable[[bool], Any]) -> Step:
    """Call a callable of the site as an update and as an insertion would."""
    save, fault = try_call("", lambda: bool(ask(False)))
    insertion, second = try_call("", lambda: bool(ask(True)))
    if fault or second:
        problem = (fault or second).problem  # type: ignore[union-attr]
        return Step(name, False, f"{called}: {problem}. Nothing is captured, and the log says so.")
    if save == insertion:
        return Step(name, save, f"{called} says {_yes_or_no(save)}.")
    return Step(name, True, f"{called} says {_yes_or_no(save)} to a save, {_yes_or_no(insertion)} to an insertion.")


def _yes_or_no(answer: bool) -> str:
    return "yes" if answer else "no"


def once_per_step(definition: EventDefinition, captured: Event | None) -> Step:
    """Return the decision of the once-only rule."""
    known = captured and f"Event {captured.event_id} of {site_time(captured.created_at)}: {captured.status}."
    if definition.identity is None:
        last = f" The last: {known}" if known else ""
        return Step("once_per", True, f"It is None: every firing is an event of its own.{last}")
    return Step("once_per", not known, known or "There is no event yet.")


def readiness_steps(definition: EventDefinition, row: Any, item_count: int | None) -> Iterator[Step]:
    """Yield the decision on whether building would wait."""
    if definition.condition == "deleted" or (item_count is None and not definition.overrides("is_ready")):
        return
    answer, fault = try_call("items", lambda: is_ready(definition, row))
    counted = "" if item_count is None else f"{item_count} item{'' if item_count == 1 else 's'}."
    wait = f"Building waits for {get_settings().READY_SECONDS:g} s at most, then goes on."
    if fault:
        yield Step("is_ready", False, str(fault))
    elif answer:
        yield Step("is_ready", True, counted or "It says yes.")
    else:
        yield Step("is_ready", False, f"{counted if item_count == 0 else 'It says no.'} {wait}")


def datetime_step(definition: EventDefinition, envelope: PayloadPart, now: dt.datetime) -> Step:
    """Return the decision on the event's age: whether any of its 48 hours is left."""
    hours = get_settings().MAX_AGE_HOURS
    reading = next(each for each in envelope.readings if each.name == properties.EVENT_DATETIME)
    if reading.fault:
        return Step("event_datetime", False, str(reading.fault))
    if reading.is_awaited:
        return Step("event_datetime", None, f"{reading.source!r} is still empty; it has to be set when it fires.")
    if datetime_source(definition) == SAVE_TIME:
        return Step("event_datetime", True, f"{SAVE_TIME.capitalize()}: {hours:g} h from then.")
    happened = EPOCH + dt.timedelta(milliseconds=int(reading.wire or 0))
    age = now - happened
    left = get_settings().max_age - age
    if left > dt.timedelta(0):
        return Step("event_datetime", True, f"{site_time(happened)}: {site_span(left)} left of {hours:g} h.")
    words = f"{site_time(happened)}: {site_span(age)} ago. DFINERY processes nothing older than {hours:g} h."
    return Step("event_datetime", False, words)


def user_step(definition: EventDefinition, part: PayloadPart) -> Step:
    """Return the decision on the user_id, without which DFINERY accepts no event."""
    reading = next((each for each in part.readings if each.name == properties.USER_ID), None)
    if fault := part.fault or (reading and reading.fault):
        return Step("user_id", False, str(fault))
    if reading and str(reading.wire or "").strip():
        return Step("user_id", True, f"It has one, from {reading.source}{f' of {part.start}' if part.start else ''}.")
    if definition.guests == "skip":
        return Step("user_id", False, 'It is empty: a guest, whom the definition skips ("guests": "skip").')
    return Step("user_id", False, "It is empty, and DFINERY accepts no event without a user.")


def destination_step(definition: EventDefinition, row: Any) -> Step:
    """Return the decision on the destination: whether it has a token."""
    alias, fault = try_call("destination", lambda: definition.destination_for(row))
    if fault:
        return Step("destination", False, str(fault))
    token = get_settings().TOKENS.get(alias)
    if token is None:
        return Step("destination", False, f"{alias!r} has no token: add it to DFINERY['TOKENS'].")
    if token.known_fault:
        return Step("destination", False, f"{alias}: its token is {token.known_fault}.")
    return Step("destination", True, f"{alias}, which has a token.")


def is_too_fresh(definition: EventDefinition, row: Any, using: str) -> bool:
    """Return whether a row that matches is one that reconcile captures, but only when it is a little older."""
    if reconcile.obstacle(definition) or using != reconcile.database_of_sources(definition):
        return False
    now, margin = clock.now(), dt.timedelta(seconds=reconcile.MARGIN_SECONDS)
    fresh = reconcile.candidate_keys(definition, since=now - margin, until=now + get_settings().max_age)
    return bool(fresh.filter(pk=row.pk).exists())


def reconcile_step(
    definition: EventDefinition, row: Any, using: str, *, is_wanted: bool, has_event: bool, is_fresh: bool
) -> Step:
    """Return the decision on whether reconcile would capture the row, if no signal that would fire it had come."""
    settings = get_settings()
    if obstacle := reconcile.obstacle(definition):
        return Step("reconcile", False, f"It can't find it: {obstacle}.")
    if using != reconcile.database_of_sources(definition):
        return Step("reconcile", False, f"It does not read database {using!r}.")
    if has_event:
        return Step("reconcile", False, "It captures only what has no event.")
    is_found = is_wanted and (is_fresh or reconcile.candidate_keys(definition).filter(pk=row.pk).exists())
    if not is_found:
        window = f"{reconcile.MARGIN_SECONDS} s to {settings.MAX_AGE_HOURS:g} h ago"
        return Step("reconcile", False, f"It skips it: it captures what matches and happened {window}.")
    age = f"once it is {reconcile.MARGIN_SECONDS} s old" if is_fresh else ""
    if not settings.RECONCILE_MINUTES:
        moment = f"{age} and it is run" if age else "when it is run"
        return Step("reconcile", True, f"It captures it {moment}: manage.py dfinery reconcile.")
    captures = f"It captures it {age}".rstrip()
    return Step("reconcile", True, f"{captures}; it runs every {settings.RECONCILE_MINUTES} min.")
