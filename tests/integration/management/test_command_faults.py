"""``manage.py dfinery`` in trouble: one line and an exit code, never a traceback; as real processes, too."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from django.core.management.base import CommandParser
from django.db import connection, connections

from dfinery_django import track
from dfinery_django.management.commands.dfinery import SUBCOMMANDS, Command, load_subcommand
from dfinery_django.models import Event, Repair
from dfinery_django.sandbox import Sandbox
from tests.settings import DATABASE
from tests.support.doubles import PURCHASE
from tests.support.processes import Workers
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)

NO_SERVER = {"NAME": "/nonexistent/db.sqlite3"} if DATABASE == "sqlite" else {"HOST": "127.0.0.1", "PORT": "9"}
NO_TABLES = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
DATED = {**PURCHASE, "event_datetime": "paid_at"}
READS = (
    "status",
    "drain",
    "prune",
    "fields",
    "schedule",
    "reconcile",
    "resend --all --dry-run",
    "cancel --all --dry-run",
)


@contextmanager
def database(**changes: Any) -> Iterator[None]:
    """The only database has these settings, as in a process that has just started."""
    settings, connected = connections.settings, connections["default"]
    there = dict(settings)
    settings["default"] = {**connected.settings_dict, **changes}
    del settings["other"]  # not made here, and Django 6.1's checks ask every database
    connections["default"] = connections.create_connection("default")
    try:
        yield
    finally:
        connections["default"].close()
        if NO_TABLES.items() <= changes.items() and (opened := connections["default"].connection):
            opened.close()  # Django leaves a database in memory open
        settings.update(there)
        connections["default"] = connected


def run(capsys: Any, command: str, **changes: Any) -> tuple[Any, str, str]:
    """Exit code and what is said, as ``manage.py`` does it, without the seconds that a process takes to start."""
    with database(**changes), pytest.raises(SystemExit) as left:
        execute_from_command_line(["manage.py", "dfinery", *command.split()])
    return left.value.code, *capsys.readouterr()


def run_process(command: str, **changes: Any) -> tuple[Any, str, str]:
    with Workers(**changes) as workers:
        process = workers.start(("-m", "django", "dfinery", *command.split()))
        out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


def last_line(errors: str) -> str:
    """What is said at the end, after the system checks' remarks."""
    assert "Traceback" not in errors
    return errors.rstrip().splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("statsu", "argument subcommand: invalid choice: 'statsu'"),
        ("", "the following arguments are required: subcommand"),
        ("resend --since whenever", "'whenever' is not a time; write 2026-05-14"),
        ("resend 2026-00017", "'2026-00017' is not an event id; --search takes order ids and user ids, too"),
        ("drain --destination nowhere", "'nowhere' is no alias of DFINERY['TOKENS']. Known: default."),
        ("drain --budget nan", "'nan' is not a number of seconds above 0"),
        ("reconcile --since 0h", "'0h' is not a number of hours above 0; write 48h"),
        ("reconcile --since 72h", "DFINERY processes nothing older than 48 hours: --since 48h"),
        ("sandbox --port 65536", "65536 is not a port: the highest is 65535"),
        ("sandbox --rate-limit few", "'few' is not a whole number of at least 0"),
    ],
)
def test_wrong_use_is_one_line(configured: Any, capsys: Any, command: str, words: str) -> None:
    """Exit code 2; nothing on stdout; no usage of half a page."""
    configured(EVENTS={})
    code, out, errors = run(capsys, command)
    assert (code, out) == (2, "")
    assert words in errors
    assert len(errors.splitlines()) == 1 or errors.startswith("System check identified"), errors
    assert words in last_line(errors)


@pytest.mark.parametrize("command", READS)
def test_migrate_was_not_run(configured: Any, capsys: Any, command: str) -> None:
    """Exit code 2, and what to type."""
    configured(EVENTS={"purchase": DATED})
    code, _, errors = run(capsys, command, **NO_TABLES)
    assert code == 2
    assert "manage.py migrate" in last_line(errors)


@pytest.mark.parametrize("command", READS)
def test_the_database_is_down(configured: Any, capsys: Any, command: str) -> None:
    """Exit code 1, since nothing is wrong with what was typed; in one line, whatever the driver says."""
    configured(EVENTS={"purchase": DATED}, DRAIN_SECONDS=1)  # for so long a drain waits for it
    code, _, errors = run(capsys, command, **NO_SERVER)
    assert code == 1
    assert last_line(errors).startswith("CommandError: The database can't be used: ")


def test_one_table_is_missing(configured: Any) -> None:
    """As after an update of this app without a migrate."""
    configured()
    with connection.schema_editor() as editor:
        editor.delete_model(Repair)
    try:
        make("failed")
        with pytest.raises(CommandError, match=r"missing in database 'default'\. Run: manage.py migrate$") as caught:
            call_command("dfinery", "resend", "--all", "--no-input")
        assert caught.value.returncode == 2
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Repair)
    assert Event.objects.get().status == "failed"


@pytest.mark.parametrize("command", ["drain", "resend --all", "check-token", "fields", "prune", "preview shop.Order 1"])
def test_the_setting_is_wrong(configured: Any, capsys: Any, command: str) -> None:
    """Exit code 2, with the mistake and the word to write."""
    configured(TOKENZ={})
    code, out, errors = run(capsys, command)
    assert (code, out) == (2, "")
    assert "Traceback" not in errors
    assert "DFINERY has an unknown key 'TOKENZ'" in errors
    assert "Did you mean 'TOKENS'?" in last_line(errors)


@pytest.mark.parametrize(
    ("command", "changes", "setting"),
    [
        ("statsu", {}, {"EVENTS": {}}),
        ("status", NO_TABLES, {"EVENTS": {}}),
        ("drain", NO_SERVER, {"EVENTS": {}, "DRAIN_SECONDS": 1}),
        ("drain", {}, {"TOKENZ": {}}),
        ("fields", {}, {"TOKENZ": {}}),
    ],
    ids=["wrong use", "no tables", "no server", "a wrong setting", "a wrong setting, unchecked"],
)
def test_a_process_says_the_same(configured: Any, capsys: Any, command: str, changes: Any, setting: Any) -> None:
    """What the tests above run in their own process ends and speaks in one of its own as it does there."""
    configured(**setting)
    code, out, errors = run_process(command, **changes)
    here = run(capsys, command, **changes)
    assert (code, out) == here[:2]
    assert last_line(errors).replace("__main__.py", "manage.py") == last_line(here[2])


def test_a_port_in_use(configured: Any, capsys: Any) -> None:
    """One line with the address and what to do, exit code 2."""
    configured(EVENTS={})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, errors = run(capsys, f"sandbox --port {port}")
    assert (code, out) == (2, "")
    assert errors == (
        f"CommandError: The sandbox can't listen on 127.0.0.1:{port}: the port is in use. "
        f"Take another one, e.g. --port {port + 1}, and write it into BASE_URL too.\n"
    )


@pytest.mark.parametrize("command", ["status", "status --json", "fields --format csv", "preview shop.Order {order}"])
def test_a_reader_that_goes_away(configured: Any, shop: Any, command: str) -> None:
    """`| head` gets its lines; the rest goes nowhere, without a word."""
    configured(EVENTS={"purchase": PURCHASE}, CUSTOM_FIELDS={"event": {f"field_{n}": "string" for n in range(5000)}})
    order = shop.place()
    with Workers() as workers:
        process = workers.start(("-m", "django", "dfinery", *command.format(order=order.pk).split()))
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(timeout=60)
    assert errors == ""
    assert process.returncode == 141


def test_ctrl_c_is_no_fault(configured: Any) -> None:
    """A drain that is stopped says so in a line, exit code 130."""
    configured()
    track("coupon", user_id="u1")
    with Sandbox() as sandbox, Workers() as workers:
        configured(BASE_URL=sandbox.url, EVENTS={})
        process = workers.start(("-m", "django", "dfinery", "drain", "--forever"))
        assert process.stdout is not None
        assert process.stdout.readline() == "1 delivered\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert last_line(errors) == "CommandError: Stopped."


def test_djangos_own_options_stand_where_they_are_typed(configured: Any) -> None:
    """Before the subcommand and behind it."""
    configured(EVENTS={})
    command = ["-m", "django", "dfinery", "sandbox", "--port", "99999", "--settings", "tests.settings", "--no-color"]
    without = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run([sys.executable, *command], env=without, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "99999 is not a port" in done.stderr


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_has_examples_that_can_be_typed(name: str) -> None:
    """Each subcommand explains itself; its examples are taken by its own parser."""
    parser = Command(stdout=io.StringIO()).create_parser("manage.py", "dfinery")
    assert isinstance(parser, CommandParser)
    examples = load_subcommand(name).examples
    for example in examples:
        assert parser.parse_args(example.partition(" > ")[0].split()).subcommand == name
    (subcommands,) = [each for each in parser._actions if each.dest == "subcommand"]
    text = subcommands.choices[name].format_help()
    assert all(f"manage.py dfinery {example}" in text for example in examples)
