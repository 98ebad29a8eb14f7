"""``scope``: workers, reconcile and commands call the site's code in the site's own context."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, models
from django.test import Client
from django.utils import timezone

from dfinery_django import EventDefinition, preview, tasks
from dfinery_django.building.build import build_due
from dfinery_django.definitions import registry
from dfinery_django.definitions.scope import ScopeError
from dfinery_django.delivery.worker import drain
from dfinery_django.diagnostics.rebuild_diff import rebuild_difference
from dfinery_django.models import Event
from dfinery_django.operations.forget import forget
from dfinery_django.outbox import reconcile
from dfinery_django.testing import captured_events
from tests.integration.ways import built
from tests.shop.models import Booking, NoScopeError, Ticket, User, scopes_disabled
from tests.support.doubles import FarSide
from tests.support.staff import ask, confirm, page_of

pytestmark = pytest.mark.django_db(transaction=True)

SCOPE = "tests.shop.models.scopes_disabled"


def tickets_of(booking: Any) -> int:
    """As the callables of multi-tenant shops: by the manager that refuses to work without a tenant."""
    return Ticket.objects.filter(booking=booking).count()


SALE = {
    "model": "shop.Booking",
    "when": "created",
    "event_attributes": {"tickets": tickets_of},
    "user_attributes": {"user_id": "customer.username"},
    "scope": SCOPE,
}


@pytest.fixture
def booking(configured: Any, shop: Any) -> Booking:
    configured(EVENTS={"sale": SALE})
    found = Booking.objects.create(customer=shop.customer("kim"), grade=1)
    Ticket._base_manager.create(booking=found, title="A1")
    Event.objects.update(due_at=timezone.now())
    return found


@pytest.fixture
def _scoped_rows(booking: Booking, monkeypatch: Any) -> None:
    """The base manager, too: it refuses to read bookings without a scope."""

    class Tenanted(models.Manager[Booking]):
        def get_queryset(self) -> models.QuerySet[Booking]:
            Ticket.objects.get_queryset()
            return super().get_queryset()

    manager = Tenanted()
    manager.model, manager.name = Booking, "tenanted"
    monkeypatch.setitem(vars(Booking._meta), "base_manager", manager)
    with pytest.raises(NoScopeError):
        Booking._base_manager.count()


def the_payload() -> Any:
    (payload,) = built()
    return payload["event_attributes"]["tickets"]


def test_building(booking: Booking, configured: Any) -> None:
    """With the scope the event is built; without one it fails with the manager's words."""
    assert the_payload() == 1
    configured(EVENTS={"sale": {**SALE, "scope": None}})
    Event.objects.update(status="captured", due_at=timezone.now(), finished_at=None, payload="")
    assert "NoScopeError: no tenant" in built()[0]


@pytest.mark.parametrize("scope", [scopes_disabled, lambda: scopes_disabled()], ids=["function", "lambda"])
def test_a_callable(booking: Booking, configured: Any, scope: Any) -> None:
    """It need not be a dotted path."""
    configured(EVENTS={"sale": {**SALE, "scope": scope}})
    assert the_payload() == 1


class Sale(EventDefinition):
    model = "shop.Booking"
    event_attributes = {"tickets": tickets_of}
    user_attributes = {"user_id": "customer.username"}

    @contextmanager
    def scope(self) -> Iterator[None]:
        with scopes_disabled():
            yield


def test_a_method(booking: Booking, configured: Any) -> None:
    """A class writes it as a method."""
    configured(EVENTS={"sale": f"{__name__}.Sale"})
    assert the_payload() == 1


@pytest.mark.usefixtures("_scoped_rows")
def test_sources_are_read_in_it(booking: Booking, far_side: FarSide) -> None:
    """Also where not even the base manager works outside."""
    drain("default", send=far_side)
    assert Event.objects.get().status == "delivered"


@pytest.mark.usefixtures("_scoped_rows")
@pytest.mark.parametrize(
    "when", [{"grade": 1}, lambda booking, created: tickets_of(booking) == 1], ids=["dict", "callable"]
)
def test_reconcile(booking: Booking, configured: Any, when: Any, capsys: Any) -> None:
    """Its query, the callables that it asks, and what it captures."""
    Event.objects.all().delete()
    joined = timezone.now() - dt.timedelta(hours=1)
    User.objects.update(date_joined=joined)
    configured(EVENTS={"sale": {**SALE, "when": when, "reconcile_by": "customer.date_joined"}})
    call_command("dfinery", "reconcile", "--dry-run")
    assert capsys.readouterr().out == "sale: 1 would be captured.\n"
    assert tasks.reconcile() == {"sale": 1}
    assert the_payload() == 1


@pytest.mark.usefixtures("_scoped_rows")
def test_previews(booking: Booking, capsys: Any) -> None:
    """The command, the function and the fake of tests."""
    call_command("dfinery", "preview", "shop.Booking", str(booking.pk), "--json")
    assert '"wire": 1' in capsys.readouterr().out
    payload = preview("sale", booking)
    assert payload is not None
    assert payload.event_attributes["tickets"] == 1


def test_events_that_a_test_captures(configured: Any, shop: Any) -> None:
    """captured_events builds them as a worker would."""
    configured(EVENTS={"sale": SALE})
    with captured_events() as events:
        Booking.objects.create(customer=shop.customer("kim"))
    assert [event.error for event in events] == [""]


@pytest.mark.usefixtures("_scoped_rows")
def test_a_rebuild(booking: Booking, far_side: FarSide) -> None:
    """What it would change, and the action itself, which looks whether the source is there."""
    drain("default", send=far_side)
    Ticket._base_manager.create(booking=booking, title="A2")
    (event,) = Event.objects.all()
    found = rebuild_difference(event, "default")
    assert [(each.name, each.before, each.after) for each in found.changes] == [("c:tickets", 1, 2)]
    call_command("dfinery", "resend", "--rebuild", "--event", "sale", "--no-input")
    assert the_payload() == 2


@pytest.mark.usefixtures("_scoped_rows")
def test_the_page_of_an_event(booking: Booking, far_side: FarSide, admin_client: Client) -> None:
    """The admin shows what a rebuild would change, and rebuilds."""
    drain("default", send=far_side)
    Ticket._base_manager.create(booking=booking, title="A2")
    (event,) = Event.objects.all()
    page = admin_client.get(page_of(event)).content.decode()
    assert "c:tickets" in page.partition('id="dfinery-difference"')[2]
    confirm(admin_client, ask(admin_client, "rebuild", event))
    assert the_payload() == 2


@pytest.mark.usefixtures("_scoped_rows")
def test_forgetting_a_person(booking: Booking) -> None:
    """Whose events are not built yet, and are found by their sources."""
    Event.objects.update(user_id="", user_source="")
    forget("kim")
    assert not Event.objects.filter(status="captured").exists()


def fails() -> Any:
    raise LookupError("no tenant")


@contextmanager
def fails_at_the_end() -> Iterator[None]:
    with scopes_disabled():
        yield
    raise LookupError("can't go back")


def no_manager() -> Iterator[None]:
    yield


async def in_async() -> AsyncIterator[None]:
    raise AssertionError


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (fails, "fails raised LookupError: no tenant"),
        (fails_at_the_end, "fails_at_the_end raised LookupError: can't go back"),
        (no_manager, "no_manager raised "),
        (in_async, "in_async raised "),
        ("nowhere.at_all", "'nowhere.at_all' raised ModuleNotFoundError"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_scope_that_fails_is_the_reason(booking: Booking, configured: Any, scope: Any, words: str) -> None:
    """Of the event, of the preview and of the rebuild; building raises nothing."""
    configured(EVENTS={"sale": {**SALE, "scope": scope}})
    built()
    reason = Event.objects.get().reason
    assert reason.startswith("sale: its scope ")
    assert words in reason
    assert (Event.objects.get().status, Event.objects.get().reason_code) == ("failed", "mapping")
    assert words in rebuild_difference(Event.objects.get(), "default").problem
    with pytest.raises(CommandError, match="its scope"):
        call_command("dfinery", "preview", "shop.Booking", str(booking.pk))
    with pytest.raises(ScopeError, match="its scope"):
        preview("sale", booking)
    call_command("dfinery", "resend", "--rebuild", "--event", "sale", "--no-input")
    assert Event.objects.get().status == "captured"
    built()
    assert words in Event.objects.get().reason


def test_a_passing_error_of_the_database_is_retried(booking: Booking, configured: Any) -> None:
    """As one of the mapping is."""

    def disconnected() -> Any:
        raise OperationalError("server closed the connection")

    configured(EVENTS={"sale": {**SALE, "scope": disconnected}})
    build_due(Event.objects.all())
    assert (Event.objects.get().status, "server closed" in Event.objects.get().reason) == ("captured", True)
    configured(EVENTS={"sale": SALE})
    assert the_payload() == 1


def test_it_is_left_after_each_batch_and_page(booking: Booking, configured: Any) -> None:
    """Also where the mapping fails; an error of the mapping stays the mapping's."""
    depth: list[str] = []

    @contextmanager
    def counted() -> Iterator[None]:
        depth.append("in")
        with scopes_disabled():
            yield
        depth.append("out")

    def broken(found: Any) -> int:
        raise ZeroDivisionError

    configured(EVENTS={"sale": {**SALE, "scope": counted, "event_attributes": {"tickets": broken}}})
    assert "ZeroDivisionError" in built()[0]
    assert depth == ["in", "out"]
    assert "its scope" not in Event.objects.get().reason
    for page in _pages(configured, counted):
        assert depth.count("in") == depth.count("out"), page


def _pages(configured: Any, scope: Any) -> Any:
    Event.objects.all().delete()
    configured(EVENTS={"sale": {**SALE, "scope": scope, "reconcile_by": "customer.date_joined"}})
    User.objects.update(date_joined=timezone.now() - dt.timedelta(hours=1))
    return reconcile.missed(registry.get("sale"))


def test_capture_does_not_enter_it(configured: Any, shop: Any) -> None:
    """A save runs in the shop's request, which has a scope of its own."""
    configured(EVENTS={"sale": {**SALE, "scope": fails}})
    Booking.objects.create(customer=shop.customer("kim"))
    assert Event.objects.get().status == "captured"
