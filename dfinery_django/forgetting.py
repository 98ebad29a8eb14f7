"""Erase a person: their events, what those said, their attempts, and their ids in the ledgers of repairs and the admin.

A person is a ``user_id`` as DFINERY was told it. Where reconcile or a save would capture the same thing once more, a
trace stays for two days: a row that holds a hash of the source's key and nothing else of it.
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
from django.conf import settings as django_settings
from django.db import router, transaction
from django.utils import translation

from . import clock, registry, schema
from .conf import get_settings
from .definitions import EventDefinition
from .destinations import outbox_databases
from .display import searchable
from .exceptions import NotRegistered, PayloadError
from .expressions import Path
from .models import DeliveryAttempt, Event, Repair
from .patience import is_passing, patiently
from .payloads import Payload
from .reading import user_id_of
from .selection import Selection
from .sources import fetch_sources
from .states import EventStatus, Reason
from .storing import insert_missing
from .transactions import shielded

logger = logging.getLogger("dfinery_django")

PAGE = 200
PATIENCE_SECONDS = 5.0
#: A trace outlasts what reconcile looks back for by this, whatever the clocks of several servers say.
MARGIN = dt.timedelta(hours=1)
#: What a ledger says instead of an id.
ERASED = "(forgotten)"
#: Whose row says of nobody whom it is about, or nothing at all.
_OF_NOBODY = (Reason.GUEST, Reason.FORGOTTEN)


@dataclass(frozen=True)
class Forgotten:
    """What was erased.

    :ivar events: status -> how many events had it; those that were ``sending`` may still arrive
    :ivar attempts: how many delivery attempts went with them
    :ivar repairs: in how many entries of the ledger of repairs an id was blotted out
    :ivar log_entries: the same of Django's admin log
    :ivar traces: how many events left a trace, so that they are not captured again
    :ivar unread: how many events say of nobody whom they are about, and can't be asked: their source is gone, or their
        mapping raises. They hold the key of their source and no content; they are left alone.
    """

    events: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    repairs: int = 0
    log_entries: int = 0
    traces: int = 0
    unread: int = 0

    @property
    def total(self) -> int:
        """How many events."""
        return sum(self.events.values())

    def __add__(self, other: Forgotten) -> Forgotten:
        counts = (getattr(self, each.name) + getattr(other, each.name) for each in dataclasses.fields(self)[1:])
        return Forgotten(dict(Counter(self.events) + Counter(other.events)), *counts)


def forget(user_id: Any, *, using: str | None = None, dry_run: bool = False) -> Forgotten:
    """Erase a person's events, payloads and delivery attempts, in one transaction per database.

    DFINERY keeps what was delivered, and what is being sent at this moment may still arrive.

    :param user_id: as DFINERY was told it, whole
    :param using: database; default: all that hold events
    :param dry_run: only count
    :raises ValueError: if the user_id is empty
    """
    return forget_all([user_id], using=using, dry_run=dry_run)


def forget_all(user_ids: Iterable[Any], *, using: str | None = None, dry_run: bool = False) -> Forgotten:
    """The same for several people, in the same transaction."""
    people = frozenset("" if user_id is None else str(user_id) for user_id in user_ids)
    if not all(person.strip() for person in people):
        raise ValueError("Whose events? The user_id is empty.")
    total = Forgotten()
    for each in [using] if using else outbox_databases():
        total += _forget_in(each, people, dry_run)
    if not dry_run:
        logger.info("%s forgotten: %s events, %s attempts", len(people), total.total, total.attempts)
    return total


def people_of(events: Sequence[Event], using: str) -> tuple[list[str], int]:
    """Whom events are about, each once; and of how many events nobody can know it."""
    said = [_said(event) or event.user_id for event in events]
    unsaid = [event for event, user_id in zip(events, said, strict=True) if not user_id and _may_be_asked(event)]
    asked = [user_id for _, user_id in _all_asked(using, unsaid)]
    return list(dict.fromkeys(filter(None, [*said, *asked]))), sum(user_id is None for user_id in asked)


def _forget_in(using: str, people: Collection[str], dry_run: bool) -> Forgotten:
    # Before the transaction: to read sources may take long.
    unbuilt, unread = _unbuilt(using, people)

    def erase() -> Forgotten:
        with transaction.atomic(using=using):
            return _erase(using, people, unbuilt, dry_run)

    erased = patiently(erase, using=using, until=clock.monotonic() + PATIENCE_SECONDS)
    return dataclasses.replace(erased, unread=unread)


def _erase(using: str, people: Collection[str], unbuilt: Iterable[int], dry_run: bool) -> Forgotten:
    now, rows = clock.now(), Event.objects.using(using)
    pks = sorted({*unbuilt, *(pk for person in people for pk in _built(using, person))})
    events: list[Event] = []
    attempts = logged = 0
    for chunk in (pks[start : start + PAGE] for start in range(0, len(pks), PAGE)):
        found = rows.filter(pk__in=chunk).defer("payload", "reason").order_by("pk")
        events += found if dry_run else found.select_for_update()
        # Counted under their locks, so that what is said is what was done.
        attempts += DeliveryAttempt.objects.using(using).filter(event_id__in=chunk).count()
        logged += _blot_out_log(using, chunk, dry_run)
        if not dry_run:
            rows.filter(pk__in=chunk).only("pk").delete()
    traces = [_trace(event, now) for event in events if event.dedup_key and event.expires_at > now - MARGIN]
    if not dry_run:
        insert_missing(traces, using=using)
    repairs = _blot_out(using, people, events, now, dry_run)
    return Forgotten(dict(Counter(str(event.status) for event in events)), attempts, repairs, logged, len(traces))


def _trace(event: Event, now: dt.datetime) -> Event:
    """What keeps the same thing from being captured again. A row of its own: no id of it leads to the person."""
    trace = Event(
        definition=event.definition, event_name=event.event_name, destination=event.destination, source=event.source,
        dedup_key=event.dedup_key, created_at=now,
    )  # fmt: skip
    trace.set_occurred_at(now, get_settings().MAX_AGE_HOURS)
    trace.expires_at = max(trace.expires_at, event.expires_at) + MARGIN
    trace.finish(EventStatus.CANCELLED, Reason.FORGOTTEN, "", now)
    return trace


def _built(using: str, person: str) -> Iterator[int]:
    """The events that say they are about this person."""
    column = searchable(person)
    events = Event.objects.using(using).filter(user_id=column).only("pk", "user_id", "payload")
    for event in events.iterator(chunk_size=PAGE):
        # The column is cut, and MariaDB compares it without regard to case.
        said = _said(event)
        if event.user_id == column if said is None else said == person:
            yield event.pk


def _said(event: Event) -> str | None:
    """The user_id in the content; ``None`` where there is no content, or none that can be read."""
    try:
        return Payload.from_json(event.payload).user_id if event.payload else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _may_be_asked(event: Event) -> bool:
    return bool(event.definition) and event.reason_code not in _OF_NOBODY


def _unbuilt(using: str, people: Collection[str]) -> tuple[list[int], int]:
    """The events of these people that don't say so yet, by way of their sources; and how many can't be asked."""
    unsaid = Event.objects.using(using).filter(user_id="", payload="").exclude(definition="")
    unsaid = unsaid.exclude(reason_code__in=_OF_NOBODY).only("pk", "definition", "source_pk").order_by("pk")
    found: list[int] = []
    unread = reached = 0
    while page := list(unsaid.filter(pk__gt=reached)[:PAGE]):
        reached = page[-1].pk
        for pk, user_id in _all_asked(using, page):
            unread += user_id is None
            found += [pk] if user_id in people else []
    return found, unread


def _all_asked(using: str, events: Iterable[Event]) -> Iterator[tuple[int, str | None]]:
    """Each event with the user_id that building would give it; ``None`` where that can't be known."""
    by_definition: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_definition[event.definition].append(event)
    for name, group in by_definition.items():
        yield from _asked(using, name, group)


def _asked(using: str, name: str, events: list[Event]) -> Iterator[tuple[int, str | None]]:
    try:
        definition = registry.get(name)
        with shielded(using):
            sources = fetch_sources(definition, [event.source_pk for event in events], using)
    except Exception as error:
        if is_passing(error):
            raise
        if not isinstance(error, NotRegistered):
            logger.warning("Sources of %s can't be read: %s", name, type(error).__name__)
        yield from ((event.pk, None) for event in events)
        return
    for event in events:
        yield event.pk, _ask(using, definition, sources.get(event.source_pk), event.source_pk)


def _ask(using: str, definition: EventDefinition, source: Any, key: str) -> str | None:
    try:
        if source is None:
            return key if _names_its_own_key(definition) else None
        with shielded(using), translation.override(django_settings.LANGUAGE_CODE):
            return user_id_of(definition, source)
    except PayloadError:
        return None
    except Exception as error:
        if is_passing(error):
            raise
        logger.warning("%s can't be asked for its user: %s", definition.name, type(error).__name__)
        return None


def _names_its_own_key(definition: EventDefinition) -> bool:
    """Whether the user_id is the key of the source, so that it is known of one that is gone: an account's sign-up."""
    said = definition.user_expressions.get(schema.USER_ID)
    is_mapped = type(definition).get_user_attributes is EventDefinition.get_user_attributes
    keys = ("pk", definition.model_class._meta.pk.name)
    return is_mapped and definition.user is None and isinstance(said, Path) and said.path in keys


def _blot_out(using: str, people: Collection[str], events: list[Event], now: dt.datetime, dry_run: bool) -> int:
    """Take people's ids out of the selections of repairs. One that asks for nothing else has nothing left to do."""
    ids = {*people, *map(searchable, people), *(str(event.event_id) for event in events)}
    ids |= {event.order_id for event in events if event.order_id}
    sources = {(event.definition, event.source_pk) for event in events if event.source_pk}
    count = 0
    for repair in Repair.objects.using(using).exclude(selection="{}"):
        try:
            selection = Selection.from_json(repair.selection)
        except (ValueError, TypeError):  # of another version
            continue
        is_telling = selection.is_prefix and any(_is_telling(selection.search, each) for each in people)
        named = {"search"} if selection.search in ids or (is_telling and repair.is_finished) else set()
        if {(definition, selection.source_pk) for definition in selection.definitions} & sources:
            named.add("source_pk")
        count += bool(named)
        if named and not dry_run:
            blotted: dict[str, Any] = dict.fromkeys(named, ERASED)
            repair.selection = dataclasses.replace(selection, **blotted).to_json()
            repair.finished_at = repair.finished_at or now
            repair.save(using=using, update_fields=["selection", "finished_at"])
    return count


def _is_telling(beginning: str, person: str) -> bool:
    """Whether a beginning that was searched for is enough of an id to mean this one."""
    return person.startswith(beginning) and 2 * len(beginning) >= len(person)


def _blot_out_log(using: str, pks: Sequence[int], dry_run: bool) -> int:
    """Take the events' ids, which DFINERY knows, out of what the admin's log calls them. Who did what stays."""
    if not apps.is_installed("django.contrib.admin") or using != router.db_for_write(Event):
        return 0
    from django.contrib.admin.models import LogEntry

    entries = LogEntry.objects.using(router.db_for_write(LogEntry)).filter(
        content_type__app_label=Event._meta.app_label,
        content_type__model=Event._meta.model_name,
        object_id__in=list(map(str, pks)),
    )
    return entries.count() if dry_run else entries.update(object_repr=ERASED)
