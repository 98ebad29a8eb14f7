"""Capture: one INSERT in the shop's own transaction, and the wake-up after commit.

Rule: nothing here raises into the shop's code or breaks its transaction, unless the database has ended it.
Capture stores only *that* something happened. The content is read later (``building``), because at ``post_save`` a shop
has not stored an order's lines yet.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connections, models

from .. import clock
from ..building.event_user import known_user
from ..conf import default_destination, get_settings
from ..db import savepoints
from ..db.retry import is_transient
from ..definitions import consent, registry
from ..definitions.conditions import condition_query
from ..definitions.source import Source, database_of, is_source
from ..enums import EventStatus, Reason
from ..exceptions import ConfigurationError, error_text
from ..models import Event
from ..text import escape, log_fields
from ..text.reasons import ReasonText, restore
from .store import after_store, fetch_stored, new_event, run_guarded, store_event


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
        log_fields.log_rate_limited("%s was not captured", name, error=error)
        return None

    def store(used: str) -> Event | None:
        source = Source(definition, instance, used)
        return fetch_stored(capture_source(source, by_hand=True), used) if consent.allows_capture(source) else None

    return run_guarded(name, lambda: using or database_of(instance), store)


def capture_source(source: Source, *, by_hand: bool = False, occurred_at: dt.datetime | None = None) -> Any:
    """Store an event of this definition, unless the same one is there. May raise: callers must guard the shop's code.

    :param occurred_at: when it happened, unless the definition's ``event_datetime`` says so; default: now
    :returns: the event's id
    :raises TypeError: if the instance is of another model
    :raises ValueError: if it has no key yet
    """
    definition, using = source.definition, source.using
    if not is_source(definition, source.instance):
        kind = type(source.instance).__name__
        raise TypeError(f"{definition.name} is made of {definition.source_label}, not of {kind}.")
    if source.key is None:
        raise ValueError(f"{definition.source_label} has no key yet: save it first.")
    event = new_event(definition.event_name, default_destination())
    event.definition, event.source, event.source_pk = definition.name, definition.source_label, source.key
    if occurred_at is not None:
        event.set_occurred_at(occurred_at)
    # Another firing for the same source is likely, except where ``when`` looks at the state before the save.
    is_guarded = condition_query(definition) is not None or definition.condition in ("created", "deleted")
    event.may_exist = by_hand or definition.signal is not None or not is_guarded
    grace = definition.settle_seconds
    if grace is None and not connections[using].in_atomic_block:
        grace = get_settings().SETTLE_SECONDS  # committed already, before its lines: wait until they are written
    event.due_at = event.created_at + dt.timedelta(seconds=grace or 0)
    try:
        savepoints.retry_once(using, _fill_event, event, source)
    except Exception as error:
        savepoints.raise_or_recover(error, using)
        if is_transient(error) and definition.condition != "deleted":
            raise  # not the mapping's error: reconcile finds the row later, unless it is deleted
        event.fault, event.source_pk = error, escape.searchable(source.key)
        reason = ReasonText("capture_raised", name=definition.name, error=error_text(error).rstrip("."))
        event.finish(EventStatus.FAILED, Reason.MAPPING, reason, event.created_at)
    store_event(event, using)
    after_store(event, using)
    # With a grace period the event is not due at the commit: the drain builds it.
    if event.status == EventStatus.CAPTURED and not grace and (definition.build or get_settings().BUILD) == "commit":
        _build_on_commit(event.event_id, using)
    return event.event_id


def _fill_event(event: Event, source: Source) -> None:
    definition, instance = source.definition, source.instance
    with savepoints.savepoint_guard(source.using, instance):
        event.dedup_key = source.dedup_key()
        event.user_source, event.user_id = known_user(definition, instance)
        event.destination = escape.storable(definition.destination_for(instance))[:64]
        if len(event.source_pk) > escape.SEARCHABLE_LENGTH:
            raise ValueError(f"its key has more than {escape.SEARCHABLE_LENGTH} characters")
        if definition.condition == "deleted":  # its source is about to be deleted
            from ..building.build import build  # few requests build

            build([event], using=source.using, now=clock.now(), waits=False)
            if event.status == EventStatus.CAPTURED:  # the database failed, and a later retry would find no source
                reason = restore(event.reason_data, event.reason)
                event.finish(EventStatus.FAILED, Reason(event.reason_code), reason, event.created_at)


def _build_on_commit(event_id: Any, using: str) -> None:
    from ..building.build import build_due  # few requests build

    def build_dfinery_event() -> None:
        built = Event.objects.using(using).filter(event_id=event_id)
        run_guarded(str(event_id), lambda: using, lambda _: build_due(built))

    savepoints.after_commit(build_dfinery_event, using)
