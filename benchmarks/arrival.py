"""``python -m benchmarks.arrival``: from commit to arrival, one event at a time, on an idle site.

A real django-q2 cluster with the ORM broker, whose poll interval (0.2 s) is part of the figure; the server answers at
once. Each event is committed by a transaction of its own, at random moments.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from statistics import median, quantiles

from benchmarks.surroundings import child, database, machine, server


def commits(count: int) -> list[float]:
    """Seconds from commit to arrival."""
    import requests
    from django.db import transaction

    from dfinery_django import track

    counted_at = os.environ["BENCHMARK_URL"]

    def times() -> list[float]:
        found: list[float] = requests.get(f"{counted_at}/times", timeout=5).json()
        return found

    waits = []
    draw = random.Random(1)
    with subprocess.Popen([sys.executable, "-m", "django", "qcluster"], stderr=subprocess.DEVNULL) as cluster:
        try:
            time.sleep(5)  # until the cluster stands
            for _ in range(count):
                time.sleep(draw.uniform(0.3, 1.5))
                before = len(times())
                with transaction.atomic():
                    track("coupon", user_id="u1")
                committed_at = time.time()
                while len(arrived := times()) == before:
                    time.sleep(0.005)
                waits.append(arrived[-1] - committed_at)
        finally:
            cluster.terminate()
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrival", description=__doc__)
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--databases", nargs="+", default=["postgresql", "mariadb", "sqlite"])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        import django

        django.setup()
        print(json.dumps(commits(chosen.events)))
        return
    print(f"{chosen.events} events, one at a time; {machine()}\n")
    print("| database | median s | p95 s | longest s |\n|---|---|---|---|")
    for kind in chosen.databases:
        with database(kind) as environment, server(0) as url:
            environment["BENCHMARK_URL"] = url
            waits = child("benchmarks.arrival", "--child", "--events", str(chosen.events), environment=environment)
        print(f"| {kind} | {median(waits):.2f} | {quantiles(waits, n=20)[-1]:.2f} | {max(waits):.2f} |", flush=True)


if __name__ == "__main__":
    main()
