"""Capture: one INSERT in the shop's own transaction; ``track()`` and ``capture()``; the wake-up after commit.

Law: nothing here raises into the shop's code or leaves its transaction broken. Only *that* something happened is
recorded; what it says is read later (``building``), because at ``post_save`` no shop has stored its lines yet.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connections, models, router, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from . import conditions, registry, schema
from .building import build, build_due, envelope, no_token
from .conf import default_destination, get_settings
from .definitions import EventDefinition, declared_type
from .exceptions import ConfigurationError, PayloadError
from .expressions import Expression, Path
from .models import SEARCHABLE_LENGTH, Destination, Event, searchable
from .paths import trace
from .payloads import Payload, properties
from .registry import EVENT_NAME_LENGTH
from .states import EventStatus, Reason
from .values import as_moment

T = TypeVar("T")

logger = logging.getLogger("dfinery_django")

#: A wake-up that was asked for this long ago and not answered counts as lost.
WAKE_IS_LOST_AFTER_SECONDS = 60


def capture(name: str, instance: models.Model, *, using: str | None = None) -> Event | None:
    """Fire a definition by hand, for code that sends no signals (``bulk_create``, ``update()``).

    Joins the caller's transaction. The once-only rule holds: what was captured before is not captured again.

    :returns: the event, or ``None`` if there was one already, or none could be stored (which is logged)
    :raises NotRegistered: if no definition has that name
    """
    try:
        definition = registry.get(name)
        if not get_settings().ENABLED:
            return None
    except ConfigurationError:
        logger.exception("%s was not captured", name)
        return None
    alias = using or database_of(instance)
    return _guarded(name, lambda: _stored(insert(definition, instance, using=alias), alias))


def track(
    event_name: str,
    *,
    user_id: Any,
    event_attributes: Mapping[str, Any] | None = None,
    items: Iterable[Mapping[str, Any]] | None = None,
    user_attributes: Mapping[str, Any] | None = None,
    occurred_at: dt.datetime | None = None,
    dedup_key: str | None = None,
    destination: str | None = None,
    using: str | None = None,
) -> Event | None:
    """Store an event that no model stands behind; joins the caller's transaction.

    :param user_id: who did it; never empty
    :param event_attributes: field name -> value; ``items`` likewise, one mapping per item
    :param occurred_at: when it happened; default: now; a naive one is read in the site's time zone
    :param dedup_key: the same key and event name again store nothing
    :param destination: alias of ``TOKENS``
    :returns: the event; one whose values can't be sent is stored as ``failed``, with the reason. ``None`` if the
        key was used before, if it could not be stored (which is logged), or when ``ENABLED`` is false
    """
    content = (user_id, user_attributes or {}, event_attributes or {}, items)
    alias = using or router.db_for_write(Event)
    return _guarded(event_name, lambda: _track(event_name, content, occurred_at, dedup_key, destination, alias))


def _track(
    event_name: str,
    content: tuple[Any, Any, Any, Any],
    occurred_at: dt.datetime | None,
    dedup_key: str | None,
    destination: str | None,
    using: str,
) -> Event | None:
    if not get_settings().ENABLED:
        return None
    event = _new_event(str(event_name)[:EVENT_NAME_LENGTH], (destination or default_destination())[:64])
    event.dedup_key = _dedup_key("track", event_name, dedup_key) if dedup_key is not None else None
    try:
        if len(event_name) > EVENT_NAME_LENGTH:
            raise PayloadError(schema.EVENT_NAME, f"it has more than {EVENT_NAME_LENGTH} characters", "Shorten it.")
        if occurred_at is not None:
            event.happened(as_moment(occurred_at, "occurred_at"), get_settings().MAX_AGE_HOURS)
        payload = _tracked(event, *content)
    except Exception as error:  # noqa: BLE001 - whatever the caller gave: it ends on the row
        logger.error("Event %s failed: %s", event_name, error)
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, str(error), event.created_at)
    else:
        event.payload, event.status = payload.to_json(), EventStatus.PENDING
        event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)
    with transaction.atomic(using=using):
        _store(event, using)
    _after_store(event, using)
    return _stored(event.event_id, using)


def _stored(event_id: Any, using: str) -> Event | None:
    """The event, unless the same one was there before."""
    return Event.objects.using(using).filter(event_id=event_id).first()


def _tracked(
    event: Event,
    user_id: Any,
    user_attributes: Mapping[str, Any],
    event_attributes: Mapping[str, Any],
    items: Iterable[Mapping[str, Any]] | None,
) -> Payload:
    user = {schema.USER_ID: user_id, **user_attributes}
    sent_user = properties(user, "user", declared_type, schema.PATHS["user"])
    if not str(sent_user.get(schema.USER_ID, "")).strip():
        raise PayloadError(f"{schema.PATHS['user']}.{schema.USER_ID}", "it is empty", "Give the user's key.")
    return Payload(
        envelope(event) | properties(event_attributes, "event", declared_type, schema.PATHS["event"]),
        sent_user,
        None if items is None else tuple(
            properties(item, "item", declared_type, f"{schema.PATHS['item']}[{i}]") for i, item in enumerate(items)
        ),
    )  # fmt: skip


def _guarded(name: str, store: Callable[[], T]) -> T | None:
    try:
        return store()
    except Exception:
        logger.exception("%s was not captured", name)
        return None


def _new_event(event_name: str, destination: str) -> Event:
    now = timezone.now()
    event = Event(event_name=event_name, destination=destination, created_at=now, due_at=now)
    event.happened(now, get_settings().MAX_AGE_HOURS)
    return event


def insert(definition: EventDefinition, instance: Any, *, using: str, build_now: bool = False) -> Any:
    """Store an event of this definition, unless the same one is there. May raise: callers guard the shop.

    :param build_now: for a source that is about to go: read it here, in the shop's transaction
    :returns: the event's id
    :raises ValueError: if the instance has no key yet
    """
    key = conditions.source_pk(definition, instance)
    if key is None:
        raise ValueError(f"{definition.source_label} has no key yet: save it first.")
    event = _new_event(definition.event_name, default_destination())
    event.definition, event.source, event.source_pk = definition.name, definition.source_label, str(key)
    if event.due_at and not connections[using].in_atomic_block:
        # Committed already, before its lines: they get a moment to be written.
        event.due_at += dt.timedelta(seconds=get_settings().SETTLE_SECONDS)
    try:
        # One savepoint for the site's own code and our INSERT: neither may break the shop's transaction.
        with transaction.atomic(using=using):
            _fill(event, definition, instance, using, build_now)
            _store(event, using)
    except Exception as error:
        logger.exception("%s of %s %s failed at capture", definition.name, event.source, key)
        reason = (
            f"{definition.name} raised {type(error).__name__} at capture: {error}. Mend it, then rebuild the event."
        )
        event.finish(EventStatus.FAILED, Reason.MAPPING, reason, event.created_at)
        with transaction.atomic(using=using):
            _store(event, using)
    _after_store(event, using)
    if event.status == EventStatus.CAPTURED and (definition.build or get_settings().BUILD) == "commit":
        _build_on_commit(event.event_id, using)
    return event.event_id


def _fill(event: Event, definition: EventDefinition, instance: Any, using: str, build_now: bool) -> None:
    if definition.identity is not None:
        parts = [_identity_text(definition, each, instance) for each in definition.identity]
        event.dedup_key = _dedup_key(definition.name, event.source, event.source_pk, *parts)
    event.destination = definition.destination_for(instance)[:64]
    if len(event.source_pk) > SEARCHABLE_LENGTH:
        raise ValueError(f"its key has more than {SEARCHABLE_LENGTH} characters")
    if build_now:
        build([event], using=using, now=timezone.now(), waits=False)
        if event.status == EventStatus.CAPTURED:  # the database failed, and there is no second time
            event.finish(EventStatus.FAILED, Reason(event.reason_code), event.reason, event.created_at)


def _build_on_commit(event_id: Any, using: str) -> None:
    def build_dfinery_event() -> None:
        _guarded(str(event_id), lambda: build_due(Event.objects.using(using).filter(event_id=event_id)))

    transaction.on_commit(build_dfinery_event, using=using, robust=True)


def _store(event: Event, using: str) -> None:
    """INSERT unless the same event is there."""
    tokens = get_settings().TOKENS
    if event.destination not in tokens and not event.is_finished:
        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token(event), event.created_at)
    Event.objects.using(using).bulk_create([event], ignore_conflicts=True)


def _after_store(event: Event, using: str) -> None:
    if not event.is_finished:
        _wake_on_commit(using, event.destination)


def _dedup_key(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _identity_text(definition: EventDefinition, source: Expression, instance: Any) -> str:
    """A value of ``once_per`` as text: the same for a fresh and a reloaded instance."""
    value = source.resolve(instance)
    field = trace(definition.model_class, source.path).field if isinstance(source, Path) else None
    value = field.to_python(value) if field and value is not None else value
    if isinstance(value, dt.datetime):
        return as_moment(value).astimezone(dt.timezone.utc).isoformat()
    if isinstance(value, Decimal):
        return str(value.normalize())
    return str(value.value if isinstance(value, Enum) else value)


def database_of(instance: models.Model) -> str:
    """The database that an instance lives in."""
    return instance._state.db or router.db_for_write(type(instance), instance=instance)


def _wake_on_commit(using: str, destination: str) -> None:
    hook = _wake_hook(using, destination)
    # One wake-up per transaction, however many events it captures. A hook that is still listed here can only be
    # dropped by a rollback that takes this event with it.
    if not any(entry[1] is hook for entry in reversed(connections[using].run_on_commit)):
        transaction.on_commit(hook, using=using, robust=True)


@lru_cache(maxsize=256)
def _wake_hook(using: str, destination: str) -> Callable[[], None]:
    # A plain function: Django 5.2's robust on_commit trips over a partial that fails, and drops later callbacks.
    def wake_dfinery() -> None:
        try:
            request_wake(using, destination)
        except Exception:
            logger.exception("No drain could be asked for; the next scheduled one will do")

    return wake_dfinery


def request_wake(using: str, destination: str) -> None:
    """Ask for a drain, unless one is asked for already."""
    now = timezone.now()
    lost = now - dt.timedelta(seconds=WAKE_IS_LOST_AFTER_SECONDS)
    known = Destination.objects.using(using).filter(alias=destination)
    asleep = known.filter(Q(wake_requested_at__isnull=True) | Q(wake_requested_at__lt=lost))
    if not asleep.update(wake_requested_at=now):
        created = Destination.objects.using(using).get_or_create(
            alias=destination, defaults={"wake_requested_at": now}
        )[1]
        if not created:
            return
    import_string(get_settings().WAKE)(destination)
