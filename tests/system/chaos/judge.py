"""What must not be: each violation in one line. Every promise of the run has a function of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dfinery_django.models import Event

from .duplicates import SLACK_SECONDS, UNEXPLAINED, duplicates
from .evidence import Evidence
from .ledger import Change
from .plan import REMARK, Planned

FINISHED = {"delivered", "failed", "expired", "cancelled"}
#: So many leases in a row that lapsed end an event: see "worker_lost" in the docs.
LAPSES_TO_LOSE = 6


def violations(evidence: Evidence) -> list[str]:
    judges = (_shop, _ends, _left_over, _wire, _settled_once, _claims, _resends)
    return [line for judge in judges for line in judge(evidence)]


def events_by_order(evidence: Evidence) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = defaultdict(list)
    for event in evidence.events:
        found[int(event.source_pk)].append(event)
    return found


def _shop(evidence: Evidence) -> Iterator[str]:
    """The shop's orders stand as it wrote them, and nobody met what should not happen to them."""
    yield from evidence.faults
    for planned in evidence.plan:
        stands = evidence.orders.get(planned.key)
        if stands != planned.order_status:
            yield f"order {planned.number} ({planned.kind.value}) is {stands}, not {planned.order_status}"


def _ends(evidence: Evidence) -> Iterator[str]:
    """Every committed purchase has one event, which ended as predicted; no other order has one."""
    found = events_by_order(evidence)
    for planned in evidence.plan:
        events = found.get(planned.key, [])
        if len(events) != planned.has_event:
            yield f"order {planned.number} ({planned.kind.value}) has {len(events)} events"
        for event in events:
            end = (event.status, event.reason_code)
            if planned.has_event and end != planned.event_ends and not _is_lost(end, evidence.changes_of(event)):
                yield f"event {event.event_id} ({planned.kind.value}) ended as {end}, not {planned.event_ends}"


def _is_lost(end: tuple[str, str], changes: list[Change]) -> bool:
    """Whether an event was given up because of workers that did die, time after time."""
    lapses = 0
    for change in changes:
        lapses = lapses + 1 if change.is_lapse else 0 if change.after == "pending" else lapses
    return end == ("failed", "worker_lost") and lapses >= LAPSES_TO_LOSE


def _left_over(evidence: Evidence) -> Iterator[str]:
    """Nothing is left claimed, or waiting."""
    for event in evidence.events:
        if event.status not in FINISHED:
            yield f"event {event.event_id} is still {event.status}, due {event.due_at}"


def _wire(evidence: Evidence) -> Iterator[str]:
    """What reached the server is what is stored, under one id for each order, and only what was committed."""
    planned: dict[str, Planned] = {each.number: each for each in evidence.plan}
    ids: dict[str, set[str]] = defaultdict(set)
    stored = {str(event.event_id): event for event in evidence.events}
    for arrival in evidence.arrivals:
        ids[arrival.order].add(arrival.event_id)
        if arrival.did == "malformed":
            yield f"a request that no server takes: {arrival.body[:200]!r}"
        elif arrival.order not in planned or not planned[arrival.order].is_sent:
            yield f"order {arrival.order} was sent, and never should have been"
        elif arrival.event_id not in stored:
            yield f"event {arrival.event_id} was sent, and is not in the outbox"
        elif REMARK.encode() not in arrival.body:
            yield f"event {arrival.event_id} was sent with a text that was changed on its way"
        elif arrival.body != stored[arrival.event_id].payload.encode():
            yield f"event {arrival.event_id} was sent with other bytes than are stored"
    yield from (f"order {order} was sent under {len(each)} event ids" for order, each in ids.items() if len(each) > 1)
    for event in evidence.events:
        arrivals = evidence.arrivals_of(event)
        if event.status == "delivered" and not any(arrival.is_taken for arrival in arrivals):
            yield f"event {event.event_id} is delivered, and the server never took it"
        if event.reason_code == "rejected" and not any(arrival.did == "refused" for arrival in arrivals):
            yield f"event {event.event_id} failed as rejected, and the server never refused it"


def _settled_once(evidence: Evidence) -> Iterator[str]:
    """Each row enters a finished state once and never leaves it, at the word of an answer that was given."""
    for event in evidence.events:
        ends = [change for change in evidence.changes_of(event) if change.after in FINISHED]
        if len(ends) != 1:
            yield f"event {event.event_id} was settled {len(ends)} times: {[change.after for change in ends]}"
        words = {"delivered": "taken", "failed": "refused"}
        for end in ends:
            if end.before != "sending" or end.reason == "worker_lost":
                continue
            arrivals = evidence.arrivals_of(event)
            if not any(each.did == words[end.after] and each.at <= end.at + SLACK_SECONDS for each in arrivals):
                yield f"event {event.event_id} was settled as {end.after} before the server said so"
        taken = sum(arrival.did == "taken" for arrival in evidence.arrivals_of(event))
        if evidence.accepted.get(event.pk, 0) > taken:
            yield f"event {event.event_id} has more accepted attempts than the server gave answers"


def _claims(evidence: Evidence) -> Iterator[str]:
    """A lease that holds is respected, and nothing is sent more often than it was claimed."""
    for event in evidence.events:
        changes = evidence.changes_of(event)
        for change in changes:
            if change.is_lapse and change.due_before is not None and change.at < change.due_before - SLACK_SECONDS:
                yield f"event {event.event_id} was claimed {change.due_before - change.at:.3f} s before its lease ended"
        claims = [change.at for change in changes if change.is_claim]
        for index, arrival in enumerate(evidence.arrivals_of(event)):
            if index >= len(claims) or arrival.at < claims[index] - SLACK_SECONDS:
                yield f"event {event.event_id} was sent for the {index + 1}. time before it was claimed so often"
                break


def _resends(evidence: Evidence) -> Iterator[str]:
    """Nothing is sent twice without a cause."""
    for event, again, cause in duplicates(evidence):
        if cause == UNEXPLAINED:
            yield f"event {event.event_id} was taken again by the server at {again.at:.3f}, without a cause"
