"""The contestants' shop: each in a process of its own, which takes one question a line and answers in JSON.

A question names a case and how often; the answer has the milliseconds of each, or how often one asks the database.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

EVENTS_URL = os.environ.get("BENCHMARK_URL", "") + "/api/v1/events"
LINES = 3

Save = Callable[[], Any]


def post_event(order_number: str) -> None:
    """The task that a developer would write by hand. Nobody runs it here: what is measured is the asking."""


def _task(order: Any) -> None:
    from django_q.tasks import async_task

    async_task("benchmarks.capture.contestants.post_event", order.number)


def _task_on_commit(order: Any) -> None:
    from django.db import transaction

    transaction.on_commit(lambda: _task(order))


def _inline() -> Callable[[Any], None]:
    import requests

    from benchmarks.delivery.contestants import HEADERS, payload

    session = requests.Session()

    def post(order: Any) -> None:
        session.post(EVENTS_URL, data=payload(order.pk), headers=HEADERS, timeout=(3, 10)).raise_for_status()

    return post


def by_hand(contestant: str) -> None:
    """The receiver that a developer would write by hand."""
    from django.db.models.signals import post_save

    from tests.shop.models import Order

    tell = {"task": _task, "task on commit": _task_on_commit, "inline post": _inline()}[contestant]

    def tell_when_paid(sender: Any, instance: Any, update_fields: Any = None, **kwargs: Any) -> None:
        if instance.status == "paid" and (update_fields is None or "status" in update_fields):
            tell(instance)

    post_save.connect(tell_when_paid, sender=Order, weak=False)


def _new(status: str) -> Any:
    from tests.shop.models import Order

    return Order(number=f"2026-{time.monotonic_ns() % 10**12}", status=status, total=Decimal("4000000"))


def place_in_transaction() -> Save:
    """An order and its lines, in one transaction."""
    from django.db import transaction

    from tests.shop.models import Line

    order = _new("paid")

    def save() -> None:
        with transaction.atomic():
            order.save()
            for _ in range(LINES):
                Line.objects.create(order=order, unit_price=Decimal("1900000"))

    return save


def pay_in_transaction() -> Save:
    """A stored order becomes paid, in a transaction."""
    from django.db import transaction

    order = _new("pending")
    order.save()
    order.status = "paid"

    def save() -> None:
        with transaction.atomic():
            order.save()

    return save


def place_in_autocommit() -> Save:
    """A paid order without a transaction: committed at once."""
    return _new("paid").save  # type: ignore[no-any-return]


def save_pending() -> Save:
    """A save after which the condition does not hold."""
    order = _new("pending")
    order.save()
    return order.save  # type: ignore[no-any-return]


def save_note() -> Save:
    """A save of a field that the condition does not read, of an order that was paid long ago."""
    order = _new("pending")
    order.save()
    order.status = "paid"
    return lambda: order.save(update_fields=["note"])


CASES: dict[str, Callable[[], Save]] = {
    "order with 3 lines, one transaction": place_in_transaction,
    "order becomes paid, one transaction": pay_in_transaction,
    "order in autocommit": place_in_autocommit,
    "save() that does not match": save_pending,
    'save(update_fields=["note"])': save_note,
}


def _drain_is(contestant: str) -> None:
    """Outside the clock: in a busy shop a drain is asked for already, in an idle one it has been answered.

    Each contestant writes it, so that each comes from a commit: to go on with a warm connection is an advantage.
    """
    if contestant == "ours, busy":  # the last order was a while ago
        from dfinery_django.outbox.wakeup import clear_seen_flags

        clear_seen_flags()

    from django.db import connection
    from django.utils import timezone

    asked_at = None if contestant == "ours, idle" else timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dfinery_django_destination SET wake_requested_at = %s", [asked_at])


def milliseconds(contestant: str, case: str, count: int) -> list[float]:
    found = []
    for _ in range(count):
        save = CASES[case]()
        _drain_is(contestant)
        began = time.perf_counter()
        save()
        found.append((time.perf_counter() - began) * 1000)
    return found


def trips(contestant: str, case: str) -> int:
    """How often the database was asked, with BEGIN, COMMIT and savepoints."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    save = CASES[case]()
    _drain_is(contestant)
    with CaptureQueriesContext(connection) as queries:
        save()
    return len(queries)


def answer(contestant: str) -> None:
    """One question a line: a case and how many orders, or 0 for its trips to the database."""
    import django

    django.setup()
    if contestant.startswith("ours"):
        from dfinery_django.models import Destination

        Destination.objects.get_or_create(alias="default")
    elif contestant != "plain":
        by_hand(contestant)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        case, count = json.loads(line)
        print(json.dumps(milliseconds(contestant, case, count) if count else trips(contestant, case)), flush=True)


if __name__ == "__main__":
    answer(sys.argv[1])
