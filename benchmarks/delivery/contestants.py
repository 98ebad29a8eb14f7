"""The contestants, each run in a process of its own: prints what it took as one JSON line.

``fill N``, ``bare N``, ``client N``, ``ours N``, ``task N``: N events with the same payloads.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import django

CONNECTIONS = int(os.environ.get("BENCHMARK_CONNECTIONS", "32"))
EVENTS_URL = os.environ.get("BENCHMARK_URL", "") + "/api/v1/events"
HEADERS = {"Authorization": "Bearer benchmark-token", "Content-Type": "application/json"}


def payload(number: int) -> str:
    """A purchase of three lines, about 900 bytes."""
    item = {"product_id": "SKU-00012345", "product_name": "Macbook Air 13 (m1, 256 GB)", "category1": "Laptops",
            "category2": "Apple", "quantity": 1, "price": 1900000.0, "discount": 200000.0}  # fmt: skip
    attributes = {"event_id": f"0166a71c-caf4-462d-8201-{number:012d}", "event_name": "purchase",
                  "event_datetime": int(time.time() * 1000), "order_id": f"2026-{number:07d}", "order_sales": 4000000.0,
                  "payment_method": "MobilePayment", "discount": 11.0, "items": [item] * 3}  # fmt: skip
    return json.dumps({"event_attributes": attributes, "user_attributes": {"user_id": f"user-{number % 997}"}})


def fill(count: int) -> dict[str, Any]:
    """Empty the outbox and store events that are built and due."""
    from django.utils import timezone

    from dfinery_django.models import DeliveryAttempt, Destination, Event

    DeliveryAttempt.objects.all().delete()
    Event.objects.all().delete()
    Destination.objects.all().delete()
    now = timezone.now()
    for start in range(0, count, 2000):
        events = []
        for number in range(start, min(start + 2000, count)):
            event = Event(event_name="purchase", destination="default", status="pending", payload=payload(number))
            event.user_id, event.order_id, event.due_at = f"user-{number % 997}", f"2026-{number:07d}", now
            event.set_occurred_at(now)
            events.append(event)
        Event.objects.bulk_create(events)
    return {"filled": count}


def measured(count: int, work: Any) -> dict[str, Any]:
    cpu, started = _cpu(), time.monotonic()
    delivered = work()
    seconds, used = time.monotonic() - started, _cpu() - cpu
    assert delivered == count, f"{delivered} of {count} were delivered"
    return {"per_second": count / seconds, "cpu_ms": used / count * 1000}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def bare(count: int) -> dict[str, Any]:
    """The wire's own limit: threads, one ``requests.Session``, no database."""
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))

    def post(body: str) -> bool:
        answer = session.post(EVENTS_URL, data=body, headers=HEADERS, timeout=(3, 10))
        return answer.status_code == 200 and answer.json()["result_code"] == 2000

    return measured(count, lambda: _in_threads(post, count))


def client(count: int) -> dict[str, Any]:
    """The same with this app's client: what going around ``requests.Session`` saves."""
    from dfinery_django.delivery.http_client import Client
    from dfinery_django.protocols.base import Request

    ours = Client(connections=CONNECTIONS, connect_timeout=3, read_timeout=10, user_agent="benchmark")

    def post(body: str) -> bool:
        answer = ours.send(Request(EVENTS_URL, body.encode(), HEADERS))
        return bool(answer.status_code == 200 and json.loads(answer.body)["result_code"] == 2000)

    return measured(count, lambda: _in_threads(post, count))


def _in_threads(post: Callable[[str], bool], count: int) -> int:
    waiting: SimpleQueue[str] = SimpleQueue()
    for number in range(count):
        waiting.put(payload(number))
    delivered = [0] * CONNECTIONS

    def work(place: int) -> None:
        while True:
            try:
                body = waiting.get_nowait()
            except Empty:
                return
            delivered[place] += post(body)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(delivered)


def ours(count: int) -> dict[str, Any]:
    """A drain, with all its bookkeeping."""
    from dfinery_django.delivery.worker import drain
    from dfinery_django.models import DeliveryAttempt, Event

    found = measured(count, lambda: drain("default", budget_seconds=3600)["delivered"])
    assert Event.objects.filter(status="delivered").count() == count
    assert DeliveryAttempt.objects.count() == count
    return found


def post_event(body: str) -> None:
    """The task that a developer would write by hand."""
    import requests

    requests.post(EVENTS_URL, data=body, headers=HEADERS, timeout=(3, 10)).raise_for_status()


def task(count: int) -> dict[str, Any]:
    """One django-q2 task per event, on the ORM broker; the queue is filled before."""
    import requests
    from django.db import transaction
    from django_q.tasks import async_task

    with transaction.atomic():
        for number in range(count):
            async_task("benchmarks.delivery.contestants.post_event", payload(number))
    counted = requests.get(EVENTS_URL.replace("/api/v1/events", "/count"), timeout=5).json()
    with subprocess.Popen([sys.executable, "-m", "django", "qcluster"], stderr=subprocess.DEVNULL) as cluster:
        try:
            started, arrived = 0.0, 0
            while arrived < count:
                time.sleep(0.02)
                now = requests.get(EVENTS_URL.replace("/api/v1/events", "/count"), timeout=5).json() - counted
                if now and not started:  # the cluster's own start does not count
                    started, before = time.monotonic(), now
                arrived = now
            return {"per_second": (count - before) / (time.monotonic() - started)}
        finally:
            cluster.terminate()


if __name__ == "__main__":
    django.setup()
    contestant = {"fill": fill, "bare": bare, "client": client, "ours": ours, "task": task}[sys.argv[1]]
    print(json.dumps(contestant(int(sys.argv[2]))))
