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

from django.utils.module_loading import import_string

from . import clock, destinations, pacing, totals
from .building import BUILD_BATCH, build_due
from .conf import Settings
from .database_clock import DatabaseClock
from .deadlines import EXPIRE_BATCH, expire
from .endings import notify
from .exchange import Batch, Exchange, Send, apply_result, by_lease, exchange, hung, record, tell_attempts
from .hold import Hold, Portion
from .models import Destination, Event
from .protocols.base import Result, WireProtocol
from .queries import POISON_LAPSES
from .senders import Job, Senders
from .states import Outcome, Reason

#: Results are written when so many have come, or so much time has passed.
SETTLE_EVERY = 500
SETTLE_AFTER_SECONDS = 0.5
#: So much work, at the pace lately seen, is claimed ahead; and never more events than this.
CLAIM_AHEAD_SECONDS = 0.5
MOST_IN_HAND = 1000
#: How often a lane that found nothing looks again, and how often any looks for events that are too late.
LOOK_AGAIN_SECONDS = 0.2
LOOK_FOR_LATE_SECONDS = 1.0
#: A lane that its rate limit stopped for so long goes on in the same drain.
SHORT_STOP_SECONDS = 1.2

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
        database_clock: DatabaseClock | None = None,
    ) -> None:
        self.alias, self.using, self.settings, self.begin_until = alias, using, settings, begin_until
        self.wire = destinations.fingerprint(alias, settings)
        self.protocol = protocol_for(alias, settings)
        self.hold = Hold(alias, using, settings, patient_until, should_stop, database_clock)
        self.suspects: deque[Batch] = deque()
        self.done: list[Exchange] = []
        self.unsent: list[Batch] = []
        self.accepted_at: deque[float] = deque(maxlen=MOST_IN_HAND)
        self.is_probing = self.is_alone = False
        self.settled_at = self.built_at = self.claimed_at = self.expired_at = float("-inf")
        self.late, self.captured = Portion(EXPIRE_BATCH), Portion(BUILD_BATCH)
        self.ahead = 2 * settings.CONCURRENCY
        seconds = settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT
        # A request is begun only if the lease outlasts it.
        self.request_seconds = min(seconds, settings.LEASE_SECONDS / 2)
        self.knows_limit = False
        self.senders = Senders(
            settings.CONCURRENCY,
            functools.partial(exchange, self.protocol, send),
            lambda job, made: landed.put((self, job, made)),
            seconds,
            asks=self._tells_of_limit,
        )

    @property
    def destination(self) -> Destination:
        return self.hold.destination

    @property
    def tally(self) -> Counter[str]:
        return self.hold.tally

    @property
    def is_busy(self) -> bool:
        return bool(self.senders.out or self.suspects or self.done or self.unsent)

    @property
    def goes_on_soon(self) -> bool:
        """Whether the rate limit, and nothing else, stops it, for a moment only."""
        until, now = self.destination.closed_until, self.hold.now()
        if until is None or self.destination.rate is None or self.destination.closed_code != Reason.THROTTLED:
            return False
        return bool(-LOOK_AGAIN_SECONDS * 2 < (until - now).total_seconds() <= SHORT_STOP_SECONDS)

    def begin(self) -> None:
        self.hold.begin(self.wire)

    def step(self) -> bool:
        """Build, claim and expire once, as far as that is wanted; false when there was nothing to do."""
        self.hold.patiently(self.hold.clock.ask)
        built = self._build()
        claimed = self._claim()
        return bool(self._expire() or built or claimed)  # last: what is too late can wait

    def _build(self) -> int:
        now = clock.monotonic()
        if now - self.built_at < LOOK_AGAIN_SECONDS:
            return 0
        built = build_due(self.hold.events, now=self.hold.now(), until=self.hold.patience, limit=self.captured.size)
        self.captured.done_since(now)
        self.tally["built"] += built
        # While there is more to build, build; what was built is wanted at once.
        self.built_at, self.claimed_at = (float("-inf"), float("-inf")) if built else (now, self.claimed_at)
        return built

    def _claim(self) -> int:
        now, claimed = clock.monotonic(), list[Event]()
        self.is_alone = self.is_alone and bool(self.senders.out)
        if self._wants_more() and now - self.claimed_at >= LOOK_AGAIN_SECONDS:
            claimed = self.hold.patiently(self._claim_once)
            self.is_probing = bool(claimed) and self.destination.closed_until is not None
            self.claimed_at = float("-inf") if claimed else now
            self._submit(self.protocol.batches(claimed))
        if self.suspects and not self.senders.out:
            self.is_alone = True
            self._give_back()
            self._send(self.suspects.popleft())
        return len(claimed)

    def _claim_once(self) -> list[Event]:
        wanted = self.ahead - len(self.senders.out)
        claimed = self.hold.claim(wanted, is_busy=self.is_busy, probe_seconds=2 * self.request_seconds)
        self.knows_limit = self.destination.rate is not None or self.destination.has_quota(self.hold.now())
        return claimed

    def _expire(self) -> int:
        """A batch of what is too late; more of it in the next round."""
        now = clock.monotonic()
        if now - self.expired_at < LOOK_FOR_LATE_SECONDS:
            return 0
        late = functools.partial(expire, self.hold.events, now=self.hold.now(), limit=self.late.size)
        expired = self.hold.patiently(late)
        self.late.done_since(now)
        self.tally["expired"] += expired
        self.expired_at = float("-inf") if expired else now
        return expired

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

    def _wants_more(self) -> bool:
        is_free = not self.suspects and not self.is_alone and not self.is_probing
        return is_free and len(self.senders.out) <= self.ahead / 2

    def _tells_of_limit(self, result: Result) -> bool:
        """Whether an answer tells of a limit that is not kept to yet. Asked by the threads."""
        if self.knows_limit:
            return False
        is_scarce = result.remaining is not None and result.remaining <= 4 * self.settings.CONCURRENCY
        return is_scarce or pacing.tells_news(self.destination, [result])

    def _submit(self, batches: Iterable[Batch]) -> None:
        turn_at, seconds = self._turns()
        for batch in batches:
            # What may be what kills workers flies by itself, and is held by itself: no other must lapse with it.
            if any(event.lapse_count >= POISON_LAPSES for event in batch):
                (self.unsent if self.suspects else self.suspects).append(batch)
            else:
                self._send(batch, turn_at)
                turn_at += seconds

    def _turns(self) -> tuple[float, float]:
        """When the first of what was claimed may be sent, and how long after it the next."""
        rate = self.destination.rate
        ahead = (self.hold.first_at - self.hold.now()).total_seconds()
        return (clock.monotonic() + ahead, 1 / rate) if rate else (0.0, 0.0)

    def _send(self, batch: Batch, turn_at: float = 0.0) -> None:
        begin_until = clock.monotonic() + self.hold.begins_in(batch, self.request_seconds)
        self.senders.submit(Job(batch, min(self.begin_until, begin_until), turn_at))

    def _take(self, made: Exchange) -> None:
        self.done.append(made)
        if made.result.outcome == Outcome.ACCEPTED:
            self.accepted_at.append(clock.monotonic())
        if made.result.outcome not in (Outcome.ACCEPTED, Outcome.REJECTED) or self._tells_of_limit(made.result):
            self.settled_at = float("-inf")  # settle at once: the destination may have to close

    def _settle(self) -> None:
        done, self.done = self.done, []
        self._note_pace(len(done))
        now = self.hold.now()
        leases = by_lease(each.batch for each in done)
        for each in done:
            for event in each.batch:
                apply_result(event, each.result, now, keeps_payload=self.settings.KEEP_PAYLOADS)
        settled = self.hold.write(leases)
        self._note([each.result for each in done], now)
        record(done, self.using)
        self.senders.go_on()
        tell_attempts(done, self.using)
        notify(settled, self.using)
        totals.flush(self.using, after_seconds=totals.FLUSH_SECONDS)

    def _note(self, results: list[Result], now: dt.datetime) -> None:
        """Let the destination hear of the results; what it then forbids is given back."""
        was_probe, self.is_probing = self.is_probing, False
        lately = clock.monotonic() - 1
        self.hold.patiently(
            lambda: destinations.note(
                self.destination,
                results,
                now,
                wire=self.wire,
                was_probe=was_probe,
                in_hand=len(self.senders.out),
                sent=sum(at > lately for at in self.accepted_at),
            )
        )
        knew_limit = self.knows_limit
        self.knows_limit = self.destination.rate is not None or self.destination.has_quota(now)
        if self.destination.is_stopped(now) or (self.knows_limit and not knew_limit):
            self.stop()

    def _note_pace(self, landed: int) -> None:
        """Claim ahead what half a second needs: more at the speed of the wire, little where answers are slow."""
        elapsed = clock.monotonic()
        seconds, self.settled_at = elapsed - self.settled_at, elapsed
        if landed >= self.ahead / 2 and not self.senders.out:  # it ran dry while other work took the time
            self.ahead = min(MOST_IN_HAND, 2 * self.ahead)
            return
        if seconds < 10 * SETTLE_AFTER_SECONDS:
            self.ahead = max(
                2 * self.settings.CONCURRENCY,
                min(MOST_IN_HAND, round(landed / max(seconds, 0.001) * CLAIM_AHEAD_SECONDS)),
            )

    def _give_back(self) -> None:
        unsent, self.unsent = self.unsent, []
        self.is_probing = self.is_probing and not unsent
        self.hold.requeue(unsent)
