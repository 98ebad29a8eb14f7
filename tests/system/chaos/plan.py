"""What the shop will do and how each order must end: drawn from the seed alone, before anything goes wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A way in which an order comes about."""

    PAID_AT_ONCE = "paid at once"
    PAID_LATER = "paid in a second transaction"
    SAVED_OFTEN = "paid at once, then saved again and again"
    REFUSED = "paid; the server refuses it for good"
    GUEST = "paid by a guest, who has no user_id"
    POISON_MOMENT = "paid at a moment that no database has a day after"
    PAID_AT_SECOND_TRY = "its first payment rolled back, its second committed"
    ROLLED_BACK = "paid and rolled back"
    PAYMENT_ROLLED_BACK = "its only payment rolled back"
    SAVEPOINT_ROLLED_BACK = "committed, its payment rolled back to a savepoint"
    UNPAID = "never paid"


#: How often each comes about, out of a hundred.
_WEIGHTS = {
    Kind.PAID_AT_ONCE: 28, Kind.PAID_LATER: 20, Kind.SAVED_OFTEN: 10, Kind.REFUSED: 5, Kind.GUEST: 5,
    Kind.POISON_MOMENT: 2,
    Kind.PAID_AT_SECOND_TRY: 8, Kind.ROLLED_BACK: 10, Kind.PAYMENT_ROLLED_BACK: 5, Kind.SAVEPOINT_ROLLED_BACK: 5,
    Kind.UNPAID: 2,
}  # fmt: skip
_WITHOUT_EVENT = {Kind.ROLLED_BACK, Kind.PAYMENT_ROLLED_BACK, Kind.SAVEPOINT_ROLLED_BACK, Kind.UNPAID}
#: The server refuses orders with this in their number.
REFUSED_MARK = "-refuse"
#: What every event says, too. No charset of one to three bytes a character can hold it.
REMARK = "선물 🎁"


@dataclass(frozen=True)
class Planned:
    """An order to be, and what must become of it."""

    key: int
    kind: Kind

    @property
    def number(self) -> str:
        return f"{self.key:06}{REFUSED_MARK if self.kind is Kind.REFUSED else ''}"

    @property
    def order_status(self) -> str | None:
        """How the order stands at the end; ``None``: it was rolled back."""
        if self.kind is Kind.ROLLED_BACK:
            return None
        return "paid" if self.has_event else "pending"

    @property
    def has_event(self) -> bool:
        return self.kind not in _WITHOUT_EVENT

    @property
    def is_sent(self) -> bool:
        return self.has_event and self.kind not in (Kind.GUEST, Kind.POISON_MOMENT)

    @property
    def event_ends(self) -> tuple[str, str]:
        """Status and reason code of its event."""
        ends = {
            Kind.REFUSED: ("failed", "rejected"),
            Kind.GUEST: ("failed", "no_user"),
            Kind.POISON_MOMENT: ("failed", "payload"),
        }
        return ends.get(self.kind, ("delivered", ""))


def make_plan(seed: int, events: int) -> list[Planned]:
    """As many orders as it takes to have so many events."""
    draw = random.Random(f"{seed} plan")
    plan: list[Planned] = []
    while events:
        planned = Planned(len(plan) + 1, draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0])
        plan.append(planned)
        events -= planned.has_event
    return plan
