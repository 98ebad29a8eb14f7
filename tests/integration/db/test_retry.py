"""A step is done again while the database fails, and not for ever."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)

from dfinery_django.db.retry import is_transient, retry, statement_batches
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Destination, Event
from tests.settings import DATABASE
from tests.support.doubles import FarSide
from tests.support.events import event


class MySQLError(Exception):
    """As mysqlclient's are: number and words."""

    __module__ = "MySQLdb"


def driver(name: str, code: Any) -> Exception:
    """An error of a driver that has its code in an attribute."""
    kind: Any = type("DriverError", (Exception,), {"__module__": "sqlite3" if "sqlite" in name else "psycopg.errors"})
    error: Exception = kind(f"{name} {code}")
    setattr(error, name, code)
    return error


def psycopg_like(words: str) -> Exception:
    """One of the connection itself: without a state."""
    error = driver("sqlstate", None)
    error.args = (words,)
    return error


#: What servers say, by way of their drivers, and whether it passes.
SAID = [
    *((driver("sqlstate", state), True) for state in ("08006", "40001", "40P01", "53300", "55P03", "57P01", "25006")),
    *((driver("sqlstate", state), False) for state in ("22001", "22021", "42P01", "42703", "54000", "25P02", "23514")),
    *((MySQLError(number, "…"), True) for number in (1040, 1205, 1213, 1290, 1927, 2002, 2006, 2013)),
    *((MySQLError(number, "…"), False) for number in (1054, 1146, 1153, 1264, 1366, 1406, 2020)),
    *((driver("sqlite_errorcode", code), True) for code in (5, 6, 10, 13, 517, 3850)),
    *((driver("sqlite_errorcode", code), False) for code in (1, 18, 19, 20, 25)),
    *((sqlite3.OperationalError(words), True) for words in ("database is locked", "disk I/O error")),
    *((sqlite3.OperationalError(words), False) for words in ("no such table: x", "no such column: y")),
    (psycopg_like("the connection is closed"), True),
    (KeyError("x"), True),  # a driver that is not known here: by the class of Django's error
]
FAULTS = [
    OperationalError("deadlock detected"),
    InterfaceError("connection already closed"),
    InternalError("cannot execute UPDATE in a read-only transaction"),  # PostgreSQL, after a failover
]


@pytest.mark.parametrize(("said", "passes"), SAID, ids=repr)
def test_which_faults_pass(said: Exception, passes: bool) -> None:
    """By the server's code, though its drivers call nearly everything an OperationalError."""
    error = OperationalError(*said.args)
    error.__cause__ = said
    assert is_transient(error) is passes


def test_errors_of_others_never_pass() -> None:
    """What is no database's error, and what Django's says of values or statements."""
    for error in (ValueError("x"), DataError("too long"), ProgrammingError("no such"), IntegrityError(), KeyError()):
        assert not is_transient(error)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM nobody_has_this", "SELECT nothing FROM shop_order", "SELECT 1 +", "SELECT CAST('x' AS nothing(1))"],
)
def test_a_wrong_statement_does_not_pass(sql: str) -> None:
    """On every database, whatever class its driver gives it."""
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(sql)
    assert not is_transient(caught.value)


def failing(*faults: Exception) -> Any:
    left = list(faults)

    def step() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return step


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_fault_that_passes(fault: Exception, caplog: Any) -> None:
    """Said once, however often it is tried; then the step's own answer."""
    with caplog.at_level(logging.WARNING):
        assert retry(failing(fault, fault), using="default", until=time.monotonic() + 5) == "done"
    assert len(caplog.records) == 1


@pytest.mark.django_db(transaction=True)
def test_patience_ends() -> None:
    """When time is up the fault is raised as it came."""
    step = failing(*FAULTS[:1] * 99)
    with pytest.raises(OperationalError, match="deadlock"):
        retry(step, using="default", until=time.monotonic() + 0.3)
    with pytest.raises(OperationalError):
        step()  # far from all of them were tried


@pytest.mark.django_db(transaction=True)
def test_no_other_error_is_repeated() -> None:
    """A mistake of ours does not pass."""
    with pytest.raises(ProgrammingError):
        retry(failing(ProgrammingError("no such column")), using="default", until=time.monotonic() + 5)


@pytest.mark.django_db(transaction=True)
def test_not_in_a_transaction() -> None:
    """The fault has ended it: nothing in it can be done again."""
    with pytest.raises(OperationalError), transaction.atomic():
        retry(failing(FAULTS[0]), using="default", until=time.monotonic() + 5)


def test_portions() -> None:
    """As many rows as one statement carries; one that is longer than that stands alone."""
    assert [list(each) for each in statement_batches([3, 4, 10, 1, 1], lambda row: row * 70_000)] == [
        [3, 4],
        [10],
        [1, 1],
    ]
    assert list(statement_batches([], len)) == []


#: What a database says that has no connection left, or is not there yet, or is held by another writer.
AWAY = {
    "sqlite": OperationalError("database is locked"),
    "postgresql": OperationalError("connection failed: FATAL:  sorry, too many clients already"),
    "mariadb": OperationalError(1040, "Too many connections"),
}[DATABASE]


class Away:
    """Fails some statements, from one on, as a database that is away fails."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count, self.seen = first, count, 0

    def __call__(self, execute: Any, *statement: Any) -> Any:
        self.seen += 1
        if self.first <= self.seen < self.first + self.count:
            raise AWAY
        return execute(*statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", range(1, 16))
def test_a_drain_waits_from_its_first_statement_on(configured: Any, far_side: FarSide, first: int) -> None:
    """Whichever statement of a drain finds no database, twice in a row: it is waited for, and everything is sent."""
    configured(TOKENS={"default": "t", "outlet": "t"})
    Destination.objects.create(alias="old_brand")  # its strays are looked for as well
    for number in range(3):
        event(number)
    with connection.execute_wrapper(Away(first, 2)):
        assert drain(send=far_side)["delivered"] == 3
    assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}
    assert len(far_side.requests) == 3


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has no server that could refuse a connection")
@pytest.mark.django_db(transaction=True)
def test_a_drain_waits_for_its_first_connection(configured: Any, far_side: FarSide, monkeypatch: Any) -> None:
    """A worker that starts when all connections are taken waits until one is free."""
    configured()
    event()
    backend, refused = type(connections["default"]), [AWAY] * 3
    connect = backend.get_new_connection

    def get_new_connection(self: Any, parameters: Any) -> Any:
        if refused:
            raise refused.pop()
        return connect(self, parameters)

    monkeypatch.setattr(backend, "get_new_connection", get_new_connection)
    connection.close()
    assert drain("default", send=far_side) == {"delivered": 1}
    assert not refused
