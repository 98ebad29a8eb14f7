"""Doors while our tables are missing, or the database is down: 503 and a sentence, without a word of SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import messages, run_checks
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.test import Client

from dfinery_django.db import outage
from dfinery_django.metrics import DfineryCollector
from dfinery_django.models import CustomField, DeliveryAttempt, Destination, Event, Repair
from tests.shop.models import Order
from tests.support.events import body
from tests.support.staff import client_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = "/admin/dfinery_django/"
V1 = "/dfinery/v1/"
ID = "0166a71c-caf4-462d-8201-9c30c40f2354"
PAGES = (
    *(f"{ADMIN}{each}/" for each in ("event", "overview", "overview/current", "destination", "repair", "customfield")),
    *(f"{ADMIN}{each}/1/{page}/" for each in ("event", "destination", "repair") for page in ("change", "history")),
    f"{ADMIN}event/1/ask/resend/",
)
ADDRESSES = ("events/", f"events/{ID}/", "health/")
SQL = ("SELECT", "dfinery_django_", "relation", "no such table", "secret", "Traceback")


@pytest.fixture(params=[False, True], ids=["autocommit", "atomic_requests"])
def requests(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request in no transaction, and in one."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", request.param)


@pytest.fixture
def unmigrated() -> Iterator[None]:
    """Our tables are not there."""
    tables = [each._meta.db_table for each in (CustomField, DeliveryAttempt, Destination, Event, Repair)]
    _rename({name: f"{name}_away" for name in tables})
    yield
    _rename({f"{name}_away": name for name in tables})


def _rename(names: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        for old, new in names.items():
            cursor.execute(f"ALTER TABLE {connection.ops.quote_name(old)} RENAME TO {connection.ops.quote_name(new)}")


def is_told(answer: Any, words: str) -> None:
    page = answer.content.decode()
    assert answer.status_code == 503
    assert words in page.replace("&#x27;", "'")
    assert answer["Retry-After"] == str(outage.RETRY_AFTER_SECONDS)
    assert not any(each in page for each in SQL)


def root(**options: Any) -> Client:
    user = "root"
    client = client_of(user, raise_request_exception=False, **options)
    from tests.shop.models import User

    User.objects.filter(username=user).update(is_superuser=True)
    return client


def test_pages_without_tables(configured: Any, requests: None, unmigrated: None) -> None:
    """Each of ours says which command to run; those of others go on."""
    configured()
    client = root()
    for address in PAGES:
        is_told(client.get(address), "run manage.py migrate")
    is_told(client.post(f"{ADMIN}event/", {"action": "resend", "_selected_action": "1"}), "run manage.py migrate")
    is_told(client.post(f"{ADMIN}overview/pause/", {"destination": "default"}), "run manage.py migrate")
    for address in ("/admin/", ADMIN, "/admin/shop/order/", "/admin/shop/user/"):
        assert client.get(address).status_code == 200, address


def test_the_check_of_tables(configured: Any, unmigrated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """``check --database`` names the command, as a warning: ``migrate`` runs the checks before it makes tables."""
    configured()
    tables = [each for each in run_checks(databases=["default"]) if each.id == "dfinery.W017"]
    assert [each.msg for each in tables] == [
        "Tables of dfinery_django are missing in the database 'default': no event can be stored."
    ]
    assert (tables[0].hint, tables[0].level) == ("Run manage.py migrate.", messages.WARNING)
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    assert "dfinery.W017" not in {each.id for each in run_checks(databases=["default"])}


def test_an_order_s_page_without_tables(configured: Any, requests: None) -> None:
    """The page of the shop's own model opens and can be saved; where its events would stand, it says why not."""
    configured()
    order = Order.objects.create(number="2026-1", total=1)
    client = root()
    address = f"/admin/shop/order/{order.pk}/change/"
    _rename({"dfinery_django_event": "away"})
    try:
        assert "run manage.py migrate" in text_of(client.get(address))
        bad = client.post(address, {"number": "2026-1", "status": "pending", "total": "x"})
        assert "Enter a number." in text_of(bad)
        assert client.post(address, {"number": "2026-1", "status": "pending", "total": "2"}).status_code == 302
    finally:
        _rename({"away": "dfinery_django_event"})
    assert Order.objects.get().total == 2


def test_the_api_without_tables(configured: Any, requests: None, unmigrated: None) -> None:
    """JSON that says which command to run."""
    configured()
    client = root()
    for address in ADDRESSES:
        answer = client.get(V1 + address)
        is_told(answer, "run manage.py migrate")
        assert set(answer.json()) == {"detail"}
    for address in ("events/", f"events/{ID}/resend/", f"events/{ID}/cancel/"):
        sent = json.dumps(body()) if address == "events/" else ""
        answer = client.generic("POST", V1 + address, sent, "application/json")
        is_told(answer, "run manage.py migrate")


class Down:
    """A database that takes no statement, or none of those that have a word in them."""

    def __init__(self, error: Exception, word: str = "") -> None:
        self.error, self.word = error, word

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if self.word in sql:
            raise self.error
        return execute(sql, *rest)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("word", ["", "dfinery_django_event"])
def test_a_database_that_is_down(configured: Any, requests: None, error: type[Exception], word: str) -> None:
    """The API says so, though it can't even know who asks; the admin as far as the request comes to us."""
    configured()
    client = root()
    with connection.execute_wrapper(Down(error("could not connect: SELECT secret"), word)):
        for address in ADDRESSES[:2]:
            is_told(client.get(V1 + address), "can't be used at the moment")
        answer = client.generic("POST", f"{V1}events/", json.dumps(body()), "application/json")
        is_told(answer, "can't be used at the moment")
        assert client.get(f"{V1}health/").status_code == 503
        is_told(client.get(f"{ADMIN}event/"), "can't be used at the moment")


@pytest.mark.parametrize("error", [DatabaseError("a mistake"), ZeroDivisionError()])
def test_a_mistake_of_the_code_is_no_outage(configured: Any, error: Exception) -> None:
    """It stays an error with its traceback."""
    configured()
    client = root()
    client.raise_request_exception = True
    for address in (f"{V1}events/", f"{ADMIN}event/"):
        with connection.execute_wrapper(Down(error, "dfinery_django_event")), pytest.raises(type(error)):
            client.get(address)


def test_metrics_without_tables(configured: Any, settings: Any, rf: Any, unmigrated: None) -> None:
    """The view of its own answers 503; a collector among the site's is silent, and the site's own metrics stay."""
    from dfinery_django.metrics import metrics_view

    configured(METRICS=True)
    answer = metrics_view(bearer_token="x")(rf.get("/", headers={"Authorization": "Bearer x"}))
    is_told(answer, "run manage.py migrate")
    assert list(DfineryCollector().collect()) == []


def test_sentences_in_the_reader_s_words() -> None:
    """One for tables that are missing, one for a database that can't be used, none for anything else."""
    assert "migrate" in outage.outage_message(OperationalError("no such table: dfinery_django_event"))
    assert "migrate" in outage.outage_message(OperationalError(1146, "Table 'x' doesn't exist"))
    assert "at the moment" in outage.outage_message(OperationalError("database is locked"))
    assert outage.outage_message(ValueError("no")) == ""


def test_an_error_of_the_site_is_no_missing_table(caplog: Any) -> None:
    """Neither by a number of its own, nor is its text read, which may raise."""

    class Unreadable:
        def __str__(self) -> str:
            raise ValueError

    for error in (KeyError(1146), RuntimeError(Unreadable())):
        outage.log_failure("%s was not captured", str(type(error)), error=error)
    assert "migrate" not in caplog.text
