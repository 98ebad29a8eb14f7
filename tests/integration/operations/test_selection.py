"""Which events: a selection says the same wherever it is used, and an index answers each part of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.growth.filling import analyze, fill_finished, fill_unfinished
from benchmarks.growth.questions import explain
from dfinery_django.admin.paging import BoundedPaginator
from dfinery_django.models import Event
from dfinery_django.operations.selection import Selection
from tests.settings import DATABASE
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc)


def found(**parts: Any) -> set[str]:
    selection = Selection(**parts).resolved(Event.objects.all())
    return {event.order_id for event in selection.narrow(Event.objects.all())}


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(pks=(1, 2), status="failed", definitions=("a", "b,c"), search="한글*", is_prefix=True),
        Selection(since=MOMENT, until=MOMENT, reason_code="rejected", source_pk="'"),
    ],
)
def test_a_selection_survives_being_stored(selection: Selection) -> None:
    """As JSON, with its times to the microsecond."""
    assert Selection.from_json(selection.to_json()) == selection


@pytest.mark.parametrize("text", ["", "[]", '{"no_such": 1}', '{"since": "x"}', "null"])
def test_what_is_no_selection_is_refused(text: str) -> None:
    """Never read as a selection of all."""
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Selection.from_json(text)


def test_a_search_takes_a_text_as_it_is(configured: Any) -> None:
    """No character of an id is a wildcard or a word of SQL, but for a star at its end."""
    configured()
    ids = ["50%", "50_", "50*", "50\\", "5", "50'", "한글-1", "\U0001f600"]
    for each in ids:
        make(order_id=each)
    for each in ids:
        assert found(search=each) >= ({each} if each != "50*" else set()), each
    assert found(search="50%") == {"50%"}
    assert found(search="50_") == {"50_"}
    assert found(search="50") == {"50%", "50_", "50*", "50\\", "50'"}
    assert found(search="50*") == {"50%", "50_", "50*", "50\\", "50'"}
    assert found(search="한글") == {"한글-1"}
    assert found(search="5") == {"5"}
    assert found(search="x" * 300) == set()
    assert found(search="a\x00") == set()


def test_upper_and_lower_case(configured: Any) -> None:
    """They differ, except on MariaDB and MySQL, whose collations don't tell them apart."""
    configured()
    make(order_id="ABC-1")
    make(order_id="abc-2")
    both = {"ABC-1", "abc-2"}
    assert found(search="abc*") == (both if DATABASE == "mariadb" else {"abc-2"})


def test_values_in_use(configured: Any) -> None:
    """Each once, in order, whatever characters it has; none of nothing."""
    configured()
    assert Event.objects.in_use("event_name") == []
    for name in ("b", "a", "b", "", "ü", "%s"):
        make(event_name=name)
    assert sorted(Event.objects.in_use("event_name")) == sorted(["", "%s", "a", "b", "ü"])
    assert Event.objects.in_use("destination") == ["default"]


def test_a_reason_finds_what_is_not_delivered(configured: Any) -> None:
    """In every other status, and for a destination that is no longer configured."""
    configured()
    make("failed", reason_code="rejected", order_id="1", destination="long gone")
    make("pending", reason_code="transient", order_id="2")
    assert found(reason_code="rejected") == {"1"}
    assert found(status="failed") == {"1"}
    assert found(reason_code="transient", status="pending") == {"2"}
    assert found(status="delivered") == set()


ROWS = 20_000
SCANS = ("Seq Scan", "type=ALL", "SCAN dfinery_django_event\n")


@pytest.fixture
def grown(configured: Any) -> None:
    configured()
    fill_finished(0, ROWS, timezone.now(), ROWS)
    fill_unfinished(timezone.now(), 100)
    few = list(Event.objects.order_by("pk").values_list("pk", flat=True)[5000:5003])
    Event.objects.filter(pk__in=few).update(event_name="rare", order_id="needle-1", user_id="needle-2")
    analyze()


def test_no_list_reads_all_rows(grown: None) -> None:
    """Count and first page of each filter and search go by an index, on each database."""
    since = timezone.now() - dt.timedelta(hours=3)
    needle = Event.objects.filter(event_name="rare").first()
    assert needle
    selections = {
        "status": Selection(status="failed"),
        "event": Selection(event_name="rare"),
        "destination": Selection(destination="default", status="failed"),
        "reason": Selection(reason_code="rejected"),
        "time": Selection(since=since),
        "source": Selection(definitions=("purchase",), source_pk="77"),
        "event id": Selection(search=str(needle.event_id)),
        "whole": Selection(search="needle-1"),
        "beginning": Selection(search="needle"),
        "in vain": Selection(search="haystack"),
    }
    if DATABASE == "sqlite":  # walks the rows, newest first, until a page is full
        selections = {name: each for name, each in selections.items() if not (each.status or each.reason_code)}
    for name, selection in selections.items():
        with CaptureQueriesContext(connection) as captured:
            rows = selection.resolved(Event.objects.all()).narrow(Event.objects.defer("payload"))
            order = ("-occurred_at", "-pk") if selection.since else ("-pk",)
            page = BoundedPaginator(rows.order_by(*order), 50)
            list(page.page(1))
        for each in captured:
            sql = each["sql"]
            steps = [step for step in explain(sql.replace("%", "%%"), ()) if "<derived" not in step]
            plan = "\n".join([*steps, ""])
            assert [word for word in SCANS if word in plan] == [], f"{name}: {sql}\n{plan}"
