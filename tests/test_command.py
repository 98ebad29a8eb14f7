"""``manage.py dfinery`` as it is typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from dfinery_django import track
from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_drain_needs_no_cluster(configured: Any, capsys: Any) -> None:
    """What is due is delivered by hand, and the line says what was done."""
    with Sandbox(tokens=["test-token"]) as sandbox:
        configured(BASE_URL=sandbox.url)
        track("coupon", user_id="u1")
        call_command("dfinery", "drain")
        call_command("dfinery", "drain")
        assert [arrival.event_name for arrival in sandbox.arrivals] == ["coupon"]
    assert capsys.readouterr().out == "1 delivered\nNothing was due.\n"
    assert Event.objects.get().status == "delivered"


def test_schedule_and_prune_say_what_they_did(configured: Any, capsys: Any) -> None:
    """One line for each thing done."""
    configured()
    call_command("dfinery", "schedule")
    call_command("dfinery", "prune")
    assert capsys.readouterr().out.splitlines() == [
        "dfinery: drain: dfinery_django.tasks.drain, every 1 min",
        "dfinery: prune: dfinery_django.tasks.prune, every 1440 min",
        "dfinery: reconcile: dfinery_django.tasks.reconcile, every 10 min",
        "0 finished events deleted.",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reconcile", "--definition", "purchas"], "Did you mean 'purchase'"),
        (["drain", "--destination", "brand_b"], "'brand_b' is no alias"),
        (["sandbox", "--host", "0.0.0.0"], "can't listen"),
    ],
)
def test_wrong_use_ends_with_one_line(configured: Any, arguments: list[str], words: str) -> None:
    """A clear line and exit code 2, no traceback."""
    configured()
    with pytest.raises(CommandError, match=words) as caught:
        call_command("dfinery", *arguments)
    assert caught.value.returncode == 2


def test_the_sandbox_command_serves_until_it_is_stopped() -> None:
    """It says where it listens, answers, and ends on Ctrl-C without a traceback."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "django", "dfinery", "sandbox", "--port", "0"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        assert requests.get(f"{found[0]}/events.json", timeout=5).json()["count"] == 0
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in errors
