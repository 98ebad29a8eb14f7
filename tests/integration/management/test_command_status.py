"""``manage.py dfinery status`` and ``check-token``: what a terminal, a monitor and cron are told."""

from __future__ import annotations

import datetime as dt
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from dfinery_django import django_q2
from dfinery_django.delivery import circuit
from dfinery_django.enums import DestinationState, EventStatus, Reason
from dfinery_django.models import Destination
from dfinery_django.monitoring.health import assess
from dfinery_django.monitoring.overview import look
from dfinery_django.sandbox import Sandbox
from tests.support.staff import make

pytestmark = pytest.mark.django_db

#: What monitors read: a key that goes or changes its name breaks them.
KEYS = {
    "level", "needs_a_person", "headline", "deliveries", "findings", "enabled", "counts", "last_24_hours", "waiting",
    "resendable", "oldest_waiting_at", "expires_next_at", "last_delivered_at", "drained_at", "destinations",
    "schedules",
}  # fmt: skip
FINDING_KEYS = {"code", "level", "text", "said", "remedy", "commands", "destination"}
DESTINATION_KEYS = {
    "alias", "has_token", "state", "code", "why", "since", "next_try_at", "paused_by", "quota_left", "quota_resets_at",
    "drained_at", "waiting", "at_risk", "expires_next_at", "last_24_hours", "endpoint", "protocol", "oldest_waiting_at",
}  # fmt: skip


def alive(**fields: Any) -> None:
    """A destination that a drain looked after just now."""
    Destination.objects.update_or_create(alias="default", defaults={"drained_at": timezone.now(), **fields})


@pytest.fixture
def status(capsys: Any) -> Callable[..., tuple[int, str]]:
    """Exit code and what is printed."""

    def run(*options: str) -> tuple[int, str]:
        code = 0
        try:
            call_command("dfinery", "status", *options)
        except SystemExit as error:
            code = error.code
        return code, capsys.readouterr().out

    return run


def test_all_is_well(configured: Any, status: Any) -> None:
    """The sentence of the overview comes first; exit code 0."""
    configured()
    alive()
    make("delivered"), make("pending", hours=0.5)
    code, printed = status()
    lines = printed.splitlines()
    assert code == 0
    assert lines[0] == assess(look()).headline.replace("\xa0", " ")
    assert lines[0].startswith("All is well: 1 event delivered in the last 24 hours")
    assert "waiting       0 captured, 1 pending, 0 sending" in lines
    assert "48 hours      1 delivered, 0 failed, 0 expired, 0 cancelled" in lines
    assert [line.split()[0] for line in lines if line.startswith(("oldest", "next expiry"))] == ["oldest", "next"]
    assert "last drain    0 seconds ago" in lines
    assert lines[-2].startswith("destinations  default: open, 1 waiting, the first expires")
    assert lines[1] == "Events go to a sandbox on 127.0.0.1:9, not to DFINERY."
    assert lines[-1].strip() == "to 127.0.0.1:9 (sandbox), S2S Event API"


def test_nothing_is_marked_where_events_go_to_dfinery(configured: Any, status: Any) -> None:
    """The host and a proxy are named."""
    configured(BASE_URL="https://openapi.dfinery.io", PROXY="http://shop:secret@proxy.example:3128")
    alive()
    make("delivered")
    printed = status()[1]
    assert printed.splitlines()[-1].strip() == (
        "to openapi.dfinery.io, S2S Event API, through the proxy proxy.example:3128"
    )
    assert "not to DFINERY" not in printed
    (destination,) = json.loads(status("--json")[1])["destinations"]
    endpoint = {"host": "openapi.dfinery.io", "kind": "dfinery", "proxy": "proxy.example:3128"}
    assert (destination["endpoint"], destination["protocol"]) == (endpoint, "S2S Event API")


def test_a_person_is_needed(configured: Any, status: Any) -> None:
    """Exit code 1, what was answered, and what to type."""
    configured()
    now = timezone.now()
    closed = {"closed_code": Reason.TOKEN, "closed_reason": "HTTP 401", "closed_at": now, "failure_count": 1}
    alive(**closed, closed_until=now + dt.timedelta(minutes=5))
    make("pending"), make("failed")
    code, printed = status()
    assert code == 1
    first, said, *_ = printed.splitlines()
    assert first.startswith("Delivery to default is stopped: DFINERY refuses the API token since")
    assert said == "  HTTP 401"
    assert "\n1 failed event can still be sent, until " in printed
    assert "default: stopped since" in printed
    assert "manage.py dfinery check-token --destination default" in printed


@pytest.mark.parametrize(
    ("arrange", "code", "level"),
    [
        (lambda: alive(), 0, "warning"),  # nothing was captured yet
        (lambda: (alive(), make("failed")), 0, "warning"),
        (lambda: (alive(), circuit.pause("default", by="kim", using="default"), make("pending")), 1, "alarm"),
        (lambda: make("pending"), 1, "alarm"),  # nobody delivers
        (lambda: (alive(), make("pending", hours=40)), 1, "alarm"),  # more than half of its time
    ],
)
def test_the_exit_code_is_for_what_does_not_mend_itself(
    configured: Any, status: Any, arrange: Callable[[], Any], code: int, level: str
) -> None:
    """1 where the overview calls for a person, 0 where something is worth a look; text and JSON agree."""
    configured()
    arrange()
    assert status()[0] == code
    exit_code, printed = status("--json")
    told = json.loads(printed)
    assert (exit_code, told["level"], told["needs_a_person"]) == (code, level, bool(code))


def test_json_has_stable_keys(configured: Any, status: Any) -> None:
    """Every key is there whether or not there is anything to say; statuses without events are 0; moments are UTC."""
    configured(WAKE="dfinery_django.tasks.wake")
    empty = json.loads(status("--json")[1])
    django_q2.ensure_schedules()
    alive()
    event = make("pending")
    full = json.loads(status("--json")[1])
    for told in (empty, full):
        assert set(told) == KEYS
        assert all(set(each) == FINDING_KEYS for each in told["findings"])
        assert [set(each) for each in told["destinations"]] == [DESTINATION_KEYS]
        assert set(told["counts"]) == set(EventStatus.values)
        assert {each["name"] for each in told["schedules"]} == set(django_q2.schedules())
    assert empty["oldest_waiting_at"] is None
    assert full["expires_next_at"] == event.expires_at.astimezone(dt.timezone.utc).isoformat()
    assert full["oldest_waiting_at"] == event.occurred_at.astimezone(dt.timezone.utc).isoformat()
    assert full["destinations"][0]["state"] in DestinationState.values
    assert all(each["next_run_at"] for each in full["schedules"])


def test_no_order_and_no_user_is_named(configured: Any, status: Any) -> None:
    """What a monitor stores or a chat shows has no order number, user id or event id in it."""
    configured()
    for name in ("pending", "failed", "delivered", "expired"):
        make(name, order_id="ORDER-7", user_id="USER-7", source_pk="PK-7", reason="a value of ORDER-7 can't be sent")
    for options in ((), ("--json",)):
        printed = status(*options)[1]
        assert "failed" in printed
        assert not [word for word in ("ORDER-7", "USER-7", "PK-7") if word in printed]


@pytest.mark.django_db(transaction=True)
def test_a_schedule_that_is_overdue_is_no_plan(configured: Any, status: Any) -> None:
    """Where no cluster comes to it, it says since when; one that is a few seconds late is on its way."""
    from django_q.models import Schedule

    configured(WAKE="dfinery_django.tasks.wake")
    django_q2.ensure_schedules()
    alive()
    Schedule.objects.filter(name="dfinery: drain").update(next_run=timezone.now() - dt.timedelta(hours=2))
    Schedule.objects.filter(name="dfinery: prune").update(next_run=timezone.now() - dt.timedelta(seconds=10))
    lines = [line.removeprefix("schedules").strip() for line in status()[1].splitlines()[-3:]]
    # What follows is a time, before midnight with its day.
    assert [re.sub(r"(since|next) .*", r"\1", line) for line in sorted(lines)] == [
        "dfinery: drain, overdue since", "dfinery: prune, next", "dfinery: reconcile, next",
    ]  # fmt: skip
    told = {each["name"]: each["is_overdue"] for each in json.loads(status("--json")[1])["schedules"]}
    assert told == {"dfinery: drain": True, "dfinery: prune": False, "dfinery: reconcile": False}


@pytest.mark.django_db(transaction=True)
def test_a_missing_schedule_is_told(configured: Any, status: Any) -> None:
    """Reconcile may be missing while drains go on: nothing else would say so."""
    from django_q.models import Schedule

    configured(WAKE="dfinery_django.tasks.wake")
    django_q2.ensure_schedules()
    alive()
    make("delivered")
    code, printed = status()
    assert code == 0
    assert printed.splitlines()[-3].startswith("schedules     dfinery: drain, next ")
    Schedule.objects.filter(name="dfinery: reconcile").delete()
    code, printed = status()
    assert code == 1
    assert printed.splitlines()[:3] == [
        "django-q2 lacks schedules: reconcile.",
        "  Create them again.",
        "    python manage.py dfinery schedule",
    ]
    assert printed.splitlines()[-1] == "              dfinery: reconcile, missing"
    configured(WAKE="tests.support.doubles.no_wake")
    assert status()[0] == 0, "another queue has its own"


def test_a_setting_that_is_wrong_is_told(configured: Any, status: Any) -> None:
    """The same sentence as the overview's, exit code 1, in text and JSON."""
    configured(TOKEN="x")
    code, printed = status()
    assert code == 1
    assert printed.splitlines()[:2] == [
        "The DFINERY setting is wrong: nothing is captured and nothing is sent.",
        "  DFINERY has an unknown key 'TOKEN'. Did you mean 'TOKENS'?",
    ]
    code, printed = status("--json")
    assert (code, json.loads(printed)["findings"][0]["code"]) == (1, "misconfigured")


def test_it_speaks_english(configured: Any, status: Any) -> None:
    """Whatever the site speaks: what greps it need not know."""
    configured()
    make("failed")
    alive()
    with translation.override("ko"):
        assert status()[1].startswith("1 failed event can still be sent, until ")


@pytest.mark.django_db(transaction=True)
def test_status_asks_little(configured: Any, django_assert_num_queries: Any, capsys: Any) -> None:
    """The overview's three queries; with django-q2 one more for its schedules."""
    configured()
    alive()
    make("delivered")
    with django_assert_num_queries(3):
        call_command("dfinery", "status")
    configured(WAKE="dfinery_django.tasks.wake")
    django_q2.ensure_schedules()
    with django_assert_num_queries(4):
        call_command("dfinery", "status")


# --- check-token


def test_a_token_that_is_taken(configured: Any, capsys: Any) -> None:
    """It says what is sent and what was answered; the token itself is shown nowhere."""
    with Sandbox(tokens=["right-token"]) as sandbox:
        configured(BASE_URL=sandbox.url, TOKENS={"default": "right-token"})
        call_command("dfinery", "check-token")
        assert [each.event_name for each in sandbox.arrivals] == ["dfinery_django_test"]
    sent, answered = capsys.readouterr().out.splitlines()
    day = (timezone.now() - dt.timedelta(days=30)).date()
    assert sent == f"Sent to {sandbox.url}: an event 'dfinery_django_test' of {day}, too old for DFINERY to keep."
    host = sandbox.url.removeprefix("http://")
    assert answered.startswith(
        f"The sandbox at {host} answered: it accepts the token of default. DFINERY was not asked. ("
    )
    assert "right-token" not in sent + answered


def test_each_token_is_asked_for(configured: Any, capsys: Any) -> None:
    """All destinations, or the one that is named; exit code 1 if one is not taken."""
    with Sandbox(tokens=["right-token"]) as sandbox:
        configured(BASE_URL=sandbox.url, TOKENS={"default": "right-token", "outlet": "wrong-token"})
        with pytest.raises(SystemExit) as ended, translation.override("ko"):
            call_command("dfinery", "check-token")
        assert ended.value.code == 1
        call_command("dfinery", "check-token", "--destination", "default")
        assert sandbox.requests_seen == 3
    _, first, second, remedy, _, third = capsys.readouterr().out.splitlines()
    assert "it accepts the token of default." in first
    assert "it refuses the token of outlet." in second
    assert "4001" in second
    assert remedy == (
        "  Set the environment variable that TOKENS reads to one that `dfinery sandbox --token` names, "
        "and restart the workers."
    )
    assert "it accepts the token of default." in third
    assert "wrong-token" not in second


def test_nobody_answers(configured: Any, capsys: Any) -> None:
    """Exit code 1, nothing is said against the token, and nothing is called sent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configured(BASE_URL=f"http://127.0.0.1:{port}")
    with pytest.raises(SystemExit) as ended:
        call_command("dfinery", "check-token")
    assert ended.value.code == 1
    words = f"The sandbox at 127.0.0.1:{port} gives no proper answer, so the token of default can't be checked."
    printed = capsys.readouterr().out
    assert words in printed
    assert "Sent to" not in printed
    assert "TOKENS" not in printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "'outlet' is no alias of DFINERY['TOKENS']. Known: default."),
        ({"TOKENS": {"outlt": "t"}}, "Did you mean 'outlt'?"),
        ({"TOKENS": {"outlet": "t"}, "ENABLED": False}, "DFINERY is switched off"),
        ({"TOKENS": {"outlet": ""}}, "DFINERY['TOKENS']['outlet'] is empty"),
        ({"TOKENS": {"outlet": "t"}, "PROTOCOL": "no.such.Class"}, "DFINERY['PROTOCOL'] can't be imported"),
    ],
)
def test_a_token_that_can_not_be_asked_for(configured: Any, capsys: Any, changes: Any, words: str) -> None:
    """One line and exit code 2: no request would help, and none is called sent."""
    configured(**changes)
    with pytest.raises(CommandError) as caught:
        call_command("dfinery", "check-token", "--destination", "outlet")
    assert words in str(caught.value)
    assert caught.value.returncode == 2
    assert capsys.readouterr().out == ""
