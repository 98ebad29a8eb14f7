"""What was left behind when all was over: the database, the ledger, the server's log, the shop's journals."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db.models import Count, Q

from dfinery_django.models import DeliveryAttempt, Event
from tests.shop.models import Order

from . import ledger
from .crew import Mishap
from .plan import Planned
from .settings import READ_TIMEOUT


@dataclass(frozen=True)
class Arrival:
    """One request as the server saw it.

    :ivar sender: process id
    :ivar program: what that process runs
    :ivar did: what the server did
    """

    at: float
    sender: int
    program: str
    did: str
    is_taken: bool
    body: bytes
    event_id: str
    order: str


@dataclass(frozen=True)
class Strike:
    """What was done to the database."""

    kind: str
    at: float


@dataclass
class Evidence:
    """:ivar given_up: from when to when a sender waited in vain, by event"""

    plan: list[Planned]
    arrivals: list[Arrival]
    changes: dict[int, list[ledger.Change]]
    events: list[Event]
    orders: dict[int, str]
    attempts: int
    given_up: dict[int, list[tuple[float, float]]]
    accepted: dict[int, int]
    faults: list[str]
    shop_retries: int
    mishaps: list[Mishap]
    strikes: list[Strike]

    @cached_property
    def by_event(self) -> dict[str, list[Arrival]]:
        found: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in self.arrivals:
            found[arrival.event_id].append(arrival)
        return found

    def arrivals_of(self, event: Event) -> list[Arrival]:
        return self.by_event.get(str(event.event_id), [])

    def changes_of(self, event: Event) -> list[ledger.Change]:
        return self.changes.get(event.pk, [])

    def write(self, folder: Path) -> None:
        """Keep what would be dropped with the database, for whoever looks into a violation."""
        what_happened = [*self.mishaps, *self.strikes, *(change for each in self.changes.values() for change in each)]
        with (folder / "evidence.txt").open("w") as out:
            out.writelines(f"{each.at:.3f} {each}\n" for each in sorted(what_happened, key=lambda each: each.at))
            out.writelines(f"event {event.pk} is {event.event_id}\n" for event in self.events)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _arrival(line: dict[str, Any]) -> Arrival:
    body = line["body"].encode("latin-1")
    sender, _, program = line["sender"].partition(" ")
    said = {} if line["did"] == "malformed" else json.loads(body)["event_attributes"]
    return Arrival(
        line["at"], int(sender or 0), program, line["did"], line["is_taken"], body,
        said.get("event_id", ""), said.get("order_id", ""),
    )  # fmt: skip


def _given_up() -> dict[int, list[tuple[float, float]]]:
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for attempt in DeliveryAttempt.objects.filter(outcome="transient", duration_ms__gte=READ_TIMEOUT * 1000 - 50):
        began_at = attempt.started_at.timestamp()
        found[attempt.event_id].append((began_at, began_at + attempt.duration_ms / 1000))
    return found


def gather(
    plan: list[Planned], folder: Path, mishaps: list[Mishap], strikes: list[Strike], faults: list[str]
) -> Evidence:
    """Read all of it, once nothing moves any more.

    :param faults: what the run itself has seen go wrong
    """
    changes: dict[int, list[ledger.Change]] = defaultdict(list)
    for change in ledger.changes():
        changes[change.event].append(change)
    journals = [line for path in sorted(folder.glob("shop-*.jsonl")) for line in _lines(path)]
    accepted = Event.objects.annotate(accepted=Count("attempts", Q(attempts__outcome="accepted")))
    return Evidence(
        plan=plan,
        arrivals=[_arrival(line) for line in _lines(folder / "server.jsonl")],
        changes=changes,
        events=list(Event.objects.order_by("pk")),
        orders=dict(Order.objects.values_list("pk", "status")),
        attempts=DeliveryAttempt.objects.count(),
        given_up=_given_up(),
        accepted=dict(accepted.values_list("pk", "accepted")),
        faults=[*faults, *(f"shop: {line['fault']}" for line in journals if "fault" in line)],
        shop_retries=sum("retried" in line for line in journals),
        mishaps=mishaps,
        strikes=strikes,
    )
