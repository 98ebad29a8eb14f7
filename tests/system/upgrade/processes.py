"""Processes of two versions on one database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.settings import DATABASE, DATABASE_NAME

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
#: The code of this clone.
CURRENT = ROOT / "dfinery_django"


def released_wheel() -> Path:
    """The wheel of the last release, of which processes are still running during a deployment."""
    (wheel,) = HERE.glob("*.whl")
    return wheel


def unpack_release(folder: Path) -> Path:
    """Unpack the released package into a folder, and return it: templates are not read from an archive."""
    with ZipFile(released_wheel()) as wheel:
        wheel.extractall(folder)
    return folder / "dfinery_django"


class Site:
    """A process of the site: ``site.ask("place", ["A1"])`` calls a function of ``tests.system.upgrade.site`` there.

    :param package: the code that it runs
    :param database: a name that is its own, or a file for SQLite
    """

    def __init__(self, package: Path, database: str, url: str = "http://127.0.0.1:9") -> None:
        self.package = package
        # The package that is to run comes first, in the working directory and in the path.
        start = "from tests.system.upgrade import site; site.main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start],
            cwd=package.parent,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.system.upgrade.settings",
                "PYTHONPATH": os.pathsep.join([str(package.parent), str(ROOT)]),
                "UPGRADE_DATABASE": database,
                "UPGRADE_URL": url,
            },
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Site:
        assert self.ask("where") == str(self.package)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self.process:  # closes its pipes and waits for it
            pass

    def begin(self, function: str, *args: Any, **kwargs: Any) -> None:
        """Start a call whose result ``end`` waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([function, args, kwargs]) + "\n")
        self.process.stdin.flush()

    def end(self) -> Any:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        assert answer, f"the process with {self.package} broke down"
        return json.loads(answer)

    def ask(self, function: str, *args: Any, **kwargs: Any) -> Any:
        self.begin(function, *args, **kwargs)
        return self.end()


def database_name(folder: Path, use: str) -> str:
    """The database of a test: a file in the folder, or one on the server beside those of the suite."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return str(folder / "site.sqlite3") if DATABASE == "sqlite" else f"{DATABASE_NAME}_{use}{worker}"
