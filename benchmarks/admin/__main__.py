"""``python -m benchmarks.admin``: what the pages of the admin cost when a million events are finished.

Two databases, with a thousand and with ``--rows`` finished events, serve the same pages in turn: medians, numbers of
queries, and the plans of the large one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import median

from benchmarks.growth.__main__ import asked
from benchmarks.surroundings import machine

FEW = 1000
SETTINGS = "benchmarks.admin.settings"


def answer(rows: int) -> None:
    """The child: fill the database that the environment names, then serve."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from benchmarks.admin.pages import milliseconds, plans, prepare
    from benchmarks.growth.filling import analyze, fill_finished, fill_unfinished

    call_command("migrate", verbosity=0)
    fill_finished(0, rows, timezone.now(), rows)
    fill_unfinished(timezone.now(), 100)
    prepare()
    analyze()
    print(json.dumps(connection.vendor), flush=True)
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps(plans() if name == "plans" else milliseconds(name)), flush=True)


def compare(kind: str, rows: int, runs: int, rest_seconds: float) -> None:
    child = {"module": "benchmarks.admin", "settings": SETTINGS}
    with asked(kind, FEW, "few", **child) as few, asked(kind, rows, "many", **child) as many:
        time.sleep(rest_seconds)  # the server still writes out what it was given
        plans = many.ask("plans")
        few_plans = few.ask("plans")
        print(f"{many.version}; {machine()}\n")
        print(f"| ms, median | queries | events shown | {FEW:,} events | {rows:,} events | ratio |")
        print("|---|---|---|---|---|---|")
        for name, (queries, shown, *_) in plans.items():
            pairs = [(few.ask(name), many.ask(name)) for _ in range(runs)]
            little, much = (median(each) for each in zip(*pairs, strict=True))
            listed = f"{few_plans[name][1]} / {shown}"
            print(f"| {name} | {queries} | {listed} | {little:.0f} | {much:.0f} | {much / little:.2f} |", flush=True)
    print()
    for name, (_, _, *steps) in plans.items():
        print(name, *steps, sep="\n    ")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished events")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rest", type=float, default=30, metavar="SECONDS", help="pause between filling and asking")
    parser.add_argument("--database", nargs="+", default=["postgresql"])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        answer(chosen.rows)
        return
    for kind in chosen.database:
        compare(kind, chosen.rows, chosen.runs, chosen.rest)


if __name__ == "__main__":
    main()
