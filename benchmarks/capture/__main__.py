"""``python -m benchmarks.capture``: what a checkout pays for an event, in milliseconds beside the plain save.

plain           no receiver at all
ours, rush      this app; a drain is asked for already, as the last order has just seen
ours, busy      likewise, but each order must look, as in a shop with an order every second, or with an order a
                minute while a drain watches
ours, idle      this app; each save must ask for a drain anew, as with an order a minute while none watches
task            a receiver that calls django-q2's async_task(), in the transaction if there is one
task on commit  the same from transaction.on_commit()
inline post     a receiver that posts over a kept connection to a server that answers in 50 ms

Each contestant is a process of its own; they take turns in short blocks, in an order drawn anew each round, so that a
change of the machine's mood meets all of them. The first order of a block is not counted. *Added* is the median over
the rounds of what a block's median is above that of the plain saves of the same round; and the difference of the
fastest tenths of all rounds, which a machine that others use has less to do with. *Trips* are those to the database,
with BEGIN, COMMIT and savepoints.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from statistics import median, quantiles
from typing import Any

from benchmarks.capture.contestants import CASES
from benchmarks.surroundings import ROOT, database, machine, server

CONTESTANTS = ("plain", "ours, rush", "ours, busy", "ours, idle", "task", "task on commit", "inline post")
LATENCY_MS = 50
PLACE, PAY, AUTOCOMMIT, *QUIET = CASES

#: Goal: a case, ours, whose added time it may be a share of, and which share at most. In an idle shop a save asks for a
#: drain after its commit, which is a task of its own: it is compared with a task on commit, and with one that the
#: order's own transaction takes along.
GOALS = (
    (PLACE, "ours, idle", "task", 1.5),
    (PAY, "ours, idle", "task", 1.5),
    (PLACE, "ours, rush", "task", 1.5),
    (PAY, "ours, rush", "task", 1.5),
    (PLACE, "ours, busy", "task", 1.5),
    (PAY, "ours, busy", "task", 1.5),
    (PLACE, "ours, idle", "task on commit", 0.25),
    (PAY, "ours, idle", "task on commit", 0.25),
    (AUTOCOMMIT, "ours, busy", "task", 0.25),
    (AUTOCOMMIT, "ours, idle", "task", 0.25),
    *((case, ours, "inline post", 0.05) for case in (PLACE, PAY, AUTOCOMMIT) for ours in ("ours, busy", "ours, idle")),
)

#: (case, contestant) -> its milliseconds, a list for each round.
Times = dict[tuple[str, str], list[list[float]]]


class Asked:
    """A contestant's process; it answers one question a line."""

    def __init__(self, contestant: str, environment: dict[str, str]) -> None:
        without_us = {} if contestant.startswith("ours") else {"BENCHMARK_WITHOUT_US": "yes"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.capture.contestants", contestant],
            cwd=ROOT,
            env={**os.environ, **environment, **without_us},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, *question: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def asked(kind: str) -> Iterator[dict[str, Asked]]:
    """The contestants, at work on one database."""
    with ExitStack() as stack:
        environment = stack.enter_context(database(kind))
        environment = {**environment, "BENCHMARK_URL": stack.enter_context(server(LATENCY_MS))}
        started = {name: Asked(name, environment) for name in CONTESTANTS}
        for each in started.values():
            stack.enter_context(each.process)
        for each in started.values():
            each.answer()
        yield started


def turns(contestants: dict[str, Asked], orders: int, block: int) -> Times:
    found: Times = {(case, name): [] for case in CASES for name in contestants}
    draw = random.Random(1)
    for _ in range(orders // block):
        for case, name in draw.sample(sorted(found), len(found)):
            found[case, name].append(contestants[name].ask(case, block + 1)[1:])
    return found


def of_a_round(times: Times, case: str, contestant: str) -> float:
    """What it adds in the middle one of the rounds."""
    pairs = zip(times[case, contestant], times[case, "plain"], strict=True)
    return median(median(own) - median(plain) for own, plain in pairs)


def at_best(times: Times, case: str, contestant: str) -> float:
    """What it adds to the time that a tenth of all orders stay below."""
    own, plain = (quantiles(chain(*times[case, name]), n=10)[0] for name in (contestant, "plain"))
    return own - plain


Figure = Callable[[Times, str, str], float]
FIGURES: tuple[Figure, ...] = (of_a_round, at_best)


def tell_times(times: Times) -> None:
    print(f"| median / p95 ms | {' | '.join(CONTESTANTS)} |\n|---|{'---|' * len(CONTESTANTS)}")
    for case in CASES:
        found = [list(chain(*times[case, name])) for name in CONTESTANTS]
        cells = [f"{median(each):.2f} / {quantiles(each, n=20)[-1]:.2f}" for each in found]
        print(f"| {case} | {' | '.join(cells)} |")


def tell_added(times: Times, trips: dict[tuple[str, str], int]) -> None:
    print(f"\n| added ms: median round; fastest tenth (trips) | {' | '.join(CONTESTANTS[1:])} |")
    print(f"|---|{'---|' * (len(CONTESTANTS) - 1)}")
    for case in CASES:
        cells = []
        for name in CONTESTANTS[1:]:
            figures = [f"{added(times, case, name):+.2f}" for added in FIGURES]
            cells.append(f"{'; '.join(figures)} ({trips[case, name] - trips[case, 'plain']:+d})")
        print(f"| {case} | {' | '.join(cells)} |")


def tell_goals(times: Times) -> None:
    print("\n| goal | at most | by median round | | by fastest tenth | |\n|---|---|---|---|---|---|")
    for case, ours, other, most in GOALS:
        verdicts = [verdict(times, case, ours, other, most, added) for added in FIGURES]
        print(f"| {case}: {ours} ÷ {other} | {most:g} | {' | '.join(verdicts)} |")


def verdict(times: Times, case: str, ours: str, other: str, most: float, added: Figure) -> str:
    theirs = added(times, case, other)
    if theirs <= 0:
        return "| too noisy to tell"
    ratio = added(times, case, ours) / theirs
    return f"{ratio:.2f} | {'met' if ratio <= most else '**missed**'}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=300, help="of each contestant in each case")
    parser.add_argument("--block", type=int, default=5, help="orders before the next one's turn")
    parser.add_argument("--databases", nargs="+", default=["postgresql", "sqlite"])
    chosen = parser.parse_args()
    print(f"{chosen.orders} orders per contestant and case; {machine()}")
    for kind in chosen.databases:
        print(f"\n{kind}\n", flush=True)
        with asked(kind) as contestants:
            times = turns(contestants, chosen.orders, chosen.block)
            trips = {(case, name): contestants[name].ask(case, 0) for case, name in times}
        tell_times(times)
        tell_added(times, trips)
        tell_goals(times)


if __name__ == "__main__":
    main()
