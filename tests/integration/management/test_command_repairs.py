"""``manage.py dfinery resend`` and ``cancel``: which events, what is said, what is done, and what if it is stopped."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone, translation

from dfinery_django import clock
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Action
from dfinery_django.models import Destination, Event, Repair
from dfinery_django.operations import messages
from dfinery_django.operations.bulk_action import Forecast, new_bulk_action
from dfinery_django.operations.selection import Selection
from tests.integration.ways.routers import ShopInOther
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)


def dfinery(*arguments: str) -> None:
    call_command("dfinery", *arguments)


def refused(*arguments: str) -> str:
    """The line that wrong use ends with."""
    with pytest.raises(CommandError) as caught:
        dfinery(*arguments)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def copies(event: Event, count: int) -> None:
    fields = [field.attname for field in Event._meta.fields if field.name not in ("id", "event_id")]
    Event.objects.bulk_create(Event(**{name: getattr(event, name) for name in fields}) for _ in range(count))


class Terminal(io.StringIO):
    """Somebody who types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: Any) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", Terminal(text))


def statuses() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("status", flat=True))


# --- Which events


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["--status", "failed"], "ab"),
        (["--event", "coupon"], "b"),
        (["--destination", "outlet"], "c"),
        (["--reason", "mapping"], "b"),
        (["--since", "3h"], "ab"),
        (["--until", "3h"], "c"),
        (["--search", "A-1"], "a"),
        (["--search", "A*"], "abc"),
        (["--status", "failed", "--since", "3h", "--event", "purchase"], "a"),
        (["--all"], "abc"),
    ],
)
def test_filters_are_those_of_the_admin(configured: Any, arguments: list[str], chosen: str) -> None:
    """Each narrows what is sent again; together they all must hold."""
    configured(TOKENS={"default": "t", "outlet": "u"})
    now = timezone.now()
    events = {
        "a": make("failed", order_id="A-1", reason_code="rejected"),
        "b": make("failed", order_id="A-2", reason_code="mapping", event_name="coupon"),
        "c": make("delivered", order_id="A-3", hours=5, destination="outlet", finished_at=now - dt.timedelta(hours=4)),
    }
    dfinery("resend", *arguments, "--no-input")
    pending = set(Event.objects.filter(status="pending").values_list("pk", flat=True))
    assert pending == {events[name].pk for name in chosen}


def test_events_by_their_ids(configured: Any, capsys: Any) -> None:
    """However they are typed; an id that no event has stops it before anything is done."""
    configured()
    first, second, third = make("failed"), make("failed"), make("failed")
    unknown = "7f0c52a4-3c19-4d5b-9a83-0a2f3a1c9f10"
    assert refused("resend", str(first.event_id), unknown, "--no-input") == (
        f"There is no event {unknown} in database 'default'. Nothing was done."
    )
    assert statuses() == ["failed"] * 3
    dfinery("resend", str(first.event_id), second.event_id.hex.upper(), "--no-input")
    assert statuses() == ["pending", "pending", "failed"]
    assert third.event_id not in capsys.readouterr().out.split()


@pytest.mark.parametrize("subcommand", ["resend", "cancel"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Choose events by their ids or by filters, or all with --all. Nothing was done."),
        (["--all", "--event", "purchase"], "--all means all events: leave the filters out. Nothing was done."),
        (["--event", "purchas"], "No event is called 'purchas'. Did you mean 'purchase'?"),
        (["--destination", "defalt"], "No event goes to 'defalt'. Did you mean 'default'?"),
        (["--database", "defalt", "--all"], "Database 'defalt' has no events. Did you mean 'default'?"),
        (["--status", "faild"], "invalid choice: 'faild'"),
        (["--reason", "whim"], "invalid choice: 'whim'"),
        (["--since", "yesterday"], "'yesterday' is not a time; write 2026-05-14"),
        (["--until", "2026-13-01"], "'2026-13-01' is not a time"),
        (["--since", "-3h"], "expected one argument"),
        (["--search", " "], "the search term is empty"),
        (["17"], "'17' is not an event id; --search takes order ids and user ids, too"),
        (["--all"], "no terminal to confirm at. Add --no-input to do it, or --dry-run for a forecast."),
    ],
)
def test_wrong_use_does_nothing(
    configured: Any, monkeypatch: Any, subcommand: str, arguments: list[str], words: str
) -> None:
    """One line that says what to write, exit code 2, and no event is touched."""
    configured()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    make("failed"), make("pending")
    assert words in refused(subcommand, *arguments)
    assert statuses() == ["failed", "pending"]
    assert not Repair.objects.exists()


def test_a_script_is_not_asked(configured: Any, monkeypatch: Any) -> None:
    """Whoever chose events has said what is wanted, where nobody is there to be asked."""
    configured()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    make("failed"), make("delivered")
    dfinery("resend", "--status", "failed")
    assert statuses() == ["pending", "delivered"]
    dfinery("cancel", "--status", "pending")
    assert statuses() == ["cancelled", "delivered"]


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("2026-05-14", "2026-05-13T15:00:00+00:00"),
        ("2026-05-14T10:00", "2026-05-14T01:00:00+00:00"),
        ("2026-05-14T10:00Z", "2026-05-14T10:00:00+00:00"),
        ("2026-05-14 10:00+02:00", "2026-05-14T08:00:00+00:00"),
    ],
)
def test_times_are_read_in_the_sites_zone(configured: Any, word: str, moment: str) -> None:
    """Unless they name one themselves."""
    configured()
    dfinery("resend", "--since", word, "--no-input")
    event = make("failed")
    Event.objects.update(occurred_at=dt.datetime.fromisoformat(moment))
    dfinery("resend", "--until", word, "--no-input")
    assert not Repair.objects.exists(), "it happened just then, not before"
    dfinery("resend", "--since", word, "--no-input")
    event.refresh_from_db()
    assert event.status == "pending"


# --- What is said, asked and done


@pytest.mark.parametrize("arguments", [["resend"], ["resend", "--rebuild"], ["cancel"]])
def test_a_dry_run_speaks_as_the_admin_does(configured: Any, capsys: Any, arguments: list[str]) -> None:
    """The same sentences and numbers as the page that asks, in English whatever the site speaks; nothing is done."""
    configured()
    make("failed"), make("delivered"), make("expired", hours=49), make("pending"), make("failed", payload="")
    before = statuses()
    with translation.override("ko"):
        dfinery(*arguments, "--all", "--dry-run")
    action = Action.REBUILD if "--rebuild" in arguments else Action(arguments[0])
    forecast = Forecast(new_bulk_action(action, Selection(), by="", using="default"))
    *said, last = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in said] == [
        f"{each.number} {each.text}" for each in messages.action_lines(action, forecast.tally)
    ]
    assert last == ("Nothing was done: --dry-run." if forecast.done else "Nothing to do.")
    assert statuses() == before
    assert not Repair.objects.exists()


def test_it_says_what_it_did_and_who(configured: Any, capsys: Any, monkeypatch: Any) -> None:
    """First what will happen, then what did; the repair's row and a cancelled event name who was at the keyboard."""
    configured()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "kim")
    Destination.objects.create(alias="default", drained_at=clock.now())
    make("failed"), make("delivered"), make("expired", hours=49)
    dfinery("resend", "--all", "--no-input")
    printed, again = capsys.readouterr(), "to be sent again, with the same event_id and the same content"
    assert printed.out.splitlines() == [
        f"      1 {again}",
        f"      1 delivered already, and {again}: DFINERY may count this twice",
        "      1 left alone: past the hours in which DFINERY takes events; it would drop them without a word",
        "2 events will be sent again.",
        "      1 left alone: past the hours in which DFINERY takes events; it would drop them without a word",
    ]
    assert printed.err == "", "no bar where nobody looks at it"
    dfinery("cancel", "--status", "pending", "--no-input")
    assert capsys.readouterr().out.splitlines()[-1] == "2 events are cancelled."
    assert set(Repair.objects.values_list("asked_by", flat=True)) == {"command line (kim)"}
    reasons = set(Event.objects.filter(status="cancelled").values_list("reason", flat=True))
    assert reasons == {"Cancelled by command line (kim)."}


def test_it_says_what_holds_them_up(configured: Any, capsys: Any) -> None:
    """Nothing is sent while no worker runs, and a command helps; a cancellation needs none."""
    configured(TOKENS={"default": "t", "outlet": "t"})
    Destination.objects.create(alias="default", drained_at=clock.now())
    make("failed", destination="outlet")
    with translation.override("ko"):
        dfinery("resend", "--all", "--no-input")
    begun, held_up, command = capsys.readouterr().out.splitlines()[-3:]
    assert begun == "1 event will be sent again."
    assert held_up.startswith(
        "No events are delivered: no worker has ever looked for events. The events wait meanwhile."
    )
    assert command == "  python manage.py dfinery drain --forever"
    dfinery("cancel", "--all", "--no-input")
    assert capsys.readouterr().out.splitlines()[-1] == "1 event is cancelled."


@pytest.mark.parametrize(
    ("answer", "status"), [("y\n", "pending"), ("yes\n", "pending"), ("n\n", "failed"), ("", "failed")]
)
def test_it_asks_at_a_terminal(configured: Any, capsys: Any, typed: Any, answer: str, status: str) -> None:
    """Whatever is no yes is a no, with exit code 1."""
    configured()
    make("failed"), make("failed")
    typed(answer)
    if status == "pending":
        dfinery("resend", "--status", "failed")
    else:
        with pytest.raises(CommandError, match=r"^Nothing was done\.$") as caught:
            dfinery("resend", "--status", "failed")
        assert caught.value.returncode == 1
    assert "Resend 2 events? [y/N] " in capsys.readouterr().out
    assert statuses() == [status] * 2


def test_nothing_is_like_that(configured: Any, capsys: Any) -> None:
    """Nobody is asked, and nothing is stored; all is well."""
    configured()
    dfinery("resend", "--status", "failed")
    make("pending")
    dfinery("resend", "--all")
    assert capsys.readouterr().out.splitlines() == [
        "No event matches.",
        "      1 left alone: still on the way",
        "Nothing to do.",
    ]
    assert not Repair.objects.exists()


def test_rebuild_reads_the_order_anew(configured: Any, shop: Any, far_side: FarSide) -> None:
    """As it is now, under the same event_id."""
    configured(EVENTS={"purchase": PURCHASE})
    order = shop.place(customer=shop.customer(), status="paid")
    drain(send=far_side)
    Order.objects.update(number="mended")
    dfinery("resend", "--rebuild", str(Event.objects.get().event_id), "--no-input")
    drain(send=far_side)
    first, second = far_side.bodies
    assert order.number in str(first)
    assert "mended" in str(second)
    assert far_side.requests[0].body != far_side.requests[1].body


def test_many_are_done_in_chunks_and_somebody_is_woken(configured: Any, settings: Any, capsys: Any) -> None:
    """The command does all of it itself, and asks for a drain."""
    configured(WAKE="tests.integration.management.test_command_repairs.woken")
    WOKEN.clear()
    copies(make("failed"), 1199)
    Destination.objects.create(alias="default", drained_at=clock.now())
    dfinery("resend", "--status", "failed", "--no-input")
    assert capsys.readouterr().out.splitlines()[-1] == "1,200 events will be sent again."
    assert not Event.objects.exclude(status="pending").exists()
    assert Repair.objects.get().is_finished
    assert WOKEN == ["default"]


WOKEN: list[str] = []


def woken(destination: str) -> None:
    WOKEN.append(destination)


# --- Stopped in the midst


class AtChunk:
    """Raises when the rows of the n-th chunk are changed, once; what is asked of the database after that is done."""

    def __init__(self, number: int, error: type[BaseException]) -> None:
        self.left, self.error = number, error

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and Event._meta.db_table in sql:
            self.left -= 1
            if self.left == 0:
                raise self.error
        return execute(sql, params, many, context)


def test_ctrl_c_says_how_far_it_is(configured: Any, far_side: FarSide) -> None:
    """The chunk that was under way is undone, what is done stays done, and nobody goes on with the rest."""
    configured()
    copies(make("failed"), 1199)
    with connection.execute_wrapper(AtChunk(2, KeyboardInterrupt)), pytest.raises(CommandError) as caught:
        dfinery("resend", "--status", "failed", "--no-input")
    assert caught.value.returncode == 130
    assert str(caught.value) == (
        "Stopped: 500 of 1,200 events were processed. 500 events will be sent again. The rest is unchanged."
    )
    assert Repair.objects.get().is_finished
    drain(send=far_side)
    assert len(far_side.requests) == 500
    assert Event.objects.filter(status="failed").count() == 700


class Killed(BaseException):
    """The process is gone."""


def test_whoever_drains_goes_on_after_a_kill(configured: Any, far_side: FarSide) -> None:
    """The wish is a row: what the command could not do is done between deliveries."""
    configured()
    copies(make("failed"), 1199)
    with connection.execute_wrapper(AtChunk(2, Killed)), pytest.raises(Killed):
        dfinery("resend", "--status", "failed", "--no-input")
    assert not Repair.objects.get().is_finished
    while not Repair.objects.get().is_finished:
        drain(send=far_side)
    assert Repair.objects.get().tally == {"ready": 1200}
    assert not Event.objects.filter(status="failed").exists()


# --- Several outboxes


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_outbox_or_one(configured: Any, settings: Any, capsys: Any) -> None:
    """All that hold events, each told by itself, or the one that --database names."""
    settings.DATABASE_ROUTERS = [ShopInOther()]
    configured()
    here, there = make("failed"), make("failed")
    Event.objects.filter(pk=there.pk).delete()
    there.pk = None
    there.save(using="other", force_insert=True)
    dfinery("resend", "--all", "--dry-run")
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("in")] == [
        "in database 'default':",
        "in database 'other':",
    ]
    dfinery("resend", str(there.event_id), "--no-input")
    assert Event.objects.using("other").get().status == "pending"
    assert Event.objects.get().status == "failed"
    dfinery("cancel", "--all", "--database", "default", "--no-input")
    dfinery("resend", "--all", "--database", "default", "--no-input")
    here.refresh_from_db()
    assert here.status == "pending"
    assert Event.objects.using("other").get().status == "pending"
