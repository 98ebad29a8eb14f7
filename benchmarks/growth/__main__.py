"""``python -m benchmarks.growth``: what the outbox costs when millions of events are finished.

Two databases, with 2 thousand and with ``--rows`` finished events beside 2 thousand that wait, are asked the same
questions in turn: medians, and the plans of the large one. Filling takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.surroundings import ROOT, database, machine

FEW = 2000


class Asked:
    """A process with a database of so many finished events; it answers one question a line."""

    def __init__(self, environment: dict[str, str], rows: int, module: str) -> None:
        command = [sys.executable, "-m", module, "--child", "--rows", str(rows)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.version = self._answer()

    def ask(self, question: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def asked(
    kind: str, rows: int, suffix: str, *, module: str = "benchmarks.growth", settings: str = "benchmarks.settings"
) -> Iterator[Asked]:
    with database(kind, suffix) as environment:
        filled = Asked({**environment, "DJANGO_SETTINGS_MODULE": settings}, rows, module)
        with filled.process:
            yield filled


def answer(rows: int) -> None:
    """The child: fill the database that the environment names, then answer."""
    import django

    django.setup()
    from django.db import connection
    from django.utils import timezone

    from benchmarks.growth.filling import analyze, fill_finished, fill_unfinished
    from benchmarks.growth.questions import milliseconds, plans

    fill_finished(0, rows, timezone.now(), rows)
    fill_unfinished(timezone.now())
    analyze()
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SELECT version()")
        print(json.dumps(f"{connection.vendor} {cursor.fetchone()[0]}"[:60]), flush=True)
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps(plans() if name == "plans" else milliseconds(name)), flush=True)


def compare(kind: str, rows: int, runs: int, rest_seconds: float) -> None:
    with asked(kind, FEW, "few") as few, asked(kind, rows, "many") as many:
        time.sleep(rest_seconds)  # the server still writes out what it was given
        plans = many.ask("plans")
        print(f"{many.version}; {machine()}\n")
        print(f"| ms, median | {FEW:,} finished | {rows:,} finished | ratio |\n|---|---|---|---|")
        for name in plans:
            pairs = [(few.ask(name), many.ask(name)) for _ in range(runs)]
            little, much = (median(each) for each in zip(*pairs, strict=True))
            print(f"| {name} | {little:.2f} | {much:.2f} | {much / little:.2f} |")
    print()
    for name, steps in plans.items():
        print(name, *steps, sep="\n    ")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="finished events")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rest", type=float, default=60, metavar="SECONDS", help="pause between filling and asking")
    parser.add_argument("--database", nargs="+", default=["postgresql", "mariadb", "sqlite"])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        answer(chosen.rows)
        return
    for kind in chosen.database:
        compare(kind, chosen.rows, chosen.runs, chosen.rest)


if __name__ == "__main__":
    main()
