"""Whether an object would become an event, why or why not, and what each field of it would say.

Goes the way of capture and building with an event that is never saved. Reads only: nothing is stored, sent or told.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings as django_settings
from django.db import DatabaseError
from django.utils import translation

from . import clock, steps
from .building import mapping_error_reason, try_to_build
from .conf import get_settings
from .custom_fields import SeenFields
from .definitions import EventDefinition
from .fieldwise import Part, attempt, envelope_part, event_part, item_parts, user_part
from .models import Event
from .sources import fetch_sources, identity_key, source_key
from .states import EventStatus, Reason
from .steps import Step


class Verdict(str, enum.Enum):
    """Whether a definition fires for an object as it is."""

    FIRES = "fires"
    CAPTURED = "captured"  # it fired, and does not again
    MISSED = "missed"  # it matches and has no event, and no save will change that
    SILENT = "silent"  # it does not match


@dataclass(frozen=True)
class Captured:
    """An event that is stored."""

    event_id: str
    status: str
    reason: str
    captured_at: dt.datetime


@dataclass(frozen=True)
class Explanation:
    """What a definition makes of an object.

    :ivar captured: the event that the object has; with ``once_per=None`` the last of them
    :ivar ending: the status that building would give an event now, whatever the verdict: "pending" (it is sent),
        "failed", "cancelled" or "expired"; ``reason``: why
    :ivar parts: the event with its envelope, the user, the first items; ``item_count``: how many there are
    """

    definition: str
    event_name: str
    source: str
    source_pk: str
    database: str
    verdict: Verdict
    why: str
    captured: Captured | None
    ending: str
    reason: str
    destination: str
    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    item_count: int | None


def explain(definition: EventDefinition, instance: Any, *, using: str, items: int = 3) -> Explanation:
    """What a definition makes of a stored object. Errors of the site's own code are told, not raised.

    :param instance: of the definition's model, or a child or proxy of it; only its key is used
    :param items: of how many items the fields are read
    :raises LookupError: if the object is not there, or can't be read as building would
    """
    key = source_key(definition, instance) or ""
    with translation.override(django_settings.LANGUAGE_CODE):
        found, fault = attempt(definition.source_label, lambda: fetch_sources(definition, [key], using))
        if fault:
            raise LookupError(str(fault))
        if key not in found:
            raise LookupError(f"There is no {definition.source_label} {key} in database {using!r}.")
        return _explanation(definition, found[key], key, using, items)


def _explanation(definition: EventDefinition, row: Any, key: str, using: str, limit: int) -> Explanation:
    now = clock.now()
    built = _built(definition, row, key, using, now)
    captured, once = _once(definition, key, built.dedup_key, using)
    seen = SeenFields(using)
    envelope, user = envelope_part(definition, row, now), user_part(definition, row, seen)
    item_count, items = item_parts(definition, row, seen, limit)
    firing = list(steps.firing(definition, row, using))
    is_wanted = all(step.holds is not False for step in firing)
    reconciled = steps.found_by_reconcile(definition, row, using, is_wanted=is_wanted, has_event=captured is not None)
    verdict, why = _verdict(definition, firing, once, captured, reconciled)
    return Explanation(
        definition=definition.name,
        event_name=definition.event_name,
        source=definition.source_label,
        source_pk=key,
        database=using,
        verdict=verdict,
        why=why,
        captured=captured,
        ending=built.status,
        reason=built.reason,
        destination=built.destination,
        steps=(
            *firing,
            once,
            *steps.ready(definition, row, item_count),
            steps.moment(definition, envelope, now),
            steps.user(definition, user),
            steps.destination(definition, row),
            reconciled,
        ),
        parts=(_joined(envelope, event_part(definition, row, seen)), user, *items),
        item_count=item_count,
    )


def _joined(envelope: Part, event: Part) -> Part:
    return replace(event, readings=(*envelope.readings, *event.readings))


def _built(definition: EventDefinition, row: Any, key: str, using: str, now: dt.datetime) -> Event:
    """The event as building would leave it. What it shows of custom fields is not written down."""
    event = Event(definition=definition.name, event_name=definition.event_name, created_at=now)
    event.set_occurred_at(now, get_settings().MAX_AGE_HOURS)
    try:
        event.dedup_key = identity_key(definition, key, row, using)
        try_to_build(event, definition, row, SeenFields(using), now, waits=False)
    except Exception as error:  # noqa: BLE001 - to be told is what it is asked for
        event.finish(EventStatus.FAILED, Reason.MAPPING, mapping_error_reason(definition, error), now)
    return event


def _once(definition: EventDefinition, key: str, dedup_key: str | None, using: str) -> tuple[Captured | None, Step]:
    events = Event.objects.using(using).filter(definition=definition.name, source_pk=key)
    if dedup_key is not None:
        events = Event.objects.using(using).filter(dedup_key=dedup_key)
    try:
        event = events.order_by("-pk").first()
    except DatabaseError as error:
        return None, Step("once_per", None, f"The outbox can't be read ({str(error).strip()}): run manage.py migrate.")
    known = event and Captured(str(event.event_id), event.status, event.reason, event.created_at)
    return known, steps.once(definition, event)


def _verdict(
    definition: EventDefinition, firing: Sequence[Step], once: Step, captured: Captured | None, reconciled: Step
) -> tuple[Verdict, str]:
    stopped = next((step for step in firing if step.holds is False), None)
    if stopped:
        return Verdict.SILENT, stopped.words
    if captured and once.holds is False:
        return Verdict.CAPTURED, f"Status of its event: {captured.status}. {captured.reason}".strip()
    if definition.signal is not None:
        return Verdict.FIRES, f"{definition.signal[0]} fires it."
    when = definition.condition
    if isinstance(when, Mapping) or when == "created":
        if captured:
            return Verdict.CAPTURED, f"Status of the last of its events: {captured.status}. {captured.reason}".strip()
        return Verdict.MISSED, f"{_MISSED} {'Reconcile does.' if reconciled.holds else 'Only capture() would.'}"
    if when == "deleted":
        return Verdict.FIRES, "Its deletion fires it."
    return Verdict.FIRES, "A save for which 'when' says yes fires it." if callable(when) else "Its next save fires it."


_MISSED = (
    "It came to match before this definition was there, or without a signal (update(), bulk_create(), SQL), or its "
    "event was pruned since. Saving it again captures nothing."
)
