"""The arguments of ``track()`` as an event: they become its content, or the reason why it fails.

Stores nothing. A caller's iterables and objects are the caller's code, and may query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.conf import settings as django_settings
from django.utils import translation

from . import schema
from .conf import default_destination, get_settings
from .custom_fields import SeenFields
from .definitions import declared_type
from .display import searchable, storable
from .exceptions import PayloadError, error_line, error_text
from .models import Event
from .payloads import Payload, convert_properties
from .reading import envelope
from .registry import EVENT_NAME_LENGTH
from .sources import dedup_key_from, value_text
from .states import EventStatus, Reason
from .transactions import savepoint_guard
from .values import WireType, convert

DESTINATION_LENGTH = 64
#: A server may accept no more than 16 MB at once, and it would close the shop's connection.
MAX_PAYLOAD_BYTES = 1_000_000


@dataclass(frozen=True)
class TrackArguments:
    """The arguments of ``track()``, of any type."""

    event_name: Any
    user_id: Any
    event_attributes: Any
    items: Any
    user_attributes: Any
    occurred_at: Any
    dedup_key: Any
    destination: Any

    @property
    def name_text(self) -> str:
        """The name for the row and the log, before it is validated."""
        return as_text(self.event_name, EVENT_NAME_LENGTH)

    @property
    def alias(self) -> str:
        """The destination's alias, before it is validated."""
        wanted = self.destination.value if isinstance(self.destination, Enum) else self.destination
        is_left_out = wanted is None or (isinstance(wanted, str) and not wanted)
        return default_destination() if is_left_out else as_text(wanted, DESTINATION_LENGTH)


def as_text(value: Any, length: int) -> str:
    """Return any object as a text that every column accepts."""
    try:
        return storable(str(value))[:length]
    except Exception:  # noqa: BLE001 - the caller's own class
        return type(value).__name__


def fill_event(event: Event, arguments: TrackArguments, seen: SeenFields, using: str) -> None:
    """Set an event's content, or fail it with the reason. Never raises."""
    try:
        # As at build: the request's language has no effect, and a failed query does not break the shop's transaction.
        with translation.override(django_settings.LANGUAGE_CODE), savepoint_guard(using):
            _fill_from_arguments(event, arguments, seen)
    except Exception as error:  # noqa: BLE001 - see above
        event.fault = None if isinstance(error, PayloadError) else error
        reason = str(error) if isinstance(error, PayloadError) else error_text(error)
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, reason, event.created_at)


def fail_refused(event: Event, error: Exception) -> None:
    """Fail an event that the database refuses, without the content that it can't store."""
    event.fault = error
    event.finish(EventStatus.FAILED, Reason.PAYLOAD, f"The database refuses it. {error_line(error)}", event.created_at)
    event.payload = event.user_id = event.order_id = ""
    event.set_occurred_at(event.created_at, get_settings().MAX_AGE_HOURS)
    event.event_name, event.destination = (
        text.encode("ascii", "backslashreplace").decode()[:length]
        for text, length in ((event.event_name, EVENT_NAME_LENGTH), (event.destination, DESTINATION_LENGTH))
    )


def _fill_from_arguments(event: Event, arguments: TrackArguments, seen: SeenFields) -> None:
    name = str(convert(arguments.event_name, WireType.STRING, schema.EVENT_NAME))
    if arguments.dedup_key is not None:
        event.dedup_key = dedup_key_from("track", name, value_text(arguments.dedup_key, "dedup_key"))
    event.event_name = _checked_name(name)
    if arguments.occurred_at is not None:
        event.set_occurred_at(arguments.occurred_at, get_settings().MAX_AGE_HOURS, "occurred_at")
    payload = _build_payload(event, arguments, seen)
    text = payload.to_json()
    if len(text) > MAX_PAYLOAD_BYTES or len(text.encode()) > MAX_PAYLOAD_BYTES:
        raise PayloadError(event.event_name, f"it has more than {MAX_PAYLOAD_BYTES:,} bytes", "Send less of it.")
    event.payload, event.status = text, EventStatus.PENDING
    event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)


def _checked_name(name: str) -> str:
    if not name.strip():
        raise PayloadError(schema.EVENT_NAME, "it is empty", "Give the event a name.")
    if "\x00" in name:
        raise PayloadError(schema.EVENT_NAME, "it has a U+0000, which no database stores", "Leave it out.")
    if len(name) > EVENT_NAME_LENGTH:
        raise PayloadError(schema.EVENT_NAME, f"it has more than {EVENT_NAME_LENGTH} characters", "Shorten it.")
    return name


def _build_payload(event: Event, arguments: TrackArguments, seen: SeenFields) -> Payload:
    user = {schema.USER_ID: arguments.user_id, **_mapping(arguments.user_attributes, "user")}
    sent_user = convert_properties(user, "user", declared_type, schema.PATHS["user"], memory=seen)
    if not str(sent_user.get(schema.USER_ID, "")).strip():
        raise PayloadError(f"{schema.PATHS['user']}.{schema.USER_ID}", "it is empty", "Give the user's key.")
    seen.event(event.event_name)
    attributes = _mapping(arguments.event_attributes, "event")
    return Payload(
        envelope(event) | convert_properties(attributes, "event", declared_type, schema.PATHS["event"], memory=seen),
        sent_user,
        None if arguments.items is None else tuple(
            convert_properties(item, "item", declared_type, f"{schema.PATHS['item']}[{i}]", memory=seen)
            for i, item in enumerate(arguments.items)
        ),
    )  # fmt: skip


def _mapping(value: Any, scope: schema.Scope) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise PayloadError(schema.PATHS[scope], f"a {type(value).__name__} is no mapping", "Give a dict: name to value.")
