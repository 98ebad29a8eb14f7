"""An explanation of whether an object would become an event, why or why not, and of each field.

Runs capture and building on an event that is never saved. Reads only: nothing is stored, sent or notified.
"""

from __future__ import annotations

import copy
import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError

from .. import clock
from ..building.custom_fields import SeenFields
from ..building.dry_run import dry_run
from ..definitions.conditions import condition_query
from ..definitions.definition import EventDefinition
from ..definitions.scope import ScopeError, in_scope
from ..definitions.source import Source, fetch_sources
from ..enums import EventStatus, Reason
from ..models import Event
from ..outbox.reconcile import MARGIN_SECONDS
from ..text.language import site_language
from . import decisions
from .decisions import Step
from .fields import PayloadPart, envelope_part, event_part, item_parts, try_call, user_part

#: For an event without a reason.
_WAITS = {
    EventStatus.CAPTURED: "It waits for a worker: see manage.py dfinery status.",
    EventStatus.PENDING: "It waits for a worker, or for its destination: see manage.py dfinery status.",
}


class FiringVerdict(str, enum.Enum):
    """The decision on whether a definition fires for an object as it is."""

    FIRES = "fires"
    CAPTURED = "captured"  # it fired, and does not fire again
    MISSED = "missed"  # it matches but has no event, and no save will capture one
    SILENT = "silent"  # it does not match


@dataclass(frozen=True)
class StoredEvent:
    event_id: str
    status: str
    reason: str
    captured_at: dt.datetime


@dataclass(frozen=True)
class Explanation:
    """The result of a definition for one object."""

    definition: str
    event_name: str
    source: str
    source_pk: str
    database: str
    verdict: FiringVerdict
    why: str
    captured: StoredEvent | None  # the event that the object has; with ``once_per=None`` the last of them
    ending: str  # the status if it were built now, whatever the verdict: "pending" (it is sent), "failed", …
    reason: str  # the reason for ``ending``
    destination: str
    steps: tuple[Step, ...]
    parts: tuple[PayloadPart, ...]  # the event with its envelope, the user, the first items
    item_count: int | None  # of all items


def explain(definition: EventDefinition, instance: Any, *, using: str, items: int = 3) -> Explanation:
    """Explain the result of a definition for a stored object. Errors of the site's code are reported, not raised.

    :param instance: of the definition's model, or a child or proxy of it; only its key is used
    :param items: maximum number of items whose fields are read
    :raises LookupError: if the object does not exist, or building could not read it
    """
    key = Source(definition, instance, using).key or ""
    try:
        with site_language(), in_scope(definition):
            return _explain_in_scope(definition, key, using, items)
    except ScopeError as error:
        raise LookupError(str(error)) from error


def _explain_in_scope(definition: EventDefinition, key: str, using: str, limit: int) -> Explanation:
    found, fault = try_call(definition.source_label, lambda: fetch_sources(definition, [key], using))
    if fault:
        raise LookupError(str(fault))
    if key not in found:
        raise LookupError(f"There is no {definition.source_label} {key} in database {using!r}.")
    return _explanation(definition, found[key], key, using, limit)


def _explanation(definition: EventDefinition, row: Any, key: str, using: str, limit: int) -> Explanation:
    now = clock.now()
    firing = list(decisions.firing_steps(definition, row, using))
    is_matched = all(step.holds is not False for step in firing if step.name == "when")
    envelope = envelope_part(definition, row, now, is_matched=is_matched)
    is_awaited = any(reading.is_awaited for reading in envelope.readings)
    built = dry_run(_happening_now(definition) if is_awaited else definition, row, using)
    dedup_key, fault = try_call("once_per", Source(definition, row, using).dedup_key)
    if fault:
        built.finish(EventStatus.FAILED, Reason.MAPPING, str(fault), now)
    captured, once = _once(definition, key, dedup_key, using)
    seen = SeenFields(using)
    user = user_part(definition, row, seen)
    item_count, items = item_parts(definition, row, seen, limit)
    event = event_part(definition, row, seen)
    is_wanted = all(step.holds is not False for step in firing)
    is_fresh = is_wanted and decisions.is_too_fresh(definition, row, using)
    reconciled = decisions.reconcile_step(
        definition, row, using, is_wanted=is_wanted, has_event=captured is not None, is_fresh=is_fresh
    )
    if is_fresh:
        remedy = f"Reconcile captures it once it is {MARGIN_SECONDS} s old."
    else:
        remedy = "Reconcile does." if reconciled.holds else "Only capture() would."
    verdict, why = _firing_verdict(definition, firing, once, captured, remedy)
    return Explanation(
        definition=definition.name, event_name=definition.event_name, source=definition.source_label, source_pk=key,
        database=using, verdict=verdict, why=why, captured=captured,
        ending=built.status, reason=built.reason, destination=built.destination,
        steps=(
            *firing, once, *decisions.readiness_steps(definition, row, item_count),
            decisions.datetime_step(definition, envelope, now), decisions.user_step(definition, user),
            decisions.destination_step(definition, row), reconciled,
        ),
        parts=(replace(event, readings=(*envelope.readings, *event.readings)), user, *items), item_count=item_count,
    )  # fmt: skip


def _happening_now(definition: EventDefinition) -> EventDefinition:
    """Return a copy whose event happens now, for an object whose ``event_datetime`` is not set yet."""
    trial = copy.copy(definition)
    vars(trial)["get_event_datetime"] = lambda instance: None
    return trial


def _once(definition: EventDefinition, key: str, dedup_key: str | None, using: str) -> tuple[StoredEvent | None, Step]:
    events = Event.objects.using(using).filter(definition=definition.name, source_pk=key)
    if dedup_key is not None:
        events = Event.objects.using(using).filter(dedup_key=dedup_key)
    try:
        event = events.order_by("-pk").first()
    except DatabaseError as error:
        return None, Step("once_per", None, f"The outbox can't be read ({str(error).strip()}): run manage.py migrate.")
    known = event and StoredEvent(str(event.event_id), event.status, event.reason, event.created_at)
    return known, decisions.once_per_step(definition, event)


def _firing_verdict(
    definition: EventDefinition, firing: Sequence[Step], once: Step, captured: StoredEvent | None, remedy: str
) -> tuple[FiringVerdict, str]:
    if stopped := next((step for step in firing if step.holds is False), None):
        return FiringVerdict.SILENT, stopped.words
    if captured and once.holds is False:
        return FiringVerdict.CAPTURED, f"Status of its event: {_status_text(captured)}"
    if definition.signal is not None:
        return FiringVerdict.FIRES, f"{definition.signal[0]} fires it."
    when = definition.condition
    if condition_query(definition) is not None or when == "created":
        if captured:
            return FiringVerdict.CAPTURED, f"Status of its last event: {_status_text(captured)}"
        return FiringVerdict.MISSED, (
            "It came to match before this definition existed, or without a signal (update(), bulk_create(), SQL), or "
            f"its event was pruned since. Saving it again captures nothing. {remedy}"
        )
    if when == "deleted":
        return FiringVerdict.FIRES, "Its deletion fires it."
    why = "A save for which 'when' says yes fires it." if callable(when) else "Its next save fires it."
    return FiringVerdict.FIRES, why


def _status_text(event: StoredEvent) -> str:
    """Return the status of an event, and the reason for it or what it waits for."""
    return f"{event.status}. {event.reason or _WAITS.get(EventStatus(event.status), '')}".strip()
