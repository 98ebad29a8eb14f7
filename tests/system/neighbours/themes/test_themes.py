"""A process for each theme: two of them in one would share their settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.neighbours.themes.settings import THEMES

HERE = Path(__file__).parent


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_under(theme: str) -> None:
    """Each page of our admin opens under the theme and shows what it is for."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "-c",
        str(HERE / "pytest.ini"),
        str(HERE / "pages.py"),
    ]
    environment = {**os.environ, "THEME": theme}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
