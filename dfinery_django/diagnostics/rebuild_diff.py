"""The changes that a rebuild would make to an event, field by field. Reads the source and saves nothing.

Everything that the site's mapping writes to the database is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _, pgettext

from ..building.dry_run import dry_run
from ..definitions import registry
from ..definitions.definition import EventDefinition
from ..definitions.scope import ScopeError, in_scope
from ..definitions.source import fetch_sources
from ..enums import Reason
from ..exceptions import NotRegistered, error_text
from ..models import Event
from ..schema import properties
from ..schema.payload import Payload, Properties
from ..schema.types import epoch_milliseconds
from ..text.reasons import ReasonText, in_language

MISSING = object()


@dataclass(frozen=True)
class FieldChange:
    """One field with its wire values; ``MISSING`` where it is not sent."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class RebuildDifference:
    """The changes that a rebuild would make, or the problem that prevents it."""

    changes: list[FieldChange] = field(default_factory=list)
    problem: str = ""


def rebuild_difference(event: Event, using: str) -> RebuildDifference:
    """Compare the event's payload with the one that a rebuild would make now."""
    try:
        definition = registry.get(event.definition)
        with in_scope(definition), transaction.atomic(using=using):
            try:
                return _difference(event, definition, using)
            finally:
                transaction.set_rollback(True, using=using)
    except NotRegistered:
        reason = ReasonText("not_registered", name=repr(event.definition))
    except ScopeError as error:
        reason = error.reason
    except Exception as error:  # noqa: BLE001 - errors of the site's mapping are shown to the reader
        reason = ReasonText("definition_raised", name=event.definition, error=error_text(error))
    return RebuildDifference(problem=in_language(reason))


def _difference(event: Event, definition: EventDefinition, using: str) -> RebuildDifference:
    instance = fetch_sources(definition, [event.source_pk], using).get(event.source_pk)
    if instance is None:
        return RebuildDifference(problem=_("The source object is gone."))
    built = dry_run(definition, instance, using)
    if built.fault:
        return RebuildDifference(problem=built.translated_reason)
    if built.reason_code == Reason.NO_CONSENT:
        return RebuildDifference(problem=_("There is no consent to it: a rebuild would cancel it."))
    if built.reason_code == Reason.GUEST:
        return RebuildDifference(problem=_("It is a guest's, and the definition says to skip guests."))
    fresh = Payload.from_json(built.payload)
    unchanged: Properties = {properties.EVENT_ID: str(event.event_id), properties.EVENT_NAME: event.event_name}
    if definition.moment is None and not definition.overrides("get_event_datetime"):
        unchanged[properties.EVENT_DATETIME] = epoch_milliseconds(event.occurred_at)
    after = Payload(fresh.event_attributes | unchanged, fresh.user_attributes, fresh.items)
    before = Payload.from_json(event.payload) if event.payload else None
    changes = list(_changes(dict(_flatten(before)) if before else {}, dict(_flatten(after))))
    if built.destination != event.destination:
        changes.insert(0, FieldChange(pgettext("model", "destination"), event.destination, built.destination))
    return RebuildDifference(changes)


def _flatten(payload: Payload) -> Iterator[tuple[str, Any]]:
    """Yield console names and values; names of items' fields start with the item's index."""
    parts: list[tuple[properties.Scope, str, Mapping[str, Any]]] = [("event", "", payload.event_attributes)]
    items = properties.console_name("event", properties.ITEMS)
    parts += [("item", f"{items}[{index}] ", item) for index, item in enumerate(payload.items or ())]
    for scope, place, values in (*parts, ("user", "", payload.user_attributes)):
        for name, value in values.items():
            console = f"{place}{properties.console_name(scope, name)}"
            yield _("%(name)s (user)") % {"name": console} if scope == "user" else console, value


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, MISSING), after.get(name, MISSING)
        # 1 and 1.0 are equal in Python, but two types to DFINERY.
        if old != new or type(old) is not type(new):
            yield FieldChange(name, old, new)
