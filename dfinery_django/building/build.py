"""Builds payloads of captured rows, in batches, from a fresh read after commit, never from the instance that was saved.

Every error of a mapping becomes the reason on the event's row; only faults of the outbox's own database are raised.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .. import clock
from ..backoff import CAP_SECONDS
from ..conf import get_settings
from ..db.retry import is_transient, retry
from ..definitions import conditions, consent, registry
from ..definitions.definition import EventDefinition
from ..definitions.scope import ScopeError, in_scope
from ..definitions.source import Source, fetch_sources
from ..enums import EventStatus, Reason
from ..exceptions import NotRegistered, PayloadError, error_line, error_text
from ..models import Event
from ..models.queryset import POISON_LAPSES, EventQuerySet
from ..schema.payload import Payload
from ..telemetry.notify import notify
from ..text import escape, language, log_fields
from ..text.reasons import ReasonText, reason_of
from .custom_fields import SeenFields
from .payload_reader import NoUser, ids_of, payload_of

logger = logging.getLogger("dfinery_django")

BUILD_BATCH = 200
#: The rest of a batch is requeued after this time: a slow mapping must not outlast the lease.
BATCH_SECONDS = 5.0
BUILD_WORKER_LOST = ReasonText("builder_lost", count=POISON_LAPSES + 1)
#: The fields that building may change.
BUILT_FIELDS = (
    "status", "destination", "payload", "user_id", "user_source", "order_id", "occurred_at", "expires_at", "due_at",
    "lapse_count", "reason_code", "reason", "reason_data", "finished_at",
)  # fmt: skip


def build_due(
    events: EventQuerySet, *, now: dt.datetime | None = None, until: float = 0, limit: int = BUILD_BATCH
) -> int:
    """Claim one batch of captured events that are due and build it; events past their time are left to expire.

    :param until: ``clock.monotonic()`` until which a fault of the outbox's database is retried
    :returns: the number of claimed events; 0 when none is due
    """
    now = now or clock.now()
    captured = events.filter(status=EventStatus.CAPTURED, expires_at__gt=now)
    claimed = retry(lambda: _claim(captured, now, limit), using=events.db, until=until)
    if claimed:
        lease = claimed[0].due_at
        assert lease is not None  # noqa: S101 - a claimed event has a lease
        if claimed[0].lapse_count > POISON_LAPSES:
            _fail_all(claimed, Reason.WORKER_LOST, BUILD_WORKER_LOST, now)
        else:
            build(claimed, using=events.db, now=now, until=clock.monotonic() + BATCH_SECONDS)
        for event in claimed:
            event.lapse_count = 0
        recorded = retry(
            lambda: events.record_results(claimed, BUILT_FIELDS, status=EventStatus.CAPTURED, lease=lease),
            using=events.db, until=until,
        )  # fmt: skip
        untrue = [event.pk for event in recorded if event.is_finished and event.reason_code == Reason.UNTRUE]
        if untrue:  # they can be captured when they happen
            events.filter(pk__in=untrue, status=EventStatus.CANCELLED).update(dedup_key=None)
        notify(recorded, events.db)
    return len(claimed)


def _claim(captured: EventQuerySet, now: dt.datetime, limit: int) -> list[Event]:
    """Claim a batch of events. Events whose lease lapsed are claimed one by one: each may be a poison event."""
    lease = get_settings().LEASE_SECONDS
    fresh = captured.filter(lapse_count=0)
    claimed = fresh.claim(limit=limit, now=now, lease_seconds=lease, into=EventStatus.CAPTURED)
    return claimed or captured.claim(limit=1, now=now, lease_seconds=lease, into=EventStatus.CAPTURED)


def build(
    events: Sequence[Event], *, using: str, now: dt.datetime, waits: bool = True, until: float = math.inf
) -> None:
    """Read the sources of events afresh and set the fields of the events; nothing is saved.

    :param waits: whether to postpone events whose source isn't ready yet
    :param until: ``clock.monotonic()`` after which the rest is left for the next drain
    """
    by_definition: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_definition[event.definition].append(event)
    seen = SeenFields(using)
    with language.site_language():
        for number, (name, group) in enumerate(by_definition.items()):
            if number and clock.monotonic() > until:
                for event in group:
                    event.due_at = now
                continue
            try:
                definition = registry.get(name)
            except NotRegistered:
                _fail_all(group, Reason.NOT_REGISTERED, ReasonText("not_registered", name=repr(name)), now)
            else:
                _build_group(definition, group, seen, now, waits, until)
    seen.save()


def _build_group(
    definition: EventDefinition, events: Sequence[Event], seen: SeenFields, now: dt.datetime, waits: bool, until: float
) -> None:
    try:
        with in_scope(definition):
            _build_in_scope(definition, events, seen, now, waits, until)
    except Exception as error:  # noqa: BLE001 - of the scope; logged when the results are recorded
        for event in events:
            if is_transient(error):
                _retry_later(event, error, now)
            else:
                fail(event, definition, None, error, now)


def _build_in_scope(
    definition: EventDefinition, events: Sequence[Event], seen: SeenFields, now: dt.datetime, waits: bool, until: float
) -> None:
    try:
        instances = fetch_sources(definition, [event.source_pk for event in events], seen.using)
    except Exception as error:  # noqa: BLE001 - logged when the results are recorded
        for event in events:
            if is_transient(error):
                _retry_later(event, error, now)
            elif len(events) > 1:  # one of them may be the cause
                _build_in_scope(definition, [event], seen, now, waits, until)
            else:
                event.fault = error
                reason = ReasonText("source_unreadable", source=definition.source_label, error=error_text(error))
                event.finish(EventStatus.FAILED, Reason.MAPPING, reason, now)
        return
    for number, event in enumerate(events):
        instance = instances.get(event.source_pk)
        if number and clock.monotonic() > until:  # the first is always built, even after a slow read
            event.due_at = now
        elif instance is None:
            fail_without_source(event, now)
        else:
            try:
                build_one(event, definition, instance, seen, now, waits=waits)
            except Exception as error:  # noqa: BLE001 - logged when the results are recorded
                if is_transient(error):
                    _retry_later(event, error, now)
                else:
                    fail(event, definition, instance, error, now)


def build_one(
    event: Event, definition: EventDefinition, instance: Any, seen: SeenFields, now: dt.datetime, *, waits: bool
) -> None:
    """Set payload and status of one event from its source; nothing is saved.

    :raises PayloadError: for a value that can't be sent
    :raises Exception: from the definition's own code
    """
    if waits and _postpone_if_early(event, definition, instance, seen.using, now):
        return
    if not consent.is_given(definition, instance):  # withdrawn since capture
        event.payload = event.user_id = event.user_source = event.order_id = ""
        event.finish(EventStatus.CANCELLED, Reason.NO_CONSENT, consent.CONSENT_REFUSED, now)
        return
    payload = payload_of(event, definition, instance, seen)
    event.destination = definition.destination_for(instance)[:64]
    _accept(event, payload, now)


def fail(event: Event, definition: EventDefinition, instance: Any, error: Exception, now: dt.datetime) -> None:
    """Fail an event that can't be built."""
    if isinstance(error, PayloadError):
        code = Reason.NO_USER if isinstance(error, NoUser) else Reason.PAYLOAD
        event.finish(EventStatus.FAILED, code, reason_of(error), now)
        user_id, event.order_id = map(escape.searchable, ids_of(definition, instance))
        event.user_id = event.user_id if event.user_source else user_id
    else:
        event.fault = error
        reason = ReasonText("definition_raised", name=definition.name, error=error_text(error).rstrip("."))
        reason = error.reason if isinstance(error, ScopeError) else reason
        event.finish(EventStatus.FAILED, Reason.MAPPING, reason, now)


def fail_without_source(event: Event, now: dt.datetime) -> None:
    """Fail an event whose source was deleted."""
    reason = ReasonText("source_gone", source=f"{event.source} {event.source_pk}")
    event.finish(EventStatus.FAILED, Reason.SOURCE_GONE, reason, now)


def _accept(event: Event, payload: Payload | None, now: dt.datetime) -> None:
    if payload is None:
        event.finish(EventStatus.CANCELLED, Reason.GUEST, ReasonText("guest"), now)
        return
    event.payload = payload.to_json()
    event.user_id, event.order_id = escape.searchable(payload.user_id), escape.searchable(payload.order_id)
    if event.destination not in get_settings().TOKENS:
        event.finish(EventStatus.FAILED, Reason.NO_DESTINATION, no_token_reason(event), now)
    elif event.expires_at <= now:
        reason = ReasonText("too_old", happened=event.occurred_at, hours=f"{get_settings().MAX_AGE_HOURS:g}")
        event.finish(EventStatus.EXPIRED, Reason.TOO_OLD, reason, now)
    else:
        event.postpone(EventStatus.PENDING, now, Reason.NONE, "")


def no_token_reason(event: Event) -> ReasonText:
    """Return the reason of an event whose destination has no token."""
    return ReasonText("no_token", destination=repr(event.destination))


def _postpone_if_early(event: Event, definition: EventDefinition, instance: Any, using: str, now: dt.datetime) -> bool:
    """Postpone an event whose items are not written or whose signal's change is not stored. ``False``: build it.

    After ``READY_SECONDS`` the former is built as it is, and the latter is cancelled.
    """
    if conditions.still_holds(Source(definition, instance, using)):
        reason = ReasonText("items_missing")
        return not is_ready(definition, instance) and _postpone(event, Reason.NOT_READY, reason, now)
    if not _postpone(event, Reason.UNTRUE, ReasonText("untrue_yet"), now):
        event.finish(EventStatus.CANCELLED, Reason.UNTRUE, ReasonText("untrue"), now)
    return True


def _postpone(event: Event, code: Reason, reason: str, now: dt.datetime) -> bool:
    """Retry after growing pauses, for ``READY_SECONDS`` at most; return ``False`` when that time is over."""
    ends_at = event.created_at + dt.timedelta(seconds=get_settings().READY_SECONDS)
    if now >= ends_at:
        return False
    event.postpone(EventStatus.CAPTURED, min(_next_build_at(event, now), ends_at), code, reason)
    return True


def _retry_later(event: Event, error: Exception, now: dt.datetime) -> None:
    """Postpone an event after a passing error of the database; other events go on."""
    extra = log_fields.log_extra(event_id=str(event.event_id), definition=event.definition)
    words = error_line(error)
    logger.warning("Event %s (%s) can't be built yet: %s", event.event_id, event.definition, words, extra=extra)
    reason = ReasonText("database_failed", error=words)
    event.postpone(EventStatus.CAPTURED, _next_build_at(event, now), Reason.MAPPING, reason)


def _next_build_at(event: Event, now: dt.datetime) -> dt.datetime:
    """Return the next time: each pause is as long as all before it, a second at least."""
    waited = (now - event.created_at).total_seconds()
    return now + dt.timedelta(seconds=min(max(1.0, waited), CAP_SECONDS))


def is_ready(definition: EventDefinition, instance: Any) -> bool:
    """Return whether a source has the items of its event, and the definition's ``is_ready`` agrees."""
    has_items = definition.items is None or any(True for _ in definition.get_item_sources(instance))
    return has_items and definition.is_ready(instance)


def _fail_all(events: Iterable[Event], code: Reason, reason: str, now: dt.datetime) -> None:
    for event in events:
        event.finish(EventStatus.FAILED, code, reason, now)
