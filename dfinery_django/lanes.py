"""One destination in one database, as a drain works through it: build, claim, send, settle.

The draining thread alone touches the database; the threads of ``senders`` only exchange bytes. No transaction is open
while a request is under way.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, TypeVar

from django.utils.module_loading import import_string

from . import clock, destinations, totals
from .building import build_due
from .conf import Settings
from .deadlines import expire, warn_of_risk
from .endings import tell
from .exchange import Batch, Exchange, Send, apply_result, by_lease, exchange, hung, record, tell_attempts
from .models import Destination, Event
from .patience import LAST_PATIENCE_SECONDS, patiently
from .protocols.base import WireProtocol
from .queries import LAPSES_TO_SUSPECT, EventQuerySet
from .senders import Job, Senders
from .states import EventStatus, Outcome, Reason

T = TypeVar("T")

#: Results are written when so many have come, or so much time has passed.
SETTLE_EVERY = 500
SETTLE_AFTER_SECONDS = 0.5
#: So much work, at the pace lately seen, is claimed ahead; and never more events than this.
CLAIM_AHEAD_SECONDS = 0.5
MOST_IN_HAND = 1000
#: How often a lane that found nothing looks again, and how often any looks for lapsed leases.
LOOK_AGAIN_SECONDS = 0.2
LOOK_FOR_LAPSED_SECONDS = 1.0
#: A suspect is sent alone; if that lease lapses too, it fails.
WORKER_LOST = (
    f"{LAPSES_TO_SUSPECT + 1} workers in a row ended while sending it. If something else stopped them, resend it."
)
DELIVERED_FIELDS = ("status", "due_at", "lapse_count", "reason_code", "reason", "finished_at")
SETTLED_FIELDS = (*DELIVERED_FIELDS, "attempt_count")

Landing = tuple["Lane", Job, Exchange | None]


def protocol_for(alias: str, settings: Settings) -> WireProtocol:
    """The wire protocol, with the destination's token as it is now."""
    token = settings.TOKENS[alias].resolved()
    protocol: WireProtocol = import_string(settings.PROTOCOL)(base_url=settings.BASE_URL, token=token)
    return protocol


class Lane:
    """:param landed: where the threads put what came back, for ``land``
    :param begin_until: ``clock.monotonic()`` after which nothing is begun
    :param patient_until: the same, after which a fault of the database is no longer waited out
    """

    def __init__(
        self,
        alias: str,
        using: str,
        settings: Settings,
        send: Send,
        landed: SimpleQueue[Landing],
        begin_until: float,
        patient_until: float = 0,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.alias, self.using, self.settings = alias, using, settings
        self.begin_until, self.patient_until, self.should_stop = begin_until, patient_until, should_stop
        self.wire = destinations.fingerprint(alias, settings)
        self.protocol = protocol_for(alias, settings)
        self.destination = destinations.current(alias, using)
        self.tally: Counter[str] = Counter()
        self.suspects: deque[Batch] = deque()
        self.done: list[Exchange] = []
        self.unsent: list[Batch] = []
        self.is_probing = self.is_alone = False
        self.settled_at = self.built_at = self.claimed_at = self.lapsed_at = float("-inf")
        self.ahead = 2 * settings.CONCURRENCY
        seconds = settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT
        # A request is begun only if the lease outlasts it.
        self.request_seconds = min(seconds, settings.LEASE_SECONDS / 2)
        self.senders = Senders(
            settings.CONCURRENCY,
            functools.partial(exchange, self.protocol, send),
            lambda job, made: landed.put((self, job, made)),
            seconds,
        )

    @property
    def events(self) -> EventQuerySet:
        return Event.objects.using(self.using).filter(destination=self.alias)

    @property
    def is_busy(self) -> bool:
        return bool(self.senders.out or self.suspects or self.done or self.unsent)

    def begin(self) -> None:
        """What a drain does first."""
        # Cleared before the first claim: what is captured from here on asks for a drain of its own.
        self._patiently(lambda: self.set_wake_requested(None, drained_at=clock.now()))
        self.tally["expired"] += self._patiently(lambda: expire(self.events, until=self.begin_until))
        warn_of_risk(self.alias, self.using, clock.now())
        destinations.try_mended(self.destination, self.wire)
        destinations.hold(self.destination, self.settings, self.wire)

    def step(self) -> bool:
        """Build and claim once, as far as that is wanted; false when there was nothing to do."""
        now = clock.monotonic()
        worked = False
        if now - self.built_at >= LOOK_AGAIN_SECONDS:
            built = build_due(self.events, until=self._patience)
            self.tally["built"] += built
            worked = bool(built)
            # While there is more to build, build; what was built is wanted at once.
            self.built_at, self.claimed_at = (float("-inf"), float("-inf")) if built else (now, self.claimed_at)
        self.is_alone = self.is_alone and bool(self.senders.out)
        if self._wants_more() and now - self.claimed_at >= LOOK_AGAIN_SECONDS:
            claimed = self._patiently(self._claim)
            worked = worked or bool(claimed)
            self.claimed_at = float("-inf") if claimed else now
            self._submit(self.protocol.batches(claimed))
        if self.suspects and not self.senders.out:
            self.is_alone = True
            self._give_back()
            self._send(self.suspects.popleft())
        return worked

    def land(self, job: Job, made: Exchange | None) -> None:
        """Take what came back from a thread."""
        if not self.senders.take(job):
            self.senders.go_on()  # given up before: its event is settled, and nothing is to be decided
        elif made is None:
            self.unsent.append(job.batch)
        elif made.result.outcome == Outcome.REJECTED and len(made.batch) > 1:
            # Which one is to blame can't be seen from outside: halve until the culprit stands alone.
            half = len(made.batch) // 2
            self._submit((made.batch[:half], made.batch[half:]))
        else:
            self._take(made)

    def settle_if_due(self) -> None:
        for job in self.senders.give_up_overdue():
            self._take(hung(job.batch, clock.monotonic() - job.began_at))
        late = clock.monotonic() - self.settled_at >= SETTLE_AFTER_SECONDS
        if self.done and (late or len(self.done) >= SETTLE_EVERY or not self.senders.out):
            self._settle()
        if self.unsent:
            self._give_back()

    def stop(self) -> None:
        """Begin nothing more: what no thread has begun is given back at once."""
        self.unsent += [job.batch for job in self.senders.recall()]
        self.unsent += self.suspects
        self.suspects.clear()
        self._give_back()
        self.senders.go_on()

    def close(self) -> None:
        self.senders.close()

    def set_wake_requested(self, at: dt.datetime | None, **others: Any) -> None:
        Destination.objects.using(self.using).filter(pk=self.alias).update(wake_requested_at=at, **others)

    def keep_watch(self, seconds: float) -> bool:
        """Whether something is due within so many seconds; if so, whoever commits need not ask for another drain."""
        found = destinations.has_due(self.alias, self.using, within_seconds=seconds)
        if found:
            self.set_wake_requested(clock.now())
        return found

    @property
    def _patience(self) -> float:
        return max(self.patient_until, clock.monotonic() + LAST_PATIENCE_SECONDS)

    def _patiently(self, step: Callable[[], T]) -> T:
        return patiently(step, using=self.using, until=self._patience, should_stop=self.should_stop)

    def _wants_more(self) -> bool:
        is_free = not self.suspects and not self.is_alone and not self.is_probing
        return is_free and len(self.senders.out) <= self.ahead / 2

    def _claim(self) -> list[Event]:
        now, elapsed = clock.now(), clock.monotonic()
        self.destination.refresh_from_db()
        if self.destination.closed_until is not None and (self.is_busy or not self._ready(now).exists()):
            return []
        wanted = self.ahead - len(self.senders.out)
        probe_seconds = 2 * self.request_seconds
        places = destinations.reserve(self.destination, wanted, now, probe_seconds)
        claimed: list[Event] = []
        if places and elapsed - self.lapsed_at >= LOOK_FOR_LAPSED_SECONDS:
            self.lapsed_at = elapsed
            claimed += self._claim_from(EventStatus.SENDING, places, now)
        if places and not claimed:  # one claim a step: a step may be repeated
            claimed += self._claim_from(EventStatus.PENDING, places, now)
        destinations.release(self.destination, places - len(claimed), now)
        self.is_probing = bool(claimed) and self.destination.closed_until is not None
        return claimed

    def _ready(self, now: dt.datetime) -> EventQuerySet:
        return self.events.filter(status__in=(EventStatus.PENDING, EventStatus.SENDING), expires_at__gt=now).due(now)

    def _claim_from(self, status: EventStatus, limit: int, now: dt.datetime) -> list[Event]:
        # One status at a time: the index then has the events in the order in which they expire.
        ready = self.events.filter(status=status, expires_at__gt=now)
        lease_seconds = self.settings.LEASE_SECONDS
        claimed = ready.claim(limit=limit, now=now, lease_seconds=lease_seconds, into=EventStatus.SENDING)
        return self._drop_killers(claimed) if status == EventStatus.SENDING else claimed

    def _drop_killers(self, claimed: list[Event]) -> list[Event]:
        """Fail what was sent alone and not settled even then; the rest goes on."""
        lost = [event for event in claimed if event.lapse_count > LAPSES_TO_SUSPECT]
        now = clock.now()
        leases = by_lease([lost])
        for event in lost:
            event.finish(EventStatus.FAILED, Reason.WORKER_LOST, WORKER_LOST, now)
        tell(self._write(leases), self.using)
        return [event for event in claimed if event not in lost]

    def _submit(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            # What may be what kills workers flies by itself, and is held by itself: no other must lapse with it.
            if any(event.lapse_count >= LAPSES_TO_SUSPECT for event in batch):
                (self.unsent if self.suspects else self.suspects).append(batch)
            else:
                self._send(batch)

    def _send(self, batch: Batch) -> None:
        leased = min(event.due_at for event in batch if event.due_at) - clock.now()
        lease_until = clock.monotonic() + leased.total_seconds() - self.request_seconds
        self.senders.submit(Job(batch, min(self.begin_until, lease_until)))

    def _take(self, made: Exchange) -> None:
        self.done.append(made)
        if made.result.outcome not in (Outcome.ACCEPTED, Outcome.REJECTED):
            self.settled_at = float("-inf")  # settle at once: the destination may have to close

    def _settle(self) -> None:
        done, self.done = self.done, []
        self._note_pace(len(done))
        now = clock.now()
        leases = by_lease(each.batch for each in done)
        for each in done:
            for event in each.batch:
                apply_result(event, each.result, now, keeps_payload=self.settings.KEEP_PAYLOADS)
        settled = self._write(leases)
        was_probe, self.is_probing = self.is_probing, False
        results = [each.result for each in done]
        in_hand = len(self.senders.out)
        note = functools.partial(destinations.note, self.destination, results, now, wire=self.wire, in_hand=in_hand)
        self._patiently(lambda: note(was_probe=was_probe))
        record(done, self.using)
        if self.destination.is_stopped(now):
            self.stop()
        self.senders.go_on()
        tell_attempts(done, self.using)
        tell(settled, self.using)
        totals.flush(self.using, after_seconds=totals.FLUSH_SECONDS)

    def _note_pace(self, landed: int) -> None:
        """Claim ahead what half a second needs: more at the speed of the wire, little where answers are slow."""
        elapsed = clock.monotonic()
        seconds, self.settled_at = elapsed - self.settled_at, elapsed
        if seconds < 10 * SETTLE_AFTER_SECONDS:
            self.ahead = max(
                2 * self.settings.CONCURRENCY,
                min(MOST_IN_HAND, round(landed / max(seconds, 0.001) * CLAIM_AHEAD_SECONDS)),
            )

    def _write(self, leases: dict[dt.datetime, list[Event]]) -> list[Event]:
        """Settle events as they stand; those that still were ours."""
        settled: list[Event] = []
        for lease, events in leases.items():
            delivered = [each for each in events if each.status == EventStatus.DELIVERED]
            others = [each for each in events if each.status != EventStatus.DELIVERED]
            on_delivery = DELIVERED_FIELDS if self.settings.KEEP_PAYLOADS else (*DELIVERED_FIELDS, "payload")
            for group, fields in ((delivered, on_delivery), (others, SETTLED_FIELDS)):
                write = functools.partial(self.events.settle, group, fields, status=EventStatus.SENDING, lease=lease)
                settled += self._patiently(write)
        self.tally.update(event.status for event in settled)
        return settled

    def _give_back(self) -> None:
        unsent, self.unsent = self.unsent, []
        self.is_probing = self.is_probing and not unsent
        for lease, events in by_lease(unsent).items():
            give_back = functools.partial(self.events.give_back, events, lease=lease, now=clock.now())
            self._patiently(give_back)
        self._patiently(lambda: destinations.release(self.destination, sum(map(len, unsent)), clock.now()))
