"""Columns and relations of packages that many shops have: what is stored is sent, and read for all at once."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import messages, run_checks
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from djmoney.money import Money

from dfinery_django import Coalesce, Hashed, Joined, PayloadError, Phone, preview
from dfinery_django.building.build import build_due
from dfinery_django.definitions.registry import get
from dfinery_django.definitions.source import fetch_sources
from dfinery_django.models import Event
from tests.integration.ways import built
from tests.shop.models import User
from tests.support.doubles import dfinery
from tests.system.neighbours.fields.models import Brand, Line, Mug, Product, Sale, Shirt

pytestmark = pytest.mark.django_db(transaction=True)

SALE = {"model": "neighbours.Sale", "when": "created", "user": "customer", "user_attributes": {"user_id": "username"}}


@pytest.fixture
def configured(settings: Any) -> Any:
    """Sets one definition of sales, which the system checks let pass."""

    def configure(**changes: Any) -> None:
        settings.DFINERY = dfinery(EVENTS={"sale": {**SALE, **changes}})
        assert [str(each) for each in run_checks(tags=["dfinery"]) if each.level > messages.INFO] == []

    return configure


def sell(**fields: Any) -> Sale:
    customer, _ = User.objects.get_or_create(username="hong")
    given = {"number": "1", "customer": customer, "total": Decimal("19900"), "title": "x"}
    return Sale.objects.create(**{**given, **fields})


def sent() -> dict[str, Any]:
    """What the one event says besides its envelope."""
    (payload,) = built()
    assert isinstance(payload, dict), payload
    return {key: value for key, value in payload["event_attributes"].items() if not key.startswith("event_")}


VALUES = [
    ("phone", "010-1234-5678", "+821012345678"),
    ("phone", "", ""),
    ("phone", "123", "123"),  # no number, and stored all the same
    ("country", "KR", "KR"),
    ("country", "", ""),
    ("total", Decimal("19900.50"), 19900.5),
    ("total_currency", "USD", "USD"),
    ("zone", "Europe/Paris", "Europe/Paris"),
    ("title", {"ko": "셔츠", "en": "Shirt"}, "셔츠"),
    ("title", "[1]", "[1]"),
    ("status", "new", "new"),
]


@pytest.mark.parametrize(("column", "value", "wire"), VALUES)
@pytest.mark.parametrize("read", ["path", "Coalesce"])
def test_a_column_says_what_is_stored(configured: Any, column: str, value: Any, wire: Any, read: str) -> None:
    """By path and within an expression, fresh or reloaded; translated text in the site's language."""
    configured(event_attributes={"x": column if read == "path" else Coalesce(column)})
    with translation.override("en"):
        sale = sell(**{column: value})
    expected = {"x": wire} if read == "path" or wire != "" else {}
    assert sent() == expected
    for instance in (sale, Sale.objects.get()):
        shown = preview("sale", instance)
        assert shown is not None
        assert shown.event_attributes.get("x") == expected.get("x")


@pytest.mark.parametrize(("column", "value", "wire"), [each for each in VALUES if each[2] != ""])
def test_ids_and_items(configured: Any, column: str, value: Any, wire: Any) -> None:
    """The same in a user_id, an order_id, an item and a hash."""
    configured(
        user=None,
        user_attributes={"user_id": column, "hash": Hashed(column)},
        event_attributes={"order_id": column},
        items="lines",
        item_attributes={"product_name": f"sale.{column}", "price": "price", "all": Joined("sale.lines", "price")},
    )
    sale = sell(**{column: value})
    sale.lines.create(price=5)
    (payload,) = built()
    assert isinstance(payload, dict), payload
    text = f"{wire:.2f}" if isinstance(wire, float) else wire
    assert payload["event_attributes"]["order_id"] == payload["user_attributes"]["user_id"] == text
    assert payload["event_attributes"]["items"] == [{"product_name": text, "price": 5.0, "all": "5.00"}]
    assert payload["user_attributes"]["hash"] == hashlib.sha256(text.lower().encode()).hexdigest()
    assert Event.objects.get().user_id == text


@pytest.mark.parametrize(("phone", "digits"), [("010-1234-5678", "821012345678"), ("", None), ("123", None)])
def test_a_phone_number_as_digits(configured: Any, phone: str, digits: str | None) -> None:
    """``Phone`` reads the column and the object; what is no number is left out, and names nobody."""
    configured(
        event_attributes={"x": Phone("phone", "KR"), "y": Phone(lambda sale: sale.phone, "KR")},
        user=None,
        user_attributes={"user_id": Coalesce(Hashed(Phone("phone", "KR")), "number")},
    )
    sell(phone=phone)
    who = hashlib.sha256(digits.encode()).hexdigest() if digits else "1"
    assert Event.objects.get().user_id == who
    assert sent() == ({"x": digits, "y": digits} if digits else {})
    assert Event.objects.get().user_id == who


def test_types_are_those_of_the_columns(configured: Any) -> None:
    """What the fields command lists, and what holds whatever the first value is."""
    names = ("phone", "country", "total", "zone", "title", "status")
    configured(event_attributes={name: name for name in names})
    types = {name: str(found.value) for name in names if (found := get("sale").type_of("event", name))}
    assert types == {
        "phone": "string", "country": "string", "total": "double", "zone": "string", "title": "string",
        "status": "string",
    }  # fmt: skip


def test_what_callables_return(configured: Any) -> None:
    """Objects that no path led to are their text, and money its amount."""
    attributes: dict[str, Any] = {
        name: lambda sale, name=name: getattr(sale, name) for name in ("country", "total", "zone", "title")
    }
    configured(event_attributes={**attributes, "currency": "total.currency.code", "country_name": "country.name"})
    sell(country="KR", title={"ko": "셔츠", "en": "Shirt"})
    assert sent() == {
        "country": "KR", "total": 19900.0, "zone": "Asia/Seoul", "title": "셔츠", "currency": "KRW",
        "country_name": "대한민국",
    }  # fmt: skip


def test_money_that_is_not_there(configured: Any) -> None:
    """It is left out."""
    configured(event_attributes={"order_sales": "total", "discount": "rebate"})
    sell()
    assert sent() == {"order_sales": 19900.0}


def test_once_per_an_object(configured: Any) -> None:
    """Two saves with one phone number are one event, fresh or reloaded; another number is another."""
    configured(when="saved", once_per="phone")
    sale = sell(phone="010-1234-5678")
    sale.save()
    Sale.objects.get().save()
    sale.phone = "010-8765-4321"
    sale.save()
    assert len(built()) == 2


@pytest.mark.parametrize(
    "when",
    [
        {"phone": "+821012345678"},
        {"phone__in": ["010-1234-5678", "02-123-4567"]},
        {"country": "KR"},
        {"country__in": ["KR", "JP"], "zone": "Europe/Paris"},
        {"total__gt": 100},
        {"total_currency": "USD"},
        {"rebate__isnull": False},
    ],
    ids=str,
)
def test_a_condition_on_an_object(configured: Any, when: Any) -> None:
    """It becomes true with the save that makes it so, once, whatever form the instance holds."""
    configured(when=when, event_attributes={"order_id": "number"})
    sale = sell(total=Money(5, "KRW"))
    assert Event.objects.count() == 0
    sale.phone, sale.country, sale.zone, sale.total = "010-1234-5678", "KR", "Europe/Paris", Money(500, "USD")
    sale.rebate = Money(1, "KRW")
    sale.save()
    Sale.objects.get().save()
    assert sent() == {"order_id": "1"}


def test_what_can_not_be_sent_is_told(settings: Any) -> None:
    """A duration: the check names the path before an event fails."""
    settings.DFINERY = dfinery(EVENTS={"sale": {**SALE, "event_attributes": {"x": "duration", "y": "phone"}}})
    (message,) = [each for each in run_checks(tags=["dfinery"]) if each.level > messages.INFO]
    assert message.id == "dfinery.W010"
    assert "'duration' ends in a DurationField" in message.msg


GOODS = {
    "product_name": "product.name",
    "category1": "product.brand.name",
    "category2": "gift.name",
    "tags": Joined("product.tags", "name"),
    "size": "product.size",
    "label": lambda line: f"{type(line.product).__name__} {getattr(line.product, 'size', '-')}",
    "price": "price",
}


def stock(count: int) -> Sale:
    brand = Brand.objects.create(name_ko="무신사", name_en="Musinsa")
    sale = sell()
    for number in range(count):
        shirt = Shirt.objects.create(name=f"Shirt {number}", size="XL", brand=brand)
        shirt.tags.add("red", f"tag {number}")
        Line.objects.create(sale=sale, product=shirt, price=number, gift=shirt)
    return sale


def test_tags_children_and_generic_lines(configured: Any) -> None:
    """Tags are joined, a product is of its own class with what that has, a generic product has its name."""
    configured(items="lines", item_attributes=GOODS)
    sale = stock(2)
    mug = Mug.objects.create(name="Mug", litres=Decimal("0.30"))
    Line.objects.create(sale=sale, product=mug, price=1)
    with pytest.raises(PayloadError, match="size"):
        preview("sale", sale)  # a mug has none
    Line.objects.filter(product=mug).delete()
    (payload,) = built()
    items = payload["event_attributes"]["items"]
    assert [{**each, "tags": sorted(each["tags"].split(","))} for each in items] == [
        {
            "product_name": f"Shirt {number}", "category1": "무신사", "category2": f"Shirt {number}", "size": "XL",
            "tags": ["red", f"tag {number}"], "label": "Shirt XL", "price": float(number),
        }
        for number in range(2)
    ]  # fmt: skip


def test_all_at_once(configured: Any) -> None:
    """More lines cost no more queries."""
    configured(items="lines", item_attributes=GOODS)
    counts = []
    for number in (1, 2, 8):  # the first one reads the content types
        sale = stock(number)
        with CaptureQueriesContext(connection) as made:
            (row,) = fetch_sources(get("sale"), [str(sale.pk)], "default").values()
            assert len(get("sale").get_items(row) or ()) == number  # type: ignore[arg-type]
        counts.append(len(made))
    assert counts[1] == counts[2], counts


def test_a_name_that_no_child_has(settings: Any) -> None:
    """What only a child of a polymorphic model has passes the checks; a misspelt name is told."""
    settings.DFINERY = dfinery(
        EVENTS={"sale": {**SALE, "items": "lines", "item_attributes": {"a": "product.size", "b": "product.sizee"}}}
    )
    (message,) = [each for each in run_checks(tags=["dfinery"]) if each.level > messages.INFO]
    assert (message.id, "'sizee'" in message.msg) == ("dfinery.E008", True)


def test_items_that_are_tags(configured: Any) -> None:
    """A relation of others as the items themselves."""
    configured(
        model="neighbours.Product",
        when="saved",
        user=None,
        items="tags",
        item_attributes={"product_name": "name"},
        event_attributes={"brand": "brand.name"},
        user_attributes={"user_id": "name"},
    )
    product = Product.objects.create(name="p", brand=Brand.objects.create(name_ko="가", name_en="A"))
    product.tags.add("red")
    (payload,) = built()
    assert payload["event_attributes"]["items"] == [{"product_name": "red"}]
    assert payload["event_attributes"]["brand"] == "가"


def test_a_transition(configured: Any) -> None:
    """A state machine's column is a text, and becomes true with the save after its transition."""
    configured(when={"status": "paid"}, event_attributes={"state": "status"})
    sale = sell()
    sale.pay()
    assert Event.objects.count() == 0
    sale.save()
    assert sent() == {"state": "paid"}


POST_TRANSITION = ("django_fsm.signals.post_transition", "instance")


def test_a_transition_that_is_never_saved(configured: Any) -> None:
    """Its own signal comes before the save: without one nothing is sent, with one it is."""
    configured(signal=POST_TRANSITION, when={"status": "paid"}, event_attributes={"state": "status"})
    sale = sell()
    sale.pay()
    event = Event.objects.get()
    for seconds in (10, 200):
        build_due(Event.objects.all(), now=event.created_at + dt.timedelta(seconds=seconds))
    assert (Event.objects.get().status, Event.objects.get().reason_code) == ("cancelled", "untrue")

    again = Sale.objects.get()
    again.pay()
    again.save()
    assert built()[-1]["event_attributes"]["state"] == "paid"
