"""Erase a person: their events with payloads and attempts, and their ids in bulk actions and the admin's log.

A person is a ``user_id`` as it was sent to DFINERY. Where reconcile or a save would capture the same event again, a
tombstone stays for about two days: a row with a hash of the source's key and nothing else of the event.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import router, transaction

from .. import clock
from ..building.payload_reader import user_id_of
from ..db.retry import is_transient, retry
from ..db.savepoints import savepoint_guard
from ..db.sql import insert_missing
from ..definitions import registry
from ..definitions.definition import EventDefinition
from ..definitions.scope import in_scope
from ..definitions.source import fetch_sources
from ..enums import EventStatus, Reason
from ..exceptions import NotRegistered, PayloadError
from ..mapping.expressions import Path
from ..models import DeliveryAttempt, Event, Repair
from ..outbox.databases import outbox_databases
from ..schema import properties
from ..schema.payload import Payload
from ..text.escape import searchable
from ..text.language import site_language
from .selection import Selection

logger = logging.getLogger("dfinery_django")

ERASE_BATCH_SIZE = 200
ERASE_RETRY_SECONDS = 5.0
#: A tombstone outlives reconcile's window by this, so that clocks of several servers may differ.
MARGIN = dt.timedelta(hours=1)
#: Text that replaces an id in selections and in the admin's log.
ERASED_ID = "(forgotten)"
#: Reasons of events that have no user, or whose user was erased.
_ANONYMOUS_REASONS = (Reason.GUEST, Reason.FORGOTTEN)


@dataclass(frozen=True)
class Forgotten:
    """Counts of what was erased.

    :ivar events: events by status; those that were ``sending`` may still arrive
    :ivar attempts: delivery attempts
    :ivar repairs: bulk actions in whose selection an id was replaced
    :ivar log_entries: entries of the admin's log in which an id was replaced
    :ivar traces: tombstones, which keep events from being captured again
    :ivar unread: events whose user is unknown, since their source is gone or their mapping raises. They hold the key of
        their source and no payload; they are skipped.
    """

    events: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    repairs: int = 0
    log_entries: int = 0
    traces: int = 0
    unread: int = 0

    @property
    def total(self) -> int:
        return sum(self.events.values())

    def __add__(self, other: Forgotten) -> Forgotten:
        counts = (getattr(self, each.name) + getattr(other, each.name) for each in dataclasses.fields(self)[1:])
        return Forgotten(dict(Counter(self.events) + Counter(other.events)), *counts)


def forget(user_id: Any, *, using: str | None = None, dry_run: bool = False) -> Forgotten:
    """Erase a person's events, payloads and delivery attempts, in one transaction per database.

    DFINERY keeps what was delivered, and what is being sent at this moment may still arrive.

    :param user_id: as it was sent to DFINERY, in full
    :param using: database; default: all databases of outboxes
    :raises ValueError: if the user_id is empty
    """
    return forget_all([user_id], using=using, dry_run=dry_run)


def forget_all(user_ids: Iterable[Any], *, using: str | None = None, dry_run: bool = False) -> Forgotten:
    """Erase several people, in one transaction per database. See ``forget``."""
    people = frozenset("" if user_id is None else str(user_id) for user_id in user_ids)
    if not all(person.strip() for person in people):
        raise ValueError("The user_id is empty.")
    total = Forgotten()
    for each in [using] if using else outbox_databases():
        total += _forget_in(each, people, dry_run)[0]
    if not dry_run:
        logger.info("%s forgotten: %s events, %s attempts", len(people), total.total, total.attempts)
    return total


def forecast_erasure(people: Collection[str], using: str) -> tuple[Forgotten, list[int]]:
    """Return what erasing these people would erase in one database, and the keys of their events."""
    return _forget_in(using, people, dry_run=True)


def people_of(events: Sequence[Event], using: str) -> tuple[list[str], int]:
    """Return the user_ids of events without duplicates, and the number of events whose user can't be known."""
    stored = [_stored_user_id(event) or event.user_id for event in events]
    unknown = [event for event, user_id in zip(events, stored, strict=True) if not user_id and event.definition]
    unbuilt = [event for event in unknown if event.reason_code not in _ANONYMOUS_REASONS]
    read = [user_id for _, user_id in _user_ids_from_sources(using, unbuilt)]
    return list(dict.fromkeys(filter(None, [*stored, *read]))), sum(user_id is None for user_id in read)


def _forget_in(using: str, people: Collection[str], dry_run: bool) -> tuple[Forgotten, list[int]]:
    # Outside the transaction: reading sources may take long.
    unbuilt, unread = _unbuilt_events_of(using, people)

    def erase() -> tuple[Forgotten, list[int]]:
        with transaction.atomic(using=using):
            return _erase(using, people, unbuilt, dry_run)

    erased, pks = retry(erase, using=using, until=clock.monotonic() + ERASE_RETRY_SECONDS)
    return dataclasses.replace(erased, unread=unread), pks


def _erase(using: str, people: Collection[str], unbuilt: Iterable[int], dry_run: bool) -> tuple[Forgotten, list[int]]:
    now, rows = clock.now(), Event.objects.using(using)
    pks = sorted({*unbuilt, *(pk for person in people for pk in _built_events_of(using, person))})
    events: list[Event] = []
    attempts = log_entries = 0
    for chunk in (pks[start : start + ERASE_BATCH_SIZE] for start in range(0, len(pks), ERASE_BATCH_SIZE)):
        found = rows.filter(pk__in=chunk).defer("payload", "reason", "reason_data").order_by("pk")
        events += found if dry_run else found.select_for_update()
        # Counted while the events are locked, so that the counts are exact.
        attempts += DeliveryAttempt.objects.using(using).filter(event_id__in=chunk).count()
        log_entries += _clean_admin_log(using, chunk, dry_run)
        if not dry_run:
            rows.filter(pk__in=chunk).only("pk").delete()
    tombstones = [_tombstone(event, now) for event in events if event.dedup_key and event.expires_at > now - MARGIN]
    if not dry_run:
        insert_missing(tombstones, using=using, unique="dedup_key")
    bulk_actions = _clean_actions(using, people, events, now, dry_run)
    counts = Counter(str(event.status) for event in events)
    return Forgotten(dict(counts), attempts, bulk_actions, log_entries, len(tombstones)), [event.pk for event in events]


def _tombstone(event: Event, now: dt.datetime) -> Event:
    """Return a row that keeps the event from being captured again. It holds no id of the event or the person."""
    tombstone = Event(
        definition=event.definition, event_name=event.event_name, destination=event.destination, source=event.source,
        dedup_key=event.dedup_key, created_at=now,
    )  # fmt: skip
    tombstone.set_occurred_at(now)
    tombstone.expires_at = max(tombstone.expires_at, event.expires_at) + MARGIN
    tombstone.finish(EventStatus.CANCELLED, Reason.FORGOTTEN, "", now)
    return tombstone


def _built_events_of(using: str, person: str) -> Iterator[int]:
    column = searchable(person)
    events = Event.objects.using(using).filter(user_id=column).only("pk", "user_id", "payload")
    for event in events.iterator(chunk_size=ERASE_BATCH_SIZE):
        # The column is truncated, and MariaDB ignores case when it compares.
        stored = _stored_user_id(event)
        if event.user_id == column if stored is None else stored == person:
            yield event.pk


def _stored_user_id(event: Event) -> str | None:
    """Return the user_id in the payload; ``None`` if there is no payload or it can't be read."""
    try:
        return Payload.from_json(event.payload).user_id if event.payload else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _unbuilt_events_of(using: str, people: Collection[str]) -> tuple[list[int], int]:
    """Return the keys of these people's unbuilt events, and the number of unbuilt events whose user can't be known."""
    unbuilt = Event.objects.using(using).filter(user_id="", payload="").exclude(definition="")
    unbuilt = unbuilt.exclude(reason_code__in=_ANONYMOUS_REASONS).only("pk", "definition", "source_pk").order_by("pk")
    found: list[int] = []
    unread = reached = 0
    while page := list(unbuilt.filter(pk__gt=reached)[:ERASE_BATCH_SIZE]):
        reached = page[-1].pk
        for pk, user_id in _user_ids_from_sources(using, page):
            unread += user_id is None
            found += [pk] if user_id in people else []
    return found, unread


def _user_ids_from_sources(using: str, events: Iterable[Event]) -> Iterator[tuple[int, str | None]]:
    """Yield the key of each event and the user_id that building would set; ``None`` if that can't be known."""
    by_definition: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_definition[event.definition].append(event)
    for name, group in by_definition.items():
        yield from _user_ids_from_definition(using, name, group)


def _user_ids_from_definition(using: str, name: str, events: list[Event]) -> Iterator[tuple[int, str | None]]:
    try:
        definition = registry.get(name)
        with in_scope(definition), savepoint_guard(using):
            sources = fetch_sources(definition, [event.source_pk for event in events], using)
    except Exception as error:
        if is_transient(error):
            raise
        if not isinstance(error, NotRegistered):
            logger.warning("Sources of %s can't be read: %s", name, type(error).__name__)
        yield from ((event.pk, None) for event in events)
    else:
        for event in events:
            yield event.pk, _user_id_from_source(using, definition, sources.get(event.source_pk), event.source_pk)


def _user_id_from_source(using: str, definition: EventDefinition, source: Any, key: str) -> str | None:
    try:
        if source is None:
            return key if _user_id_is_source_key(definition) else None
        with in_scope(definition), savepoint_guard(using), site_language():
            return user_id_of(definition, source)
    except PayloadError:
        return None
    except Exception as error:
        if is_transient(error):
            raise
        logger.warning("The user of %s can't be read: %s", definition.name, type(error).__name__)
        return None


def _user_id_is_source_key(definition: EventDefinition) -> bool:
    """Return whether the user_id is the source's key (an account's sign-up), so that a deleted source's is known."""
    expression = definition.user_expressions.get(properties.USER_ID)
    is_mapped = not definition.overrides("get_user_attributes")
    keys = ("pk", definition.model_class._meta.pk.name)
    return is_mapped and definition.user is None and isinstance(expression, Path) and expression.path in keys


def _clean_actions(using: str, people: Collection[str], events: list[Event], now: dt.datetime, dry_run: bool) -> int:
    """Replace people's ids in the selections of bulk actions, and end those that selected by such an id."""
    ids = {*people, *map(searchable, people), *(str(event.event_id) for event in events)}
    ids |= {event.order_id for event in events if event.order_id}
    sources = {(event.definition, event.source_pk) for event in events if event.source_pk}
    count = 0
    for bulk_action in Repair.objects.using(using).exclude(selection="{}"):
        try:
            selection = Selection.from_json(bulk_action.selection)
        except (ValueError, TypeError):  # stored by another version
            continue
        search = selection.search
        # A prefix that covers at least half of an id is enough to mean this person.
        is_meant = selection.is_prefix and any(who.startswith(search) and 2 * len(search) >= len(who) for who in people)
        fields = {"search"} if search in ids or (is_meant and bulk_action.is_finished) else set()
        if {(definition, selection.source_pk) for definition in selection.definitions} & sources:
            fields.add("source_pk")
        count += bool(fields)
        if fields and not dry_run:
            erased: dict[str, Any] = dict.fromkeys(fields, ERASED_ID)
            bulk_action.selection = dataclasses.replace(selection, **erased).to_json()
            bulk_action.finished_at = bulk_action.finished_at or now
            bulk_action.save(using=using, update_fields=["selection", "finished_at"])
    return count


def _clean_admin_log(using: str, pks: Sequence[int], dry_run: bool) -> int:
    """Replace the events' ids, which DFINERY also has, in the admin's log. The record of who did what stays."""
    if not apps.is_installed("django.contrib.admin") or using != router.db_for_write(Event):
        return 0
    from django.contrib.admin.models import LogEntry

    kind = {"content_type__app_label": Event._meta.app_label, "content_type__model": Event._meta.model_name}
    entries = LogEntry.objects.using(router.db_for_write(LogEntry)).filter(**kind, object_id__in=[*map(str, pks)])
    return entries.count() if dry_run else entries.update(object_repr=ERASED_ID)
