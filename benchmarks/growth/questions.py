"""What a site asks its outbox again and again; each must cost the same however many events are finished."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from dfinery_django.delivery import circuit, expiry
from dfinery_django.enums import EventStatus
from dfinery_django.models import Event
from dfinery_django.monitoring import overview, recent
from dfinery_django.outbox.wakeup import request_wake

from .filling import DAYS

Question = Callable[[], Any]


def _claim(status: EventStatus, into: EventStatus, limit: int) -> Question:
    def claim() -> None:
        now = timezone.now()
        ready = Event.objects.filter(destination="default", status=status, expires_at__gt=now)
        assert ready.claim(limit=limit, now=now, lease_seconds=60, into=into)

    return claim


def _has_due() -> None:
    assert circuit.has_due("default", "default")


def _expire() -> None:
    assert not Event.objects.filter(destination="default").expire(limit=500, now=timezone.now(), why=str)


def _oldest_waiting() -> None:
    assert Event.objects.filter(destination="default").oldest_waiting()


def _prune() -> None:
    assert Event.objects.prune(before=timezone.now() - dt.timedelta(days=DAYS / 2), limit=500) == 500


def _recent() -> None:
    now = timezone.now()
    recent.arrival_times(now)
    recent.failures(now)


QUESTIONS: dict[str, Question] = {
    "claim 32 pending": _claim(EventStatus.PENDING, EventStatus.SENDING, 32),
    "claim lapsed": _claim(EventStatus.SENDING, EventStatus.SENDING, 32),
    "claim 200 captured": _claim(EventStatus.CAPTURED, EventStatus.CAPTURED, 200),
    "has_due": _has_due,
    "request_wake": lambda: request_wake("default", "default"),
    "expire, none late": _expire,
    "expire strays, none": lambda: expiry.expire_strays("default"),
    "warn_of_risk": lambda: expiry.warn_of_risk("default", "default", timezone.now()),
    "oldest waiting": _oldest_waiting,
    "prune 500": _prune,
    "overview": overview.look,
    "overview, closely": _recent,
}


def milliseconds(name: str) -> float:
    """How long a question takes; its answer is rolled back."""
    with transaction.atomic():
        began = time.perf_counter()
        QUESTIONS[name]()
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    return seconds * 1000


def plans() -> dict[str, list[str]]:
    """Question -> how the database goes about each of its statements."""
    found = {}
    for name, question in QUESTIONS.items():
        statements: list[tuple[str, Any]] = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any, into: Any = statements) -> Any:
            into.append((sql, params))
            return execute(sql, params, many, context)

        with transaction.atomic():
            with connection.execute_wrapper(note):
                question()
            transaction.set_rollback(True)
        tables = ("dfinery_django_event", "dfinery_django_deliveryattempt")
        asked = [each for each in statements if any(table in each[0] for table in tables)]
        steps = [line for sql, params in asked for line in explain(sql, params)]
        found[name] = list(dict.fromkeys(steps))
    return found


def explain(sql: str, params: Any) -> list[str]:
    """The plan of a statement, one line per step."""
    word = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{word} {sql}", params)
        rows = cursor.fetchall()
        names = [column[0] for column in cursor.description]
    verb = sql.split(" ", 1)[0]
    if connection.vendor == "mysql":
        kept = ("table", "type", "key", "rows", "Extra")
        return [f"{verb}: " + ", ".join(f"{k}={dict(zip(names, row, strict=True))[k]}" for k in kept) for row in rows]
    # Long lists of keys say nothing of the plan.
    return [f"{verb}: " + re.sub(r"[\w'-]+(,[^ }]+){9,}", "…", str(row[-1]))[:220] for row in rows]
