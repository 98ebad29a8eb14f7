"""``track()``: its arguments become the content of an event, or the reason why it fails.

A caller's iterables and objects are the caller's code, and may query.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db import router

from ..building import custom_fields, payload_reader
from ..conf import default_destination, get_settings
from ..db import retry, savepoints
from ..definitions import registry, source
from ..enums import EventStatus, Reason
from ..exceptions import PayloadError, error_line, error_text
from ..models import Event
from ..schema import properties, types
from ..schema.payload import Payload, Properties, convert_properties
from ..text.escape import searchable, storable
from ..text.language import site_language
from ..text.reasons import ReasonText, reason_of
from .store import after_store, fetch_stored, new_event, run_guarded, store_event

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
        return as_text(self.event_name, registry.EVENT_NAME_LENGTH)

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


def fail_refused(event: Event, error: Exception) -> None:
    """Fail an event that the database refuses, without the content that it can't store."""
    event.fault = error
    reason = ReasonText("refused_by_database", error=error_line(error))
    event.finish(EventStatus.FAILED, Reason.PAYLOAD, reason, event.created_at)
    event.payload = event.user_id = event.order_id = ""
    event.set_occurred_at(event.created_at)
    event.event_name, event.destination = (
        text.encode("ascii", "backslashreplace").decode()[:length]
        for text, length in ((event.event_name, registry.EVENT_NAME_LENGTH), (event.destination, DESTINATION_LENGTH))
    )


def _fill_from_arguments(event: Event, arguments: TrackArguments, seen: custom_fields.SeenFields) -> None:
    name = str(types.convert(arguments.event_name, types.WireType.STRING, properties.EVENT_NAME))
    if arguments.dedup_key is not None:
        event.dedup_key = source.dedup_key_from("track", name, source.value_text(arguments.dedup_key, "dedup_key"))
    event.event_name = _checked_name(name)
    if arguments.occurred_at is not None:
        event.set_occurred_at(arguments.occurred_at, "occurred_at")
    payload = _build_payload(event, arguments, seen)
    text = payload.to_json()
    if len(text) > MAX_PAYLOAD_BYTES or len(text.encode()) > MAX_PAYLOAD_BYTES:
        problem = ReasonText("too_large", count=f"{MAX_PAYLOAD_BYTES:,}")
        raise PayloadError(event.event_name, problem, ReasonText("send_less"))
    event.payload, event.status = text, EventStatus.PENDING
    event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)


def _checked_name(name: str) -> str:
    if not name.strip():
        raise PayloadError(properties.EVENT_NAME, ReasonText("empty"), ReasonText("give_event_name"))
    if "\x00" in name:
        raise PayloadError(properties.EVENT_NAME, ReasonText("has_nul"), ReasonText("leave_out"))
    if len(name) > registry.EVENT_NAME_LENGTH:
        problem = ReasonText("name_too_long", count=registry.EVENT_NAME_LENGTH)
        raise PayloadError(properties.EVENT_NAME, problem, ReasonText("shorten"))
    return name


def _build_payload(event: Event, arguments: TrackArguments, seen: custom_fields.SeenFields) -> Payload:
    def convert(scope: properties.Scope, values: Any, index: str = "") -> Properties:
        return convert_properties(values, scope, properties.declared_type, properties.PATHS[scope] + index, memory=seen)

    user = convert("user", {properties.USER_ID: arguments.user_id, **_mapping(arguments.user_attributes, "user")})
    if not str(user.get(properties.USER_ID, "")).strip():
        path = f"{properties.PATHS['user']}.{properties.USER_ID}"
        raise PayloadError(path, ReasonText("empty"), ReasonText("give_user_id"))
    seen.event(event.event_name)
    attributes = payload_reader.envelope(event) | convert("event", _mapping(arguments.event_attributes, "event"))
    if arguments.items is None:
        return Payload(attributes, user, None)
    return Payload(attributes, user, tuple(convert("item", each, f"[{i}]") for i, each in enumerate(arguments.items)))


def _mapping(value: Any, scope: properties.Scope) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    problem = ReasonText("no_mapping", kind=type(value).__name__)
    raise PayloadError(properties.PATHS[scope], problem, ReasonText("give_dict"))


def track(
    event_name: str,
    *,
    user_id: Any,
    event_attributes: Mapping[str, Any] | None = None,
    items: Iterable[Mapping[str, Any]] | None = None,
    user_attributes: Mapping[str, Any] | None = None,
    occurred_at: dt.datetime | None = None,
    dedup_key: Any = None,
    destination: str | None = None,
    using: str | None = None,
) -> Event | None:
    """Store an event that has no model; joins the caller's transaction.

    :param user_id: who did it; never empty
    :param event_attributes: field name -> value; ``items`` likewise, one mapping per item
    :param occurred_at: when it happened; default: now; a naive one is read in the site's time zone
    :param dedup_key: a second event with the same key and event name is not stored. Any value that is the same each
        time: a text, a number, a UUID, an object of the database, a tuple of those; ``1`` and ``"1"`` are two keys
    :param destination: alias of ``TOKENS``
    :returns: the event; one that can't be sent is stored as ``failed``, with the reason, whatever the arguments.
        ``None`` if the key was used before, if it could not be stored (which is logged), or when ``ENABLED`` is false
    """
    arguments = TrackArguments(
        event_name, user_id, event_attributes, items, user_attributes, occurred_at, dedup_key, destination
    )
    return run_guarded(
        arguments.name_text, lambda: using or router.db_for_write(Event), lambda alias: _track(arguments, alias)
    )


def _track(arguments: TrackArguments, using: str) -> Event | None:
    if not get_settings().ENABLED:
        return None
    event, seen = new_event(arguments.name_text, arguments.alias), custom_fields.SeenFields(using)
    event.may_exist = True
    try:
        # As at build: the request's language has no effect, and a failed query does not break the shop's transaction.
        with site_language(), savepoints.savepoint_guard(using):
            _fill_from_arguments(event, arguments, seen)
    except Exception as error:  # noqa: BLE001 - stored with the event
        event.fault = None if isinstance(error, PayloadError) else error
        reason = reason_of(error) if isinstance(error, PayloadError) else error_text(error)
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, reason, event.created_at)
    try:
        store_event(event, using)
    except Exception as error:
        savepoints.raise_or_recover(error, using)
        if retry.is_transient(error):
            raise  # it was retried
        fail_refused(event, error)  # the call happens only once
        store_event(event, using)
    after_store(event, using)
    seen.save()
    return fetch_stored(event.event_id, using)
