"""The ledger of custom fields: the types that they had before, and what DFINERY's console has to know of."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import preview, track
from dfinery_django.building import custom_fields
from dfinery_django.building.custom_fields import (
    MOST_FIELDS,
    ListedField,
    SeenFields,
    clear_known_fields,
    list_fields,
)
from dfinery_django.delivery.worker import drain
from dfinery_django.exceptions import PayloadError
from dfinery_django.models import CustomField, Event
from tests.support.doubles import PURCHASE, FarSide

pytestmark = pytest.mark.django_db(transaction=True)

CALLED = {**PURCHASE, "event_attributes": {"order_id": "number", "grade": lambda order: json.loads(order.note)}}


def sent(value: Any) -> Any:
    """What becomes of a custom field's value in an event of its own."""
    event = track("played", user_id="u1", event_attributes={"grade": value})
    assert event is not None
    return json.loads(event.payload)["event_attributes"]["grade"] if event.payload else event.reason


def ledger() -> dict[tuple[str, str], tuple[str, int, str]]:
    return {
        (row.scope, row.name): (row.type, row.drift_count, row.drift_type) for row in CustomField.objects.order_by("pk")
    }


def listed() -> dict[str, ListedField]:
    return {each.console_name: each for each in list_fields(["default"])}


@pytest.mark.parametrize(
    ("first", "second", "wire"),
    [
        (1.5, 2, 2.0),
        (Decimal("1.5"), 12, 12.0),
        (1, Decimal("2.00"), 2),
        ("A1", 17, "17"),
        ("yes", True, "true"),
    ],
)
def test_the_first_value_decides(configured: Any, first: Any, second: Any, wire: Any) -> None:
    """A later value goes out in the type of the first one where nothing is lost by it."""
    configured()
    sent(first)
    found = sent(second)
    assert (found, type(found)) == (wire, type(wire))
    assert ledger()["event", "grade"][1:] == (0, "")


def test_what_does_not_fit_is_sent_and_said(configured: Any, caplog: Any) -> None:
    """TYPE_DRIFT is "warn": the value arrives; one line in the log and a count say that DFINERY files it elsewhere."""
    configured()
    sent(1)
    assert [sent(1.5), sent(2.5), sent("x")] == [1.5, 2.5, "x"]
    assert ledger()["event", "grade"] == ("long", 3, "string")
    told = [record.message for record in caplog.records]
    assert len(told) == 2
    assert "'grade' (event) came as Double" in told[0]


def test_drift_may_fail(configured: Any) -> None:
    """TYPE_DRIFT is "fail": the event ends with the field, both types and the line to write."""
    configured(TYPE_DRIFT="fail")
    sent(1)
    reason = sent("x")
    assert "event_attributes.grade: a String where 'grade' was a Long so far" in reason
    assert 'DFINERY["CUSTOM_FIELDS"]["event"]["grade"] = "string"' in reason


def test_a_declared_type_replaces_the_remembered_one(configured: Any) -> None:
    """What the site decides is no drift."""
    configured()
    sent(1)
    configured(CUSTOM_FIELDS={"event": {"grade": "string"}})
    assert sent(2) == "2"
    assert ledger()["event", "grade"] == ("string", 0, "")


def test_builds_remember_too(configured: Any, shop: Any, far_side: FarSide) -> None:
    """Orders in one batch and in later ones: one field, one type; whatever is not predefined is written down."""
    configured(EVENTS={"bought": CALLED}, USER_ATTRIBUTES={"user_id": "pk", "level": "username"})
    for note in ("1", "2", '"third"'):
        shop.place(status="paid", customer=shop.customer(f"c{note}"), note=note)
    drain("default", send=far_side)
    values = [body["event_attributes"]["grade"] for body in far_side.bodies]
    assert sorted(map(str, values)) == ["1", "2", "third"]
    assert ledger() == {
        ("", "bought"): ("", 0, ""),
        ("event", "grade"): ("long", 1, "string"),
        ("user", "level"): ("string", 0, ""),
    }


def test_names_that_differ_in_case_are_two_fields(configured: Any) -> None:
    """As they are for DFINERY, whatever the database's collation says."""
    configured()
    track("played", user_id="u1", event_attributes={"Size": 1, "size": "L"})
    assert ledger()["event", "Size"][0] == "long"
    assert ledger()["event", "size"][0] == "string"


def test_a_rolled_back_event_teaches_nothing(configured: Any) -> None:
    """Neither the table nor the process remembers it."""
    configured()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        sent(1)
        raise ZeroDivisionError
    assert sent("x") == "x"
    assert ledger()["event", "grade"] == ("string", 0, "")


def test_the_hot_path_asks_nothing(configured: Any) -> None:
    """When its fields are known, an event costs the ledger no statement."""
    configured()
    sent(1)
    sent(2)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        sent(3)
    assert not [each["sql"] for each in captured if "customfield" in each["sql"]]


def test_a_checkout_waits_for_no_ledger(configured: Any) -> None:
    """Inside a transaction the ledger is only read: rows are written after commit, when no lock is held."""
    configured()
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        sent(1)
        assert [each["sql"][:6] for each in captured if "customfield" in each["sql"].lower()] == ["SELECT"]
    assert ledger()["event", "grade"] == ("long", 0, "")


def test_without_its_table_events_go_on(configured: Any, caplog: Any) -> None:
    """The ledger is a comfort: types then go by the values, and the log says why."""
    configured()
    with connection.schema_editor() as editor:
        editor.delete_model(CustomField)
    try:
        assert sent(1) == 1
        with transaction.atomic():
            assert sent("x") == "x"
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(CustomField)
    assert "can't be read" in caplog.text
    assert Event.objects.filter(status="pending").count() == 2


def test_made_up_names_don_t_fill_the_memory(configured: Any) -> None:
    """Beyond the limit nothing new is remembered, and all is sent."""
    configured()
    CustomField.objects.bulk_create(map(row, range(MOST_FIELDS)))
    assert sent("x") == "x"
    assert CustomField.objects.count() == MOST_FIELDS


def row(number: int) -> CustomField:
    now, name = timezone.now(), f"n{number}"
    key = CustomField.key_of("event", name)
    return CustomField(key=key, scope="event", name=name, type="long", first_seen_at=now, last_seen_at=now)


def test_preview_knows_and_stores_nothing(configured: Any, shop: Any) -> None:
    """It shows what would be sent, in the type the field had before."""
    configured(EVENTS={"purchase": CALLED})
    sent("A")
    order = shop.place(customer=shop.customer(), note="7")
    before = ledger()
    payload = preview("purchase", order)
    assert payload is not None
    assert payload.event_attributes["grade"] == "7"
    assert ledger() == before


def test_two_processes_meet_a_new_field_at_once(configured: Any) -> None:
    """The one that comes second keeps what the first has written; its own next value is a drift."""
    configured()
    slow = SeenFields("default")
    slow.fit("event", "grade", "x", None, "event_attributes.grade")
    sent(1)
    slow.save()
    assert ledger()["event", "grade"] == ("long", 0, "")
    sent("x")
    assert ledger()["event", "grade"] == ("long", 1, "string")


def test_last_seen_moves_hourly(configured: Any) -> None:
    """Often enough to tell what is still in use, seldom enough to cost nothing."""
    configured()
    sent(1)
    CustomField.objects.update(last_seen_at="2026-01-01T00:00:00Z")
    clear_known_fields()
    sent(1)
    assert CustomField.objects.filter(last_seen_at__year=2026, last_seen_at__month=1).count() == 0


def test_listing_says_what_to_register(configured: Any, shop: Any, far_side: FarSide) -> None:
    """Declared, mapped and seen ones, with type and where it comes from; predefined ones need no registration."""
    mapped = {**PURCHASE, "event_attributes": {"order_id": "number", "note": "note", "kind": lambda order: 1}}
    configured(EVENTS={"purchase": mapped, "bought": mapped}, CUSTOM_FIELDS={"item": {"serial": "string"}})
    track("played", user_id="u1", event_attributes={"score": 1.5})
    found = listed()
    assert {name: (each.type, each.origin, each.definitions) for name, each in found.items()} == {
        "c:bought": ("", "declared", ("bought",)),
        "c:played": ("", "seen", ()),
        "c:note": ("string", "model", ("purchase", "bought")),
        "c:kind": ("", "seen", ("purchase", "bought")),
        "c:score": ("double", "seen", ()),
        "c:serial": ("string", "declared", ()),
    }
    assert found["c:score"].first_seen_at is not None
    assert found["c:note"].first_seen_at is None


def test_fields_command(configured: Any, capsys: Any) -> None:
    """A table to read, CSV for a spreadsheet, JSON for a script: the same lines."""
    configured(EVENTS={})
    call_command("dfinery", "fields")
    assert "No custom event or field" in capsys.readouterr().out
    sent(1)
    sent("x")
    call_command("dfinery", "fields")
    head, event, field = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "console name"
    assert event.split()[:3] == ["c:played", "event", "name"]
    assert field.split()[:4] == ["c:grade", "event", "long", "seen"]
    assert field.endswith("1 as string")
    call_command("dfinery", "fields", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["console_name"], row["type"], row["drift_count"]) for row in rows] == [
        ("c:played", "", "0"), ("c:grade", "long", "1"),
    ]  # fmt: skip
    call_command("dfinery", "fields", "--format", "json")
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["played", "grade"]


def test_what_can_t_be_sent_at_all_says_so(configured: Any) -> None:
    """A remembered type hides no error of the value itself."""
    configured()
    sent(1)
    with pytest.raises(PayloadError, match="a dict can't be sent"):
        SeenFields("default").fit("event", "grade", {}, None, "event_attributes.grade")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\uff1d1",
            "\uff0b1",
            "\uff0d1",
            "\uff201",
            "\ufe621",
            "\u207c1",
        ),
        *(" =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "'=1", "''=1", '"=1', "\x00=1", " ' +1"),
    ],
)
def test_no_cell_is_a_formula(configured: Any, name: str) -> None:
    """A text that a spreadsheet could take for one stands behind an apostrophe; without that it is as it was."""
    assert custom_fields.escape_formula(name) == f"'{name}"
    now = timezone.now()
    CustomField.objects.create(
        key="k", scope="event", name=name.replace("\x00", ""), first_seen_at=now, last_seen_at=now
    )
    configured(EVENTS={})
    written = io.StringIO()
    custom_fields.write_csv(custom_fields.list_fields(["default"]), written)
    [row] = csv.DictReader(io.StringIO(written.getvalue(), newline=""))
    assert row["name"] == custom_fields.escape_formula(name.replace("\x00", ""))
    assert row["drift_count"] == "0"


@pytest.mark.parametrize("name", ["", "size", "2026-01", "a=b", "'quoted'", "가격", "a@b", "_x", "(1)", "5"])
def test_other_cells_stay(name: str) -> None:
    """No apostrophe where none is needed."""
    assert custom_fields.escape_formula(name) == name
