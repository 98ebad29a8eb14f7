"""A step is done again while the database fails, and not for ever."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError, transaction

from dfinery_django.patience import patiently

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
