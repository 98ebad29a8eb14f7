"""Building that stores nothing, not even the types of custom fields: for previews, explanations and tests."""

from __future__ import annotations

from typing import Any

from .. import clock
from ..definitions import registry
from ..definitions.definition import EventDefinition
from ..definitions.scope import in_scope
from ..definitions.source import database_of
from ..models import Event
from ..schema.payload import Payload
from ..text.language import site_language
from .build import build_one, fail
from .custom_fields import SeenFields


def dry_run(definition: EventDefinition, instance: Any, using: str, event: Event | None = None) -> Event:
    """Build an event as a worker would now, whether its source is ready or not, and save nothing.

    :param event: a captured one; default: one that is captured now
    :returns: the event; an error of the site's code is its reason, and its ``fault``
    """
    now = clock.now()
    if event is None:
        event = Event(definition=definition.name, event_name=definition.event_name, created_at=now)
        event.set_occurred_at(now)
    with site_language():
        try:
            with in_scope(definition):
                build_one(event, definition, instance, SeenFields(using), now, waits=False)
        except Exception as error:  # noqa: BLE001 - errors of the site's code are reported
            fail(event, definition, instance, error, now)
            event.fault = error
    return event


def preview(name: str, instance: Any) -> Payload | None:
    """Return the payload that the definition would send for this object; nothing is stored.

    :returns: ``None`` for a guest whom the definition skips, and without consent
    :raises NotRegistered: if no definition has that name
    :raises PayloadError: if a value can't be sent; ``.path`` says where
    """
    event = dry_run(registry.get(name), instance, database_of(instance))
    if event.fault:
        raise event.fault
    return Payload.from_json(event.payload) if event.payload else None
