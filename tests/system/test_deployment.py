"""docs/run/deployment: its unit and its compose file start what delivers, and stop it in good order."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from dfinery_django.sandbox import Sandbox
from tests.support.doubles import is_ci
from tests.support.typed_docs import DOCS, ROOT, blocks_of
from tests.system.clusters.processes import eventually

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="django-q2 forks")]

SHOP = ROOT / "example_project"
PAGE = DOCS / "run/deployment.md"
UNIT = DOCS / "run/deployment/dfinery-worker.service"
COMPOSE = DOCS / "run/deployment/compose.yaml"
#: Paths of the page -> paths of this machine.
PLACES = {"/srv/shop/.venv/bin/python": sys.executable, "/srv/shop": str(SHOP)}

BUY = """
import django
django.setup()
from shop import services, stocking
from shop.models import Product
if not Product.objects.exists():
    stocking.fill_shelves()
order = services.place_order([(Product.objects.first(), 1)], guest_email="kim@example.com")
print(services.pay(order, "card").number)
"""


def here(text: str) -> str:
    """The text with this machine's paths."""
    for theirs, ours in PLACES.items():
        text = text.replace(theirs, ours)
    return text


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def seconds(span: str) -> int:
    (number,) = re.fullmatch(r"(\d+)s?", span).groups()  # type: ignore[union-attr]
    return int(number)


def workers() -> dict[str, tuple[list[str], str, int]]:
    """Each way to run a worker: its command, the signal that stops it, the seconds that it is given."""
    service, compose = unit(), services()["worker"]
    stop = (service["KillSignal"], seconds(service["TimeoutStopSec"]))
    (without_a_queue,) = re.findall(r"^ExecStart=(.*forever)$", PAGE.read_text(), re.MULTILINE)
    return {
        "unit": (shlex.split(here(service["ExecStart"])), *stop),
        "compose": (compose["command"], compose["stop_signal"], seconds(compose["stop_grace_period"])),
        "forever": (shlex.split(here(without_a_queue)), *stop),
    }


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> dict[str, str]:
    """The example shop's, with a database that the compose file's own command has made."""
    made = {
        **{key: value for key, value in os.environ.items() if key != "Q_CLUSTER_NAME"},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "SHOP_DATABASE": str(tmp_path_factory.mktemp("shop") / "shop.sqlite3"),
        "DFINERY_BASE_URL": sandbox.url,
        "DFINERY_API_TOKEN": "test-token",
    }
    subprocess.run(services()["migrate"]["command"], cwd=SHOP, env=made, check=True)
    return made


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[[list[str]], subprocess.Popen[bytes]]]:
    """Starts a command in the example shop; what is left of it at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, cwd=SHOP, env=environment, start_new_session=True))
        return started[-1]

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_running(process: subprocess.Popen[bytes]) -> bool:
    """Whether anything of its process group is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("way", ["unit", "compose", "forever"])
def test_a_worker_delivers_and_stops(way: str, start: Any, environment: dict[str, str], sandbox: Sandbox) -> None:
    """Started as the page has it, a paid order arrives; its signal ends every process within the time it is given."""
    command, stop_signal, within = workers()[way]
    process = start(command)
    bought = subprocess.run(
        [sys.executable, "-c", BUY], cwd=SHOP, env=environment, check=True, capture_output=True, text=True
    )
    number = bought.stdout.strip()
    eventually(lambda: number in [arrival.body["event_attributes"].get("order_id") for arrival in sandbox.arrivals])
    process.send_signal(signal.Signals[stop_signal])
    process.wait(timeout=within)
    assert process.returncode in (0, -signal.SIGTERM)
    eventually(lambda: not is_running(process), what="a process of the worker stayed")


def test_the_web_server_answers_and_stops(start: Any) -> None:
    """The compose file's web service runs the example shop."""
    if not is_ci():
        pytest.importorskip("gunicorn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = start([word.replace("0.0.0.0:8000", address) for word in services()["web"]["command"]])

    def status() -> int:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://{address}/", timeout=10).status_code
        return 0

    assert eventually(status) == 200
    process.terminate()
    assert process.wait(timeout=30) == 0


def test_the_compose_file_starts_things_in_order() -> None:
    """Web and workers wait for the migrations; what is published is what the web server listens on; no shell."""
    found = services()
    assert set(found) == {"migrate", "web", "worker"}
    assert found["migrate"]["restart"] == "no"
    for name in ("web", "worker"):
        assert found[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert found[name]["restart"] == "unless-stopped"
    (published,) = found["web"]["ports"]
    assert found["web"]["command"][-1].endswith(f":{published.partition(':')[2]}")
    assert all(isinstance(service["command"], list) for service in found.values())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """systemd-analyze has no complaint, but for the paths of another machine."""
    environment = tmp_path / "shop.env"
    environment.touch()
    written = tmp_path / UNIT.name
    written.write_text(here(UNIT.read_text()).replace("/etc/shop.env", str(environment)))
    done = subprocess.run(["systemd-analyze", "verify", str(written)], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_page_shows_the_files() -> None:
    """What is printed is what was tested."""
    assert UNIT.read_text() in blocks_of(PAGE, "ini")
    assert COMPOSE.read_text() in blocks_of(PAGE, "yaml")
