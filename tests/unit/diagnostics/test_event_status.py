"""Where an event stands: a sentence and a next step for whatever state it is in, without any HTML."""

from __future__ import annotations

import datetime as dt
import itertools
import re

import pytest

from dfinery_django.diagnostics import event_status
from dfinery_django.enums import EventStatus, Outcome, Reason
from dfinery_django.models import DeliveryAttempt, Destination, Event

NOW = dt.datetime(2026, 3, 4, 12, 0, tzinfo=dt.timezone.utc)


def event(status: str, reason: str = "", *, hours: float = 1, definition: str = "purchase", **fields: object) -> Event:
    made = Event(event_name="purchase", definition=definition, destination="brand", source="shop.Order", source_pk="7")
    made.set_occurred_at(NOW - dt.timedelta(hours=hours))
    made.status, made.reason_code = EventStatus(status), Reason(reason)
    made.attempt_count = 3
    if made.is_finished:
        made.finished_at = made.occurred_at + dt.timedelta(seconds=4)
    else:
        made.due_at = NOW + dt.timedelta(minutes=7)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def stands(made: Event, destination: Destination | None = None) -> event_status.StatusExplanation:
    return event_status.explain_status(made, destination, NOW)


@pytest.mark.parametrize(("status", "reason"), list(itertools.product(EventStatus, Reason)))
@pytest.mark.parametrize("hours", [1, 50])
@pytest.mark.parametrize("definition", ["purchase", ""])
def test_every_state_has_a_sentence_and_a_next_step(status: str, reason: str, hours: float, definition: str) -> None:
    """Whole sentences, every placeholder filled in."""
    found = stands(event(status, reason, hours=hours, definition=definition))
    for text in (found.sentence, found.next_step):
        assert re.fullmatch(r"[A-Z].*[.?]", text), text
        assert "%(" not in text
        assert ".." not in text
        assert "  " not in text


@pytest.mark.parametrize(
    ("made", "sentence", "step"),
    [
        (event("delivered"), "DFINERY accepted it on 2026-03-04 20:00, 4 seconds after it", "Nothing to do."),
        (event("pending", "transient"), "(attempts: 3); it is retried in 7", "happens by itself"),
        (event("failed", "rejected"), "would refuse it again as it is", "rebuild and resend: 1 day, 23"),
        (event("failed", "rejected", hours=49), "would refuse it again", "it expired on 2026-03-04 20:00"),
        (event("failed", "payload", definition=""), "a value can't be sent", "calls track() or the REST API"),
        (event("failed", "source_gone"), "shop.Order 7 was deleted", "unless it is restored"),
        (event("expired", "too_old", hours=49), "accepts events (48 h)", "can't be sent any more"),
        (event("cancelled", "by_hand"), "cancelled by hand", "If that was a mistake, resend or rebuild it: 1 day"),
        (event("captured", "not_ready"), "the items of shop.Order 7", "Nothing to do"),
        (event("sending"), "being sent to brand at this moment", "Look again"),
        (
            event("pending", due_at=NOW - dt.timedelta(hours=1)),
            "due for 1 hour",
            "is the cluster (manage.py qcluster) up",
        ),
    ],
)
def test_sentences(made: Event, sentence: str, step: str, settings: object) -> None:
    """Times in the reader's zone, what is left, and what is to be done."""
    found = stands(made)
    assert sentence in found.sentence.replace("\xa0", " ")
    assert step in found.next_step.replace("\xa0", " ")


def test_a_stopped_destination_is_what_an_event_waits_for() -> None:
    """Paused, refused or out of order: the sentence says which."""
    made = event("pending")
    paused = stands(made, Destination(alias="brand", paused_by="Kim"))
    assert "paused by Kim" in paused.sentence
    until = NOW + dt.timedelta(minutes=5)
    refused = stands(made, Destination(alias="brand", closed_until=until, closed_code="blocked", closed_reason="no"))
    assert "API token" in refused.next_step
    down = stands(
        made, Destination(alias="brand", closed_until=until, closed_code="transient", closed_reason="HTTP 503.")
    )
    assert down.sentence == "Delivery to brand is stopped for a while: HTTP 503."
    assert "paused" not in stands(event("delivered"), Destination(alias="brand", paused_by="Kim")).sentence


@pytest.mark.parametrize(
    ("outcome", "status_code", "result_code", "words"),
    [
        ("accepted", 200, "2000", "DFINERY accepted the event."),
        ("transient", 503, "", "No proper answer."),
        ("transient", None, "", "The event did not arrive."),
        ("throttled", 429, "4006", "rate limit"),
        ("rejected", 400, "4002", "refuses the event"),
        ("blocked", 401, "", "DFINERY refuses the API token: delivery is stopped until it is fixed."),
        ("blocked", 400, "4001", "does not count against the event"),
        ("blocked", 404, "", "BASE_URL"),
        ("blocked", None, "", "No safe connection"),
    ],
)
def test_what_an_attempt_means(outcome: str, status_code: int | None, result_code: str, words: str) -> None:
    """In plain words, for every outcome."""
    attempt = DeliveryAttempt(outcome=outcome, status_code=status_code, result_code=result_code)
    assert words in event_status.explain_outcome(attempt)


def test_whether_an_unanswered_attempt_may_have_arrived() -> None:
    """Only where a part of it was sent."""
    attempt = DeliveryAttempt(outcome="transient", may_have_arrived=True)
    assert "may have arrived or not" in event_status.explain_outcome(attempt)


def test_every_outcome_has_words() -> None:
    """With an answer; without one, where that can be."""
    for outcome in Outcome:
        assert event_status.explain_outcome(DeliveryAttempt(outcome=outcome, status_code=200))


def test_what_a_sandbox_accepted_is_not_said_of_dfinery() -> None:
    """Neither of the event nor of the attempt."""
    delivered = Event(status="delivered", occurred_at=NOW, expires_at=NOW, finished_at=NOW)
    attempt = DeliveryAttempt(outcome="accepted", status_code=200)
    told = event_status.explain_status(delivered, None, NOW, is_dfinery=False).sentence
    assert "It was accepted on" in told
    assert "DFINERY" not in told + event_status.explain_outcome(attempt, is_dfinery=False)
    assert "DFINERY accepted" in event_status.explain_status(delivered, None, NOW).sentence
