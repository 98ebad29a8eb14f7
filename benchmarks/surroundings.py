"""What a benchmark runs in: a database of its own, a server process, child processes that print one JSON line."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@contextmanager
def server(latency_ms: float) -> Iterator[str]:
    """The URL of a server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server", "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@contextmanager
def database(kind: str, suffix: str = "") -> Iterator[dict[str, str]]:
    """An empty, migrated database; yields the environment that children find it by.

    :param suffix: tells several of one run apart
    """
    with tempfile.TemporaryDirectory() as folder:
        name = (
            str(Path(folder) / "benchmark.sqlite3") if kind == "sqlite" else f"dfinery_benchmark_{os.getpid()}{suffix}"
        )
        environment = {"DATABASE": kind, "BENCHMARK_NAME": name, "DJANGO_SETTINGS_MODULE": "benchmarks.settings"}
        created = name if kind == "sqlite" else f"test_{name}"
        child("benchmarks.surroundings", "create", environment=environment)
        try:
            yield {**environment, "BENCHMARK_NAME": created}
        finally:
            child("benchmarks.surroundings", "destroy", environment=environment)


def child(module: str, *arguments: str, environment: dict[str, str]) -> Any:
    """Run a module; what its last line says, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = done.stdout.split("\n")
    return json.loads(lines[-2]) if len(lines) > 1 else None


def machine() -> str:
    """What a figure depends on."""
    import django
    import django_q
    import requests
    import urllib3

    versions = f"Python {platform.python_version()}, Django {django.__version__}, requests {requests.__version__}"
    queue = ".".join(map(str, django_q.VERSION))
    return f"{os.cpu_count()} cores, {versions}, urllib3 {urllib3.__version__}, django-q2 {queue}"


def _main(command: str) -> None:
    import django
    from django.db import connection

    django.setup()
    if command == "create":
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    else:
        connection.settings_dict["NAME"] = connection.creation._get_test_db_name()  # noqa: SLF001
        connection.creation.destroy_test_db(os.environ["BENCHMARK_NAME"], verbosity=0)


if __name__ == "__main__":
    _main(sys.argv[1])
