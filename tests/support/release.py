"""Make what a release leaves to later tests: ``python -m tests.support.release [wheel] [dumps]``, without a word all.

wheel   the package, in ``tests/system/upgrade/``: the "old code" of the tests of a deployment; replaces the last one
dumps   what it leaves in a database, in ``tests/system/upgrade/dumps/``, for each of SQLite, PostgreSQL and MariaDB;
        needs both servers, ``pg_dump`` and ``mariadb-dump``; dumps of earlier versions stay

``python -m tests.support.sbom`` and ``python -m tests.support.public_surface`` come first. CONTRIBUTING.md has the
whole way.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import dfinery_django
from dfinery_django.sandbox import Sandbox
from tests.settings import DATABASES
from tests.system.upgrade.processes import HERE, ROOT, Site, released_wheel, unpack_release

VERSION = dfinery_django.__version__


def build_wheel() -> None:
    """Build the wheel of this version, and remove the last one's."""
    for old in HERE.glob("*.whl"):
        old.unlink()
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(HERE)], cwd=ROOT, check=True)


def make_dumps() -> None:
    """Let the released code fill a database of each kind, and write its dump; each in a process with its settings."""
    for kind in DUMPS:
        command = [sys.executable, "-m", "tests.support.release", "dump"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE": kind}, check=True)


def make_dump() -> None:
    kind = os.environ["DATABASE"]
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        name = f"{folder}/site.sqlite3" if kind == "sqlite" else f"dfinery_dump_{os.getpid()}"
        with Site(unpack_release(Path(folder)), name, sandbox.url) as site:
            for step in ("create_database", "migrate", "fill"):
                site.ask(step)
            text = DUMPS[kind](name)
            site.ask("drop_database")
    file = HERE / "dumps" / f"{VERSION}-{kind}.sql"
    file.write_bytes(text.encode())
    print(f"{file.name}: {len(text) // 1024} KB")


def _dump_of_sqlite(name: str) -> str:
    with sqlite3.connect(name) as database:
        # Tables come by name, some before those that they refer to.
        return "\n".join(["PRAGMA foreign_keys=OFF;", *database.iterdump()]) + "\n"


def _dump_of_postgresql(name: str) -> str:
    place = DATABASES["default"]
    command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--encoding=UTF8"]
    text = _output_of([*command, "-h", place["HOST"], "-p", place["PORT"], "-U", place["USER"], name])
    # Commands of psql alone, and settings that an older or newer server may not know.
    return re.sub(
        r"^(\\(un)?restrict \w+|SET (transaction|idle_in_transaction_session)_timeout = 0;)\n", "", text, flags=re.M
    )


def _dump_of_mariadb(name: str) -> str:
    place = DATABASES["default"]
    command = [
        "mariadb-dump",
        "--default-character-set=utf8mb4",
        "--skip-comments",
        "--skip-add-locks",
        "--skip-dump-date",
    ]
    text = _output_of([*command, "-h", place["HOST"], "-P", place["PORT"], "-u", place["USER"], name])
    return re.sub(r"^/\*M!999999.*\n", "", text, flags=re.M)  # for its own client


def _output_of(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True).stdout.decode()


DUMPS: dict[str, Callable[[str], str]] = {
    "sqlite": _dump_of_sqlite,
    "postgresql": _dump_of_postgresql,
    "mariadb": _dump_of_mariadb,
}
STEPS: dict[str, Callable[[], None]] = {"wheel": build_wheel, "dumps": make_dumps, "dump": make_dump}


def main() -> None:
    for name in sys.argv[1:] or ("wheel", "dumps"):
        STEPS[name]()
    print(f"Released: {released_wheel().name}")


if __name__ == "__main__":
    main()
