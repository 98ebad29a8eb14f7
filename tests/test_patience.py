"""A step is done again while the database fails, and not for ever."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from django.db import (
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)

from dfinery_django.delivery import drain
from dfinery_django.models import Destination, Event
from dfinery_django.patience import patiently
from tests.conftest import FarSide
from tests.settings import DATABASE
from tests.test_delivery import event

FAULTS = [
    OperationalError("deadlock detected"),
    InterfaceError("connection already closed"),
    InternalError("cannot execute UPDATE in a read-only transaction"),  # PostgreSQL, after a failover
]


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
        assert patiently(failing(fault, fault), using="default", until=time.monotonic() + 5) == "done"
    assert len(caplog.records) == 1


@pytest.mark.django_db(transaction=True)
def test_patience_ends() -> None:
    """When time is up the fault is raised as it came."""
    started = time.monotonic()
    with pytest.raises(OperationalError, match="deadlock"):
        patiently(failing(*FAULTS[:1] * 99), using="default", until=started + 0.3)
    assert time.monotonic() - started < 2


@pytest.mark.django_db(transaction=True)
def test_no_other_error_is_repeated() -> None:
    """A mistake of ours does not pass."""
    with pytest.raises(ProgrammingError):
        patiently(failing(ProgrammingError("no such column")), using="default", until=time.monotonic() + 5)


@pytest.mark.django_db(transaction=True)
def test_not_in_a_transaction() -> None:
    """The fault has ended it: nothing in it can be done again."""
    with pytest.raises(OperationalError), transaction.atomic():
        patiently(failing(FAULTS[0]), using="default", until=time.monotonic() + 5)


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
