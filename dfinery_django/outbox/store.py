"""Storing an event, for ``capture()`` and ``track()``: its row, its guard, its wake-up."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, IntegrityError, InterfaceError, connections

from .. import clock
from ..conf import get_settings
from ..db import savepoints, sql
from ..db.outage import log_failure
from ..db.retry import T, is_transient
from ..enums import EventStatus, Reason
from ..models import Event
from . import wakeup
from .databases import outbox_databases

logger = logging.getLogger("dfinery_django")

#: Their values are the same in all captured events of a definition and destination.
_SHARED_COLUMNS = (
    *("status", "finished_at", "attempt_count", "lapse_count", "payload", "order_id"),
    *("reason_code", "reason", "reason_data", "definition", "event_name", "destination", "source"),
)


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
            savepoints.raise_or_recover(error, using)
        log_failure("%s was not captured", name, error=error)
        return None


def new_event(event_name: str, destination: str) -> Event:
    now = clock.now()
    content = _default_values() | {
        "event_id": uuid.uuid4(), "event_name": event_name, "destination": destination, "created_at": now, "due_at": now
    }  # fmt: skip
    values: Any = content.values()
    event = Event(*values)  # four times as fast as by keyword
    event.set_occurred_at(now)
    return event


@lru_cache
def _default_values() -> dict[str, Any]:
    """Map each column to its default, in the order of the columns."""
    return {field.attname: field.get_default() for field in Event._meta.concrete_fields}


def store_event(event: Event, using: str) -> None:
    """Insert the event in a savepoint of its own, unless the same one is there."""
    tokens = get_settings().TOKENS
    if event.destination not in tokens and not event.is_finished:
        from ..building.build import no_token_reason  # few requests build

        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token_reason(event), event.created_at)
    looked_at, question = clock.monotonic(), None if event.is_finished else wakeup.flag_query(using, event.destination)
    try:
        answer = _insert(event, using, question)
    except (DatabaseError, InterfaceError) as error:
        savepoints.raise_or_recover(error, using)
        if question is None and not is_transient(error):
            raise
        answer = _store_again(event, using)  # a transient error, or the question's: neither may lose the event
    if question:
        wakeup.remember_flag(using, event.destination, answer, looked_at)
    _log_if_undrained(using)


def _insert(event: Event, using: str, question: tuple[str, tuple[str]] | None = None) -> tuple[Any, ...] | None:
    shared = _SHARED_COLUMNS if event.status == EventStatus.CAPTURED else ()
    return sql.sql_for(connections[using]).insert_row(
        event, unique="dedup_key", using=using, may_exist=event.may_exist, shared=shared, piggyback=question
    )


def _store_again(event: Event, using: str) -> tuple[Any, ...] | None:
    try:
        return _insert(event, using)
    except IntegrityError as error:
        savepoints.raise_or_recover(error, using)
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
        from ..telemetry.notify import log_on_commit  # few events end at capture

        log_on_commit(event, using)
    else:
        wakeup.wake_on_commit(using, event.destination)
