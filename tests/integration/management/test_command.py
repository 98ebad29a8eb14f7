"""``manage.py dfinery`` as it is typed."""

from __future__ import annotations

import datetime as dt
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
from typing import Any
from unicodedata import east_asian_width

import pytest
import requests
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.utils import timezone

from dfinery_django import Value, track
from dfinery_django.management import subcommands
from dfinery_django.management.commands.dfinery import SUBCOMMANDS
from dfinery_django.models import Destination, Event
from dfinery_django.sandbox import Sandbox
from dfinery_django.text.times import format_datetime
from tests.shop.models import Order
from tests.support.doubles import PURCHASE
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)
#: Two minutes and a half, of which a test may take up some seconds.
LITTLE = dt.timedelta(seconds=150)


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


def drained(capsys: Any, *arguments: str) -> str:
    """What a drain prints; spans of some seconds as "5 s"."""
    capsys.readouterr()
    call_command("dfinery", "drain", *arguments)
    return re.sub(r"\b[1-5] s\b", "5 s", capsys.readouterr().out)


def test_drain_says_why_events_still_wait(configured: Any, capsys: Any) -> None:
    """Such as a sandbox that does not run; also while the pause after that lasts."""
    with Sandbox(tokens=["test-token"]) as sandbox:
        configured(BASE_URL=sandbox.url)
    track("coupon", user_id="u1")
    refused = f"Connection refused by {sandbox.url.removeprefix('http://')}: nothing was sent."
    assert drained(capsys) == f"1 pending\n  1 event waits; it is due in 5 s.\n  {refused}\n"
    assert drained(capsys) == f"Nothing was due. 1 event waits; it is due in 5 s.\n  {refused}\n"


def test_drain_says_what_is_not_due_yet(configured: Any, shop: Any, capsys: Any) -> None:
    """Orders that are written outside of a transaction settle first: how many events wait, and until when."""
    configured()
    for number in range(2):
        Order.objects.create(number=f"A-{number}", status="paid", customer=shop.customer(f"c{number}"))
    assert drained(capsys) == "Nothing was due. 2 events wait; the first is due in 5 s.\n"
    first, second = Event.objects.order_by("pk")
    now = timezone.now()
    Event.objects.filter(pk=first.pk).update(due_at=now + 3 * LITTLE)
    Event.objects.filter(pk=second.pk).update(due_at=now + LITTLE)
    assert drained(capsys) == "Nothing was due. 2 events wait; the first is due in 2 minutes.\n"
    assert (
        drained(capsys, "--destination", "default")
        == "Nothing was due. 2 events wait; the first is due in 2 minutes.\n"
    )
    second.delete()
    assert drained(capsys) == "Nothing was due. 1 event waits; it is due in 7 minutes.\n"


def test_drain_says_that_lines_are_missing(configured: Any, shop: Any, capsys: Any) -> None:
    """An event that was due, and is waited for."""
    configured(SETTLE_SECONDS=0)
    Order.objects.create(number="A-1", status="paid", customer=shop.customer())
    missing = "Its items are not there yet."
    assert drained(capsys) == f"1 built\n  1 event waits; it is due in 5 s.\n  {missing}\n"
    assert drained(capsys) == f"Nothing was due. 1 event waits; it is due in 5 s.\n  {missing}\n"


def test_drain_counts_what_waits_for_its_destinations_only(configured: Any, capsys: Any) -> None:
    """Those of another one are none of its business; without any there is nothing to add."""
    configured(TOKENS={"default": "test-token", "brand_b": "test-token-b"})
    make("pending", destination="brand_b", due_at=timezone.now() + LITTLE)
    assert drained(capsys, "--destination", "default") == "Nothing was due.\n"
    assert drained(capsys) == "Nothing was due. 1 event waits; it is due in 2 minutes.\n"


def test_drain_says_what_stops_a_destination(configured: Any, capsys: Any) -> None:
    """A pause and a refused token: no event is due at a known time."""
    configured()
    make("pending")
    since = timezone.now()
    Destination.objects.create(alias="default", paused_by="kim", paused_at=since)
    assert drained(capsys) == (
        "Nothing was due. 1 event waits.\n"
        f"  Delivery to default is paused by kim since {format_datetime(since)}.\n"
        "  Resume it to go on.\n"
    )
    said = "4001: Invalid API Token Error. (HTTP 401)"
    closed = {"closed_code": "token", "closed_reason": said, "closed_at": since, "closed_until": since + HOUR}
    Destination.objects.update(paused_by="", paused_at=None, **closed)
    assert drained(capsys) == (
        "Nothing was due. 1 event waits.\n"
        f"  Delivery to default is stopped: DFINERY refuses the API token since {format_datetime(since)}.\n"
        f"  {said}\n"
        "  Put a valid token into DFINERY['TOKENS'] and restart the workers: it is then tried at once.\n"
    )


def test_drain_says_that_the_app_is_switched_off(configured: Any, capsys: Any) -> None:
    """What waits, waits for that."""
    configured(ENABLED=False)
    assert drained(capsys) == "Nothing was due.\n"
    make("pending")
    assert drained(capsys) == (
        "Nothing was due. 1 event waits.\n"
        "  DFINERY is switched off: nothing is captured and nothing is sent.\n"
        "  The setting DFINERY['ENABLED'] is False. Take it out to switch it on.\n"
    )


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
        (["preview", "shop.Ordr", "1"], "'shop.Ordr' is no installed model. Did you mean 'shop.Order'?"),
        (["preview", "Bestellung", "1"], r"no installed model. Write app.Model"),
        (["preview", "shop.Product", "1"], r"No definition watches shop.Product. Watched: shop.Order \(purchase\)"),
        (["preview", "shop.Order", "1"], "There is no shop.Order 1 in database 'default'"),
        (["preview", "shop.Order", "2026-1"], "'2026-1' is no key of shop.Order, whose 'id' is a BigAutoField"),
        (["preview", "shop.Order"], "Name an object: its key, field=value of a unique field, or --last"),
        (["preview", "shop.Order", "--last"], "There is no shop.Order in database 'default'"),
        (["preview", "shop.Order", "1", "number=2"], "'1 number=2' is neither one key nor a list of field=value"),
        (["preview", "shop.Order", "numbr=1"], "shop.Order has no field 'numbr'. Did you mean 'number'?"),
        (["preview", "shop.Order", "paid_at=yesterday"], "shop.Order paid_at=yesterday: .* invalid format"),
        (["preview", "shop.Order", "number=2026-17"], "There is no shop.Order number=2026-17 in database 'default'"),
        (["preview", "shop.Order", "1", "--definition", "purchas"], "Did you mean 'purchase'"),
        (["preview", "shop.Order", "1", "--database", "defaul"], "'defaul' is no database. Did you mean 'default'"),
    ],
)
def test_wrong_use_ends_with_one_line(configured: Any, arguments: list[str], words: str) -> None:
    """A clear line and exit code 2, no traceback."""
    configured()
    with pytest.raises(CommandError, match=words) as caught:
        call_command("dfinery", *arguments)
    assert caught.value.returncode == 2


def test_a_definition_that_watches_another_model(configured: Any) -> None:
    """It is said which model it watches, and what is left out for mistakes."""
    signs_up = {"model": "shop.User", "when": "created"}
    configured(EVENTS={"sign_up": signs_up, "purchase": PURCHASE, "broken": {"model": "shop.Nothing"}})
    with pytest.raises(CommandError) as caught:
        call_command("dfinery", "preview", "shop.Order", "1", "--definition", "sign_up")
    assert str(caught.value) == (
        "'sign_up' does not watch shop.Order. Watched: shop.Order (purchase); shop.User (sign_up). "
        "Skipped for mistakes, see manage.py check: broken."
    )


# The checks of Django 6.1 ask each database what it can do.
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_preview_looks_at_what_the_checks_refuse(configured: Any, shop: Any, monkeypatch: Any, capsys: Any) -> None:
    """A mapping with a mistake is what one looks at; only a setting that can't be read at all ends it, with a line."""
    monkeypatch.setenv("COLUMNS", "120")
    wrong = {**PURCHASE, "event_attributes": {"order_id": "number", "order_sales": "totl"}}
    configured(EVENTS={"purchase": wrong, "broken": {"model": "shop.Nothing"}})
    order = shop.place(customer=shop.customer())
    with pytest.raises(SystemCheckError, match="totl"):
        call_command("dfinery", "prune", skip_checks=False)
    call_command("dfinery", "preview", "shop.Order", str(order.pk), skip_checks=False)
    printed = capsys.readouterr()
    assert "event_attributes.order_sales: path 'totl': 'Order' object has no attribute 'totl'" in printed.out
    assert '"2026-00001"' in printed.out
    assert printed.err.startswith("broken is skipped: Event 'broken' watches 'shop.Nothing'")
    configured(TOKEN="x")
    with pytest.raises(CommandError, match="Did you mean 'TOKENS'") as caught:
        call_command("dfinery", "preview", "shop.Order", str(order.pk), skip_checks=False)
    assert caught.value.returncode == 2


def test_preview_fits_the_terminal(configured: Any, shop: Any, monkeypatch: Any, capsys: Any) -> None:
    """No line is wider than the terminal, Korean letters counted as two, and nothing but colour differs in colour."""
    name = "노트북을 위한 아주 긴 이름의 가방 " * 4
    mapped = {"order_id": "number", "order_sales": "guest_email", "long": Value("x" * 300), "name": Value(name)}
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": mapped}})
    order = shop.place(lines=2, customer=shop.customer(first_name=name))
    for columns in (80, 100, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        call_command("dfinery", "preview", "shop.Order", str(order.pk))
        plain = capsys.readouterr().out
        assert max(sum(1 + (east_asian_width(each) in "WF") for each in line) for line in plain.splitlines()) < columns
        assert all(word in plain for word in ("c:long (value)", "abx:order_id", "fails", "a str is not a Double"))
        call_command("dfinery", "preview", "shop.Order", str(order.pk), force_color=True)
        coloured = capsys.readouterr().out
        assert "\x1b[" in coloured
        uncoloured = re.sub(r"\x1b\[[\d;]*m", "", coloured)
        assert re.sub(r"\d", "0", uncoloured) == re.sub(r"\d", "0", plain), "but for the moment of the save"


def test_preview_leaves_the_terminal_alone(configured: Any, shop: Any, capsys: Any) -> None:
    """What a customer calls himself is shown, not done: no escape sequences, no line ends, no change of direction."""
    name = "Kim\x1b[31m\x9b31m\n\u202e\r"
    mapped = {"note": "note", name: Value(name), "fails": lambda order: int(order.note)}

    def refuse(order: Any, created: bool) -> bool:
        raise ValueError(name)

    configured(
        EVENTS={"purchase": {**PURCHASE, "event_attributes": mapped, "destination": lambda order: name, "when": refuse}}
    )
    order = shop.place(customer=shop.customer(), note=name)
    call_command("dfinery", "preview", "shop.Order", str(order.pk), no_color=True)
    assert [each for each in capsys.readouterr().out if not each.isprintable() and each != "\n"] == []


def test_preview_tells_of_each_definition(configured: Any, shop: Any, monkeypatch: Any, capsys: Any) -> None:
    """All that watch the model, or the one that was asked for; as text and for machines."""
    monkeypatch.setenv("COLUMNS", "100")
    cancel = {**PURCHASE, "when": {"status": "cancelled"}, "event_name": "cancel_order", "guests": "skip"}
    configured(EVENTS={"purchase": PURCHASE, "cancelled": cancel, "sign_up": {"model": "shop.User"}})
    order = shop.place(lines=4)
    call_command("dfinery", "preview", "shop.Order", str(order.pk))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"shop.Order {order.pk} in database 'default'"
    assert [line for line in lines[1:] if line and not line.startswith(" ")] == [
        "purchase does not fire",
        "cancelled (event cancel_order) does not fire",
    ]
    assert "  If it fired as it is, its event would be skipped. A guest: the definition skips guests." in lines
    assert lines.count("    nothing is read") == 2, "a guest has no user to read from"
    assert lines.count("  and 1 more items (--items)") == 2
    call_command(
        "dfinery", "preview", "shop.Order", str(order.pk), "--definition", "cancelled", "--json", "--items", "0"
    )
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["definition"], told["verdict"], told["ending"], told["item_count"]) == (
        "cancelled",
        "silent",
        "cancelled",
        4,
    )
    assert told["steps"][0] == {"name": "when", "holds": False, "words": "status is 'pending', wanted 'cancelled'."}
    assert [part["path"] for part in told["parts"]] == ["event_attributes", "user_attributes"]
    (total,) = [each for each in told["parts"][0]["readings"] if each["name"] == "order_sales"]
    assert (total["source"], total["wire"], total["wire_type"]) == ("total", 4000000.0, "double")
    assert not Event.objects.exists()


def test_preview_finds_a_uuid(configured: Any, shop: Any, capsys: Any) -> None:
    """However it is typed; what is no UUID is told."""
    configured(EVENTS={"sign_up": {"model": "shop.User"}})
    customer = shop.customer()
    for text in (str(customer.pk), customer.pk.hex.upper()):
        call_command("dfinery", "preview", "shop.User", text)
        assert capsys.readouterr().out.startswith(f"shop.User {customer.pk} in")
    with pytest.raises(CommandError, match="is a UUIDField"):
        call_command("dfinery", "preview", "shop.User", "17")


def test_preview_finds_by_fields_and_the_newest(configured: Any, shop: Any, capsys: Any) -> None:
    """What identifies one row will do; of several the command says how many; ``--last`` takes the highest key."""

    def shown(*words: str) -> str:
        call_command("dfinery", "preview", *words)
        return str(capsys.readouterr().out).partition("\n")[0]

    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}, "sign_up": {"model": "shop.User"}})
    now = timezone.now()
    first, last, unpaid = (shop.place(paid_at=paid_at) for paid_at in (now - dt.timedelta(days=1), now, None))
    assert shown("shop.Order", f"number={first.number}") == f"shop.Order {first.pk} in database 'default'"
    assert shown("shop.Order", f"pk={first.pk}", "status=pending").startswith(f"shop.Order {first.pk} ")
    with pytest.raises(
        CommandError, match=r"3 rows match shop.Order status=pending: add another field=value, or --last"
    ):
        shown("shop.Order", "status=pending")
    by_key = "in database 'default', the newest by id"
    assert shown("shop.Order", "--last") == f"shop.Order {unpaid.pk} {by_key}"
    assert shown("shop.Order", f"pk__lt={unpaid.pk}", "--last") == f"shop.Order {last.pk} {by_key}"
    assert shown("shop.Order", f"number={first.number}", "--last") == f"shop.Order {first.pk} {by_key}"
    configured(EVENTS={"sign_up": {"model": "shop.User", "event_datetime": "last_login"}})
    users = [shop.customer(name, last_login=login) for name, login in (("a", now), ("b", None), ("c", now - HOUR))]
    assert shown("shop.User", "--last") == f"shop.User {users[0].pk} in database 'default', the newest by last_login"
    configured(EVENTS={"sign_up": {"model": "shop.User"}})
    with pytest.raises(CommandError, match=r"No event_datetime is a column of shop.User, whose keys are in no order"):
        shown("shop.User", "--last")


def test_preview_of_a_healthy_unpaid_order(configured: Any, shop: Any, monkeypatch: Any, capsys: Any) -> None:
    """Nothing is called a failure, and that its moment is empty is said once; with an empty token it would wait."""
    monkeypatch.setenv("COLUMNS", "120")
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    order = shop.place(customer=shop.customer())
    call_command("dfinery", "preview", "shop.Order", str(order.pk))
    printed = capsys.readouterr().out
    assert "  If it fired with a time in 'paid_at', its event would be sent to default.\n" in printed
    assert "  event_datetime  -    'paid_at' is still empty; it has to be set when it fires.\n" in printed
    assert printed.count("empty") == 1
    assert re.search(r"^    paid_at +None +not set yet +Long +abx:event_datetime$", printed, re.MULTILINE)
    assert "fail" not in printed
    configured(EVENTS={"purchase": PURCHASE}, TOKENS={"default": ""})
    call_command("dfinery", "preview", "shop.Order", str(order.pk))
    assert "its event would wait until the token of default can be used." in capsys.readouterr().out


def test_a_wrong_key_names_the_unique_fields(configured: Any) -> None:
    """Somebody types what people call the object."""
    configured(EVENTS={"founded": {"model": "auth.Group", "user": None, "user_attributes": {"user_id": "pk"}}})
    with pytest.raises(CommandError, match=r"whose 'id' is a \w+\. By another unique field: name=gold\."):
        call_command("dfinery", "preview", "auth.Group", "gold")


def test_the_sandbox_command_serves_until_it_is_stopped() -> None:
    """It says where it listens, answers, and ends on Ctrl-C without a traceback."""
    # SQLite: the command needs no database, but Django 6.1's checks ask the settings' own, which nobody made.
    environment = {
        **os.environ, "DATABASE": "sqlite", "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONUNBUFFERED": "1"
    }  # fmt: skip
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


def test_every_subcommand_is_listed() -> None:
    """Each module of ``subcommands`` has its name in the dispatcher's list."""
    modules = {each.name for each in pkgutil.iter_modules(subcommands.__path__)} - {"base"}
    assert modules == {name.replace("-", "_") for name in SUBCOMMANDS}


HELP = """
import sys, django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "dfinery_django"])
django.setup()
from dfinery_django.management.commands.dfinery import Command
Command().create_parser("manage.py", "dfinery").format_help()
ours = "delivery.worker", "sandbox", "diagnostics.explain"
heavy = "requests", "tqdm", *(f"dfinery_django.{each}" for each in ours)
print([each for each in heavy if each in sys.modules])
"""


def test_help_imports_nothing_heavy() -> None:
    """Subcommands import what only they need when they run."""
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
