"""One HTTP exchange, its delivery attempt, and the effect of its outcome on an event."""

from __future__ import annotations

import datetime as dt
import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .. import clock
from ..backoff import backoff_seconds
from ..conf import get_settings
from ..db.retry import DATABASE_ERRORS, write_bisecting
from ..db.savepoints import raise_or_recover
from ..enums import EventStatus, Outcome, Reason
from ..exceptions import ConfigurationError, RefusedInTests, TransportError, error_text
from ..models import DeliveryAttempt, Event
from ..protocols.base import Request, Response, Result, WireProtocol
from ..telemetry import counters
from ..text.escape import escaped_text, searchable, storable
from ..text.log_fields import event_extra, events_logger
from ..text.reasons import ReasonText, to_json
from .masking import masked_response, masked_text

logger = logging.getLogger("dfinery_django")

Send = Callable[[Request], Response]
Batch = Sequence[Event]

#: The length to which an answer is stored with its attempt, in characters.
BODY_LENGTH = 2048
ERROR_LENGTH = 1000


@dataclass(frozen=True)
class Exchange:
    """One request for a batch, and its result.

    :ivar error: technical words, where no answer came; ``result.message`` says it for people
    :ivar may_have_arrived: ``True`` if no proper answer came, but at least a part of the request was sent
    """

    batch: Batch
    started_at: dt.datetime
    duration_ms: int
    result: Result
    body: str = ""
    error: str = ""
    may_have_arrived: bool = False


def send_batch(protocol: WireProtocol, send: Send, batch: Batch) -> Exchange:
    """Send one request. Runs in a thread of the pool: no ORM here. Never raises.

    The answer is masked before any use, since it may echo the token.
    """
    started_at, started = clock.now(), clock.monotonic()
    body = error = to_mask = ""
    may_have_arrived = is_begun = False
    with suppress(Exception):  # the request raises the same, and reports it
        to_mask = protocol.token.reveal()
    try:
        request = protocol.encode([event.payload for event in batch])
        is_begun = True
        response = masked_response(send(request), to_mask)
        result, body = protocol.decode(response), response.text[:BODY_LENGTH].replace("\x00", "")
        may_have_arrived = result.outcome == Outcome.TRANSIENT
    except ConfigurationError as failure:  # the token; normally the destination is blocked before that
        error = str(failure)
        result = Result(Outcome.BLOCKED, error, blames_token=True)
    except TransportError as failure:
        outcome = Outcome.BLOCKED if failure.is_local_fault else Outcome.TRANSIENT
        error, may_have_arrived = masked_text(str(failure), to_mask)[:ERROR_LENGTH], failure.may_have_arrived
        known = failure.reason if isinstance(failure.reason, ReasonText) else None
        result = Result(outcome, known or ReasonText("no_answer", error=error))
    except RefusedInTests as failure:
        error = str(failure)
        result = Result(Outcome.TRANSIENT, error)
    except Exception as failure:  # noqa: BLE001 - logged masked: a traceback may quote the token
        stack = masked_text(traceback.format_exc(), to_mask)
        logger.error("A request could not be made\n%s", stack)
        error = masked_text(error_text(failure), to_mask)[:ERROR_LENGTH]
        result, may_have_arrived = Result(Outcome.TRANSIENT, ReasonText("request_failed")), is_begun
    duration_ms = round((clock.monotonic() - started) * 1000)
    return Exchange(batch, started_at, duration_ms, result, body, error, may_have_arrived)


def timed_out(batch: Batch, seconds: float) -> Exchange:
    """Return the exchange of a request that never ended, not even with an error."""
    reason = ReasonText("never_ended", seconds=f"{seconds:.0f}")
    started_at = clock.now() - dt.timedelta(seconds=seconds)
    result = Result(Outcome.TRANSIENT, reason)
    return Exchange(batch, started_at, round(seconds * 1000), result, error=str(reason), may_have_arrived=True)


def by_lease(batches: Iterable[Batch]) -> dict[dt.datetime, list[Event]]:
    """Group events by the lease that they were claimed with."""
    leases: dict[dt.datetime, list[Event]] = {}
    for batch in batches:
        for event in batch:
            assert event.due_at is not None  # noqa: S101 - claimed events have a lease
            leases.setdefault(event.due_at, []).append(event)
    return leases


def store_attempts(exchanges: Sequence[Exchange], using: str) -> None:
    """Store the exchanges as delivery attempts. A deleted event or a database error loses attempts only."""
    events = {event.pk for each in exchanges for event in each.batch}
    try:
        present = set(Event.objects.using(using).filter(pk__in=events).values_list("pk", flat=True))
        attempts = [_attempt(event, each) for each in exchanges for event in each.batch if event.pk in present]
        create = DeliveryAttempt.objects.using(using).bulk_create
        if refused := write_bisecting(attempts, create, using=using, weigh=_bytes_of):
            kind = type(refused[0][1]).__name__  # its message may quote the row
            logger.error("%s delivery attempts can't be stored: %s", len(refused), kind)
    except DATABASE_ERRORS as error:
        raise_or_recover(error, using)
        logger.exception("%s delivery attempts were not recorded", len(exchanges))


def _bytes_of(attempt: DeliveryAttempt) -> int:
    texts = (attempt.response_body, attempt.reason, attempt.reason_data, attempt.error)
    return sum(len(text.encode(errors="replace")) for text in texts)


def _attempt(event: Event, exchange: Exchange) -> DeliveryAttempt:
    return DeliveryAttempt(
        event_id=event.pk,
        number=event.attempt_count,
        started_at=exchange.started_at,
        duration_ms=exchange.duration_ms,
        outcome=exchange.result.outcome,
        status_code=exchange.result.status_code,
        result_code=searchable(exchange.result.result_code, 20),
        response_body=storable(exchange.body, BODY_LENGTH),
        reason=storable(exchange.result.message),
        reason_data=to_json(exchange.result.message),
        error=storable(exchange.error),
        may_have_arrived=exchange.may_have_arrived,
    )


def apply_result(event: Event, result: Result, now: dt.datetime, *, keeps_payload: bool = True) -> None:
    """Apply an outcome to an event, by the table of ``enums.Outcome``."""
    event.lapse_count = 0
    if result.outcome == Outcome.ACCEPTED:
        event.finish(EventStatus.DELIVERED, Reason.NONE, "", now)
        event.payload = event.payload if keeps_payload else ""
    elif result.outcome == Outcome.REJECTED:
        event.finish(EventStatus.FAILED, Reason.REJECTED, result.message, now)
    elif result.outcome == Outcome.TRANSIENT:
        due_at = now + dt.timedelta(seconds=backoff_seconds(event.attempt_count))
        event.postpone(EventStatus.PENDING, due_at, Reason.TRANSIENT, result.message)
    elif result.outcome == Outcome.THROTTLED:
        event.postpone(EventStatus.PENDING, now, Reason.THROTTLED, result.message)
    else:
        event.attempt_count -= 1
        event.postpone(EventStatus.PENDING, now, Reason.BLOCKED, result.message)


def log_attempts(exchanges: Sequence[Exchange], using: str) -> None:
    """Log each event of each exchange, and count it. The answer's text is shown in the admin only."""
    if events_logger.isEnabledFor(logging.INFO):
        for each in exchanges:
            for event in each.batch:
                events_logger.info(
                    "Event %s (%s): %s after %s ms",
                    *(event.event_id, escaped_text(event.event_name), each.result.outcome, each.duration_ms),
                    extra=event_extra(
                        event,
                        outcome=str(each.result.outcome),
                        attempt=event.attempt_count,
                        duration_ms=each.duration_ms,
                        status_code=each.result.status_code,
                        result_code=each.result.result_code,
                    ),
                )
    for each in exchanges if get_settings().METRICS else ():
        alias = each.batch[0].destination
        counters.increment(using, "attempts", alias, str(each.result.outcome))
        counters.observe(using, "request_duration_seconds", alias, seconds=each.duration_ms / 1000)
