"""A lane: one destination in one database, as a drain works through it: build, claim, send, record results.

Only the draining thread touches the database; the threads of ``thread_pool`` only exchange bytes. No transaction is
open while a request is in flight.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import deque
from collections.abc import Iterable
from queue import SimpleQueue

from .. import clock
from ..building.build import BUILD_BATCH, build_due
from ..enums import Outcome, Reason
from ..models import Event
from ..models.queryset import POISON_LAPSES
from ..protocols.base import Result
from ..protocols.load import protocol_for
from ..telemetry import counters
from ..telemetry.notify import notify
from . import circuit, rate_limit
from .exchange import Batch, Exchange, Send, apply_result, by_lease, log_attempts, send_batch, store_attempts, timed_out
from .expiry import EXPIRE_BATCH, expire
from .lane_store import BatchSize, LaneStore
from .thread_pool import Job, SenderPool

#: Results are recorded when this many have come, or this much time has passed.
RECORD_EVERY = 500
RECORD_AFTER_SECONDS = 0.5
#: Events for this many seconds, at the current pace, are claimed ahead; never more than ``MAX_IN_FLIGHT``.
CLAIM_AHEAD_SECONDS = 0.5
MAX_IN_FLIGHT = 1000
#: The pause of a lane that found nothing before it polls again.
POLL_SECONDS = 0.2
#: The interval at which a lane looks for expired events.
EXPIRE_EVERY_SECONDS = 1.0
#: The longest stop by a rate limit that a drain waits out; for a longer one it ends.
SHORT_THROTTLE_SECONDS = 1.2

Completion = tuple["Lane", Job, Exchange | None]


class Lane:
    """One destination in one database during a drain.

    :param completed: the queue in which the threads put finished jobs, for ``handle_completion``
    :param begin_until: ``clock.monotonic()`` after which no request is begun
    """

    def __init__(self, store: LaneStore, send: Send, completed: SimpleQueue[Completion], begin_until: float) -> None:
        self.store, self.destination, self.tally, self.begin_until = store, store.destination, store.tally, begin_until
        self.alias, self.using, self.settings = store.alias, store.using, store.settings
        settings = store.settings
        self.wire = circuit.fingerprint(store.alias, settings)
        self.protocol = protocol_for(store.alias, settings)
        self.poison_batches: deque[Batch] = deque()
        self.unrecorded: list[Exchange] = []
        self.unsent: list[Batch] = []
        self.accepted_at: deque[float] = deque(maxlen=MAX_IN_FLIGHT)
        self.is_probing = self.is_isolating = self.knows_limit = False
        self.recorded_at = self.built_at = self.claimed_at = self.expired_at = float("-inf")
        self.expire_size, self.build_size = BatchSize(EXPIRE_BATCH), BatchSize(BUILD_BATCH)
        self.claim_size = 2 * settings.CONCURRENCY
        # A request is begun only if the lease outlasts it.
        self.request_seconds = min(settings.request_seconds, settings.LEASE_SECONDS / 2)
        self.senders = SenderPool(
            settings.CONCURRENCY,
            functools.partial(send_batch, self.protocol, send),
            lambda job, exchange: completed.put((self, job, exchange)),
            settings.request_seconds,
            needs_decision=self._reveals_limit,
        )

    @property
    def is_busy(self) -> bool:
        return bool(self.senders.in_flight or self.poison_batches or self.unrecorded or self.unsent)

    @property
    def resumes_soon(self) -> bool:
        """``True`` if only the rate limit stops the lane, and only for a moment."""
        until, now = self.destination.closed_until, self.store.now()
        if until is None or self.destination.rate is None or self.destination.closed_code != Reason.THROTTLED:
            return False
        # For two polls after its end as well: by then the lane has claimed.
        return bool(-POLL_SECONDS * 2 < (until - now).total_seconds() <= SHORT_THROTTLE_SECONDS)

    def waits_for_due(self, seconds: float) -> bool:
        """Return ``True`` if any is due within so many seconds; a commit meanwhile then requests no other drain."""
        if found := self.store.has_due(seconds):
            self.store.hold_wake_flag()
        return found

    def step(self) -> bool:
        """Build, claim and expire one batch each, if due; return ``False`` if there was nothing to do."""
        self.store.retry(self.store.clock.refresh)
        built = self._build()
        claimed = self._claim()
        return bool(self._expire() or built or claimed)  # expired events are the least urgent

    def _build(self) -> int:
        now = clock.monotonic()
        if now - self.built_at < POLL_SECONDS:
            return 0
        until = self.store.retry_deadline
        built = build_due(self.store.events, now=self.store.now(), until=until, limit=self.build_size.size)
        self.build_size.adapt(now)
        self.tally["built"] += built
        # After a batch: build the next one without a pause, and claim the built events at once.
        self.built_at, self.claimed_at = (float("-inf"), float("-inf")) if built else (now, self.claimed_at)
        return built

    def _claim(self) -> int:
        now, claimed = clock.monotonic(), list[Event]()
        self.is_isolating = self.is_isolating and bool(self.senders.in_flight)
        is_free = not (self.poison_batches or self.is_isolating or self.is_probing)
        has_capacity = is_free and len(self.senders.in_flight) <= self.claim_size / 2
        if has_capacity and now - self.claimed_at >= POLL_SECONDS:
            claimed = self.store.retry(self._claim_once)
            self.is_probing = bool(claimed) and self.destination.closed_until is not None
            self.claimed_at = float("-inf") if claimed else now
            self._submit(self.protocol.batches(claimed))
        if self.poison_batches and not self.senders.in_flight:
            self.is_isolating = True
            self._requeue()
            self._send(self.poison_batches.popleft())
        return len(claimed)

    def _claim_once(self) -> list[Event]:
        wanted = self.claim_size - len(self.senders.in_flight)
        claimed = self.store.claim(wanted, is_busy=self.is_busy, probe_seconds=2 * self.request_seconds)
        self._refresh_limit(self.store.now())
        return claimed

    def _refresh_limit(self, now: dt.datetime) -> None:
        self.knows_limit = self.destination.rate is not None or self.destination.has_quota(now)

    def _expire(self) -> int:
        now = clock.monotonic()
        if now - self.expired_at < EXPIRE_EVERY_SECONDS:
            return 0
        known = {"destination": self.destination, "drained_before": self.store.drained_before}
        options = {"now": self.store.now(), "limit": self.expire_size.size, **known}
        expired = self.store.retry(functools.partial(expire, self.store.events, **options))
        self.expire_size.adapt(now)
        self.tally["expired"] += expired
        self.expired_at = float("-inf") if expired else now
        return expired

    def handle_completion(self, job: Job, exchange: Exchange | None) -> None:
        """Handle a job that a thread has finished, or (``exchange`` is ``None``) did not begin."""
        if not self.senders.finish(job):
            self.senders.resume()  # it was abandoned, and its result recorded then: no decision waits for it
        elif exchange is None:
            self.unsent.append(job.batch)
        elif exchange.result.outcome == Outcome.REJECTED and len(exchange.batch) > 1:
            # The answer does not name the event that DFINERY rejects: halve the batch until it is alone.
            half = len(exchange.batch) // 2
            self._submit((exchange.batch[:half], exchange.batch[half:]))
        else:
            self._add_result(exchange)

    def record_if_due(self) -> None:
        for job in self.senders.abandon_overdue():
            self._add_result(timed_out(job.batch, clock.monotonic() - job.began_at))
        is_late = clock.monotonic() - self.recorded_at >= RECORD_AFTER_SECONDS
        if self.unrecorded and (is_late or len(self.unrecorded) >= RECORD_EVERY or not self.senders.in_flight):
            self._record_results()
        if self.unsent:
            self._requeue()

    def stop(self) -> None:
        """Begin no more requests, and requeue what no thread has begun."""
        self.unsent += [job.batch for job in self.senders.recall()]
        self.unsent += self.poison_batches
        self.poison_batches.clear()
        self._requeue()
        self.senders.resume()

    def close(self) -> None:
        self.senders.close()

    def _reveals_limit(self, result: Result) -> bool:
        """Return ``True`` if an answer announces a limit that the lane does not keep to yet. Called by the threads."""
        if self.knows_limit:
            return False
        is_scarce = result.remaining is not None and result.remaining <= 4 * self.settings.CONCURRENCY
        return is_scarce or rate_limit.changes_pace(self.destination, [result])

    def _submit(self, batches: Iterable[Batch]) -> None:
        wait, rate = (self.store.first_at - self.store.now()).total_seconds(), self.destination.rate
        not_before, seconds = (clock.monotonic() + wait, 1 / rate) if rate else (0.0, 0.0)
        for batch in batches:
            # It may kill its worker: it is sent alone, so that no other lease lapses. One waits, others are requeued.
            if any(event.lapse_count >= POISON_LAPSES for event in batch):
                waiting = self.unsent if self.poison_batches else self.poison_batches
                waiting.append(batch)
            else:
                self._send(batch, not_before)
                not_before += seconds

    def _send(self, batch: Batch, not_before: float = 0.0) -> None:
        begin_until = clock.monotonic() + self.store.seconds_to_begin(batch, self.request_seconds)
        self.senders.submit(Job(batch, min(self.begin_until, begin_until), not_before))

    def _add_result(self, exchange: Exchange) -> None:
        self.unrecorded.append(exchange)
        if exchange.result.outcome == Outcome.ACCEPTED:
            self.accepted_at.append(clock.monotonic())
        if exchange.result.outcome not in (Outcome.ACCEPTED, Outcome.REJECTED) or self._reveals_limit(exchange.result):
            self.recorded_at = float("-inf")  # record at once: the circuit may have to open

    def _record_results(self) -> None:
        exchanges, self.unrecorded = self.unrecorded, []
        self._adjust_claim_size(len(exchanges))
        now = self.store.now()
        leases = by_lease(each.batch for each in exchanges)
        for each in exchanges:
            for event in each.batch:
                apply_result(event, each.result, now, keeps_payload=self.settings.KEEP_PAYLOADS)
        recorded = self.store.record(leases)
        self._update_circuit([each.result for each in exchanges], now)
        store_attempts(exchanges, self.using)
        self.senders.resume()
        log_attempts(exchanges, self.using)
        self.store.compare_clocks(exchanges)
        notify(recorded, self.using)
        counters.flush(self.using, after_seconds=counters.FLUSH_SECONDS)

    def _update_circuit(self, results: list[Result], now: dt.datetime) -> None:
        """Apply the results to the destination's circuit; requeue what it then no longer allows."""
        was_probe, self.is_probing = self.is_probing, False
        since, in_flight = clock.monotonic() - 1, len(self.senders.in_flight)
        sent = sum(at > since for at in self.accepted_at)
        update = functools.partial(circuit.update_circuit, self.destination, results, now, wire=self.wire)
        self.store.retry(functools.partial(update, was_probe=was_probe, in_flight=in_flight, sent=sent))
        knew_limit = self.knows_limit
        self._refresh_limit(now)
        if self.destination.is_stopped(now) or (self.knows_limit and not knew_limit):
            self.stop()

    def _adjust_claim_size(self, finished: int) -> None:
        """Claim ahead for half a second: more events where answers are fast, few where they are slow."""
        now = clock.monotonic()
        seconds, self.recorded_at = now - self.recorded_at, now
        if finished >= self.claim_size / 2 and not self.senders.in_flight:  # it ran dry during other work
            self.claim_size = min(MAX_IN_FLIGHT, 2 * self.claim_size)
            return
        if seconds < 10 * RECORD_AFTER_SECONDS:
            wanted = round(finished / max(seconds, 0.001) * CLAIM_AHEAD_SECONDS)
            self.claim_size = max(2 * self.settings.CONCURRENCY, min(MAX_IN_FLIGHT, wanted))

    def _requeue(self) -> None:
        unsent, self.unsent = self.unsent, []
        self.is_probing = self.is_probing and not unsent
        self.store.requeue(unsent)
