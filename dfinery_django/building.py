"""Captured rows -> payloads, in batches, from a fresh read. After commit, never from the instance that was saved.

Every error of a mapping ends on the event's row as a reason; only faults of the outbox's own database pass.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError
from django.utils import timezone, translation

from . import registry, schema
from .backoff import CAP_SECONDS
from .conf import get_settings
from .definitions import EventDefinition
from .exceptions import NotRegistered, PayloadError
from .models import Event, EventQuerySet, searchable
from .paths import fetching
from .payloads import Payload, properties
from .signals import event_expired, event_failed
from .states import EventStatus, Reason
from .values import as_moment, epoch_milliseconds

logger = logging.getLogger("dfinery_django")

BATCH = 200
#: What building may change on a row.
BUILT_FIELDS = (
    "status", "destination", "payload", "user_id", "order_id", "occurred_at", "expires_at", "due_at", "reason_code",
    "reason", "finished_at",
)  # fmt: skip
_ENDED = {EventStatus.FAILED: event_failed, EventStatus.EXPIRED: event_expired}


class _NoUser(PayloadError):
    def __init__(self) -> None:
        super().__init__(
            f"{schema.PATHS['user']}.{schema.USER_ID}",
            "it is empty, and DFINERY takes no event without a user",
            'For guests map e.g. Coalesce("customer.pk", Hashed("guest_email")), or set "guests": "skip".',
        )


def build_due(events: EventQuerySet, *, now: dt.datetime | None = None) -> int:
    """Claim one batch of captured events that are due and build it.

    :returns: how many were claimed; 0 when none is due
    """
    now = now or timezone.now()
    captured = events.filter(status=EventStatus.CAPTURED)
    lease = get_settings().LEASE_SECONDS
    claimed = captured.claim(limit=BATCH, now=now, lease_seconds=lease, into=EventStatus.CAPTURED)
    if claimed:
        held_until = claimed[0].due_at
        assert held_until is not None  # noqa: S101 - a claimed event has a lease
        build(claimed, using=events.db, now=now)
        events.settle(claimed, BUILT_FIELDS, status=EventStatus.CAPTURED, lease=held_until)
        _tell(claimed)
    return len(claimed)


def build(events: Sequence[Event], *, using: str, now: dt.datetime, waits: bool = True) -> None:
    """Read the sources of events afresh and set what building sets; nothing is saved.

    :param waits: whether a source that isn't ready yet is waited for
    """
    by_definition: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_definition[event.definition].append(event)
    with translation.override(django_settings.LANGUAGE_CODE):
        for name, group in by_definition.items():
            try:
                definition = registry.get(name)
            except NotRegistered as error:
                _fail_all(group, Reason.NOT_REGISTERED, f"{error} Bring it back, then rebuild the event.", now)
            else:
                _build_group(definition, group, using, now, waits)


def _build_group(
    definition: EventDefinition, events: Sequence[Event], using: str, now: dt.datetime, waits: bool
) -> None:
    try:
        instances = _fetch(definition, [event.source_pk for event in events], using)
    except (OperationalError, InterfaceError) as error:
        for event in events:
            _look_again(event, error, now)
        return
    except Exception as error:
        logger.exception("Sources of %s can't be read", definition.name)
        _fail_all(events, Reason.MAPPING, f"{definition.source_label} can't be read: {error}", now)
        return
    for event in events:
        instance = instances.get(event.source_pk)
        if instance is None:
            reason = f"{event.source} {event.source_pk} is gone: it was deleted before the event was built."
            event.finish(EventStatus.FAILED, Reason.SOURCE_GONE, reason, now)
        else:
            build_one(event, definition, instance, now, waits=waits)


def _fetch(definition: EventDefinition, keys: Iterable[str], using: str) -> Mapping[str, Any]:
    rows = fetching(definition.model_class, definition.paths(), using=using)
    return {str(row.pk): row for row in rows.filter(pk__in=_valid_keys(definition, keys))}


def _valid_keys(definition: EventDefinition, keys: Iterable[str]) -> list[Any]:
    valid = []
    for key in keys:
        try:
            valid.append(definition.model_class._meta.pk.to_python(key))
        except ValidationError:  # the key's type has changed since: the source counts as gone
            continue
    return valid


def build_one(
    event: Event, definition: EventDefinition, instance: Any, now: dt.datetime, *, waits: bool = True
) -> None:
    """Set payload and status of one event from its source; nothing is saved, mapping errors end in its reason."""
    try:
        if waits and _must_wait(event, definition, instance, now):
            return
        payload = _payload(event, definition, instance)
        event.destination = definition.destination_for(instance)[:64]
    except (OperationalError, InterfaceError) as error:
        _look_again(event, error, now)
    except PayloadError as error:
        code = Reason.NO_USER if isinstance(error, _NoUser) else Reason.PAYLOAD
        event.finish(EventStatus.FAILED, code, str(error), now)
    except Exception as error:
        logger.exception("Event %s of %s can't be built", event.event_id, definition.name)
        reason = f"{definition.name} raised {type(error).__name__}: {error}. Mend the definition, then rebuild."
        event.finish(EventStatus.FAILED, Reason.MAPPING, reason, now)
    else:
        _accept(event, payload, now)


def _accept(event: Event, payload: Payload | None, now: dt.datetime) -> None:
    if payload is None:
        event.finish(EventStatus.CANCELLED, Reason.GUEST, "A guest, whom the definition says to skip.", now)
        return
    event.payload = payload.to_json()
    event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)
    if event.destination not in get_settings().TOKENS:
        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token(event), now)
    elif event.expires_at <= now:
        event.finish(EventStatus.EXPIRED, Reason.TOO_OLD, too_old(event), now)
    else:
        event.postpone(EventStatus.PENDING, now, Reason.NONE, "")


def no_token(event: Event) -> str:
    """Why an event that has nowhere to go failed."""
    return f"There is no token for {event.destination!r}: add it to DFINERY['TOKENS'], then rebuild the event."


def too_old(event: Event) -> str:
    """Why an expired event is."""
    hours = get_settings().MAX_AGE_HOURS
    return f"It happened at {event.occurred_at:%Y-%m-%d %H:%M:%S %Z}; DFINERY processes nothing older than {hours:g} h."


def _must_wait(event: Event, definition: EventDefinition, instance: Any, now: dt.datetime) -> bool:
    """Postpone an event whose lines aren't written yet, with growing pauses, for ``READY_SECONDS`` at most."""
    waited = (now - event.created_at).total_seconds()
    if waited >= get_settings().READY_SECONDS or _is_ready(definition, instance):
        return False
    event.postpone(EventStatus.CAPTURED, _next_look(event, now), Reason.NOT_READY, "Its items are not there yet.")
    return True


def _look_again(event: Event, error: Exception, now: dt.datetime) -> None:
    """A database that the mapping reads failed: that passes, and no other event need wait for it."""
    logger.warning("Event %s (%s) can't be built yet: %s", event.event_id, event.definition, error)
    reason = f"A database that its mapping reads failed ({type(error).__name__}: {error}). It is tried again."
    event.postpone(EventStatus.CAPTURED, _next_look(event, now), Reason.MAPPING, reason)


def _next_look(event: Event, now: dt.datetime) -> dt.datetime:
    """Each pause as long as all before it, from a second to half an hour."""
    waited = (now - event.created_at).total_seconds()
    return now + dt.timedelta(seconds=min(max(1.0, waited), CAP_SECONDS))


def _is_ready(definition: EventDefinition, instance: Any) -> bool:
    has_items = definition.items is None or any(True for _ in definition.get_item_sources(instance))
    return has_items and definition.is_ready(instance)


def _payload(event: Event, definition: EventDefinition, instance: Any) -> Payload | None:
    """The payload; ``None`` for a guest whom the definition skips.

    :raises PayloadError: for a value that can't be sent
    """
    moment = definition.get_event_datetime(instance)
    if moment is not None:
        event.happened(as_moment(moment), get_settings().MAX_AGE_HOURS)
    user = properties(
        definition.get_user_attributes(instance), "user", definition.type_of, schema.PATHS["user"],
        definition.user_expressions,
    )  # fmt: skip
    if not str(user.get(schema.USER_ID, "")).strip():
        if definition.guests == "skip":
            return None
        raise _NoUser
    return Payload(
        envelope(event) | properties(
            definition.get_event_attributes(instance), "event", definition.type_of, schema.PATHS["event"],
            definition.event_expressions,
        ),
        user,
        _items(definition, instance),
    )  # fmt: skip


def envelope(event: Event) -> dict[str, Any]:
    """What every event says of itself."""
    return {
        schema.EVENT_ID: str(event.event_id),
        schema.EVENT_NAME: event.event_name,
        schema.EVENT_DATETIME: epoch_milliseconds(event.occurred_at),
    }


def _items(definition: EventDefinition, instance: Any) -> tuple[dict[str, Any], ...] | None:
    items = definition.get_items(instance)
    if items is None:
        return None
    return tuple(
        properties(item, "item", definition.type_of, f"{schema.PATHS['item']}[{index}]", definition.item_expressions)
        for index, item in enumerate(items)
    )


def preview(name: str, instance: Any) -> Payload | None:
    """The payload that the definition would send for this object; nothing is stored.

    :returns: ``None`` for a guest whom the definition skips
    :raises NotRegistered: if no definition has that name
    :raises PayloadError: if a value can't be sent; ``.path`` says where
    """
    definition = registry.get(name)
    event = Event(definition=name, event_name=definition.event_name)
    event.happened(timezone.now(), get_settings().MAX_AGE_HOURS)
    with translation.override(django_settings.LANGUAGE_CODE):
        return _payload(event, definition, instance)


def _fail_all(events: Iterable[Event], code: Reason, reason: str, now: dt.datetime) -> None:
    for event in events:
        event.finish(EventStatus.FAILED, code, reason, now)


def _tell(events: Iterable[Event]) -> None:
    for event in events:
        signal = _ENDED.get(EventStatus(event.status))
        if signal:
            logger.error("Event %s (%s) %s: %s", event.event_id, event.definition, event.status, event.reason)
            signal.send_robust(sender=Event, event=event)
