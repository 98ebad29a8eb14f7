"""Events and what is done with them, for tests of any kind: stored, sent by a till, due at once, drained by a queue."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import threading
import uuid
from typing import Any

from django.db import connections
from django.utils import timezone
from django_q.models import OrmQ

from dfinery_django import track
from dfinery_django.building.build import build_due
from dfinery_django.models import Destination, Event


def event(number: int = 1) -> Event:
    stored = track("coupon", user_id=f"u{number}")
    assert stored is not None
    return stored


def soon(seconds: float) -> Any:
    """Move every wait that far into the past."""
    shift = dt.timedelta(seconds=seconds)
    waiting = list(Event.objects.exclude(due_at=None).only("due_at"))
    for each in waiting:
        each.due_at -= shift  # type: ignore[operator]
    Event.objects.bulk_update(waiting, ["due_at"])
    for place in Destination.objects.exclude(closed_until=None):
        Destination.objects.filter(pk=place.pk).update(closed_until=place.closed_until - shift)  # type: ignore[operator]


def build_all() -> list[Event]:
    """Build what was captured, whether it waits or not; return all events."""
    Event.objects.update(due_at=timezone.now())
    build_due(Event.objects.all())
    return list(Event.objects.order_by("pk"))


def built_payload() -> Any:
    """Return the payload of the only event, once it is built."""
    (event,) = build_all()
    assert event.status == "pending", event.reason
    return json.loads(event.payload)


def milliseconds(**ago: float) -> int:
    return int((timezone.now() - dt.timedelta(**ago)).timestamp() * 1000)


def body(event_id: Any = None, *, items: Any = None, user: Any = None, **attributes: Any) -> dict[str, Any]:
    """A body as a till sends it, of an hour ago."""
    event = {
        "event_id": str(event_id or uuid.uuid4()),
        "event_name": "purchase",
        "event_datetime": milliseconds(hours=1),
    }
    if items is not None:
        event["items"] = items
    return {"event_attributes": {**event, **attributes}, "user_attributes": {"user_id": "u1", **(user or {})}}


def at_once(number: int, work: Any) -> list[Any]:
    """What each of several threads, with connections of their own, came to; an error is raised here."""
    ready, results, errors = threading.Barrier(number), [], []

    def run(place: int) -> None:
        try:
            ready.wait(timeout=30)
            results.append(work(place))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails for it
            errors.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    return results


def run_queue() -> int:
    """What a worker does: take each queued task by its dotted path."""
    tasks = list(OrmQ.objects.order_by("pk"))
    for queued in tasks:
        module, _, name = queued.task["func"].rpartition(".")
        getattr(importlib.import_module(module), name)(*queued.task["args"])
        queued.delete()
    return len(tasks)
