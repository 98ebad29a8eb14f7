"""One HTTP exchange, its record, and what its outcome does to an event."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.utils import timezone

from .backoff import wait_seconds
from .exceptions import TransportError
from .models import DeliveryAttempt, Event
from .protocols.base import Request, Response, Result, WireProtocol
from .signals import event_delivered, event_failed
from .states import EventStatus, Outcome, Reason

logger = logging.getLogger("dfinery_django")

Send = Callable[[Request], Response]
Batch = Sequence[Event]

#: So much of an answer is kept with its attempt.
BODY_LENGTH = 2048


@dataclass(frozen=True)
class Exchange:
    """One request for a batch: what came of it."""

    batch: Batch
    started_at: dt.datetime
    duration_ms: int
    result: Result
    body: str = ""
    error: str = ""


def exchange(protocol: WireProtocol, send: Send, batch: Batch) -> Exchange:
    """Send one request. Runs in a thread of the pool: no ORM here. Never raises."""
    started_at, started = timezone.now(), time.monotonic()
    body = error = ""
    try:
        response = send(protocol.encode([event.payload for event in batch]))
        result, body = protocol.decode(response), response.text[:BODY_LENGTH].replace("\x00", "")
    except TransportError as failure:
        outcome = Outcome.BLOCKED if failure.is_local_fault else Outcome.TRANSIENT
        error = str(failure)
        result = Result(outcome, f"No answer from DFINERY. {error}")
    except Exception as failure:
        logger.exception("A request could not be made")
        error = f"{type(failure).__name__}: {failure}"
        result = Result(Outcome.TRANSIENT, f"The request could not be made. {error}")
    return Exchange(batch, started_at, round((time.monotonic() - started) * 1000), result, body, error)


def record(made: Sequence[Exchange], using: str) -> None:
    """Store the exchanges as attempts. A row that is gone by now, or a fault here, costs the record only."""
    events = {event.pk for each in made for event in each.batch}
    try:
        with transaction.atomic(using=using):
            present = set(Event.objects.using(using).filter(pk__in=events).values_list("pk", flat=True))
            attempts = [_attempt(event, each) for each in made for event in each.batch if event.pk in present]
            DeliveryAttempt.objects.using(using).bulk_create(attempts)
    except DatabaseError:
        logger.exception("%s delivery attempts were not recorded", len(made))


def _attempt(event: Event, made: Exchange) -> DeliveryAttempt:
    return DeliveryAttempt(
        event_id=event.pk,
        number=event.attempt_count,
        started_at=made.started_at,
        duration_ms=made.duration_ms,
        outcome=made.result.outcome,
        status_code=made.result.status_code,
        result_code=made.result.result_code[:20],
        response_body=made.body,
        error=made.error,
    )


def apply_result(event: Event, result: Result, now: dt.datetime) -> None:
    """What an outcome does to an event: the table of ``states.Outcome``."""
    event.lapse_count = 0
    if result.outcome == Outcome.ACCEPTED:
        event.finish(EventStatus.DELIVERED, Reason.NONE, "", now)
    elif result.outcome == Outcome.REJECTED:
        event.finish(EventStatus.FAILED, Reason.REJECTED, result.message, now)
    elif result.outcome == Outcome.TRANSIENT:
        due_at = now + dt.timedelta(seconds=wait_seconds(event.attempt_count))
        event.postpone(EventStatus.PENDING, due_at, Reason.TRANSIENT, result.message)
    elif result.outcome == Outcome.THROTTLED:
        event.postpone(EventStatus.PENDING, now, Reason.THROTTLED, result.message)
    else:
        event.attempt_count -= 1
        event.postpone(EventStatus.PENDING, now, Reason.BLOCKED, result.message)


def announce(event: Event) -> None:
    """Tell the site what became of an event."""
    if event.status == EventStatus.DELIVERED:
        event_delivered.send_robust(sender=Event, event=event)
    elif event.status == EventStatus.FAILED:
        logger.error("Event %s (%s) failed: %s", event.event_id, event.event_name, event.reason)
        event_failed.send_robust(sender=Event, event=event)
