"""A shop's process: ``python -m tests.system.chaos.shop <seed> <events> <share> <of> <seconds> <journal>``.

It carries out its share of the plan, each step in a transaction of its own. A step whose transaction was lost with its
connection is done again; whether the lost commit took place is looked up in the database, inside the new transaction.
What no shop should see is written to the journal: an error other than the database's own, and a commit that wasn't one.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import django
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connection, transaction

from .plan import Kind, Planned, make_plan

#: After so many tries of one step in a row something is wrong that no retry mends.
MOST_TRIES = 60


#: Each database holds it; none holds a day later.
LAST_MOMENT = dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.timezone.utc)


class RolledBack(Exception):
    """The shop changes its mind in the midst of a transaction."""


class Writer:
    customers: list[Any]
    products: list[Any]

    def __init__(self, draw: random.Random, journal: str) -> None:
        self.draw, self.journal = draw, journal
        self._commit("start", self._read_stock)

    def _read_stock(self) -> None:
        from tests.shop.models import Product, User

        self.customers = list(User.objects.order_by("username"))
        self.products = list(Product.objects.order_by("pk"))

    def note(self, **words: Any) -> None:
        with open(self.journal, "a") as journal:
            journal.write(json.dumps(words) + "\n")

    def carry_out(self, planned: Planned) -> None:
        customer = None if planned.kind is Kind.GUEST else self.draw.choice(self.customers)
        fields = {"number": planned.number, "customer": customer, "total": Decimal(self.draw.randint(1, 10**6)) / 100}
        if planned.kind in (Kind.PAID_AT_ONCE, Kind.SAVED_OFTEN, Kind.REFUSED, Kind.GUEST, Kind.POISON_MOMENT):
            fields["status"] = "paid"
        if planned.kind is Kind.POISON_MOMENT:
            fields["paid_at"] = LAST_MOMENT
        lines = [(self.draw.choice(self.products), self.draw.randint(1, 9)) for _ in range(self.draw.randint(1, 3))]
        self._commit(planned.number, lambda: self._create(planned, fields, lines))
        if planned.kind in (Kind.PAYMENT_ROLLED_BACK, Kind.PAID_AT_SECOND_TRY):
            self._commit(planned.number, lambda: self._pay(planned, then_roll_back=True))
        if planned.kind in (Kind.PAID_LATER, Kind.PAID_AT_SECOND_TRY):
            self._commit(planned.number, lambda: self._pay(planned))
        if planned.kind is Kind.SAVED_OFTEN:
            for _ in range(3):
                self._commit(planned.number, lambda: self._touch(planned))

    def _commit(self, what: str, step: Callable[[], None]) -> None:
        """Have a step committed (or rolled back as planned), however often the database drops the connection."""
        for _ in range(MOST_TRIES):
            try:
                with transaction.atomic():
                    step()
                return
            except RolledBack:
                return
            except (OperationalError, InterfaceError, IntegrityError):
                self.note(retried=what)
            except Error as error:
                self.note(fault=f"{what}: the shop got {type(error).__name__}: {error}")
            connection.close()
            time.sleep(self.draw.uniform(0.01, 0.2))
        self.note(fault=f"{what}: given up after {MOST_TRIES} tries")

    def _create(self, planned: Planned, fields: dict[str, Any], lines: list[tuple[Any, int]]) -> None:
        from tests.shop.models import Line, Order

        if Order.objects.filter(pk=planned.key).exists():
            return  # the commit whose answer was lost did take place
        order = Order(pk=planned.key, **fields)
        # Should that commit still be under way, the key that is given makes this INSERT wait for it.
        order.save(force_insert=True)
        for product, quantity in lines:
            Line.objects.create(order=order, product=product, quantity=quantity, unit_price=Decimal("19.90"))
        if self.draw.random() < 0.5:
            order.save()  # many shops save once more when the lines are there: then a save of ours comes last
        if planned.kind is Kind.SAVEPOINT_ROLLED_BACK:
            try:
                with transaction.atomic():
                    order.status = "paid"
                    order.save()
                    raise RolledBack
            except RolledBack:
                if transaction.get_rollback():  # Django would roll all of it back, without a word
                    raise OperationalError("the savepoint went with the connection") from None
        if planned.kind is Kind.ROLLED_BACK:
            order.status = "paid"
            order.save()
            raise RolledBack

    def _pay(self, planned: Planned, *, then_roll_back: bool = False) -> None:
        order = self._committed(planned)
        if order is None or order.status == "paid":
            return
        order.status = "paid"
        order.save()
        if then_roll_back:
            raise RolledBack

    def _touch(self, planned: Planned) -> None:
        order = self._committed(planned)
        if order is not None:
            order.save()

    def _committed(self, planned: Planned) -> Any:
        from tests.shop.models import Order

        order = Order.objects.select_for_update().filter(pk=planned.key).first()
        if order is None:
            self.note(fault=f"{planned.number}: was committed without an error, and is not there")
        return order


def main(seed: int, events: int, share: int, of: int, seconds: float, journal: str) -> None:
    django.setup()
    draw = random.Random(f"{seed} shop {share}")
    orders = make_plan(seed, events)[share::of]
    writer = Writer(draw, journal)
    ends_at = time.monotonic() + seconds
    for left, planned in zip(range(len(orders), 0, -1), orders, strict=True):
        writer.carry_out(planned)
        # Spread over the time that there is; late, as fast as it goes.
        pause = max(0.0, ends_at - time.monotonic()) / left
        time.sleep(draw.uniform(0, 2 * pause))


if __name__ == "__main__":
    seed, events, share, of = map(int, sys.argv[1:5])
    main(seed, events, share, of, float(sys.argv[5]), sys.argv[6])
