"""What each customer of the run will do, drawn from the seed. Knows neither Django nor oscar."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """How a visit ends at the last page of the checkout."""

    PLACED = "placed"
    DECLINED = "card declined"
    TAKEN_BACK = "rolled back by oscar: somebody else used the voucher"
    UNDONE = "rolled back with its request"
    NEVER_WAS = "rolled back with its caller's transaction"
    TOLD_FAILED = "placed, but the customer is told that it failed"


class Later(Enum):
    """What becomes of an order that was placed."""

    NOTHING = "left alone"
    SAVED = "saved again, twice"
    COMPLETED = "processed and completed"
    CANCELLED = "cancelled by the shop's code, saved again"
    CANCELLED_AT_DESK = "processed, then cancelled at the desk"
    NOT_CANCELLED = "cancelled, and that rolled back"
    REFUNDED = "partly refunded"


@dataclass(frozen=True)
class Visit:
    """:ivar products: positions in the catalogue
    :ivar vouchers: codes
    :ivar is_atomic: whether its requests are transactions
    """

    ending: Ending
    later: Later
    language: str
    is_member: bool
    is_atomic: bool
    products: tuple[int, ...]
    quantity: int
    vouchers: tuple[str, ...]
    ships_tomorrow: bool

    @property
    def orders(self) -> int:
        """How many it leaves in the shop; whoever used the voucher has placed one, too."""
        return int(self.ending in (Ending.PLACED, Ending.TOLD_FAILED, Ending.TAKEN_BACK))


VOUCHERS = ((), (), ("TEN",), ("TEN", "TWENTY"), ("FREE",), ("SHIP",))


def drawn(orders: int, seed: int, products: int) -> list[Visit]:
    """Visits until so many orders stand. Endings, later fates and vouchers in turn, all else by chance."""
    chance = random.Random(seed)
    endings = itertools.cycle([*Ending, *[Ending.PLACED] * 6])
    fates, vouchers = itertools.cycle(Later), itertools.cycle(VOUCHERS)
    visits: list[Visit] = []
    while sum(visit.orders for visit in visits) < orders:
        ending = next(endings)
        visits.append(
            Visit(
                ending=ending,
                later=next(fates) if ending is Ending.PLACED else Later.NOTHING,
                language=chance.choice(("en", "ko")),
                is_member=chance.random() < 0.5,
                is_atomic=ending is Ending.UNDONE or chance.random() < 0.5,
                products=tuple(chance.sample(range(products), chance.randint(1, 3))),
                quantity=chance.randint(1, 3),
                vouchers=next(vouchers) if ending is Ending.PLACED else chance.choice(VOUCHERS),
                ships_tomorrow=chance.random() < 0.5,
            )
        )
    return visits
