"""``captured_events()``: the payloads that would be sent, without network or queue.

Reads the outbox of the test's database, so that it sees what any thread captures, and nothing that was rolled back.
Payloads are built on access, as a worker would build them; nothing is stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, overload

from django.db.models import Max

from .. import clock
from ..building.build import fail, fail_without_source
from ..building.dry_run import dry_run
from ..conf import default_destination, get_settings
from ..definitions import registry
from ..definitions.scope import in_scope
from ..definitions.source import fetch_sources
from ..enums import EventStatus
from ..models import Event
from ..outbox.databases import outbox_databases
from ..outbox.wakeup import wakeups_suppressed
from ..protocols.load import protocol_for
from .diagnosis import SaveRecorder


@dataclass(frozen=True)
class CapturedEvent:
    """One event as it would be sent.

    :ivar definition: the name of its definition; empty for ``track()``
    :ivar error: the reason why it would not be sent, as the admin would show it; empty if it would be sent
    :ivar text: its payload as canonical JSON; empty if it has an error
    """

    event_name: str
    definition: str
    destination: str
    source: str
    error: str
    text: str = field(repr=False, default="")

    @property
    def payload(self) -> dict[str, Any]:
        """The payload: ``event_attributes`` (with ``items``) and ``user_attributes``. Asserts that it was built."""
        self._raise_error()
        content: dict[str, Any] = json.loads(self.text)
        return content

    @property
    def body(self) -> Any:
        """The body of the request to DFINERY, decoded. Asserts that it could be built."""
        self._raise_error()
        return json.loads(protocol_for(self.destination, get_settings()).encode([self.text]).body)

    def _raise_error(self) -> None:
        if self.error:
            raise AssertionError(f"{self} would not be sent. {self.error}")

    def __str__(self) -> str:
        name = self.event_name if self.definition in ("", self.event_name) else f"{self.event_name} ({self.definition})"
        return f"{name} of {self.source}" if self.source else name

    def is_named(self, name: str) -> bool:
        """Return whether this is the name of the event or of its definition."""
        return name in (self.event_name, self.definition)


class CapturedEvents(Sequence[CapturedEvent]):
    """The events, oldest first: those that would be sent, and those that fail, which have an ``error``.

    Events that are skipped (guests) are left out. Within the block every access reads and builds the events again;
    after it, the first access builds them.
    """

    def __init__(self) -> None:
        self._after = dict(_last_keys())
        self._rows: list[Event] | None = None
        self._built: list[CapturedEvent] | None = None
        self.recorder = SaveRecorder()

    def close(self) -> None:
        """Leave out what is captured from now on."""
        self._rows = self._read()

    def named(self, name: str) -> list[CapturedEvent]:
        """Return the events with this event name or of the definition with this name."""
        return [event for event in self if event.is_named(name)]

    def only(self, name: str) -> CapturedEvent:
        """Return the event with this name. Asserts that there is one, and only one, and that it could be built."""
        found = self.named(name)
        if len(found) != 1:
            many = f"{len(found)} events are named {name!r}, not one." if found else f"No event is named {name!r}."
            reasons = () if found else self.recorder.diagnose(name)
            raise AssertionError("\n".join([many, *self._list(), *reasons]))
        if found[0].error:
            raise AssertionError(f"{found[0]} would not be sent. {found[0].error}")
        return found[0]

    def none(self, name: str = "") -> None:
        """Assert that there are no events with this name, or none at all."""
        if found := self.named(name) if name else list(self):
            raise AssertionError("\n".join([f"{len(found)} events were captured.", *self._list(found)]))

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> CapturedEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[CapturedEvent]: ...
    def __getitem__(self, index: int | slice) -> CapturedEvent | list[CapturedEvent]:
        found = self._all()
        try:
            return found[index]
        except IndexError:
            raise IndexError(" ".join([f"There is no event {index}.", *self._list(found)])) from None

    def __iter__(self) -> Iterator[CapturedEvent]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<captured events: {'; '.join(map(str, self)) or 'none'}>"

    def _list(self, events: Iterable[CapturedEvent] | None = None) -> list[str]:
        if not get_settings().ENABLED:
            return ["DFINERY['ENABLED'] is False: nothing is captured. Override it for this test."]
        lines = [f"  {each}{f': {each.error}' if each.error else ''}" for each in (self if events is None else events)]
        return ["Captured:", *lines] if lines else ["Nothing was captured."]

    def _all(self) -> list[CapturedEvent]:
        if self._rows is None:
            return _build_all(self._read())
        if self._built is None:
            self._built = _build_all(self._rows)
        return self._built

    def _read(self) -> list[Event]:
        rows = Event.objects.order_by("pk")
        return [row for using, after in self._after.items() for row in rows.using(using).filter(pk__gt=after)]


@contextmanager
def captured_events() -> Iterator[CapturedEvents]:
    """Collect the events that are captured in a block, as they would be sent.

    ``with captured_events() as events: order.save()``. No drain is requested meanwhile, in any
    thread of the process. Blocks may be nested: each has all events that are captured within it.
    """
    with wakeups_suppressed():
        events = CapturedEvents()
        with events.recorder:
            yield events
        events.close()


def _last_keys() -> Iterator[tuple[str, int]]:
    for using in outbox_databases():
        try:
            yield using, Event.objects.using(using).aggregate(last=Max("pk"))["last"] or 0
        except AssertionError:  # Django's, for a database that the test does not use: nothing is captured there
            continue


def _build_all(rows: Iterable[Event]) -> list[CapturedEvent]:
    return [_captured(event) for event in map(_build_copy, rows) if event.status != EventStatus.CANCELLED]


def _build_copy(row: Event) -> Event:
    """Return a copy of the row, built as a worker would build it now."""
    using = str(row._state.db)
    event: Event = Event.objects.using(using).filter(pk=row.pk).first() or row
    if event.status != EventStatus.CAPTURED:
        return event
    now, definition = clock.now(), registry.get(event.definition)
    try:
        with in_scope(definition):
            source = fetch_sources(definition, [event.source_pk], using).get(event.source_pk)
    except Exception as error:  # noqa: BLE001 - errors of the site's code are reported
        fail(event, definition, None, error, now)
        return event
    if source is not None:
        return dry_run(definition, source, using, event)
    fail_without_source(event, now)
    return event


def _captured(event: Event) -> CapturedEvent:
    is_well = event.status not in (EventStatus.FAILED, EventStatus.EXPIRED)
    return CapturedEvent(
        event_name=event.event_name,
        definition=event.definition,
        destination=event.destination or default_destination(),
        source=f"{event.source} {event.source_pk}".strip(),
        error="" if is_well else event.reason,
        text=event.payload if is_well else "",
    )
