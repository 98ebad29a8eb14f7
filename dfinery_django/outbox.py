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
from .exceptions import ConfigurationError, in_words
from .logs import tell_now_and_then
from .models import Event
from .patience import is_passing
from .sources import database_of, identity_key, is_source, source_key
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
    return _guarded(
        name, lambda: using or database_of(instance), lambda alias: _capture(definition, instance, using=alias)
    )


def _capture(definition: EventDefinition, instance: Any, using: str) -> Event | None:
    if not consent.allows_capture(definition, instance, using):
        return None
    return _stored(insert(definition, instance, using=using, by_hand=True), using)


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
    """Store an event that no model stands behind; joins the caller's transaction.

    :param user_id: who did it; never empty
    :param event_attributes: field name -> value; ``items`` likewise, one mapping per item
    :param occurred_at: when it happened; default: now; a naive one is read in the site's time zone
    :param dedup_key: the same key and event name again store nothing. Any value that is the same each time: a text, a
        number, a UUID, an object of the database, a tuple of those; ``1`` and ``"1"`` are two keys
    :param destination: alias of ``TOKENS``
    :returns: the event; one that can't be sent, whatever it was given, is stored as ``failed``, with the reason.
        ``None`` if the key was used before, if it could not be stored (which is logged), or when ``ENABLED`` is false
    """
    given = tracking.Given(
        event_name, user_id, event_attributes, items, user_attributes, occurred_at, dedup_key, destination
    )
    return _guarded(given.shown_name, lambda: using or router.db_for_write(Event), lambda alias: _track(given, alias))


def _track(given: tracking.Given, using: str) -> Event | None:
    if not get_settings().ENABLED:
        return None
    event, seen = _new_event(given.shown_name, given.alias), SeenFields(using)
    event.may_be_known = True
    tracking.take(event, given, seen, using)
    try:
        _store(event, using)
    except Exception as error:  # noqa: BLE001 - no second event comes of the same call: it is kept, in one way or another
        transactions.before_swallowing(error, using)
        if not is_passing(error):
            tracking.refuse(event, error)
        _store(event, using)
    _after_store(event, using)
    seen.save()
    return _stored(event.event_id, using)


def _stored(event_id: Any, using: str) -> Event | None:
    """The event, unless the same one was there before."""
    return Event.objects.using(using).filter(event_id=event_id).first()


def _guarded(name: str, database: Callable[[], str], store: Callable[[str], T]) -> T | None:
    using = ""
    try:
        using = database()
        return store(using)
    except Exception as error:  # noqa: BLE001 - told
        if using in list(connections):
            transactions.before_swallowing(error, using)
        tell_now_and_then("%s was not captured", name, error=error)
        return None


def _new_event(event_name: str, destination: str) -> Event:
    now = clock.now()
    content = _blank() | {
        "event_id": uuid.uuid4(), "event_name": event_name, "destination": destination, "created_at": now, "due_at": now
    }  # fmt: skip
    values: Any = content.values()
    event = Event(*values)  # by name it takes four times as long
    event.set_occurred_at(now, get_settings().MAX_AGE_HOURS)
    return event


@lru_cache
def _blank() -> dict[str, Any]:
    """Column -> default, in the order of the columns."""
    return {field.attname: field.get_default() for field in Event._meta.concrete_fields}


def insert(definition: EventDefinition, instance: Any, *, using: str, by_hand: bool = False) -> Any:
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
    event.may_be_known = by_hand or _fires_again(definition)
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


def _fires_again(definition: EventDefinition) -> bool:
    """Whether it may fire for what it has captured: a dict is guarded by the state before the save."""
    is_guarded = isinstance(definition.condition, Mapping) or definition.condition in ("created", "deleted")
    return definition.signal is not None or not is_guarded


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
        built = Event.objects.using(using).filter(event_id=event_id)
        _guarded(str(event_id), lambda: using, lambda _: build_due(built))

    transactions.after_commit(build_dfinery_event, using)


def _store(event: Event, using: str) -> None:
    """INSERT unless the same event is there, in a savepoint of its own."""
    tokens = get_settings().TOKENS
    if event.destination not in tokens and not event.is_finished:
        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token_reason(event), event.created_at)
    looked_at, question = clock.monotonic(), None if event.is_finished else waking.flag_query(using, event.destination)
    try:
        answer = storing.store(event, using=using, piggyback=question)
    except (DatabaseError, InterfaceError) as error:
        transactions.before_swallowing(error, using)
        if question is None and not is_passing(error):
            raise
        answer = _store_again(event, using)  # it passes; or the question is to blame, and no event is lost to that
    if question:
        waking.remember_flag(using, event.destination, answer, looked_at)
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
        log_on_commit(event, using)
    else:
        waking.wake_on_commit(using, event.destination)
