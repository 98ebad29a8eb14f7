"""docs/reference/commands.md: every subcommand is there, and what it prints is what is printed."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dfinery_django import track
from dfinery_django.enums import Reason
from dfinery_django.management.commands.dfinery import SUBCOMMANDS, Command
from dfinery_django.management.exit_codes import EXIT_CODES
from dfinery_django.models import Destination, Event
from dfinery_django.sandbox import Sandbox
from tests.shop.models import Order
from tests.support.staff import make
from tests.support.typed_docs import ROOT, blocks_of

PAGE = ROOT / "docs/reference/commands.md"
PROMPT = "$ python manage.py dfinery "
EXAMPLES = [block for block in blocks_of(PAGE, "console") if block.startswith(PROMPT)]

MAPPING = {
    "model": "shop.Order",
    "when": {"status": "paid"},
    "event_datetime": "paid_at",
    "event_attributes": {"order_id": "number", "order_sales": "total", "channel": "note"},
    "user": "customer",
}


def headings() -> set[str]:
    return set(re.findall(r"^## `([a-z-]+)`$", PAGE.read_text(), re.MULTILINE))


def test_every_subcommand_is_documented() -> None:
    """The page has a chapter with an example for each, and for nothing else."""
    assert headings() == set(SUBCOMMANDS)
    assert {example.removeprefix(PROMPT).split()[0] for example in EXAMPLES} == set(SUBCOMMANDS)


def test_every_option_is_documented() -> None:
    """Each option of a subcommand stands in its chapter."""
    chapters = dict(re.findall(r"^## `([a-z-]+)`\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    (subcommands,) = [
        each for each in Command().create_parser("manage.py", "dfinery")._actions if each.dest == "subcommand"
    ]
    for name, parser in subcommands.choices.items():
        shown = [each for each in parser._actions if each.help != "==SUPPRESS==" and each.dest != "help"]
        missing = [flag for each in shown for flag in each.option_strings if f"`{flag}" not in chapters[name]]
        assert missing == [], name


def test_the_exit_codes_are_those_of_the_help() -> None:
    """0, 1 and 2 on the page as in --help, and what a shell says of a signal."""
    assert re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE) == [
        *re.findall(r"^  (\d) ", EXIT_CODES, re.MULTILINE),
        "130",
        "141",
    ]


def plain(text: str) -> str:
    """Without what differs from run to run: numbers, ids."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    text = re.sub(r"\b(second|minute|hour)s\b", r"\1", text)
    return re.sub(r"\d+", "0", text).rstrip()


def arrange(shop: Any, subcommand: str, *options: str) -> None:
    """A token that was refused an hour ago, and what has piled up."""
    now = timezone.now()
    closed = {"closed_code": Reason.TOKEN, "closed_reason": "4001: Invalid API Token Error. (HTTP 401)"}
    Destination.objects.update_or_create(
        alias="default",
        defaults={**closed, "closed_at": now, "closed_until": now + dt.timedelta(minutes=5), "drained_at": now},
    )
    for _ in range(3):
        track("coupon", user_id="u1") if subcommand == "drain" else make("pending", hours=0.5)
    make("failed", reason_code="mapping", event_id=UUID("7f0c52a4-3c19-4d5b-9a83-0a2f3a1c9f10"))
    make("failed", reason_code="rejected")
    make("delivered")
    customer = shop.customer(pk=UUID("c43b3770-b43f-415c-8800-f15b674e377c"))
    shop.place(pk=42, status="pending", paid_at=now - dt.timedelta(hours=1), customer=customer, note="web")
    if subcommand == "forget":
        for status in ("delivered", "failed"):
            payload = '{"event_attributes":{},"user_attributes":{"user_id":"4711"}}'
            make(status, user_id="4711", payload=payload, dedup_key=f"{status} of 4711", definition="purchase")
    if subcommand == "resend":
        Destination.objects.update(closed_code="", closed_at=None, closed_until=None)
    if subcommand == "drain":
        Destination.objects.all().delete()
    if options == ("--destination", "default"):  # nothing is due yet
        Event.objects.all().delete()
        for _ in range(2):
            make("captured", due_at=now + dt.timedelta(seconds=30))
    if subcommand == "reconcile":
        Order.objects.update(status="paid")


@pytest.mark.django_db
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.partition("\n")[0].removeprefix(PROMPT)[:30])
def test_what_is_printed_is_printed(
    configured: Any, shop: Any, monkeypatch: Any, capsys: Any, tmp_path: Path, example: str
) -> None:
    """But for numbers and times; also the exit code, where the page shows it."""
    command, _, shown = example.partition("\n")
    arguments = command.removeprefix(PROMPT).split()
    if arguments[0] == "sandbox":
        pytest.skip("serves until it is stopped: see test_command.py")
    shown, _, code = shown.partition("$ echo $?\n")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LOGNAME", "kim")
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.chdir(tmp_path)
    with Sandbox(tokens=["test-token"]) as sandbox:
        configured(BASE_URL=sandbox.url, EVENTS={"purchase": MAPPING}, CUSTOM_FIELDS={"event": {"channel": "string"}})
        arrange(shop, *arguments)
        ended = 0
        try:
            call_command("dfinery", *arguments)
        except SystemExit as error:
            ended = error.code
        except CommandError as error:
            ended = error.returncode
            sys.stdout.write(f"CommandError: {error}\n")
    assert plain(capsys.readouterr().out) == plain(shown)
    assert ended == int(code or 0)
    assert Event.objects.exists()
