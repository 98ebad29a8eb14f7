"""Rows by the million: finished events as a shop has them after a month, made by the database itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db import connection

from dfinery_django.enums import EventStatus
from dfinery_django.models import DeliveryAttempt, Destination, Event

CHUNK = 100_000
#: Finished events are this old at most, evenly spread.
DAYS = 60

#: The numbers from 0 to 99999, in words that every database understands.
NUMBERS = (
    "WITH digits(d) AS (" + " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10)) + "), numbers(n) AS ("
    "SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d "
    "FROM digits a, digits b, digits c, digits e, digits f)"
)


def _later(moment: str, seconds: str) -> str:
    """SQL: a time so many seconds later."""
    return {
        "postgresql": f"{moment}::timestamptz + ({seconds}) * interval '1 second'",
        "mysql": f"TIMESTAMPADD(MICROSECOND, ROUND(({seconds}) * 1000000), {moment})",
        "sqlite": f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', {moment}, '+' || ({seconds}) || ' seconds')",
    }[connection.vendor]


def _random_hex() -> str:
    return {
        "postgresql": "md5(random()::text) || md5(random()::text)",
        "mysql": "SHA2(CONCAT(RAND(), UUID()), 256)",
        "sqlite": "lower(hex(randomblob(32)))",
    }[connection.vendor]


def _uuid() -> str:
    # Version 4 as the app makes them: MariaDB's own UUID() counts up, which an index likes better.
    return {
        "postgresql": "gen_random_uuid()",
        "mysql": "CAST(INSERT(INSERT(LEFT(SHA2(CONCAT(RAND(), UUID()), 256), 32), 13, 1, '4'), 17, 1, 'a') AS UUID)",
        "sqlite": "lower(hex(randomblob(16)))",
    }[connection.vendor]


def _text(expression: str) -> str:
    return f"CAST({expression} AS {'CHAR' if connection.vendor == 'mysql' else 'VARCHAR'})"


PAYLOAD = (
    '{"event":{"event_id":"0b8f5f6e-3f0a-4b46-9a67-6f1d1c3f5a11","event_name":"purchase","event_datetime":17000000000'
    '00},"event_attributes":{"order_id":"2026-00001","order_sales":4000000.0,"payment_method":"CreditCard","items":['
    + ",".join(['{"product_id":"123456789","product_name":"Macbook Air 13","quantity":1,"price":1900000.0}'] * 3)
    + ']},"user":{"user_id":"0b8f5f6e-3f0a-4b46-9a67-6f1d1c3f5a11"}}'
)


def fill_finished(first: int, count: int, now: dt.datetime, total: int) -> None:
    """Store finished events number ``first`` and on, of ``total`` spread over ``DAYS``, with an attempt each."""
    for start in range(first, first + count, CHUNK):
        _fill_chunk(start, min(CHUNK, first + count - start), now, total)


def _fill_chunk(start: int, count: int, now: dt.datetime, total: int) -> None:
    born = now - dt.timedelta(days=DAYS)
    number = f"(n + {start})"
    seconds = f"{number} * {(DAYS - 2.5) * 86400 / total}"
    moment = "%s" if connection.vendor != "sqlite" else f"'{born:%Y-%m-%d %H:%M:%S}'"
    status = (
        f"CASE {number} %% 100 WHEN 7 THEN 'failed' WHEN 8 THEN 'expired' WHEN 9 THEN 'cancelled' ELSE 'delivered' END"
    )
    columns = {
        "event_id": _uuid(),
        "definition": "'purchase'",
        "event_name": "'purchase'",
        "destination": "'default'",
        "source": "'shop.Order'",
        "source_pk": _text(number),
        "dedup_key": _random_hex(),
        "status": status,
        "payload": "%s",
        "user_id": _text(f"{number} %% 50000"),
        "user_source": "''",
        "order_id": _text(number),
        "occurred_at": _later(moment, seconds),
        "expires_at": _later(moment, f"{seconds} + 172800"),
        "due_at": "NULL",
        "attempt_count": "1",
        "lapse_count": "0",
        "reason_code": "''",
        "reason": "''",
        "reason_data": "''",
        "finished_at": _later(moment, f"{seconds} + 3"),
        "created_at": _later(moment, seconds),
    }
    parameters: list[Any] = []
    for expression in columns.values():
        if expression == "%s":
            parameters.append(PAYLOAD)
        elif connection.vendor != "sqlite" and "%s" in expression:
            parameters.append(connection.ops.adapt_datetimefield_value(born))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Event._meta.db_table} ({', '.join(columns)}) "
            f"{NUMBERS} SELECT {', '.join(columns.values())} FROM numbers WHERE n < {count} ORDER BY n",
            parameters,
        )
        cursor.execute(
            f"INSERT INTO {DeliveryAttempt._meta.db_table} (event_id, number, started_at, duration_ms, outcome, "
            "status_code, result_code, reason, reason_data, error, may_have_arrived, response_body) "
            "SELECT id, 1, occurred_at, 50, 'accepted', 200, '2000', '', '', '', false, "
            '\'{"result_code":2000,"result_msg":null,"data":{}}\' '
            f"FROM {Event._meta.db_table} e WHERE finished_at IS NOT NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {DeliveryAttempt._meta.db_table} a WHERE a.event_id = e.id) "
            f"AND id > (SELECT MAX(id) - {count} FROM {Event._meta.db_table})"
        )


def fill_unfinished(now: dt.datetime, count: int = 2000) -> None:
    """Store events that wait, replacing those that did: most pending and due, some captured, some being sent."""
    Event.objects.unfinished().delete()
    minute = dt.timedelta(minutes=1)
    states: list[Callable[[Event], None]] = [
        lambda event: event.postpone(EventStatus.CAPTURED, now, "", ""),  # type: ignore[arg-type]
        lambda event: event.postpone(EventStatus.SENDING, now - minute, "", ""),  # type: ignore[arg-type]
        lambda event: event.postpone(EventStatus.SENDING, now + minute, "", ""),  # type: ignore[arg-type]
    ]
    events = []
    for number in range(count):
        event = Event(event_name="purchase", definition="purchase", destination="default", payload=PAYLOAD)
        event.set_occurred_at(now - dt.timedelta(seconds=count - number))
        event.source, event.source_pk, event.user_id = "shop.Order", f"new {number}", str(number)
        event.postpone(EventStatus.PENDING, now, "", "")  # type: ignore[arg-type]
        if number % 20 < len(states):
            states[number % 20](event)
        events.append(event)
    Event.objects.bulk_create(events, batch_size=500)
    for alias in ("default", "old_brand"):  # the second is not in TOKENS any more
        Destination.objects.get_or_create(alias=alias)


def analyze() -> None:
    """Bring the planner's statistics up to date, as the database does by itself in time."""
    with connection.cursor() as cursor:
        for model in (Event, DeliveryAttempt):
            table = model._meta.db_table
            if connection.vendor == "postgresql":
                cursor.execute(f"VACUUM ANALYZE {table}")
            else:
                cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}{table}")
                cursor.fetchall()
