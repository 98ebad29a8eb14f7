"""The payload of one source object, as its definition maps it. It only reads: nothing is stored, no status changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from ..definitions.definition import EventDefinition
from ..exceptions import PayloadError
from ..models import Event
from ..schema import properties
from ..schema.payload import Payload, convert_properties
from ..schema.types import epoch_milliseconds
from .custom_fields import SeenFields
from .event_user import with_known_user


class NoUser(PayloadError):
    """An event without a user."""

    def __init__(self) -> None:
        super().__init__(
            f"{properties.PATHS['user']}.{properties.USER_ID}",
            "it is empty, and DFINERY takes no event without a user",
            'For guests map e.g. Coalesce("customer.pk", Hashed("guest_email")), or set "guests": "skip".',
        )


def payload_of(event: Event, definition: EventDefinition, instance: Any, seen: SeenFields) -> Payload | None:
    """Return the payload; ``None`` for a guest whom the definition skips.

    :raises PayloadError: for a value that can't be sent
    """
    moment = definition.get_event_datetime(instance)
    if moment is not None:
        event.set_occurred_at(moment)
    user = convert_properties(
        definition.get_user_attributes(instance), "user", definition.type_of, properties.PATHS["user"],
        definition.user_expressions, seen,
    )  # fmt: skip
    user = with_known_user(event, definition, instance, user)
    if not str(user.get(properties.USER_ID, "")).strip():
        if definition.guests == "skip":
            return None
        raise NoUser
    seen.event(event.event_name)
    return Payload(
        envelope(event) | convert_properties(
            definition.get_event_attributes(instance), "event", definition.type_of, properties.PATHS["event"],
            definition.event_expressions, seen,
        ),
        user,
        _items(definition, instance, seen),
    )  # fmt: skip


def ids_of(definition: EventDefinition, instance: Any) -> tuple[str, str]:
    """Return user_id and order_id as far as they can be read, so that a failed event can be found by them as well."""
    readers = (
        (definition.get_user_attributes, properties.USER_ID),
        (definition.get_event_attributes, properties.ORDER_ID),
    )
    user_id, order_id = (_readable_id(read, name, instance) for read, name in readers)
    return user_id, order_id


def user_id_of(definition: EventDefinition, instance: Any) -> str:
    """Return the user_id that a payload would have; empty for a guest.

    :raises PayloadError: if it can't be read, or sent
    """
    given = {properties.USER_ID: definition.get_user_attributes(instance).get(properties.USER_ID)}
    return str(
        convert_properties(given, "user", definition.type_of, properties.PATHS["user"]).get(properties.USER_ID, "")
    )


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
        properties.EVENT_DATETIME: epoch_milliseconds(event.occurred_at),
    }


def _items(definition: EventDefinition, instance: Any, seen: SeenFields) -> tuple[dict[str, Any], ...] | None:
    items = definition.get_items(instance)
    if items is None:
        return None
    return tuple(
        convert_properties(
            item, "item", definition.type_of, f"{properties.PATHS['item']}[{index}]", definition.item_expressions, seen
        )
        for index, item in enumerate(items)
    )
