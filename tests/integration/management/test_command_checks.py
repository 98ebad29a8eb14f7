"""Which remarks of the system checks a subcommand prints: cron mails whatever it prints."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox
from tests.support.doubles import PURCHASE
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)

#: I001: no column says which rows are recent. W020: no such status.
REMARKABLE = {"purchase": {**PURCHASE, "when": {"status": "payed"}}}
BROKEN = {"purchase": {**REMARKABLE["purchase"], "event_attributes": {"x": "totl"}}}


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Keeps the tests alive: a service hands SIGTERM on when it has ended."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, before)


def run(*arguments: str) -> tuple[str, str]:
    """What a subcommand prints on stdout and stderr where a terminal or cron starts it."""
    out, err = io.StringIO(), io.StringIO()
    call_command("dfinery", *arguments, skip_checks=False, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("subcommand", "printed"),
    [
        ("drain", "Nothing was due.\n"),
        ("prune", "0 finished events deleted.\n"),
        ("reconcile", "purchase: skipped, it has no 'event_datetime', so no column shows which rows are recent.\n"),
    ],
)
def test_what_cron_runs_prints_no_warnings(configured: Any, subcommand: str, printed: str) -> None:
    """Nothing but the command's own words: a remark of the checks would be a mail a minute."""
    configured(EVENTS=REMARKABLE)
    assert run(subcommand) == (printed, "")


def test_schedules_are_made_without_warnings(configured: Any) -> None:
    """As is done by each deployment."""
    configured(EVENTS=REMARKABLE)
    assert run("schedule")[1] == ""


@pytest.mark.parametrize("arguments", [["drain", "--forever"], ["schedule", "--loop"]], ids=" ".join)
def test_a_service_prints_them_once_when_it_starts(configured: Any, ended: list[int], arguments: list[str]) -> None:
    """Whoever reads its log finds them there."""

    def end(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "dfinery_django_destination" in sql:
            os.kill(os.getpid(), signal.SIGTERM)
        return execute(sql, parameters, many, context)

    with Sandbox() as sandbox:
        configured(EVENTS=REMARKABLE, BASE_URL=sandbox.url)
        with connection.execute_wrapper(end):
            err = run(*arguments)[1]
    assert err.count("(dfinery.W020) Event 'purchase' waits for status 'payed'") == 1
    assert err.count("(dfinery.I001) Reconcile can't find rows") == 1
    assert set(ended) == {signal.SIGTERM}


@pytest.mark.parametrize(
    "arguments",
    [["drain"], ["drain", "--forever"], ["reconcile"], ["prune"], ["schedule"], ["schedule", "--loop"]],
    ids=" ".join,
)
def test_an_error_stops_each_of_them(configured: Any, arguments: list[str]) -> None:
    """Exit code 2, with all that was found, warnings too; nothing is done."""
    configured(EVENTS=BROKEN)
    make("pending")
    with pytest.raises(SystemCheckError) as raised:
        run(*arguments)
    assert raised.value.returncode == 2
    for number in ("E008", "W020"):
        assert f"(dfinery.{number}) Event 'purchase'" in str(raised.value)
    assert Event.objects.get().status == "pending"


def test_check_prints_what_cron_does_not(configured: Any) -> None:
    """They are not lost."""
    configured(EVENTS=REMARKABLE)
    err = io.StringIO()
    call_command("check", stderr=err)
    assert "dfinery.W020" in err.getvalue()
    assert "dfinery.I001" in err.getvalue()
