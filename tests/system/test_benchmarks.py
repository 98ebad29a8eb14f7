"""Benchmarks that no other test touches run, and measure what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.settings import DATABASE

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_start_of_a_web_process() -> None:
    """How long it takes is a matter of the machine's mood, but not how much memory."""
    lines = run("benchmarks.startup", "--starts", "1").splitlines()
    assert [line.split("|")[1].strip() for line in lines[-3:]] == ["without", "with", "with ÷ without"]
    assert 0 < float(lines[-1].split("|")[4]) < 5


@pytest.mark.db
@pytest.mark.slow
def test_what_a_checkout_pays() -> None:
    """Each contestant takes part; how often each asks the database is no matter of the machine's mood."""
    lines = run("benchmarks.capture", "--orders", "2", "--block", "1", "--databases", DATABASE).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| added")) + 2
    cells = [line.split("|")[2:6] for line in lines[start : start + 5]]
    trips = [[int(cell.split("(")[1].rstrip(") ")) for cell in row] for row in cells]
    insert = 3 if DATABASE == "mariadb" else 1
    # A look whether a drain is asked for, which goes along with PostgreSQL's INSERT.
    look = 0 if DATABASE == "postgresql" else 1
    # idle: and note and task, in one statement or in a transaction of four; one task
    note = 1 if DATABASE == "postgresql" else 4
    assert trips == [
        [*[insert + look] * 2, insert + look + note, 1],
        [*[insert + 1 + look] * 2, insert + 1 + look + note, 1],  # the state before
        [*[1 + look] * 2, 1 + look + note, trips[2][3]],  # it reconnects, and each database greets in its own way
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert sum(" ÷ " in line for line in lines) == 16
