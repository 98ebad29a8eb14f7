"""``track()``, given anything: an event, or a failed row that says why; never nothing, never an error in the shop."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, models, transaction
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from dfinery_django import NotRegistered, atrack, capture, track
from dfinery_django.definitions.source import dedup_key_from
from dfinery_django.models import Event
from tests.shop.models import Order, OrderReport, User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]

HALF = "half \ud83d"
HUGE = "x" * 20_000_000


class Status(models.TextChoices):
    PAID = "paid"


class Name(str, enum.Enum):
    VISIT = "visit"


class Kind(enum.Enum):
    ONE = 1


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Unspeakable:
    """Raises at whatever is asked of it."""

    def __str__(self) -> str:
        raise Wordless

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise Wordless

    def __eq__(self, other: object) -> bool:
        raise Wordless

    __hash__ = None  # type: ignore[assignment]


class Place:
    """Nothing but its place in memory tells it from another."""


def failing_items() -> Iterator[dict[str, Any]]:
    yield {"product_id": "1"}
    raise Wordless


def querying_items() -> Iterator[dict[str, Any]]:
    yield {"product_id": "1"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM shop_order")


ODD = {
    "no name": {"event_name": ""},
    "a blank name": {"event_name": "  "},
    "None for a name": {"event_name": None},
    "bytes for a name": {"event_name": b"visit"},
    "half a character in the name": {"event_name": HALF},
    "U+0000 in the name": {"event_name": "a\x00b"},
    "a huge name": {"event_name": HUGE},
    "an object for a name": {"event_name": Place()},
    "an unspeakable name": {"event_name": Unspeakable()},
    "an unspeakable user": {"user_id": Unspeakable()},
    "no user": {"user_id": None},
    "a blank user": {"user_id": " "},
    "bytes for a user": {"user_id": b"u1"},
    "half a character in the user": {"user_id": HALF},
    "an object for a user": {"user_id": User(username="a")},
    "a huge text": {"event_attributes": {"note": HUGE}},
    "a huge user": {"user_id": HUGE},
    "many items": {"items": [{"product_name": "x" * 1000}] * 2000},
    "half a character": {"event_attributes": {"note": HALF}},
    "half a character in a name": {"event_attributes": {HALF: 1}},
    "attributes of another type": {"event_attributes": 5},
    "unspeakable attributes": {"event_attributes": Unspeakable()},
    "user attributes of another type": {"user_attributes": ["x"]},
    "unspeakable user attributes": {"user_attributes": Unspeakable()},
    "a name that is no text": {"event_attributes": {7: "x"}},
    "items that fail": {"items": failing_items()},
    "items that query": {"items": querying_items()},
    "unspeakable items": {"items": Unspeakable()},
    "one item": {"items": {"product_id": "1"}},
    "a lazy object that fails": {"user_id": SimpleLazyObject(lambda: Order.objects.get(pk=-1).pk)},
    "a moment of another type": {"occurred_at": "yesterday"},
    "a moment that is none": {"occurred_at": dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-9)))},
    "an unspeakable key": {"dedup_key": Unspeakable()},
    "a key that nothing tells apart": {"dedup_key": Place()},
    "a key that is not saved": {"dedup_key": Order()},
    "an unknown destination": {"destination": "no such"},
    "a destination of another type": {"destination": 7},
    "an unspeakable destination": {"destination": Unspeakable()},
    "half a character in the destination": {"destination": HALF},
    "U+0000 in the destination": {"destination": "a\x00b"},
    "a huge destination": {"destination": HUGE},
}


@pytest.mark.sql("fast")
@pytest.mark.parametrize("arguments", ODD.values(), ids=ODD.keys())
def test_whatever_it_is_given_ends_on_a_row(configured: Any, arguments: Any) -> None:
    """A failed event with a reason, and the shop's own transaction goes on."""
    configured()
    with transaction.atomic():
        event = track(**{"event_name": "visit", "user_id": "u1", **arguments})
        Order.objects.create(status="pending")
    assert event is not None
    assert event.status == "failed"
    assert event.reason
    assert len(event.reason) <= 2000
    assert Event.objects.get().pk == event.pk


MEANT = [
    {"event_name": Name.VISIT},
    {"event_name": gettext_lazy("visit")},
    {"user_id": 7},
    {"user_id": uuid.uuid4()},
    {"user_id": Status.PAID},
    {"user_id": gettext_lazy("u1")},
    {"user_id": "u\x001"},
    {"destination": ""},
    {"destination": None},
    {"items": ({"product_id": str(n)} for n in range(3))},
    {"items": []},
    {"event_attributes": MappingProxyType({"a": 1})},
    {"event_attributes": {"note": "x" * 900_000}},
    {"dedup_key": ""},
]


@pytest.mark.parametrize("arguments", MEANT)
def test_what_is_meant_is_stored(configured: Any, arguments: Any) -> None:
    """Names, ids and destinations that are texts in another form."""
    configured()
    event = track(**{"event_name": "visit", "user_id": "u1", **arguments})
    assert event is not None
    assert (event.status, event.event_name, event.destination) == ("pending", "visit", "default")


def test_a_name_that_is_a_number_is_its_text(configured: Any) -> None:
    """As everywhere in a field that holds text."""
    configured()
    event = track(7, user_id="u1")  # type: ignore[arg-type]
    assert event is not None
    assert (event.status, event.event_name) == ("pending", "7")


UTC, KST = dt.timezone.utc, dt.timezone(dt.timedelta(hours=9))
ONE = uuid.UUID(int=1)
#: No two of them are the same key.
KEYS = [
    "1",
    1,
    2,
    True,
    1.5,
    b"1",
    ONE,
    str(ONE),
    Decimal("1.1"),
    (1,),
    ("1",),
    (1, 2),
    ("1", "2"),
    ("12",),
    ((1,), 2),
    (1, (2,)),
    "1\x1f2",
    ("1\x1f2",),
    (None,),
    ("None",),
    (),
    "",
    " ",
    "a",
    "A",
    "a ",
    HALF,
    "half \ud83e",
    {1},
    {"a": 1},
    {"a": "1"},
    dt.date(2026, 1, 1),
    "2026-01-01",
    dt.datetime(2026, 1, 1, tzinfo=UTC),
    dt.datetime(2026, 1, 1, tzinfo=KST),
    dt.datetime(1, 1, 1, tzinfo=KST),
    dt.timedelta(1),
    10**5000,
    User(pk=ONE),
    Order(pk=1),
    Order(pk=2),
    "x" * 300,
    "x" * 301,
]


def test_different_keys_stay_different(configured: Any) -> None:
    """Of whatever type, each is an event of its own, and only once."""
    configured()
    stored = [track("visit", user_id="u1", dedup_key=key) for key in KEYS]
    assert [key for key, event in zip(KEYS, stored, strict=True) if event is None or event.status != "pending"] == []
    assert [key for key in KEYS if track("visit", user_id="u1", dedup_key=key) is not None] == []


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (Status.PAID, "paid"),
        (Name.VISIT, "visit"),
        (Kind.ONE, 1),
        (gettext_lazy("x"), "x"),
        (Decimal("1.10"), Decimal("1.1")),
        (Decimal("100"), Decimal("1E+2")),
        ([1, 2], (1, 2)),
        ({1, 2, 3}, {3, 2, 1}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Order(pk=1), OrderReport(pk="1")),
        (User(pk=ONE), User(pk=ONE.hex)),
        (bytearray(b"x"), b"x"),
        (dt.datetime(2026, 1, 1, tzinfo=UTC), dt.datetime(2026, 1, 1, 9, tzinfo=KST)),
        (SimpleLazyObject(lambda: "x"), "x"),
    ],
)
def test_the_same_key_in_another_form(configured: Any, first: Any, again: Any) -> None:
    """What was reloaded, or stands for the same, is the same key."""
    configured()
    assert track("visit", user_id="u1", dedup_key=first) is not None
    assert track("visit", user_id="u1", dedup_key=again) is None


def test_keys_of_text_have_the_hash_that_they_had(configured: Any) -> None:
    """What was stored before is known."""
    configured()
    track("visit", user_id="u1", dedup_key="order-7")
    assert Event.objects.get().dedup_key == dedup_key_from("track", "visit", "order-7")


def test_no_key_is_no_key(configured: Any) -> None:
    """``None`` stores an event for each call."""
    configured()
    assert None not in [track("visit", user_id="u1", dedup_key=None) for _ in range(2)]


@pytest.mark.parametrize("using", ["no_such_database", 7], ids=str)
def test_a_database_that_is_not_there(configured: Any, caplog: Any, using: Any) -> None:
    """It is told in the log."""
    configured()
    assert track("visit", user_id="u1", using=using) is None
    assert "visit was not captured" in caplog.text


def test_a_router_that_raises(configured: Any, settings: Any, caplog: Any) -> None:
    """The site's own code, too."""
    configured()
    settings.DATABASE_ROUTERS = ["tests.integration.outbox.test_track.Raising"]
    assert track("visit", user_id="u1") is None
    assert capture("purchase", Order(pk=1)) is None
    assert caplog.text.count("was not captured") == 2


class Raising:
    def db_for_write(self, model: Any, **hints: Any) -> str:
        raise Wordless


@pytest.mark.parametrize(
    "instance",
    [None, 7, "order", object(), User(), Order, Unspeakable(), Order()],
    ids=lambda each: type(each).__name__,
)
def test_capture_of_what_is_no_source(configured: Any, caplog: Any, instance: Any) -> None:
    """It is told in the log, and the transaction goes on."""
    configured()
    with transaction.atomic():
        assert capture("purchase", instance) is None
        Order.objects.create(status="pending")
    assert "purchase was not captured" in caplog.text


@pytest.mark.parametrize("name", [None, 7, [], {}, "nope", b"purchase", HALF], ids=lambda _: None)
def test_capture_of_no_definition(configured: Any, name: Any) -> None:
    """A mistake in the call, whatever it is given, is said at once."""
    configured()
    with pytest.raises(NotRegistered):
        capture(name, Order(pk=1))


def test_from_async_code(configured: Any) -> None:
    """It takes the same."""
    configured()

    async def both() -> list[Any]:
        return [await atrack(Name.VISIT, user_id=7, dedup_key=(1,)), await atrack(b"x", user_id="u1")]  # type: ignore[arg-type]

    first, second = async_to_sync(both)()
    assert (first.status, second.status) == ("pending", "failed")


def test_a_row_that_the_database_refuses(configured: Any) -> None:
    """It is stored once more, without what may be to blame, in the database's own words."""
    configured()

    def refuse_once(execute: Any, sql: str, parameters: Any, *others: Any) -> Any:
        if "INSERT" in sql and "dfinery_django_event" in sql and not refused:
            refused.append(sql)
            parameters = [None if str(each).startswith("{") else each for each in parameters]  # no payload: NOT NULL
        return execute(sql, parameters, *others)

    refused: list[str] = []
    with transaction.atomic(), connection.execute_wrapper(refuse_once):
        event = track("visit", user_id="u1", dedup_key="k")
    assert refused
    assert event is not None
    assert (event.status, event.reason_code, event.payload, event.user_id) == ("failed", "payload", "", "")
    assert event.reason.startswith("The database refuses it. IntegrityError: ")
    assert "payload" in event.reason


def test_an_error_without_words(configured: Any) -> None:
    """Its kind is told."""
    configured()
    event = track("visit", user_id="u1", items=failing_items())
    assert event is not None
    assert event.reason == "Wordless"


def test_a_missing_object(configured: Any) -> None:
    """A lazy value that can't be loaded ends as the reason."""
    configured()
    event = track("visit", user_id=SimpleLazyObject(lambda: Order.objects.get(pk=-1)))
    assert event is not None
    assert ObjectDoesNotExist.__name__ not in event.reason
    assert "DoesNotExist" in event.reason
