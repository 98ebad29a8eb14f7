"""Events that the server took more than once, each with what made the sender send again. Without a cause: a fault."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dfinery_django.models import Event

from .evidence import Arrival, Evidence
from .server import TAKEN_UNHEARD
from .settings import LEASE_SECONDS

UNEXPLAINED = "no cause"
#: Between the moment a server decides and the moment its log or ledger says so.
SLACK_SECONDS = 0.05


def duplicates(evidence: Evidence) -> Iterator[tuple[Event, Arrival, str]]:
    """Each arrival that was not the first to be taken, with its cause."""
    for event in evidence.events:
        taken = [arrival for arrival in evidence.arrivals_of(event) if arrival.is_taken]
        for first, again in itertools.pairwise(taken):
            yield event, again, cause(event, first, again, evidence)


def cause(event: Event, first: Arrival, again: Arrival, evidence: Evidence) -> str:
    """Why an event that was taken was sent again. What is seen in the ledger counts, not only what may have been."""
    if first.did in TAKEN_UNHEARD:
        return f"answer lost: {first.did}"
    changes = evidence.changes_of(event)
    between = [change for change in changes if first.at - SLACK_SECONDS <= change.at <= again.at + SLACK_SECONDS]
    is_frozen = _is_frozen(first, again, evidence)
    gave_up = [change for change in between if change.after == "pending" and change.reason == "transient"]
    waits = evidence.given_up.get(event.pk, [])
    is_late = any(began_at <= first.at <= ended_at + SLACK_SECONDS for began_at, ended_at in waits)
    if gave_up and (is_late or is_frozen):
        return "answer came after the sender gave up"
    if not any(change.is_lapse for change in between):
        return UNEXPLAINED
    if _is_killed(first, again, evidence):
        return "lease lapsed: sender killed before it settled"
    if is_frozen:
        return "lease lapsed: sender frozen"
    if any(first.at - 1 <= strike.at <= first.at + LEASE_SECONDS for strike in evidence.strikes):
        return "lease lapsed: database failed at settle"
    return UNEXPLAINED


def _is_killed(first: Arrival, again: Arrival, evidence: Evidence) -> bool:
    return any(
        first.sender in mishap.pids and first.at - SLACK_SECONDS <= mishap.at <= again.at
        for mishap in evidence.mishaps
        if mishap.kind.startswith("kill")
    )


def _is_frozen(first: Arrival, again: Arrival, evidence: Evidence) -> bool:
    return any(
        first.sender in mishap.pids and mishap.at <= again.at and mishap.until >= first.at
        for mishap in evidence.mishaps
        if mishap.until
    )
