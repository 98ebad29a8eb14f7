"""``python -m benchmarks.reconcile``: a sweep that finds nothing, in a shop with a million orders and their events.

Orders are spread evenly over two months, so that those of the last 48 hours are compared. Prints the query's plan.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from statistics import median, quantiles
from typing import Any

from benchmarks.surroundings import child, database, machine

#: What docs/map/definitions.md advises: the condition's column, then the moment.
INDEX = "CREATE INDEX orders_by_status_and_moment ON shop_order (status, paid_at)"
DEFINITION = {
    "model": "shop.Order",
    "when": {"status": "paid"},
    "event_datetime": "paid_at",
    "event_attributes": {"order_id": "number"},
    "user": "customer",
}


def fill(rows: int) -> None:
    """Orders with the keys and moments of the events, made by the database itself."""
    from django.db import connection
    from django.utils import timezone

    from benchmarks.growth.filling import fill_finished

    fill_finished(0, rows, timezone.now() + dt.timedelta(days=2.5), rows)
    columns = {
        "id": "CAST(source_pk AS SIGNED)" if connection.vendor == "mysql" else "CAST(source_pk AS INTEGER)",
        "number": "source_pk", "status": "'paid'", "guest_email": "''", "total": "1000", "discount": "0",
        "payment_method": "'card'", "uses_applepay": "true", "paid_at": "occurred_at", "note": "''",
    }  # fmt: skip
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
        cursor.execute(
            f"INSERT INTO shop_order ({', '.join(columns)}) "
            f"SELECT {', '.join(columns.values())} FROM dfinery_django_event ORDER BY id"
        )
        cursor.execute(INDEX)
        for table in ("shop_order", "dfinery_django_event"):
            words = {"postgresql": f"VACUUM ANALYZE {table}", "mysql": f"ANALYZE TABLE {table}", "sqlite": "ANALYZE"}
            cursor.execute(words[connection.vendor])
            if connection.vendor == "mysql":
                cursor.fetchall()


def sweep_often(rounds: int) -> dict[str, Any]:
    from django.db import connection
    from django.test import override_settings

    from dfinery_django.definitions import registry
    from dfinery_django.outbox import reconcile

    with override_settings(DFINERY={"TOKENS": {"default": "x"}, "EVENTS": {"purchase": DEFINITION}}):
        definition = registry.get("purchase")
        milliseconds = []
        for _ in range(rounds + 5):
            started = time.perf_counter()
            assert reconcile.sweep(definition) == 0
            milliseconds.append((time.perf_counter() - started) * 1000)
        recent = definition.model_class._base_manager.filter(
            paid_at__gte=dt.datetime.now(dt.timezone.utc) - dt.timedelta(hours=48)
        ).count()
        plan = reconcile.candidate_keys(definition).explain()
    return {"ms": milliseconds[5:], "recent": recent, "plan": plan, "version": str(connection.get_database_version())}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reconcile", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--databases", nargs="+", default=["postgresql", "sqlite", "mariadb"])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        import django

        django.setup()
        fill(chosen.rows)
        print(json.dumps(sweep_often(chosen.rounds)))
        return
    print(f"{chosen.rows:,} orders and events; {machine()}\n")
    print("| database | orders of 48 h | median ms | p95 ms |\n|---|---|---|---|", flush=True)
    for kind in chosen.databases:
        with database(kind) as environment:
            size = ("--rows", str(chosen.rows), "--rounds", str(chosen.rounds))
            found = child("benchmarks.reconcile", "--child", *size, environment=environment)
        p95 = quantiles(found["ms"], n=20)[-1]
        print(f"| {kind} | {found['recent']:,} | {median(found['ms']):.0f} | {p95:.0f} |", flush=True)
        print(f"\n{kind} {found['version']}\n{found['plan']}\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
