"""Events that other services send in the format of DFINERY's API: stored in one transaction, each once.

A site's own code calls ``outbox.track()``, which stores an event with a mistake as failed. Here the sender gets the
mistake back, and nothing is stored. No HTTP here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, IntegrityError, connections, router, transaction

from .. import clock
from ..building.custom_fields import SeenFields
from ..building.payload_reader import envelope
from ..conf import default_destination, get_settings
from ..db.retry import is_transient, retry, statement_batches
from ..definitions.registry import EVENT_NAME_LENGTH
from ..enums import EventStatus
from ..exceptions import DfineryError, PayloadError, error_text
from ..models import Event
from ..protocols.s2s_inbound import BAD_VALUE, EVENT_PATH, NO_DATETIME, Body, Refused, read_body
from ..schema import properties
from ..schema.payload import Payload
from ..schema.properties import declared_type
from ..schema.types import as_moment, hours_after
from ..text.escape import searchable
from .wakeup import wake_on_commit

#: Seconds for which a database error is retried.
RETRY_SECONDS = 2.0
#: Another request may store the same events meanwhile; it has committed by the next try.
MAX_TRIES = 3
#: Rows of one INSERT: some databases accept no more than a few MB at once.
INSERT_BATCH = 100
#: An event dated further ahead gets a note; what DFINERY does with it is not documented.
FUTURE_TOLERANCE = dt.timedelta(minutes=5)
#: Smaller numbers of milliseconds lie before March 1973: they were surely meant as seconds.
FIRST_MILLISECONDS = 10**11

_DATETIME = f"{EVENT_PATH}.{properties.EVENT_DATETIME}"


class SwitchedOff(DfineryError):
    """``ENABLED`` is false: nothing is stored."""


class UnknownDestination(DfineryError):
    """No destination of that name has a token, or none was named though there are several."""


class Conflict(PayloadError):
    """The ``event_id`` of another event."""

    def __init__(self) -> None:
        problem = "an event with this id exists, with other content"
        super().__init__(f"{EVENT_PATH}.{properties.EVENT_ID}", problem, "Give each event an id of its own.")


@dataclass(frozen=True)
class AcceptedEvent:
    """An event that is in the outbox."""

    index: int
    event_id: UUID
    is_new: bool  # false: the same event was stored before
    notes: tuple[str, ...]  # on probable mistakes of the sender


@dataclass(frozen=True)
class RejectedEvent:
    """An event that was not stored, and the reason: ``Refused`` or ``Conflict``."""

    index: int
    error: PayloadError


@dataclass(frozen=True)
class IngestResult:
    """The result of each event, in the order in which they came."""

    accepted: tuple[AcceptedEvent, ...]
    rejected: tuple[RejectedEvent, ...]


def ingest(
    bodies: Sequence[object], *, destination: str | None = None, partial: bool = False, using: str | None = None
) -> IngestResult:
    """Store events given as bodies (parsed JSON) of DFINERY's API, and request a drain.

    :param partial: store the valid events even if others are not; default: one mistake rejects all of them
    :raises SwitchedOff, UnknownDestination: and nothing is stored
    """
    if not get_settings().ENABLED:
        raise SwitchedOff
    alias = destination or default_destination()
    if alias not in get_settings().TOKENS:
        raise UnknownDestination
    using = using or router.db_for_write(Event)
    found: list[Body | Refused] = [_parse(body) for body in bodies]
    until = clock.monotonic() + RETRY_SECONDS
    for tries_left in reversed(range(MAX_TRIES)):
        plan = _Plan(alias, destination is not None, using)
        plan.add_all(found)
        if plan.rejected and not partial:
            return IngestResult((), tuple(plan.rejected))
        try:
            retry(plan.store, using=using, until=until)
            break
        except IntegrityError:  # another request has stored one of them since the plan was made
            if not tries_left:
                raise
        except (DatabaseError, ValueError) as error:
            culprits = {} if is_transient(error) else plan.unstorable()
            if not culprits or not tries_left:
                raise
            found = [culprits.get(index, each) for index, each in enumerate(found)]
    return IngestResult(tuple(plan.accepted), tuple(plan.rejected))


def _parse(body: object) -> Body | Refused:
    try:
        return read_body(body, declared_type)
    except Refused as error:
        return error


class _Plan:
    """The events to store, compared with those that exist.

    :param is_named: ``True`` if the sender named the destination; then the same id for another destination conflicts
    """

    def __init__(self, alias: str, is_named: bool, using: str) -> None:
        self.accepted: list[AcceptedEvent] = []
        self.rejected: list[RejectedEvent] = []
        self._alias, self._is_named, self._using, self._now = alias, is_named, using, clock.now()
        self._seen_fields = SeenFields(using)
        self._events: list[Event] = []
        # Payload and destination of each event that exists or is planned; no payload: it was dropped on delivery.
        self._existing: dict[UUID, tuple[str | None, str]] = {}

    def add_all(self, found: Sequence[Body | Refused]) -> None:
        given = [each.event_id for each in found if isinstance(each, Body) and each.event_id]
        rows = Event.objects.using(self._using).filter(event_id__in=given)
        for pk, text, alias, status in rows.values_list("event_id", "payload", "destination", "status"):
            self._existing[pk] = (text if text or status != EventStatus.DELIVERED else None, alias)
        for index, each in enumerate(found):
            try:
                if isinstance(each, Refused):
                    raise each
                self.accepted.append(self._add(index, each))
            except PayloadError as error:
                self.rejected.append(RejectedEvent(index, error))

    def store(self) -> None:
        """Insert the events; safe to repeat. Raises ``IntegrityError`` if one of them exists by now."""
        if not self._events:
            return
        with transaction.atomic(using=self._using):
            # In one order, so that two requests with the same events don't wait for each other.
            rows = sorted(self._events, key=lambda event: event.event_id)
            for some in statement_batches(rows, lambda event: len(event.payload.encode())):
                Event.objects.using(self._using).bulk_create(some, batch_size=INSERT_BATCH)
            self._seen_fields.save()
            wake_on_commit(self._using, self._alias)

    def unstorable(self) -> dict[int, Refused]:
        """Return the events that the database refuses, by index; stores nothing."""
        indexes = {each.event_id: each.index for each in self.accepted}
        found: dict[int, Refused] = {}
        for event in self._events:
            try:
                with transaction.atomic(using=self._using):
                    event.save(using=self._using, force_insert=True)
                    transaction.set_rollback(True, using=self._using)
            except (DatabaseError, ValueError) as error:
                if is_transient(error):
                    raise
                words = next(iter(error_text(error).splitlines()), "")  # further lines quote the row
                found[indexes[event.event_id]] = Refused(BAD_VALUE, EVENT_PATH, f"the database can't store it: {words}")
                if not connections[self._using].in_atomic_block:
                    connections[self._using].close_if_unusable_or_obsolete()
        return found

    def _add(self, index: int, body: Body) -> AcceptedEvent:
        if body.event_id in self._existing:
            text, alias = self._existing[body.event_id]
            if not _is_same_content(text, body) or (self._is_named and alias != self._alias):
                raise Conflict
            return AcceptedEvent(index, body.event_id, False, body.notes)
        event = self._event(body)
        self._events.append(event)
        self._existing[event.event_id] = event.payload, event.destination
        notes = body.notes
        if event.occurred_at > self._now + FUTURE_TOLERANCE:
            notes += (f"{_DATETIME} is in the future; what DFINERY does with that is not documented.",)
        return AcceptedEvent(index, event.event_id, True, notes)

    def _event(self, body: Body) -> Event:
        _check_name(body.event_name)
        times = {"created_at": self._now, "due_at": self._now}
        event = Event(event_name=body.event_name, destination=self._alias, status=EventStatus.PENDING, **times)
        if body.event_id:
            event.event_id = body.event_id
        event.set_occurred_at(self._moment(body))
        payload = body.payload(envelope(event), declared_type, self._seen_fields)
        self._seen_fields.event(event.event_name)
        event.payload = payload.to_json()
        event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)
        return event

    def _moment(self, body: Body) -> dt.datetime:
        hours = get_settings().MAX_AGE_HOURS
        try:
            moment = as_moment(clock.EPOCH + dt.timedelta(milliseconds=body.milliseconds))
            end = hours_after(moment, hours)
        except (OverflowError, PayloadError):
            raise Refused(NO_DATETIME, _DATETIME, "no calendar has such a day") from None
        if end <= self._now:
            problem = f"it is more than {hours:g} hours old, and DFINERY does not process it"
            if 0 < body.milliseconds < FIRST_MILLISECONDS:
                problem += "; it looks like seconds, and DFINERY takes milliseconds"
            raise Refused(NO_DATETIME, _DATETIME, problem)
        return moment


def _check_name(name: str) -> None:
    path = f"{EVENT_PATH}.{properties.EVENT_NAME}"
    if len(name) > EVENT_NAME_LENGTH:
        raise Refused(BAD_VALUE, path, f"it has more than {EVENT_NAME_LENGTH} characters")
    if "\x00" in name:
        raise Refused(BAD_VALUE, path, "it has a U+0000, which no database stores")


def _is_same_content(text: str | None, body: Body) -> bool:
    if text is None:
        return True  # can't be compared any more, and to reject a repeated event would look like a mistake
    try:
        return body.matches_payload(Payload.from_json(text))
    except (ValueError, KeyError, TypeError, AttributeError):  # not built yet, or damaged
        return False
