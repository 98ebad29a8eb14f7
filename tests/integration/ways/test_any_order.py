"""Any sequence of writes, drawn at random: an event for each save that makes the condition true, and no other."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from tests.integration.ways import keys
from tests.settings import SHOP_TZ
from tests.shop.models import Booking, Order
from tests.support.doubles import PURCHASE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]

MOMENT = dt.datetime(2026, 1, 2, tzinfo=SHOP_TZ)
#: Field -> values that shops set: what the column has, what Python has instead, what the database works out.
ORDER_VALUES: dict[str, list[Any]] = {
    "status": ["pending", "paid", Order.Status.PAID, F("note"), Concat(Value("pa"), Value("id")), Value("pending")],
    "note": ["", "paid", "x", F("status")],
    "paid_at": [None, MOMENT],
    "total": [0, 5, Decimal("5.00"), "5", F("total") + 1, F("discount")],
    "discount": [0, 5],
}
BOOKING_VALUES: dict[str, list[Any]] = {
    "amount": [5, 10, Decimal("7.50"), F("rebate")],
    "rebate": [0, 5, F("amount")],
    "grade": [0, 1, "1", F("grade") + 1],
    "content": [None, {}, {"state": "paid"}],
    "channel": ["", "web", "WEB"],
}
CONDITIONS: list[tuple[str, dict[str, Any]]] = [
    ("shop.Order", {"status": "paid"}),
    ("shop.Order", {"status__in": ["paid", "x", None], "paid_at__isnull": False}),
    ("shop.Order", {"status": "paid", "total": 5, "note": "paid"}),
    ("shop.Order", {"total__gte": 5, "status": Order.Status.PAID}),
    ("shop.Order", {"status": F("note"), "paid_at": None}),
    ("shop.Booking", {"net": 5}),
    ("shop.Booking", {"net__lte": 0, "grade": 1}),
    ("shop.Booking", {"content__state": "paid"}),
    ("shop.Booking", {"channel": "web", "grade__in": [1, "2"]}),
]


class Writer:
    """Writes one row through several instances of it, and keeps count of the saves that make the condition true."""

    def __init__(self, model: Any, values: dict[str, list[Any]], wanted: dict[str, Any], seed: int) -> None:
        self.model, self.values, self.draw = model, values, random.Random(seed)
        self.rows, self.matches = model.objects.all(), Q(**wanted)
        self.told = 0
        self.rows = model.objects.filter(pk=self.saved(model()).pk)
        self.instances = [self.read() for _ in range(2)]

    def read(self) -> Any:
        fields = self.draw.sample(sorted(self.values), 2)
        return self.draw.choice([self.rows, self.rows.defer(*fields), self.rows.only("pk", *fields)]).get()

    def saved(self, instance: Any, **options: Any) -> Any:
        before = self.rows.filter(self.matches, pk=instance.pk).exists()
        instance.save(**options)
        self.told += self.rows.filter(self.matches, pk=instance.pk).exists() and not before
        return instance

    def step(self) -> None:
        place = self.draw.randrange(2)
        instance, some = self.instances[place], self.draw.sample(sorted(self.values), 2)
        what = self.draw.randrange(9)
        if what < 3:
            setattr(instance, some[0], self.draw.choice(self.values[some[0]]))
        elif what < 6:
            self.saved(instance, **self.draw.choice([{}, {"update_fields": some}, {"update_fields": set(some[:1])}]))
        elif what == 6:
            self.rows.update(**{some[0]: self.draw.choice(self.values[some[0]])})
        elif what == 7:
            self.instances[place] = self.read()
        else:
            before = self.told
            with transaction.atomic():
                self.saved(instance)
                transaction.set_rollback(True)
            self.told = before


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("model", "wanted"), CONDITIONS, ids=range(len(CONDITIONS)))
def test_any_sequence_of_writes(configured: Any, model: str, wanted: dict[str, Any], seed: int) -> None:
    """Two instances, partial saves, expressions, silent updates, rollbacks: told once each time it becomes true."""
    alone = {"model": model, "when": wanted, "user": "customer", "once_per": None}
    configured(EVENTS={"purchase": {**PURCHASE, **alone, "items": None, "item_attributes": {}, "event_attributes": {}}})
    of_order = model == "shop.Order"
    writer = Writer(Order if of_order else Booking, ORDER_VALUES if of_order else BOOKING_VALUES, wanted, seed)
    for _ in range(60):
        writer.step()
    assert len(keys()) == writer.told
