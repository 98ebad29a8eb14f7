"""``python -m benchmarks.memory``: memory of a drain, at every tenth of a backlog of a million events."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.surroundings import child, database, machine, server


def resident_mb() -> float:
    """Memory of this process now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def drain_and_watch(count: int) -> None:
    from dfinery_django.delivery.worker import drain
    from dfinery_django.signals import event_delivered

    seen, started = 0, time.monotonic()

    def watch(**kwargs: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 1000 or seen % (count // 10) == 0:
            per_second = seen / (time.monotonic() - started)
            print(f"| {seen:,} | {resident_mb():.0f} | {per_second:,.0f} |", file=sys.stderr, flush=True)

    event_delivered.connect(watch)
    assert drain("default", budget_seconds=36000)["delivered"] == count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--database", default="postgresql")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        import django

        django.setup()
        drain_and_watch(chosen.events)
        return
    print(f"{chosen.events:,} events on {chosen.database}; {machine()}\n")
    print("| delivered | resident MB | events/s so far |\n|---|---|---|", flush=True)
    with database(chosen.database) as environment, server(0) as url:
        environment["BENCHMARK_URL"] = url
        child("benchmarks.delivery.contestants", "fill", str(chosen.events), environment=environment)
        child("benchmarks.memory", "--child", "--events", str(chosen.events), environment=environment)


if __name__ == "__main__":
    main()
