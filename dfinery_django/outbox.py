"""Capture: ``track()`` and ``capture()``, one INSERT in the shop's own transaction, and the wake-up after commit.

Rule: nothing here raises into the shop's code or breaks its transaction, unless the database has ended it.
Capture stores only *that* something happened. The content is read later (``building``), because at ``post_save`` a shop
has not stored an order's lines yet.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DatabaseError, IntegrityError, InterfaceError, connections, models, router

from . import clock, consent, registry, storing, tracking, transactions, waking
from .building import build, build_due, no_token_reason
from .conf import default_destination, get_settings
from .custom_fields import SeenFields
from .definitions import EventDefinition
from .destinations import outbox_databases
from .display import SEARCHABLE_LENGTH, searchable, storable
from .endings import log_on_commit
from .event_user import known_user
from .exceptions import ConfigurationError, error_text
from .logs import log_rate_limited
from .models import Event
from .patience import is_transient
from .sources import database_of, identity_key, is_source, source_key
from .states import EventStatus, Reason

T = TypeVar("T")

logger = logging.getLogger("dfinery_django")


def capture(name: str, instance: models.Model, *, using: str | None = None) -> Event | None:
    """Fire a definition by hand, for code that sends no signals (``bulk_create``, ``update()``).

    Joins the caller's transaction. An event that was captured before is not captured again.

    :returns: the event; ``None`` if it was captured before, if ``consent`` says no, or if it could not be stored (which
        is logged)
    :raises NotRegistered: if no definition has that name
    """
    try:
        definition = registry.get(name)
        if not get_settings().ENABLED:
            return None
    except ConfigurationError as error:
        log_rate_limited("%s was not captured", name, error=error)
        return None
    return run_guarded(
        name, lambda: using or database_of(instance), lambda alias: _capture_by_hand(definition, instance, using=alias)
    )


def _capture_by_hand(definition: EventDefinition, instance: Any, using: str) -> Event | None:
    if not consent.allows_capture(definition, instance, using):
        return None
    return fetch_stored(insert(definition, instance, using=using, by_hand=True), using)


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
    arguments = tracking.TrackArguments(
        event_name, user_id, event_attributes, items, user_attributes, occurred_at, dedup_key, destination
    )
    return run_guarded(
        arguments.name_text, lambda: using or router.db_for_write(Event), lambda alias: _track(arguments, alias)
    )


def _track(arguments: tracking.TrackArguments, using: str) -> Event | None:
    if not get_settings().ENABLED:
        return None
    event, seen = new_event(arguments.name_text, arguments.alias), SeenFields(using)
    event.may_be_known = True
    tracking.fill_event(event, arguments, seen, using)
    try:
        store_event(event, using)
    except Exception as error:  # noqa: BLE001 - the call happens only once, so the event is stored at least as failed
        transactions.raise_or_recover(error, using)
        if not is_transient(error):
            tracking.fail_refused(event, error)
        store_event(event, using)
    after_store(event, using)
    seen.save()
    return fetch_stored(event.event_id, using)


def fetch_stored(event_id: Any, using: str) -> Event | None:
    """Return the event, or ``None`` if it was not inserted because the same one was there before."""
    return Event.objects.using(using).filter(event_id=event_id).first()


def run_guarded(name: str, database: Callable[[], str], store: Callable[[str], T]) -> T | None:
    using = ""
    try:
        using = database()
        return store(using)
    except Exception as error:  # noqa: BLE001 - logged; the shop goes on
        if using in list(connections):
            transactions.raise_or_recover(error, using)
        log_rate_limited("%s was not captured", name, error=error)
        return None


def new_event(event_name: str, destination: str) -> Event:
    now = clock.now()
    content = _default_values() | {
        "event_id": uuid.uuid4(), "event_name": event_name, "destination": destination, "created_at": now, "due_at": now
    }  # fmt: skip
    values: Any = content.values()
    event = Event(*values)  # four times as fast as by keyword
    event.set_occurred_at(now, get_settings().MAX_AGE_HOURS)
    return event


@lru_cache
def _default_values() -> dict[str, Any]:
    """Map each column to its default, in the order of the columns."""
    return {field.attname: field.get_default() for field in Event._meta.concrete_fields}


def insert(definition: EventDefinition, instance: Any, *, using: str, by_hand: bool = False) -> Any:
    """Store an event of this definition, unless the same one is there. May raise: callers must guard the shop's code.

    :returns: the event's id
    :raises TypeError: if the instance is of another model
    :raises ValueError: if it has no key yet
    """
    if not is_source(definition, instance):
        raise TypeError(f"{definition.name} is made of {definition.source_label}, not of {type(instance).__name__}.")
    key = source_key(definition, instance)
    if key is None:
        raise ValueError(f"{definition.source_label} has no key yet: save it first.")
    event = new_event(definition.event_name, default_destination())
    event.definition, event.source, event.source_pk = definition.name, definition.source_label, key
    event.may_be_known = by_hand or _may_repeat(definition)
    grace = definition.settle_seconds
    if grace is None and not connections[using].in_atomic_block:
        grace = get_settings().SETTLE_SECONDS  # committed already, before its lines: wait until they are written
    event.due_at = event.created_at + dt.timedelta(seconds=grace or 0)
    try:
        transactions.retry_once(using, _fill_from_instance, event, definition, instance, using)
    except Exception as error:
        transactions.raise_or_recover(error, using)
        if is_transient(error) and definition.condition != "deleted":
            raise  # not the mapping's error, and reconcile finds the row again; a deleted one it can't
        event.fault, event.source_pk = error, searchable(key)
        reason = f"{definition.name}, at capture, raised {error_text(error)}. Fix it, then rebuild the event."
        event.finish(EventStatus.FAILED, Reason.MAPPING, reason, event.created_at)
    store_event(event, using)
    after_store(event, using)
    # With a grace period the event is not due at the commit: the drain builds it.
    if event.status == EventStatus.CAPTURED and not grace and (definition.build or get_settings().BUILD) == "commit":
        _build_on_commit(event.event_id, using)
    return event.event_id


def _may_repeat(definition: EventDefinition) -> bool:
    """Return ``True`` if it may fire again for the same source; a dict compares with the state before the save."""
    is_guarded = isinstance(definition.condition, Mapping) or definition.condition in ("created", "deleted")
    return definition.signal is not None or not is_guarded


def _fill_from_instance(event: Event, definition: EventDefinition, instance: Any, using: str) -> None:
    with transactions.savepoint_guard(using, instance):
        event.dedup_key = identity_key(definition, event.source_pk, instance, using)
        event.user_source, event.user_id = known_user(definition, instance)
        event.destination = storable(definition.destination_for(instance))[:64]
        if len(event.source_pk) > SEARCHABLE_LENGTH:
            raise ValueError(f"its key has more than {SEARCHABLE_LENGTH} characters")
        if definition.condition == "deleted":  # its source is about to be deleted
            build([event], using=using, now=clock.now(), waits=False)
            if event.status == EventStatus.CAPTURED:  # the database failed, and a later retry would find no source
                event.finish(EventStatus.FAILED, Reason(event.reason_code), event.reason, event.created_at)


def _build_on_commit(event_id: Any, using: str) -> None:
    def build_dfinery_event() -> None:
        built = Event.objects.using(using).filter(event_id=event_id)
        run_guarded(str(event_id), lambda: using, lambda _: build_due(built))

    transactions.after_commit(build_dfinery_event, using)


def store_event(event: Event, using: str) -> None:
    """Insert the event in a savepoint of its own, unless the same one is there."""
    tokens = get_settings().TOKENS
    if event.destination not in tokens and not event.is_finished:
        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token_reason(event), event.created_at)
    asked_at, question = clock.monotonic(), None if event.is_finished else waking.flag_query(using, event.destination)
    try:
        answer = storing.store(event, using=using, piggyback=question)
    except (DatabaseError, InterfaceError) as error:
        transactions.raise_or_recover(error, using)
        if question is None and not is_transient(error):
            raise
        answer = _store_again(event, using)  # a transient error, or the question's: neither may lose the event
    if question:
        waking.remember_flag(using, event.destination, answer, asked_at)
    _log_if_undrained(using)


def _store_again(event: Event, using: str) -> tuple[Any, ...] | None:
    try:
        return storing.store(event, using=using)
    except IntegrityError:
        if not Event.objects.using(using).filter(event_id=event.event_id).exists():
            raise
        return None  # the first INSERT was committed; only its answer was lost with the connection


@lru_cache
def _log_if_undrained(using: str) -> None:
    if using not in outbox_databases():
        logger.error(
            "Events are stored in database %r, which no drain reads: route a definition's model or dfinery_django to "
            "it (DATABASE_ROUTERS), or drain it with dfinery_django.delivery.drain(using=%r)",
            *(using, using),
        )


def after_store(event: Event, using: str) -> None:
    if event.is_finished:
        log_on_commit(event, using)
    else:
        waking.wake_on_commit(using, event.destination)
