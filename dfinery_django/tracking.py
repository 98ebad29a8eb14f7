"""What a caller gave to ``track()``, as an event. Whatever it is, it ends on the row: as its content, or as words.

Stores nothing. A caller's iterables and objects are its own code, and may query.
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
from .exceptions import PayloadError, in_one_line, in_words
from .models import Event
from .payloads import Payload, properties
from .reading import envelope
from .registry import EVENT_NAME_LENGTH
from .sources import dedup_key_from, value_text
from .states import EventStatus, Reason
from .transactions import shielded
from .values import WireType, convert

DESTINATION_LENGTH = 64
#: A server may take no more than 16 MB at once, and it is the shop's connection that it would close.
LARGEST_PAYLOAD_BYTES = 1_000_000


@dataclass(frozen=True)
class Given:
    """The arguments of ``track()``, of whatever type they are."""

    event_name: Any
    user_id: Any
    event_attributes: Any
    items: Any
    user_attributes: Any
    occurred_at: Any
    dedup_key: Any
    destination: Any

    @property
    def shown_name(self) -> str:
        """The name for the row and the log, before it is known to be one."""
        return shown(self.event_name, EVENT_NAME_LENGTH)

    @property
    def alias(self) -> str:
        """The destination's alias, or what stands in the place of one."""
        wanted = self.destination.value if isinstance(self.destination, Enum) else self.destination
        is_left_out = wanted is None or (isinstance(wanted, str) and not wanted)
        return default_destination() if is_left_out else shown(wanted, DESTINATION_LENGTH)


def shown(value: Any, length: int) -> str:
    """Any object as a text that every column takes."""
    try:
        return storable(str(value))[:length]
    except Exception:  # noqa: BLE001 - the caller's own class
        return type(value).__name__


def take(event: Event, given: Given, seen: SeenFields, using: str) -> None:
    """Set what an event is to say, or why it can't be said. Never raises."""
    try:
        # As at build: no language of the request leaks, and what fails in a query leaves the shop's transaction whole.
        with translation.override(django_settings.LANGUAGE_CODE), shielded(using):
            _fill(event, given, seen)
    except Exception as error:  # noqa: BLE001 - see above
        event.fault = None if isinstance(error, PayloadError) else error
        reason = str(error) if isinstance(error, PayloadError) else in_words(error)
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, reason, event.created_at)


def refuse(event: Event, error: Exception) -> None:
    """Fail an event that the database refuses, and keep nothing of it that this can't hold."""
    event.fault = error
    event.finish(EventStatus.FAILED, Reason.PAYLOAD, f"The database refuses it. {in_one_line(error)}", event.created_at)
    event.payload = event.user_id = event.order_id = ""
    event.set_occurred_at(event.created_at, get_settings().MAX_AGE_HOURS)
    event.event_name, event.destination = (
        text.encode("ascii", "backslashreplace").decode()[:length]
        for text, length in ((event.event_name, EVENT_NAME_LENGTH), (event.destination, DESTINATION_LENGTH))
    )


def _fill(event: Event, given: Given, seen: SeenFields) -> None:
    name = str(convert(given.event_name, WireType.STRING, schema.EVENT_NAME))
    if given.dedup_key is not None:
        event.dedup_key = dedup_key_from("track", name, value_text(given.dedup_key, "dedup_key"))
    event.event_name = _checked_name(name)
    if given.occurred_at is not None:
        event.set_occurred_at(given.occurred_at, get_settings().MAX_AGE_HOURS, "occurred_at")
    payload = _payload(event, given, seen)
    text = payload.to_json()
    if len(text) > LARGEST_PAYLOAD_BYTES or len(text.encode()) > LARGEST_PAYLOAD_BYTES:
        raise PayloadError(event.event_name, f"it has more than {LARGEST_PAYLOAD_BYTES:,} bytes", "Send less of it.")
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


def _payload(event: Event, given: Given, seen: SeenFields) -> Payload:
    user = {schema.USER_ID: given.user_id, **_mapping(given.user_attributes, "user")}
    sent_user = properties(user, "user", declared_type, schema.PATHS["user"], memory=seen)
    if not str(sent_user.get(schema.USER_ID, "")).strip():
        raise PayloadError(f"{schema.PATHS['user']}.{schema.USER_ID}", "it is empty", "Give the user's key.")
    seen.event(event.event_name)
    attributes = _mapping(given.event_attributes, "event")
    return Payload(
        envelope(event) | properties(attributes, "event", declared_type, schema.PATHS["event"], memory=seen),
        sent_user,
        None if given.items is None else tuple(
            properties(item, "item", declared_type, f"{schema.PATHS['item']}[{i}]", memory=seen)
            for i, item in enumerate(given.items)
        ),
    )  # fmt: skip


def _mapping(given: Any, scope: schema.Scope) -> Mapping[str, Any]:
    if given is None or isinstance(given, Mapping):
        return given or {}
    raise PayloadError(schema.PATHS[scope], f"a {type(given).__name__} is no mapping", "Give a dict: name to value.")
