"""Events that others send, in DFINERY's own words, into the outbox: all of them in one transaction, none twice.

What a site's own code tells is ``outbox.track()``. Here a mistake is the sender's, who is told of it; nothing of it is
stored. Knows nothing of HTTP.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, IntegrityError, connections, router, transaction

from . import clock, schema
from .conf import default_destination, get_settings
from .custom_fields import SeenFields
from .definitions import declared_type
from .display import searchable
from .exceptions import DfineryError, PayloadError, error_text
from .models import Event
from .patience import is_transient, retry, statement_batches
from .payloads import Payload
from .protocols.s2s_body import BAD_VALUE, EVENT, NO_DATETIME, Body, Refused, read_body
from .reading import envelope
from .registry import EVENT_NAME_LENGTH
from .states import EventStatus
from .values import as_moment, hours_after
from .waking import wake_on_commit

#: How long a fault of the database is waited out.
PATIENCE_SECONDS = 2.0
#: Another request may store the same events meanwhile; it has committed by the second try.
TRIES = 3
#: Rows of one INSERT: some databases take no more than a few MB at once.
BATCH = 100
#: A clock that runs so far ahead deserves a word; what DFINERY does with such an event is not documented.
AHEAD = dt.timedelta(minutes=5)
#: Smaller numbers were surely meant as seconds (March 1973).
FIRST_MILLISECONDS = 10**11

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_DATETIME = f"{EVENT}.{schema.EVENT_DATETIME}"


class SwitchedOff(DfineryError):
    """``ENABLED`` is false: nothing is stored."""


class UnknownDestination(DfineryError):
    """No destination of that name has a token, or none was named where there are several."""


class Conflict(PayloadError):
    """An ``event_id`` that is another event's."""

    def __init__(self) -> None:
        problem = "an event with this id is there, and says something else"
        super().__init__(f"{EVENT}.{schema.EVENT_ID}", problem, "Give each event an id of its own.")


@dataclass(frozen=True)
class Taken:
    """An event that is in the outbox.

    :ivar is_new: ``False`` if the same was there before
    :ivar notes: what is probably a mistake of its sender
    """

    index: int
    event_id: UUID
    is_new: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Left:
    """An event that can't be taken, and why: ``Refused`` or ``Conflict``."""

    index: int
    error: PayloadError


@dataclass(frozen=True)
class Ingested:
    """What became of each event, in the order in which they came."""

    taken: tuple[Taken, ...]
    left: tuple[Left, ...]


def ingest(
    bodies: Sequence[object], *, destination: str | None = None, partial: bool = False, using: str | None = None
) -> Ingested:
    """Store events as the bodies of DFINERY's API tell them, and ask for a drain.

    :param bodies: parsed JSON, one body per event
    :param destination: alias of ``TOKENS``
    :param partial: store what is in order, though others are not; else one mistake keeps all of them out
    :raises SwitchedOff: when ``ENABLED`` is false
    :raises UnknownDestination: see there
    """
    if not get_settings().ENABLED:
        raise SwitchedOff
    alias = destination or default_destination()
    if alias not in get_settings().TOKENS:
        raise UnknownDestination
    using = using or router.db_for_write(Event)
    found: list[Body | Refused] = [_judged(body) for body in bodies]
    until = clock.monotonic() + PATIENCE_SECONDS
    for tries_left in reversed(range(TRIES)):
        plan = _Plan(alias, destination is not None, using)
        plan.take_all(found)
        if plan.left and not partial:
            return Ingested((), tuple(plan.left))
        try:
            retry(plan.store, using=using, until=until)
            break
        except IntegrityError:  # another request has stored one of them since we looked
            if not tries_left:
                raise
        except (DatabaseError, ValueError) as error:
            culprits = {} if is_transient(error) else plan.unstorable()
            if not culprits or not tries_left:
                raise
            found = [culprits.get(index, each) for index, each in enumerate(found)]
    return Ingested(tuple(plan.taken), tuple(plan.left))


def _judged(body: object) -> Body | Refused:
    try:
        return read_body(body, declared_type)
    except Refused as error:
        return error


class _Plan:
    """What is to be stored, seen from what is there.

    :param is_named: whether the sender says which destination; if so, an event that went elsewhere is another one
    """

    def __init__(self, alias: str, is_named: bool, using: str) -> None:
        self.taken: list[Taken] = []
        self.left: list[Left] = []
        self._alias, self._is_named, self._using = alias, is_named, using
        self._now = clock.now()
        self._seen = SeenFields(using)
        self._events: list[Event] = []
        # Payload and destination of what is stored, or about to be; no payload: it was dropped on delivery.
        self._there: dict[UUID, tuple[str | None, str]] = {}

    def take_all(self, found: Sequence[Body | Refused]) -> None:
        given = [each.event_id for each in found if isinstance(each, Body) and each.event_id]
        rows = Event.objects.using(self._using).filter(event_id__in=given)
        for pk, text, alias, status in rows.values_list("event_id", "payload", "destination", "status"):
            self._there[pk] = (text if text or status != EventStatus.DELIVERED else None, alias)
        for index, each in enumerate(found):
            try:
                if isinstance(each, Refused):
                    raise each
                self.taken.append(self._take(index, each))
            except PayloadError as error:
                self.left.append(Left(index, error))

    def store(self) -> None:
        """Insert them; safe to repeat.

        :raises IntegrityError: if one of them is there by now
        """
        if not self._events:
            return
        with transaction.atomic(using=self._using):
            # In one order, so that two requests with the same events don't wait for each other.
            rows = sorted(self._events, key=lambda event: event.event_id)
            for some in statement_batches(rows, lambda event: len(event.payload.encode())):
                Event.objects.using(self._using).bulk_create(some, batch_size=BATCH)
            self._seen.save()
            wake_on_commit(self._using, self._alias)

    def unstorable(self) -> dict[int, Refused]:
        """Those that the database does not take, each by its index; nothing is stored."""
        indexes = {each.event_id: each.index for each in self.taken}
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
                found[indexes[event.event_id]] = Refused(BAD_VALUE, EVENT, f"the database can't store it: {words}")
                if not connections[self._using].in_atomic_block:
                    connections[self._using].close_if_unusable_or_obsolete()
        return found

    def _take(self, index: int, body: Body) -> Taken:
        if body.event_id in self._there:
            text, alias = self._there[body.event_id]
            if not _says(text, body) or (self._is_named and alias != self._alias):
                raise Conflict
            return Taken(index, body.event_id, False, body.notes)
        event = self._event(body)
        self._events.append(event)
        self._there[event.event_id] = event.payload, event.destination
        notes = body.notes
        if event.occurred_at > self._now + AHEAD:
            notes += (f"{_DATETIME} lies in the future; what DFINERY does with that is not documented.",)
        return Taken(index, event.event_id, True, notes)

    def _event(self, body: Body) -> Event:
        _refuse_name(body.event_name)
        event = Event(
            event_name=body.event_name, destination=self._alias, status=EventStatus.PENDING,
            created_at=self._now, due_at=self._now,
        )  # fmt: skip
        if body.event_id:
            event.event_id = body.event_id
        event.happened(self._moment(body), get_settings().MAX_AGE_HOURS)
        payload = body.payload(envelope(event), declared_type, self._seen)
        self._seen.event(event.event_name)
        event.payload = payload.to_json()
        event.user_id, event.order_id = searchable(payload.user_id), searchable(payload.order_id)
        return event

    def _moment(self, body: Body) -> dt.datetime:
        try:
            moment = as_moment(_EPOCH + dt.timedelta(milliseconds=body.milliseconds))
            end = hours_after(moment, get_settings().MAX_AGE_HOURS)
        except (OverflowError, PayloadError):
            raise Refused(NO_DATETIME, _DATETIME, "no calendar has such a day") from None
        hours = get_settings().MAX_AGE_HOURS
        if end <= self._now:
            problem = f"it lies more than {hours:g} hours back, where DFINERY processes nothing"
            if 0 < body.milliseconds < FIRST_MILLISECONDS:
                problem += "; it looks like seconds, and DFINERY takes milliseconds"
            raise Refused(NO_DATETIME, _DATETIME, problem)
        return moment


def _refuse_name(name: str) -> None:
    path = f"{EVENT}.{schema.EVENT_NAME}"
    if len(name) > EVENT_NAME_LENGTH:
        raise Refused(BAD_VALUE, path, f"it has more than {EVENT_NAME_LENGTH} characters")
    if "\x00" in name:
        raise Refused(BAD_VALUE, path, "it has a U+0000, which no database stores")


def _says(text: str | None, body: Body) -> bool:
    if text is None:
        return True  # nobody can tell any more, and to refuse what was sent twice would look like a mistake
    try:
        return body.matches_payload(Payload.from_json(text))
    except (ValueError, KeyError, TypeError, AttributeError):  # not built yet, or damaged
        return False
