"""``python -m benchmarks.delivery``: a backlog of built events, drained by each contestant in turn.

bare    threads with one requests.Session and no database: the wire's own limit
client  the same with this app's client
ours    a drain with all its bookkeeping: claims, settles, a record of every attempt
task    one django-q2 task per event, as a developer would write it by hand
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

from benchmarks.surroundings import child, database, machine, server

CONTESTANTS = "benchmarks.delivery.contestants"


def rounds(kind: str, latency_ms: float, chosen: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Each contestant in turn, so that a change of the machine's mood meets all of them."""
    found: dict[str, list[dict[str, Any]]] = {"bare": [], "client": [], "ours": [], "task": []}
    with database(kind) as environment, server(latency_ms) as url:
        environment |= {"BENCHMARK_URL": url, "BENCHMARK_CONNECTIONS": str(chosen.connections)}
        environment |= {"BENCHMARK_WORKERS": str(chosen.workers)}
        for _ in range(chosen.rounds):
            for name in ("bare", "client"):
                found[name].append(child(CONTESTANTS, name, str(chosen.events), environment=environment))
            child(CONTESTANTS, "fill", str(chosen.events), environment=environment)
            found["ours"].append(child(CONTESTANTS, "ours", str(chosen.events), environment=environment))
        if chosen.tasks:
            found["task"].append(child(CONTESTANTS, "task", str(chosen.tasks), environment=environment))
    return found


def row(kind: str, latency_ms: float, found: dict[str, list[dict[str, Any]]]) -> str:
    speed = {name: median(each["per_second"] for each in runs) for name, runs in found.items() if runs}
    pairs = zip(found["ours"], found["bare"], strict=True)
    ratio = median(ours["per_second"] / bare["per_second"] for ours, bare in pairs)
    cpu = {name: median(each["cpu_ms"] for each in found[name]) for name in ("bare", "client", "ours")}
    task = speed.get("task")
    text = f"| {kind} | {latency_ms:g} ms | {speed['bare']:,.0f} | {speed['ours']:,.0f} | **{ratio:.2f}** "
    text += f"| {cpu['bare']:.2f} | {cpu['client']:.2f} | {cpu['ours']:.2f} "
    return text + (f"| {task:,.0f} | {speed['ours'] / task:,.0f} |" if task else "| | |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=300, help="events of the one-task-per-event contestant; 0: none")
    parser.add_argument("--workers", type=int, default=1, help="of that contestant; ours is one process, too")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", nargs="+", default=["postgresql", "sqlite"])
    parser.add_argument("--latencies", nargs="+", type=float, default=[50, 0], metavar="MS")
    chosen = parser.parse_args()
    print(f"{chosen.events:,} events, {chosen.connections} connections, {chosen.workers} django-q2 worker(s),")
    print(f"median of {chosen.rounds} rounds; {machine()}\n")
    print(
        "| database | latency | bare /s | ours /s | ours ÷ bare | CPU bare ms | CPU ours ms | task /s | ours ÷ task |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in chosen.databases:
        for latency_ms in chosen.latencies:
            print(row(kind, latency_ms, rounds(kind, latency_ms, chosen)), flush=True)


if __name__ == "__main__":
    main()
