"""A shop with a catalogue, and all that DFINERY was told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from django.utils import timezone

from tests.support.doubles import FarSide


@pytest.fixture(scope="session")
def catalogue(django_db_modify_db_settings: None, django_db_blocker: Any) -> Iterator[Any]:
    """A database for all tests, and in it what there is to buy."""
    from tests.system.oscar.shop import Catalogue

    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False)
        yield Catalogue()
        teardown_databases(databases, verbosity=0)


@pytest.fixture(autouse=True)
def shop(catalogue: Any, django_db_blocker: Any) -> Iterator[None]:
    """Each test commits, and leaves nothing but the catalogue.

    Not by pytest-django's flush: on PostgreSQL, to empty oscar's hundred tables takes longer than a checkout.
    """
    from tests.system.oscar.shop import close_down

    with django_db_blocker.unblock():
        yield
        close_down()


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request in one transaction, as many sites have it."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


class Deliveries:
    """Drains what was captured, and holds all that arrived."""

    def __init__(self) -> None:
        self.far_side = FarSide()

    def __call__(self, name: str = "") -> list[Any]:
        """:returns: the bodies so far, all or those of one event name"""
        from dfinery_django.delivery.worker import drain
        from dfinery_django.models import Event

        Event.objects.unfinished().update(due_at=timezone.now())  # nobody waits for what the shop might still write
        drain(send=self.far_side)
        return [each for each in self.far_side.bodies if name in ("", each["event_attributes"]["event_name"])]


@pytest.fixture
def delivered() -> Deliveries:
    return Deliveries()
