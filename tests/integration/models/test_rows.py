"""One row that can't be built, written or read ends alone, with a reason; all others go on."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DataError, connection, transaction
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from dfinery_django import PayloadError, capture, clock, track
from dfinery_django.building.build import build_due
from dfinery_django.definitions.registry import get
from dfinery_django.delivery.expiry import expire
from dfinery_django.delivery.worker import drain
from dfinery_django.models import DeliveryAttempt, Event
from dfinery_django.outbox.ingest import ingest
from dfinery_django.outbox.reconcile import sweep
from tests.settings import DATABASE
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide, answer, dfinery
from tests.support.nasty import moments, readers

pytestmark = pytest.mark.django_db(transaction=True)

BAD = "bad"
QUICK: Any = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
UTC = dt.timezone.utc


def nasty_for_the_bad(read: Any, good: Any) -> Any:
    """A callable that reads what the good orders have, and for the bad one what ``read`` yields."""
    return lambda order: read(order) if order.note == BAD else good(order)


def orders(count: int, **fields: Any) -> list[Order]:
    """Good orders and in their midst a bad one, as they are in the database; nothing is captured."""
    new = [Order(number=f"n{number}", status="paid", **fields) for number in range(count + 1)]
    new[count // 2].note = BAD
    return Order.objects.bulk_create(new)


def captured(count: int) -> None:
    """Events of good orders and a bad one, due at once."""
    with transaction.atomic():
        for order in orders(count):
            capture("purchase", order)


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Event.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def mapped(**changes: Any) -> dict[str, Any]:
    attributes = {"order_id": "number", "gift": lambda order: "box"}
    user = {"user_id": lambda order: f"u{order.number}"}
    event = {"model": "shop.Order", "event_attributes": attributes, "user_attributes": user, "user": None}
    return dfinery(EVENTS={"purchase": event | changes}, CONCURRENCY=4, READY_SECONDS=0)


def changed(place: str, read: Any) -> dict[str, Any]:
    """A definition that is good but for one place."""

    def mend(good: Any) -> Any:
        return nasty_for_the_bad(read, good)

    attributes = {"order_id": mend(lambda order: order.number), "gift": "number"}
    changes: dict[str, Any] = {
        "user_id": {"user_attributes": {"user_id": mend(lambda order: f"u{order.number}")}},
        "order_id": {"event_attributes": attributes},
        "order_sales": {"event_attributes": {"order_sales": mend(lambda order: order.total)}},
        "gift": {"event_attributes": {"order_id": "number", "gift": mend(lambda order: "box")}},
        "event_datetime": {"event_datetime": mend(lambda order: clock.now())},
        "destination": {"destination": mend(lambda order: "default")},
        "items": {"items": mend(lambda order: [order]), "item_attributes": {"product_id": "pk"}},
        "item": {"items": lambda order: [order], "item_attributes": {"color": mend(lambda line: "red")}},
        "consent": {"consent": lambda order, user: mend(lambda order: True)(order)},
        "user": {"user": mend(lambda order: order), "user_attributes": {"user_id": "number"}},
    }
    return mapped(**changes[place])


PLACES = (
    *(
        "user_id",
        "order_id",
        "order_sales",
        "gift",
        "event_datetime",
        "destination",
        "items",
        "item",
        "consent",
        "user",
    ),
)


@given(place=st.sampled_from(PLACES), read=readers)
@settings(max_examples=25, phases=[Phase.generate], **QUICK)
def test_whatever_a_shop_yields_ends_alone(settings: Any, place: str, read: Any) -> None:
    """Of ten good orders and one that yields anything at all, ten are delivered, and the other ends with a reason."""
    Event.objects.all().delete()
    Order.objects.all().delete()
    settings.DFINERY = changed(place, read)
    far_side = FarSide()
    captured(10)
    drain(send=far_side)
    bad = Event.objects.filter(source_pk=str(Order.objects.get(note=BAD).pk)).first()
    assert Event.objects.exclude(pk=bad and bad.pk).filter(status="delivered").count() == 10
    assert bad is None or bad.status in ("delivered", "failed", "cancelled", "expired")
    assert bad is None or bad.status == "delivered" or bad.reason
    assert all(json.loads(request.body) for request in far_side.requests)


@given(moment=moments)
@settings(max_examples=50, **QUICK)
def test_any_moment_is_kept_or_refused(settings: Any, moment: Any) -> None:
    """What track() is given as occurred_at comes back as that moment, or is a failed event of this moment."""
    settings.DFINERY = dfinery()
    before = clock.now()
    event = track("visited", user_id="u1", occurred_at=moment)
    assert event is not None
    stored = Event.objects.get(pk=event.pk)
    assert stored.expires_at == stored.occurred_at + dt.timedelta(hours=48)
    if stored.status == "failed":
        assert stored.reason_code == "payload"
        assert before <= stored.occurred_at <= clock.now()
        return
    parts: Any = (*moment.timetuple()[:6], moment.microsecond, moment.tzinfo)
    assert moment.utcoffset() is None or stored.occurred_at == dt.datetime(*parts, fold=moment.fold).astimezone(UTC)


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime.min,  # noqa: DTZ901
        dt.datetime.max,  # noqa: DTZ901
        dt.datetime(9999, 12, 29, 23, 59, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
        dt.datetime(9999, 12, 28, 12, tzinfo=UTC),
        dt.datetime(1, 1, 3, tzinfo=UTC),
    ],
)
def test_a_moment_that_no_database_keeps(settings: Any, moment: Any) -> None:
    """It, or its 48 hours, lie where not all databases and drivers go: failed, payload, nothing half set."""
    settings.DFINERY = changed("event_datetime", lambda order: moment)
    captured(2)
    tracked = track("visited", user_id="u1", occurred_at=moment)
    assert tracked is not None
    drain(send=FarSide())
    assert states() == {"delivered": 2, "failed": 2}
    for event in Event.objects.filter(status="failed"):
        assert event.reason_code == "payload"
        assert "date" in event.reason
        assert abs(clock.now() - event.occurred_at) < dt.timedelta(minutes=5)
        assert event.expires_at - event.occurred_at == dt.timedelta(hours=48)


def test_a_moment_that_others_send(configured: Any) -> None:
    """The REST API refuses the moment with words; reconcile's since is a moment or refused."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    for milliseconds in (253_402_000_000_000, -61_000_000_000_000, 10**15):
        event = {"event_name": "x", "event_datetime": milliseconds}
        [left] = ingest([{"event_attributes": event, "user_attributes": {"user_id": "u"}}]).rejected
        assert "no calendar" in str(left.error)
    assert sweep(get("purchase"), since=dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=7)))) == 0
    with pytest.raises(PayloadError, match="since"):
        sweep(get("purchase"), since=dt.datetime.min)  # noqa: DTZ901


@pytest.mark.parametrize("half", ["half \ud83d", "a\x00b\ud800", "\ud800" * 300])
@pytest.mark.parametrize("place", ["user_id", "order_id", "gift", "destination", "user"])
def test_half_characters(settings: Any, place: str, half: str) -> None:
    """A sliced emoji anywhere: that event fails at once, the others of its batch are sent."""
    settings.DFINERY = changed(place, lambda order: half)
    captured(5)
    drain(send=FarSide())
    assert states() == {"delivered": 5, "failed": 1}
    event = Event.objects.get(status="failed")
    assert event.reason_code == ("no_destination" if place == "destination" else "payload")
    assert event.lapse_count == 0


@contextmanager
def refusing(marker: str, error: Exception, *, verb: str = "UPDATE") -> Iterator[list[str]]:
    """A database that refuses every statement which carries this text."""
    refused: list[str] = []

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(verb) and any(marker in str(each) for each in params or ()):
            refused.append(sql)
            raise type(error)(*error.args)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield refused


def test_what_the_database_refuses_fails_alone(settings: Any) -> None:
    """A batch's write meets an error that lasts: the culprit fails in the database's words, the rest are sent."""
    settings.DFINERY = changed("gift", lambda order: "cursed")
    captured(20)
    with refusing("cursed", DataError("value too odd\nDETAIL: all of the row")) as refused:
        drain(send=FarSide())
    assert states() == {"delivered": 20, "failed": 1}
    event = Event.objects.get(status="failed")
    assert (event.reason_code, event.payload) == ("payload", "")
    assert event.reason == "The database can't store it: DataError: value too odd"
    assert event.order_id.startswith("n")  # it is found by what can be stored of it
    assert len(refused) < 10


def test_what_is_refused_in_a_transaction(settings: Any) -> None:
    """Where a transaction is open, as in a test of a site, it goes on."""
    settings.DFINERY = changed("gift", lambda order: "x" * 70_000 if DATABASE == "mariadb" else "x\x00")
    with transaction.atomic():
        captured(3)
        Event.objects.filter(pk=Event.objects.earliest("pk").pk).update(reason="kept")
        with refusing("x" * 99 if DATABASE == "mariadb" else "u0000", DataError("no")):
            build_due(Event.objects.all())
        assert states() == {"pending": 3, "failed": 1}


def test_results_that_can_not_be_written(settings: Any, far_side: FarSide) -> None:
    """What DFINERY took stays delivered; an answer whose words can't be stored costs only its own event."""
    settings.DFINERY = mapped()
    captured(5)
    far_side.answers = [answer(400, 4007, "cursed")]
    with refusing("cursed", DataError("too odd")):
        drain(send=far_side)
    assert states() == {"delivered": 5, "failed": 1}
    assert "too odd" in Event.objects.get(status="failed").reason


def test_attempts_that_can_not_be_stored(settings: Any, far_side: FarSide, caplog: Any) -> None:
    """One answer that no row takes: its record is lost, and said so; those of the others are there."""
    settings.DFINERY = mapped()
    captured(5)
    far_side.answers = [answer(200, 2000, "cursed")]
    with refusing("cursed", DataError("too odd"), verb="INSERT"), caplog.at_level(logging.ERROR):
        drain(send=far_side)
    assert states() == {"delivered": 6}
    assert DeliveryAttempt.objects.count() == 5
    assert "1 delivery attempts can't be stored" in caplog.text


def test_expiry_goes_round_one_that_can_not_be_written(settings: Any) -> None:
    """The others expire; the one whose words are refused has none."""
    settings.DFINERY = mapped()
    captured(5)
    Event.objects.update(expires_at=clock.now())
    Event.objects.filter(pk=Event.objects.earliest("pk").pk).update(reason="cursed \ud55c")
    with refusing("cursed \ud55c", DataError("too odd")):
        assert expire(Event.objects.all(), now=clock.now()) == 6
    assert states() == {"expired": 6}


def test_one_that_others_send_and_no_row_takes(configured: Any) -> None:
    """Its sender learns why; with ``partial`` the others are stored."""
    configured()
    now = int(clock.now().timestamp() * 1000)
    bodies = [
        {
            "event_attributes": {"event_name": "x", "event_datetime": now, "note": note},
            "user_attributes": {"user_id": "u"},
        }
        for note in ("fine", "cursed", "fine")
    ]
    with refusing("cursed", DataError("too odd"), verb="INSERT"):
        assert [each.index for each in ingest(bodies).rejected] == [1]
        assert not Event.objects.exists()
        found = ingest(bodies, partial=True)
    assert [each.index for each in found.accepted] == [0, 2]
    assert "too odd" in str(found.rejected[0].error)
    assert Event.objects.count() == 2


def test_a_batch_is_bounded_in_bytes(settings: Any) -> None:
    """100 orders of 180 KB: no statement of ours is too long for a server with a ``max_allowed_packet`` of 1 MB."""
    settings.DFINERY = mapped(event_attributes={"note": lambda order: "x" * 180_000})
    captured(99)
    longest = 0

    def weigh(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal longest
        longest = max(longest, len(sql) + sum(len(str(each)) for each in params or ()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(weigh):
        drain(send=FarSide())
    assert states() == {"delivered": 100}
    assert 180_000 < longest < 1_000_000


@pytest.mark.skipif(DATABASE != "mariadb", reason="others take a statement of any length")
@pytest.mark.parametrize("size", [1_200_000, 40_000_000])
def test_a_payload_that_the_server_does_not_take(settings: Any, size: int) -> None:
    """Larger than ``max_allowed_packet``, whether the server says so or hangs up: it fails, and the rest are sent."""
    settings.DFINERY = changed("gift", lambda order: "x" * size)
    captured(5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        [before] = cursor.fetchone()
        cursor.execute("SET GLOBAL max_allowed_packet = 1048576")
    connection.close()
    try:
        drain(send=FarSide())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET GLOBAL max_allowed_packet = %s", [before])
        connection.close()
    assert states() == {"delivered": 5, "failed": 1}
    event = Event.objects.get(status="failed")
    assert event.reason_code == "payload"
    assert "packet" in event.reason or "away" in event.reason or "connection" in event.reason


@pytest.mark.parametrize("sql", ["SELECT * FROM nobody_has_this", "SELECT nothing FROM shop_order"])
def test_a_mapping_without_its_table(settings: Any, sql: str) -> None:
    """No such table, no such column: that does not pass, and the event fails at once, in the database's words."""

    def ask(order: Order) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    settings.DFINERY = changed("gift", ask)
    captured(3)
    drain(send=FarSide())
    assert states() == {"delivered": 3, "failed": 1}
    event = Event.objects.get(status="failed")
    assert event.reason_code in ("payload", "mapping")
    assert "nobody_has_this" in event.reason or "nothing" in event.reason


UNREADABLE = {
    "postgresql": ["0044-03-15 12:00:00+00 BC", "12026-01-01 00:00:00+00", "infinity", "-infinity"],
    "mariadb": ["0000-00-00 00:00:00"],
    "sqlite": ["never", "", "2026-13-45 99:00:00", "2026-02-30 00:00:00", "12345"],
}


def spoil(event: Event, column: str, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE dfinery_django_event SET {column} = %s WHERE id = %s", [text, event.pk])


@pytest.mark.parametrize("column", ["occurred_at", "expires_at", "created_at", "due_at"])
@pytest.mark.parametrize("text", UNREADABLE[DATABASE])
def test_a_row_that_no_driver_reads(configured: Any, column: str, text: str, caplog: Any) -> None:
    """It is failed, by its id, and gets dates that can be read; the drain delivers all others."""
    configured()
    events = [track("visited", user_id=f"u{number}") for number in range(4)]
    bad = events[1]
    assert bad is not None
    spoil(bad, column, text)
    drain(send=FarSide())
    assert Event.objects.filter(status="delivered").exclude(pk=bad.pk).count() == 3
    found = Event.objects.get(pk=bad.pk)
    assert found.is_finished
    if found.status == "failed":
        assert (found.reason_code, found.due_at) == ("payload", None)
        assert str(found.event_id) in found.reason
        assert column in found.reason
        assert caplog.text.count("unreadable date") == 1


@pytest.mark.parametrize("column", ["occurred_at", "finished_at", "expires_at"])
def test_every_reader_survives(configured: Any, admin_client: Any, column: str) -> None:
    """Admin list, page and overview, API and status go on; what was delivered stays so."""
    configured()
    event = track("visited", user_id="u1")
    assert event is not None
    drain(send=FarSide())
    readers = [
        lambda: admin_client.get("/admin/dfinery_django/event/"),
        lambda: admin_client.get(f"/admin/dfinery_django/event/{event.pk}/change/"),
        lambda: admin_client.get("/admin/dfinery_django/overview/"),
    ]
    for read in readers:
        spoil(event, column, UNREADABLE[DATABASE][0])
        assert read().status_code == 200
    spoil(event, column, UNREADABLE[DATABASE][0])
    call_command("dfinery", "status", stdout=StringIO())
    assert Event.objects.get(pk=event.pk).status == "delivered"
