"""The drain: expire what is late, build what is due, then claim, send and settle until nothing is due or time is up.

The main thread alone touches the database; the threads of the pool only exchange bytes. No transaction is open while
a request is under way.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache

from django.db import router
from django.utils import timezone
from django.utils.module_loading import import_string

from . import __version__, destinations, registry
from .building import build_due
from .client import Client
from .conf import Settings, get_settings
from .exchange import Batch, Exchange, Send, announce, apply_result, exchange, record
from .models import Destination, Event, EventQuerySet
from .protocols.base import WireProtocol
from .signals import event_expired
from .states import UNFINISHED, EventStatus, Outcome, Reason

logger = logging.getLogger("dfinery_django")

#: Results are written when so many have come, or so much time has passed.
SETTLE_EVERY = 200
SETTLE_AFTER_SECONDS = 0.5
EXPIRE_BATCH = 500
#: After so many leases in a row that lapsed without a settle an event is sent alone; if that lapses too, it fails.
LAPSES_TO_SUSPECT = 5
WORKER_LOST = (
    f"{LAPSES_TO_SUSPECT + 1} workers in a row ended while sending it. If something else stopped them, resend it."
)
#: A lingering drain looks for what has become due this often.
NAP_SECONDS = 0.2
SETTLED_FIELDS = ("status", "due_at", "attempt_count", "lapse_count", "reason_code", "reason", "finished_at")


def outbox_databases() -> list[str]:
    """The databases that hold events: a source's own, since an event is written in its transaction."""
    found = {router.db_for_write(Event)}
    found.update(router.db_for_write(each.model_class) for each in registry.definitions())
    return sorted(found)


def drain(
    destination: str,
    *,
    using: str | None = None,
    budget_seconds: float | None = None,
    linger_seconds: float = 0,
    send: Send | None = None,
) -> Counter[str]:
    """Deliver what is due for one destination.

    :param destination: alias of ``TOKENS``
    :param using: database alias; default: where events are written
    :param budget_seconds: wall clock until nothing more is claimed; default: the setting ``DRAIN_SECONDS``
    :param linger_seconds: wait up to so long for what is due soon
    :param send: exchanges a request for a response; default: the pooled client
    :returns: how many events were ``built``, ``expired``, and settled by status
    """
    settings = get_settings()
    if not settings.ENABLED or destination not in settings.TOKENS:
        return Counter()
    return _Drain(
        destination, using or router.db_for_write(Event), settings, send or _client(settings.CONCURRENCY,
        settings.CONNECT_TIMEOUT, settings.READ_TIMEOUT).send,
    ).run(budget_seconds or settings.DRAIN_SECONDS, linger_seconds)  # fmt: skip


def expire(events: EventQuerySet) -> int:
    """Finish the events whose time is over: one log line for all of them, a signal for each.

    :returns: how many
    """
    total = 0
    while expired := events.expire(limit=EXPIRE_BATCH, now=timezone.now()):
        total += len(expired)
        for event in expired:
            event_expired.send_robust(sender=Event, event=event)
    if total:
        logger.error("%s events were not delivered while DFINERY would still process them", total)
    return total


def expire_stray(using: str) -> int:
    """The same for events whose destination is no longer in ``TOKENS``: no drain looks at them."""
    return expire(Event.objects.using(using).exclude(destination__in=list(get_settings().TOKENS)))


def has_due(destination: str, using: str, *, within_seconds: float = 0) -> bool:
    """Whether a drain would find work now, or within so many seconds."""
    soon = timezone.now() + dt.timedelta(seconds=within_seconds)
    events = Event.objects.using(using).filter(destination=destination)
    is_open = destinations.current(destination, using).places(1, soon) > 0
    return events.filter(status__in=UNFINISHED if is_open else [EventStatus.CAPTURED]).due(soon).exists()


@lru_cache(maxsize=4)
def _client(connections: int, connect_timeout: float, read_timeout: float) -> Client:
    """One per process, kept between drains with its connections."""
    return Client(
        connections=connections,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        user_agent=f"dfinery-django/{__version__}",
    )


def protocol_for(destination: str, settings: Settings) -> WireProtocol:
    """The wire protocol, with the destination's token."""
    protocol: WireProtocol = import_string(settings.PROTOCOL)(
        base_url=settings.BASE_URL, token=settings.TOKENS[destination]
    )
    return protocol


class _Drain:
    def __init__(self, alias: str, using: str, settings: Settings, send: Send) -> None:
        self.settings = settings
        self.using = using
        self.send = send
        self.protocol = protocol_for(alias, settings)
        self.destination = destinations.current(alias, using)
        self.tally: Counter[str] = Counter()
        self.waiting: deque[Batch] = deque()
        self.flying: dict[Future[Exchange], Batch] = {}
        self.done: list[Exchange] = []
        self.settled_at = time.monotonic()

    @property
    def events(self) -> EventQuerySet:
        return Event.objects.using(self.using).filter(destination=self.destination.alias)

    def run(self, budget_seconds: float, linger_seconds: float) -> Counter[str]:
        deadline = time.monotonic() + budget_seconds
        patience = time.monotonic() + linger_seconds
        # Cleared before the first claim: what is captured from here on asks for a drain of its own.
        self._set_wake_requested(None)
        self._expire()
        with ThreadPoolExecutor(self.settings.CONCURRENCY, thread_name_prefix="dfinery") as pool:
            try:
                while time.monotonic() < deadline and (self._step(pool) or self._linger(patience)):
                    pass
            finally:
                self._finish()
        if linger_seconds:
            self._set_wake_requested(None)  # callers look for work once more (has_due)
        return +self.tally  # without zeros

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """One round; false when there was nothing to do."""
        built = build_due(self.events)
        self.tally["built"] += built
        self._claim()
        while self.waiting and len(self.flying) < self.settings.CONCURRENCY and not self._must_stand_alone():
            if not self._has_time_for(self.waiting[0]):
                self._give_back()
                break
            self._submit(pool, self.waiting.popleft())
        worked = bool(built or self.flying)
        self._collect(timeout=0.05 if built else SETTLE_AFTER_SECONDS)
        return worked

    def _linger(self, patience: float) -> bool:
        """Nap for a moment if something is due soon; false when it is time to end."""
        left = patience - time.monotonic()
        if left <= 0 or not has_due(self.destination.alias, self.using, within_seconds=left):
            return False
        # Whoever commits meanwhile need not ask for another drain: this one looks again after each nap.
        self._set_wake_requested(timezone.now())
        time.sleep(NAP_SECONDS)
        return True

    def _set_wake_requested(self, at: dt.datetime | None) -> None:
        Destination.objects.using(self.using).filter(pk=self.destination.pk).update(wake_requested_at=at)

    def _claim(self) -> None:
        wanted = 2 * self.settings.CONCURRENCY - len(self.waiting) - len(self.flying)
        if wanted < self.settings.CONCURRENCY and (self.waiting or self.flying):
            return
        self.destination.refresh_from_db()
        now = timezone.now()
        places = self.destination.places(wanted, now)
        if self.destination.closed_until and (self.flying or self.waiting):
            return  # half-open: the one probe is under way
        if places > 0:
            ready = self.events.filter(status__in=(EventStatus.PENDING, EventStatus.SENDING), expires_at__gt=now)
            lease = self.settings.LEASE_SECONDS
            claimed = ready.claim(limit=places, now=now, lease_seconds=lease, into=EventStatus.SENDING)
            self.waiting.extend(self.protocol.batches(self._drop_killers(claimed)))

    def _has_time_for(self, batch: Batch) -> bool:
        """Whether the lease outlasts the request: building may have taken long."""
        needed = self.settings.CONNECT_TIMEOUT + self.settings.READ_TIMEOUT
        until = timezone.now() + dt.timedelta(seconds=min(needed, self.settings.LEASE_SECONDS / 2))
        return all(event.due_at is not None and event.due_at > until for event in batch)

    def _must_stand_alone(self) -> bool:
        """Whether the next batch, or one that is under way, may be what kills workers: it flies by itself."""
        batches = (self.waiting[0], *self.flying.values())
        return bool(self.flying) and any(event.lapse_count >= LAPSES_TO_SUSPECT for each in batches for event in each)

    def _drop_killers(self, claimed: list[Event]) -> list[Event]:
        """Fail what was sent alone and not settled even then; the rest goes on."""
        lost = [event for event in claimed if event.lapse_count > LAPSES_TO_SUSPECT]
        if lost:
            lease, now = lost[0].due_at, timezone.now()
            for event in lost:
                event.finish(EventStatus.FAILED, Reason.WORKER_LOST, WORKER_LOST, now)
            self._write({lease: lost})
            for event in lost:
                announce(event)
        return [event for event in claimed if event not in lost]

    def _submit(self, pool: ThreadPoolExecutor, batch: Batch) -> None:
        future = pool.submit(exchange, self.protocol, self.send, batch)
        self.flying[future] = batch

    def _collect(self, timeout: float) -> None:
        if self.flying:
            landed, _ = wait(self.flying, timeout=timeout, return_when=FIRST_COMPLETED)
            for future in landed:
                del self.flying[future]
                self._take(future.result())
        late = time.monotonic() - self.settled_at >= SETTLE_AFTER_SECONDS
        if self.done and (late or len(self.done) >= SETTLE_EVERY or not (self.flying or self.waiting)):
            self._settle()

    def _take(self, landed: Exchange) -> None:
        outcome, batch = landed.result.outcome, landed.batch
        if outcome == Outcome.REJECTED and len(batch) > 1:
            # Which one is to blame can't be seen from outside: halve until the culprit stands alone.
            half = len(batch) // 2
            self.waiting.extendleft((batch[half:], batch[:half]))
            return
        self.done.append(landed)
        if outcome not in (Outcome.ACCEPTED, Outcome.REJECTED):
            self.settled_at = float("-inf")  # settle at once: the destination may have to close

    def _settle(self) -> None:
        done, self.done, self.settled_at = self.done, [], time.monotonic()
        now = timezone.now()
        leases: dict[dt.datetime | None, list[Event]] = {}
        for each in done:
            for event in each.batch:
                leases.setdefault(event.due_at, []).append(event)
                apply_result(event, each.result, now)
        self._write(leases)
        destinations.note(self.destination, [each.result for each in done], now)
        record(done, self.using)
        if not self.destination.places(1, now):
            self._give_back()
        for each in done:
            for event in each.batch:
                announce(event)

    def _write(self, leases: dict[dt.datetime | None, list[Event]]) -> None:
        for lease, events in leases.items():
            assert lease is not None  # noqa: S101 - claimed events have one
            delivered = [each for each in events if each.status == EventStatus.DELIVERED]
            others = [each for each in events if each.status != EventStatus.DELIVERED]
            for group in (delivered, others):
                self.events.settle(group, SETTLED_FIELDS, status=EventStatus.SENDING, lease=lease)
            self.tally.update(event.status for event in events)

    def _give_back(self) -> None:
        """Return what was claimed and not sent, at once: nobody need wait for its lease."""
        leases: dict[dt.datetime | None, list[Event]] = {}
        now = timezone.now()
        while self.waiting:
            for event in self.waiting.popleft():
                leases.setdefault(event.due_at, []).append(event)
                event.attempt_count -= 1
                event.postpone(EventStatus.PENDING, now, Reason(event.reason_code), event.reason)
        for lease, events in leases.items():
            assert lease is not None  # noqa: S101 - claimed events have one
            self.events.settle(events, SETTLED_FIELDS, status=EventStatus.SENDING, lease=lease)

    def _finish(self) -> None:
        self._give_back()
        while self.flying:
            self._collect(timeout=SETTLE_AFTER_SECONDS)
        if self.done:
            self._settle()

    def _expire(self) -> None:
        self.tally["expired"] += expire(self.events)
