"""The payload of one source object, as its definition maps it. It only reads: nothing is stored, no status changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from ..definitions.definition import EventDefinition
from ..definitions.needs import annotations_at
from ..exceptions import PayloadError
from ..mapping.annotations import loaded
from ..models import Event
from ..schema import properties, types
from ..schema.payload import Payload, Properties, convert_properties
from ..schema.properties import Scope
from ..text.reasons import ReasonText
from .custom_fields import SeenFields
from .event_user import sent_user_id, with_known_user


class NoUser(PayloadError):
    """An event without a user."""

    def __init__(self) -> None:
        path = f"{properties.PATHS['user']}.{properties.USER_ID}"
        super().__init__(path, ReasonText("no_user_id"), ReasonText("map_guests"))


def payload_of(event: Event, definition: EventDefinition, instance: Any, seen: SeenFields) -> Payload | None:
    """Return the payload; ``None`` for a guest whom the definition skips.

    :raises PayloadError: for a value that can't be sent
    """
    with loaded([instance], annotations_at(definition)):
        return _payload_of(event, definition, instance, seen)


def _payload_of(event: Event, definition: EventDefinition, instance: Any, seen: SeenFields) -> Payload | None:
    if (moment := definition.get_event_datetime(instance)) is not None:
        event.set_occurred_at(moment)
    user = _wire_values(definition, "user", definition.get_user_attributes(instance), definition.user_expressions, seen)
    user = with_known_user(event, definition, instance, user)
    if not str(user.get(properties.USER_ID, "")).strip():
        if definition.guests == "skip":
            return None
        raise NoUser
    seen.event(event.event_name)
    values = definition.get_event_attributes(instance)
    attributes = envelope(event) | _wire_values(definition, "event", values, definition.event_expressions, seen)
    items = definition.get_items(instance)
    return Payload(attributes, user, None if items is None else tuple(
        _wire_values(definition, "item", item, definition.item_expressions, seen, f"[{index}]")
        for index, item in enumerate(items)
    ))  # fmt: skip


def _wire_values(
    definition: EventDefinition, scope: Scope, values: Any, sources: Any, seen: SeenFields, index: str = ""
) -> Properties:
    return convert_properties(values, scope, definition.type_of, properties.PATHS[scope] + index, sources, seen)


def ids_of(definition: EventDefinition, instance: Any) -> tuple[str, str]:
    """Return user_id and order_id as far as they can be read, so that a failed event can be found by them as well."""
    user_id = _readable_id(definition.get_user_attributes, properties.USER_ID, instance)
    return user_id, _readable_id(definition.get_event_attributes, properties.ORDER_ID, instance)


def user_id_of(definition: EventDefinition, instance: Any) -> str:
    """Return the user_id that a payload would have; empty for a guest.

    :raises PayloadError: if it can't be read, or sent
    """
    return sent_user_id(definition, definition.get_user_attributes(instance).get(properties.USER_ID))


def _readable_id(read: Callable[[Any], Mapping[str, Any]], name: str, instance: Any) -> str:
    try:
        value = read(instance).get(name)
        return str(value) if isinstance(value, (str, int, UUID)) else ""
    except Exception:  # noqa: BLE001 - the event has failed already, and keeps its own reason
        return ""


def envelope(event: Event) -> dict[str, Any]:
    """Return the properties that every event has."""
    return {
        properties.EVENT_ID: str(event.event_id),
        properties.EVENT_NAME: event.event_name,
        properties.EVENT_DATETIME: types.epoch_milliseconds(event.occurred_at),
    }
