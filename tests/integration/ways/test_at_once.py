"""Real processes that write the same order at the same moment."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection

from dfinery_django import capture
from dfinery_django.models import Event
from tests.integration.ways import keys
from tests.shop.models import Order
from tests.support.processes import Workers, ended

pytestmark = pytest.mark.django_db(transaction=True)

#: Reads the orders, waits for the moment that all processes wait for, pays each in a transaction of its own.
PAYING = """
import sys, time, django
django.setup()
from django.db import transaction
from tests.shop.models import Order
orders = list(Order.objects.order_by("pk"))
time.sleep(max(0, float(sys.argv[1]) - time.time()))
for order in orders:
    with transaction.atomic():
        order.status = "paid"
        order.save(update_fields=["status"])
"""
#: Pays in a transaction that is open for a second.
SLOWLY = """
import sys, time, django
django.setup()
from django.db import transaction
from tests.shop.models import Order
order = Order.objects.get()
print("ready", flush=True)
with transaction.atomic():
    order.status = "paid"
    order.save()
    print("paid", flush=True)
    time.sleep(1)
    print(time.time(), flush=True)
    if sys.argv[1] == "roll back":
        transaction.set_rollback(True)
"""
PROCESSES, ORDERS = 4, 25


@pytest.mark.slow
def test_processes_that_pay_the_same_orders_at_once(shop: Any) -> None:
    """A bank that calls back twice, a customer with two tabs: one event for each order, and no process is disturbed."""
    orders = [shop.place(lines=0) for _ in range(ORDERS)]
    with Workers() as workers:
        start = str(time.time() + 4)
        processes = [workers.start(("-c", PAYING, start)) for _ in range(PROCESSES)]
        errors = [ended(process, 60) for process in processes]
    assert "dfinery" not in "".join(errors)
    assert sorted(keys(), key=int) == sorted((str(order.pk) for order in orders), key=int)
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}


@pytest.mark.parametrize("end", ["commit", "roll back"])
def test_one_that_waits_for_the_other(shop: Any, end: str) -> None:
    """Both see the order unpaid. Whether the first commits or not: one event for the payment that stands."""
    if connection.vendor == "sqlite":
        pytest.skip("a database with one writer at a time")
    order = shop.place(lines=0)
    second = Order.objects.get(pk=order.pk)
    with Workers() as workers:
        process = workers.start(("-c", SLOWLY, end))
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == ["ready", "paid"]
        shop.pay(second)
        paid_at = time.time()
        assert paid_at >= float(process.stdout.readline()), "it had to wait for the end of the first"
        ended(process)
    assert keys() == [str(order.pk)]
    assert capture("purchase", second) is None
    assert Event.objects.count() == 1
