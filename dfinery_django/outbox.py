"""Capture: one INSERT in the shop's own transaction; ``track()`` and ``capture()``; the wake-up after commit.

Law: nothing here raises into the shop's code or leaves its transaction broken, unless the database has ended that
transaction. Only *that* something happened is recorded; what it says is read later (``building``), because at
``post_save`` no shop has stored its lines yet.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connections, models, router
from django.utils import translation

from . import clock, consent, registry, schema, storing, transactions, waking
from .building import build, build_due, no_token
from .conf import default_destination, get_settings
from .custom_fields import SeenFields
from .definitions import EventDefinition, declared_type
from .destinations import outbox_databases
from .endings import say_on_commit
from .event_user import known_user
from .exceptions import ConfigurationError, PayloadError, in_words
from .logs import tell_now_and_then
from .models import SEARCHABLE_LENGTH, Event, searchable, storable
from .patience import is_passing
from .payloads import Payload, properties
from .reading import envelope
from .registry import EVENT_NAME_LENGTH
from .sources import database_of, dedup_key_from, identity_key, is_source, source_key
from .states import EventStatus, Reason

T = TypeVar("T")

logger = logging.getLogger("dfinery_django")


def capture(name: str, instance: models.Model, *, using: str | None = None) -> Event | None:
    """Fire a definition by hand, for code that sends no signals (``bulk_create``, ``update()``).

    Joins the caller's transaction. The once-only rule holds: what was captured before is not captured again.

    :returns: the event, or ``None`` if there was one already, if ``consent`` says no, or none could be stored (which is
        logged)
    :raises NotRegistered: if no definition has that name
    """
    try:
        definition = registry.get(name)
        if not get_settings().ENABLED:
            return None
    except ConfigurationError as error:
        tell_now_and_then("%s was not captured", name, error=error)
        return None
    alias = using or database_of(instance)
    if not consent.allows_capture(definition, instance, alias):
        return None
    return _guarded(name, alias, lambda: _stored(insert(definition, instance, using=alias), alias))


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
    return _guarded(event_name, alias, lambda: _track(event_name, content, occurred_at, dedup_key, destination, alias))


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
    event, seen = (
        _new_event(str(event_name)[:EVENT_NAME_LENGTH], (destination or default_destination())[:64]),
        SeenFields(using),
    )
    event.dedup_key = dedup_key_from("track", event_name, dedup_key) if dedup_key is not None else None
    try:
        if len(event_name) > EVENT_NAME_LENGTH:
            raise PayloadError(schema.EVENT_NAME, f"it has more than {EVENT_NAME_LENGTH} characters", "Shorten it.")
        if occurred_at is not None:
            event.happened(occurred_at, get_settings().MAX_AGE_HOURS, "occurred_at")
        with translation.override(django_settings.LANGUAGE_CODE):  # as at build: no request's language leaks
            payload = _tracked(event, seen, *content)
    except Exception as error:  # noqa: BLE001 - whatever the caller gave: it ends on the row
        event.fault = None if isinstance(error, PayloadError) else error
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, str(error), event.created_at)
    else:
        event.payload, event.status = payload.to_json(), EventStatus.PENDING
        event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)
    _store(event, using)
    _after_store(event, using)
    seen.save()
    return _stored(event.event_id, using)


def _stored(event_id: Any, using: str) -> Event | None:
    """The event, unless the same one was there before."""
    return Event.objects.using(using).filter(event_id=event_id).first()


def _tracked(
    event: Event,
    seen: SeenFields,
    user_id: Any,
    user_attributes: Mapping[str, Any],
    event_attributes: Mapping[str, Any],
    items: Iterable[Mapping[str, Any]] | None,
) -> Payload:
    user = {schema.USER_ID: user_id, **user_attributes}
    sent_user = properties(user, "user", declared_type, schema.PATHS["user"], memory=seen)
    if not str(sent_user.get(schema.USER_ID, "")).strip():
        raise PayloadError(f"{schema.PATHS['user']}.{schema.USER_ID}", "it is empty", "Give the user's key.")
    seen.event(event.event_name)
    return Payload(
        envelope(event) | properties(event_attributes, "event", declared_type, schema.PATHS["event"], memory=seen),
        sent_user,
        None if items is None else tuple(
            properties(item, "item", declared_type, f"{schema.PATHS['item']}[{i}]", memory=seen)
            for i, item in enumerate(items)
        ),
    )  # fmt: skip


def _guarded(name: str, using: str, store: Callable[[], T]) -> T | None:
    try:
        return store()
    except Exception as error:  # noqa: BLE001 - told
        transactions.swallow(error, using, "%s was not captured", name)
        return None


def _new_event(event_name: str, destination: str) -> Event:
    now = clock.now()
    content = _blank() | {
        "event_id": uuid.uuid4(), "event_name": event_name, "destination": destination, "created_at": now, "due_at": now
    }  # fmt: skip
    values: Any = content.values()
    event = Event(*values)  # by name it takes four times as long
    event.happened(now, get_settings().MAX_AGE_HOURS)
    return event


@lru_cache
def _blank() -> dict[str, Any]:
    """Column -> default, in the order of the columns."""
    return {field.attname: field.get_default() for field in Event._meta.concrete_fields}


def insert(definition: EventDefinition, instance: Any, *, using: str) -> Any:
    """Store an event of this definition, unless the same one is there. May raise: callers guard the shop.

    :returns: the event's id
    :raises TypeError: if the instance is of another model
    :raises ValueError: if it has no key yet
    """
    if not is_source(definition, instance):
        raise TypeError(f"{definition.name} is made of {definition.source_label}, not of {type(instance).__name__}.")
    key = source_key(definition, instance)
    if key is None:
        raise ValueError(f"{definition.source_label} has no key yet: save it first.")
    event = _new_event(definition.event_name, default_destination())
    event.definition, event.source, event.source_pk = definition.name, definition.source_label, key
    grace = definition.settle_seconds
    if grace is None and not connections[using].in_atomic_block:
        grace = get_settings().SETTLE_SECONDS  # committed already, before its lines: they get a moment to be written
    event.due_at = event.created_at + dt.timedelta(seconds=grace or 0)
    try:
        transactions.once_more(using, _fill, event, definition, instance, using)
    except Exception as error:
        transactions.before_swallowing(error, using)
        if is_passing(error) and definition.condition != "deleted":
            raise  # no fault of the mapping: reconcile looks at the row again. What was deleted has no second time.
        event.fault, event.source_pk = error, searchable(key)
        reason = f"{definition.name}, at capture, raised {in_words(error)}. Mend it, then rebuild the event."
        event.finish(EventStatus.FAILED, Reason.MAPPING, reason, event.created_at)
    _store(event, using)
    _after_store(event, using)
    # After a grace it is the drain that builds: nothing is due at the commit.
    if event.status == EventStatus.CAPTURED and not grace and (definition.build or get_settings().BUILD) == "commit":
        _build_on_commit(event.event_id, using)
    return event.event_id


def _fill(event: Event, definition: EventDefinition, instance: Any, using: str) -> None:
    with transactions.shielded(using, instance):
        _ask_definition(event, definition, instance, using)


def _ask_definition(event: Event, definition: EventDefinition, instance: Any, using: str) -> None:
    event.dedup_key = identity_key(definition, event.source_pk, instance, using)
    event.user_source, event.user_id = known_user(definition, instance)
    event.destination = storable(definition.destination_for(instance))[:64]
    if len(event.source_pk) > SEARCHABLE_LENGTH:
        raise ValueError(f"its key has more than {SEARCHABLE_LENGTH} characters")
    if definition.condition == "deleted":  # its source is about to go
        build([event], using=using, now=clock.now(), waits=False)
        if event.status == EventStatus.CAPTURED:  # the database failed, and there is no second time
            event.finish(EventStatus.FAILED, Reason(event.reason_code), event.reason, event.created_at)


def _build_on_commit(event_id: Any, using: str) -> None:
    def build_dfinery_event() -> None:
        _guarded(str(event_id), using, lambda: build_due(Event.objects.using(using).filter(event_id=event_id)))

    transactions.after_commit(build_dfinery_event, using)


def _store(event: Event, using: str) -> None:
    """INSERT unless the same event is there, in a savepoint of its own."""
    tokens = get_settings().TOKENS
    if event.destination not in tokens and not event.is_finished:
        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token(event), event.created_at)
    looked_at, question = clock.monotonic(), None if event.is_finished else waking.question(using, event.destination)
    try:
        answer = storing.store(event, using=using, along=question)
    except (DatabaseError, InterfaceError) as error:
        transactions.before_swallowing(error, using)
        if question is None and not is_passing(error):
            raise
        answer = _store_again(event, using)  # it passes; or the question is to blame, and no event is lost to that
    if question:
        waking.notice(using, event.destination, answer, looked_at)
    _say_if_unwatched(using)


def _store_again(event: Event, using: str) -> tuple[Any, ...] | None:
    try:
        return storing.store(event, using=using)
    except IntegrityError:
        if not Event.objects.using(using).filter(event_id=event.event_id).exists():
            raise
        return None  # it arrived the first time, and only the answer was lost with the connection


@lru_cache
def _say_if_unwatched(using: str) -> None:
    if using not in outbox_databases():
        logger.error(
            "Events are stored in database %r, where no drain looks: let DATABASE_ROUTERS send a definition's model or "
            "dfinery_django there, or drain it by dfinery_django.delivery.drain(using=%r)",
            *(using, using),
        )


def _after_store(event: Event, using: str) -> None:
    if event.is_finished:
        say_on_commit(event, using)
    else:
        waking.wake_on_commit(using, event.destination)
