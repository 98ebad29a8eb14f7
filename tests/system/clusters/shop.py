"""The shop's own process: it reads calls from its standard input, a JSON line each, and answers with a JSON line.

The tests speak to it as to a colleague, since their own process has another database and no queue.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections import Counter
from typing import Any

from tests.support.processes import answer_calls


def create_database() -> None:
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor != "sqlite":
        charset = " CHARACTER SET utf8mb4" if connection.vendor == "mysql" else ""
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])}{charset}")
    call_command("migrate", verbosity=0)


def drop_database() -> None:
    from django.db import connection

    connection.close()
    if connection.vendor != "sqlite":
        force = " WITH (FORCE)" if connection.vendor == "postgresql" else ""
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])}{force}")


def start_afresh() -> None:
    """Empty the outbox and the queue."""
    from django_q.models import OrmQ, Task

    from dfinery_django.models import DeliveryAttempt, Destination, Event

    for model in (DeliveryAttempt, Event, Destination, OrmQ, Task):
        model.objects.all().delete()
    lose_queue()


def pay(count: int, note: str = "") -> list[str]:
    """Store so many paid orders, each in a transaction of its own."""
    from django.db import transaction

    from dfinery_django.models import Event
    from tests.shop.models import Order, User

    customer, _ = User.objects.get_or_create(username="hong")
    for _ in range(count):
        with transaction.atomic():
            Order.objects.create(status="paid", customer=customer, total=1, note=note)
    return [str(event_id) for event_id in Event.objects.order_by("-pk").values_list("event_id", flat=True)[:count]]


def statuses() -> dict[str, int]:
    from dfinery_django.models import Event

    return Counter(Event.objects.values_list("status", flat=True))


def queued(cluster: str | None = None) -> int:
    """How many tasks wait in the queue of a cluster."""
    from django_q.brokers import get_broker

    return int(get_broker(cluster).queue_size())


def queue(function: str, *args: Any, cluster: str | None = None) -> str:
    """Queue a task that has nothing to do with deliveries."""
    from django_q.tasks import async_task

    return str(async_task(function, *args, cluster=cluster))


def wake(times: int) -> None:
    """As many drains in the queue as there are said to be: more than ``request_wake`` would ask for."""
    from dfinery_django import tasks

    for _ in range(times):
        tasks.wake("default")


def lose_queue() -> None:
    """What a broker does that loses its disk."""
    from django_q.brokers import get_broker
    from django_q.conf import Conf

    for name in (Conf.CLUSTER_NAME, "dfinery"):
        get_broker(name).delete_queue()


def minutes_pass(minutes: float) -> None:
    """Move what is remembered of wake-ups into the past."""
    from django.db.models import F

    from dfinery_django.models import Destination
    from dfinery_django.outbox.wakeup import clear_seen_flags

    clear_seen_flags()
    for place in Destination.objects.exclude(wake_requested_at=None):
        earlier = place.wake_requested_at - dt.timedelta(minutes=minutes)
        Destination.objects.filter(pk=place.pk, wake_requested_at=F("wake_requested_at")).update(
            wake_requested_at=earlier
        )


def scheduled_drain() -> dict[str, int]:
    """What the schedule runs every minute."""
    from dfinery_django import tasks

    return tasks.drain()


def executed_by(task_id: str) -> str | None:
    """The cluster that ran a task."""
    from django_q.models import Task

    return Task.objects.filter(pk=task_id).values_list("cluster", flat=True).first()


def where_am_i() -> str:
    """A task of the site's own."""
    return os.environ.get("Q_CLUSTER_NAME", "the site's own")


def nap(seconds: float) -> None:
    """A task of the site's own that takes its time."""
    time.sleep(seconds)


if __name__ == "__main__":
    answer_calls(globals())
