"""What no signal told of is found, once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import Coalesce, EventDefinition, capture, tasks
from dfinery_django.definitions import registry
from dfinery_django.definitions.scope import ScopeError
from dfinery_django.definitions.source import Source
from dfinery_django.models import Event
from dfinery_django.outbox import reconcile
from dfinery_django.outbox.capture import capture_source
from dfinery_django.schema.types import as_moment as as_utc
from tests.integration.ways import built
from tests.shop.models import Order
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _reconcilable(shop: Any, configured: Any) -> None:
    configured(
        EVENTS={
            "purchase": {**PURCHASE, "event_datetime": "paid_at"},
            "sign_up": {"model": "shop.User", "when": "created", "event_datetime": "date_joined"},
            "callable": {**PURCHASE, "when": lambda order, created: False},
            "no_moment": PURCHASE,
            "each_save": {**PURCHASE, "once_per": None, "event_datetime": "paid_at"},
        }
    )


def unseen(hours: float, **fields: Any) -> Order:
    """A paid order that no signal told of."""
    fields = {"status": "paid", "paid_at": timezone.now() - dt.timedelta(hours=hours), **fields}
    return Order.objects.bulk_create([Order(**fields)])[0]


def captured() -> set[str]:
    return set(Event.objects.filter(definition="purchase").values_list("source_pk", flat=True))


def test_bulk_writes_are_found() -> None:
    """Recent rows that match and have no event: captured once, however often it runs."""
    wanted = {str(unseen(1).pk), str(unseen(47).pk)}
    unseen(49)  # too old
    unseen(1, status="pending")  # does not match
    unseen(0.001)  # its transaction may still be under way
    assert tasks.reconcile()["purchase"] == 2
    assert captured() == wanted
    assert tasks.reconcile()["purchase"] == 0
    assert Event.objects.filter(definition="purchase").count() == 2


def test_pages_with_equal_moments(monkeypatch: Any) -> None:
    """Paging by moment and key skips nothing and repeats nothing."""
    monkeypatch.setattr(reconcile, "PAGE_SIZE", 3)
    moment = timezone.now() - dt.timedelta(hours=2)
    orders = [unseen(0, paid_at=moment) for _ in range(8)]
    definition = registry.get("purchase")
    assert reconcile.sweep(definition) == 8
    assert captured() == {str(order.pk) for order in orders}


def test_what_the_definition_turns_down_is_not_asked_forever() -> None:
    """A row that should_capture refuses ends the sweep all the same."""
    unseen(1)
    definition = registry.get("purchase")
    definition.should_capture = lambda instance, *, created: False  # type: ignore[method-assign]
    assert reconcile.sweep(definition) == 0
    assert captured() == set()


def test_uuid_keys(shop: Any) -> None:
    """Keys are compared as the text that is stored, on every database."""
    customer = shop.customer(date_joined=timezone.now() - dt.timedelta(hours=1))
    assert Event.objects.get().source_pk == str(customer.pk)
    assert tasks.reconcile()["sign_up"] == 0
    Event.objects.all().delete()
    assert tasks.reconcile()["sign_up"] == 1


def test_a_sweep_that_finds_nothing_costs_one_query(django_assert_num_queries: Any) -> None:
    """However many rows are recent: the database itself leaves out those that have their event."""
    for _ in range(5):
        unseen(1)
    definition = registry.get("purchase")
    reconcile.sweep(definition)
    with django_assert_num_queries(1):
        assert reconcile.sweep(definition) == 0


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite shows no anti-join")
def test_the_anti_join_walks_the_index_of_the_sources() -> None:
    """A probe per recent row, never a scan of all events."""
    Event.objects.bulk_create(
        Event(event_name="x", definition="purchase", source="shop.Order", source_pk=str(n), destination="default",
              status="delivered", occurred_at=timezone.now(), expires_at=timezone.now(), finished_at=timezone.now())
        for n in range(2000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE dfinery_django_event" if connection.vendor == "postgresql" else
                       "ANALYZE TABLE dfinery_django_event")  # fmt: skip
        if connection.vendor == "mysql":
            cursor.fetchall()
    unseen(1)
    assert "dfinery_event_source" in reconcile.candidate_keys(registry.get("purchase")).explain()


def test_rows_that_should_not_be_captured_are_not_counted(configured: Any, capsys: Any) -> None:
    """should_capture is asked for the dry run, too, and its error leaves the others alone."""
    order = unseen(1)
    configured(EVENTS={"purchase": f"{__name__}.Picky"})
    assert tasks.reconcile() == {"purchase": 0}
    Order.objects.filter(pk=order.pk).update(number="taken")
    Order.objects.filter(pk=unseen(1).pk).update(number="raises")
    call_command("dfinery", "reconcile", "--dry-run")
    assert capsys.readouterr().out == "purchase: 1 would be captured.\n"
    assert tasks.reconcile() == {"purchase": 1}


class Picky(EventDefinition):
    model = "shop.Order"
    when = {"status": "paid"}
    event_datetime = "paid_at"

    def should_capture(self, order: Any, *, created: bool) -> bool:
        if order.number == "raises":
            raise RuntimeError("our own fault")
        return bool(order.number == "taken")


def test_nothing_is_swept_that_dfinery_would_not_process(configured: Any) -> None:
    """A longer --since is refused with the longest."""
    with pytest.raises(CommandError, match="--since 48h") as refused:
        call_command("dfinery", "reconcile", "--since", "72h")
    assert refused.value.returncode == 2


def test_a_save_and_a_sweep_at_once_are_one_event(configured: Any) -> None:
    """Whoever comes second meets the key of the first."""
    order = unseen(1)
    page = next(reconcile.missed(registry.get("purchase")))
    capture("purchase", order)
    assert [row.pk for row in page] == [order.pk]
    reconcile.sweep(registry.get("purchase"))
    capture_source(Source(registry.get("purchase"), page[0], "default"))
    assert Event.objects.filter(definition="purchase").count() == 1


def test_the_command_says_what_is_left_out_and_why(capsys: Any) -> None:
    """--dry-run captures nothing."""
    unseen(1)
    unseen(30)
    call_command("dfinery", "reconcile", "--dry-run", "--since", "24h")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "purchase: 1 would be captured."
    assert lines[2].startswith("callable: skipped, its 'when'")
    assert lines[3].startswith("no_moment: skipped, it has no 'event_datetime'")
    assert lines[4].startswith("each_save: skipped, its 'once_per'")
    assert not Event.objects.exists()
    call_command("dfinery", "reconcile", "--definition", "purchase")
    assert capsys.readouterr().out == "purchase: 2 captured.\n"


def test_disabled() -> None:
    """ENABLED=False: nothing of ours runs."""
    with override_settings(DFINERY={"ENABLED": False}):
        assert tasks.reconcile() == {}


def test_a_column_that_says_what_is_recent(configured: Any, shop: Any) -> None:
    """Over relations, too. What has no event_datetime happened then, not when the sweep came."""
    joined = timezone.now() - dt.timedelta(hours=3)
    old, new = shop.customer("old", date_joined=joined - dt.timedelta(days=3)), shop.customer("new", date_joined=joined)
    for customer in (old, new):
        unseen(1, customer=customer, number=customer.username)
    unseen(1)  # a guest's: no column, not found
    Event.objects.all().delete()  # the customers'
    configured(EVENTS={"purchase": {**PURCHASE, "items": None, "reconcile_by": "customer.date_joined"}})
    assert tasks.reconcile() == {"purchase": 1}
    event = Event.objects.get(definition="purchase")
    assert (event.occurred_at, event.expires_at) == (as_utc(joined), as_utc(joined) + dt.timedelta(hours=48))
    assert built()[-1]["event_attributes"]["event_datetime"] == int(as_utc(joined).timestamp() * 1000)


def test_the_mapped_moment_counts_more_than_the_column(configured: Any, shop: Any) -> None:
    """reconcile_by only finds the row: an old one that is edited is found, and ends as too old."""
    configured(
        EVENTS={
            "purchase": {**PURCHASE, "items": None, "event_datetime": "paid_at", "reconcile_by": "customer.date_joined"}
        }
    )
    joined = timezone.now() - dt.timedelta(hours=1)
    unseen(49, customer=shop.customer("old", date_joined=joined))
    recent = unseen(5, customer=shop.customer("new", date_joined=joined))
    assert tasks.reconcile() == {"purchase": 2}
    built()
    events = Event.objects.filter(definition="purchase").order_by("occurred_at")
    assert [(event.status, event.reason_code) for event in events] == [("expired", "too_old"), ("pending", "")]
    assert events[1].occurred_at == as_utc(recent.paid_at)


@pytest.mark.parametrize("moment", [None, lambda order: order.paid_at, Coalesce("paid_at", "customer.date_joined")])
def test_callables_are_asked_where_a_column_bounds_them(configured: Any, moment: Any) -> None:
    """Each row of the window once per sweep, as a save and as an insertion; a failing one leaves the others alone."""
    asked: list[tuple[Any, bool]] = []

    def when(order: Any, created: bool) -> bool:
        asked.append((order.pk, created))
        if order.number == "raises":
            Order.objects.get(number="nobody's")
        if order.number == "breaks":
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM no_such_table")
        return bool(created and order.number == "yes")

    definition = {**PURCHASE, "when": when, "event_datetime": moment, "reconcile_by": "paid_at"}
    configured(EVENTS={"purchase": definition})
    numbers = ["no", "raises", "breaks", "yes", "yes"]
    orders = [unseen(2 + index, number=number) for index, number in enumerate(numbers)]
    unseen(49, number="yes")
    assert tasks.reconcile() == {"purchase": 2}
    assert captured() == {str(order.pk) for order in orders[3:]}
    assert [pk for pk, created in asked if not created] == [order.pk for order in reversed(orders)]
    assert [pk for pk, created in asked if created] == [orders[4].pk, orders[3].pk, orders[0].pk]
    assert tasks.reconcile() == {"purchase": 0}


def test_callables_that_say_no_end_the_sweep(configured: Any, monkeypatch: Any) -> None:
    """Page by page, none is read twice."""
    monkeypatch.setattr(reconcile, "PAGE_SIZE", 3)
    asked: list[int] = []
    configured(
        EVENTS={"purchase": {**PURCHASE, "when": lambda order, _: asked.append(order.pk), "reconcile_by": "paid_at"}}
    )
    moment = timezone.now() - dt.timedelta(hours=2)
    orders = [unseen(0, paid_at=moment) for _ in range(8)]
    assert tasks.reconcile() == {"purchase": 0}
    assert sorted(asked) == sorted([order.pk for order in orders] * 2)


def test_callables_read_related_rows_by_the_page(configured: Any, shop: Any, django_assert_num_queries: Any) -> None:
    """What the mapping reads is there already."""
    configured(
        EVENTS={
            "purchase": {**PURCHASE, "when": lambda order, _: order.customer.grade == "?", "reconcile_by": "paid_at"}
        }
    )
    for number in range(5):
        unseen(1, customer=shop.customer(f"c{number}"))
    definition = registry.get("purchase")
    reconcile.sweep(definition)
    with CaptureQueriesContext(connection) as few:
        reconcile.sweep(definition)
    for number in range(5, 15):
        unseen(1, customer=shop.customer(f"c{number}"))
    with django_assert_num_queries(len(few)):
        assert reconcile.sweep(definition) == 0


def test_what_can_not_be_reconciled_says_why(configured: Any) -> None:
    """In words that name the key."""
    callable_when = {**PURCHASE, "when": lambda order, created: True}
    configured(
        EVENTS={
            "unbounded": {**callable_when, "event_datetime": "paid_at"},
            "wrong": {**callable_when, "reconcile_by": "total"},
            "saved": {**PURCHASE, "when": "saved", "reconcile_by": "paid_at"},
            "called": {**PURCHASE, "event_datetime": lambda order: order.paid_at},
        }
    )
    assert [reconcile.obstacle(each) for each in registry.definitions()] == [
        "its 'when' is a callable, and no 'reconcile_by' says which rows to ask",
        "its 'reconcile_by' is no DateTimeField",
        "its 'when' can't be written as a query",
        "its 'event_datetime' is no DateTimeField, so no column shows which rows are recent",
    ]


def test_a_definition_that_fails_holds_up_no_other(configured: Any, caplog: Any) -> None:
    """The task fails all the same, after the others were swept, and the log has each of them."""
    unseen(1)
    purchase = {**PURCHASE, "event_datetime": "paid_at"}
    broken = {**purchase, "scope": "nowhere.at_all"}
    configured(EVENTS={"broken": broken, "purchase": purchase, "also_broken": broken})
    with pytest.raises(ScopeError, match=r"broken: its scope 'nowhere\.at_all' raised ModuleNotFoundError"):
        tasks.reconcile()
    assert len(captured()) == 1
    failures = [message for message in caplog.messages if "can't be reconciled" in message]
    assert [message.partition(" ")[0] for message in failures] == ["broken", "also_broken"]
    with pytest.raises(CommandError, match="its scope"):
        call_command("dfinery", "reconcile")
