"""What orders say: in any language, in every kind of number, of objects that are gone."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy

from dfinery_django import Coalesce, Display, Joined, preview, track
from dfinery_django.building.build import build_due
from dfinery_django.definitions import registry
from dfinery_django.models import Event
from tests.integration.ways import built, keys
from tests.shop.models import Booking, Line, Order, Stage, Ticket, Voucher
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)

#: In Django's own catalogues: 아니오 in Korean.
NO = gettext_lazy("No")

BOOKING = {"model": "shop.Booking", "when": "created", "user": "customer"}


def lazy_no(order: Any) -> Any:
    return NO


def sent(payload: Any) -> dict[str, Any]:
    """What an event says besides its envelope."""
    return {key: value for key, value in payload["event_attributes"].items() if not key.startswith("event_")}


@pytest.mark.parametrize("build", ["worker", "commit"])
def test_lazy_text_in_a_korean_request(configured: Any, shop: Any, build: str) -> None:
    """The site's LANGUAGE_CODE decides, not the customer's language, even where building happens in the request."""
    configured(EVENTS={"purchase": {**PURCHASE, "build": build, "event_attributes": {"x": lazy_no}}})
    with translation.override("ko"):
        assert str(NO) == "아니오"
        shop.place(status="paid", customer=shop.customer())
        (payload,) = built()
        assert str(NO) == "아니오", "the request's language is put back"
    assert payload["event_attributes"]["x"] == "No"


def test_lazy_text_given_to_track(configured: Any) -> None:
    """track() builds at once, in the site's language too."""
    configured()
    with translation.override("ko"):
        event = track("coupon", user_id="u1", event_attributes={"x": NO})
    assert event is not None
    assert json.loads(event.payload)["event_attributes"]["x"] == "No"


def test_lazy_text_in_a_preview(configured: Any, shop: Any) -> None:
    """A preview shows what would be sent."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"x": lazy_no}}})
    order = shop.place(customer=shop.customer())
    with translation.override("ko"):
        payload = preview("purchase", order)
    assert payload is not None
    assert payload.event_attributes["x"] == "No"


@pytest.mark.parametrize("once_per", [lazy_no, Display("status")], ids=["callable", "Display"])
def test_once_per_in_several_languages(configured: Any, monkeypatch: Any, once_per: Any) -> None:
    """A lazy text in ``once_per`` is the same one for every customer."""
    field = Order._meta.get_field("status")
    monkeypatch.setattr(field, "choices", [("pending", NO)])
    configured(EVENTS={"noted": {**PURCHASE, "when": "saved", "once_per": once_per}})
    order = Order.objects.create()
    for language in ("ko", "de", "en"):
        with translation.override(language):
            order.save()
    assert keys("noted") == [str(order.pk)]


def test_once_per_with_an_expression(configured: Any) -> None:
    """F() on the instance: the row has the value."""
    configured(EVENTS={"raised": {**PURCHASE, "when": "saved", "once_per": "total"}})
    order = Order.objects.create(total=1)
    order.total = F("total") + 1
    order.save()
    Order.objects.get(pk=order.pk).save()
    assert keys("raised") == [str(order.pk)] * 2, "total 1 and total 2"
    assert not Event.objects.filter(status="failed").exists()


def test_order_numbers_that_are_numbers_in_memory(configured: Any, shop: Any) -> None:
    """100001 on the fresh instance, "100001" after reload: a text in the payload, one event."""
    configured(EVENTS={"purchase": {**PURCHASE, "once_per": "number", "build": "commit"}})
    order = shop.place(number=100001, status="paid", customer=shop.customer())
    assert order.number == 100001
    again = Order.objects.get(pk=order.pk)
    assert again.number == "100001"
    registry.get("purchase").when = {"status": "paid"}
    again.save()
    (payload,) = built()
    assert payload["event_attributes"]["order_id"] == "100001"
    fresh = preview("purchase", order)
    assert fresh is not None
    assert fresh.order_id == "100001"


@pytest.mark.parametrize(
    ("amount", "sent_amount"),
    [
        (Decimal("4E+6"), 4000000.0),
        (Decimal("1.50"), 1.5),
        (Decimal("-0.00"), 0.0),
        (0, 0.0),
        (Decimal("-12.30"), -12.3),
        ("19.90", 19.9),
        (Decimal("999999999999.99"), 999999999999.99),
    ],
    ids=str,
)
def test_amounts(configured: Any, shop: Any, amount: Any, sent_amount: float) -> None:
    """Exponents, free orders and negative amounts are numbers like any other."""
    attributes = {"order_sales": "amount", "discount": "rebate"}
    configured(EVENTS={"purchase": {**BOOKING, "event_attributes": attributes}})
    Booking.objects.create(amount=amount, rebate=amount, customer=shop.customer())
    (payload,) = built()
    assert sent(payload) == {"order_sales": sent_amount, "discount": sent_amount}


def test_money_objects(configured: Any, shop: Any) -> None:
    """A path goes on into them; the object itself is sent as its amount."""
    attributes = {"order_sales": "price.amount", "currency": "price.currency", "discount": "price"}
    attributes["net"] = lambda booking: booking.price
    configured(EVENTS={"purchase": {**BOOKING, "event_attributes": attributes}})
    Booking.objects.create(amount=5, customer=shop.customer())
    wanted = {"order_sales": 5.0, "discount": 5.0, "currency": "KRW", "net": 5.0}
    assert [sent(each) for each in built()] == [wanted]


def test_negative_lines_and_lines_without_a_product(shop: Any) -> None:
    """A discount as a line, a product that is gone: what is left out is left out, the line stands."""
    order = shop.place(lines=1, customer=shop.customer(), status="paid")
    Line.objects.create(order=order, quantity=-1, unit_price=Decimal("-3.5"))
    (payload,) = built()
    goods, discount = payload["event_attributes"]["items"]
    assert "product_name" in goods
    assert discount == {"quantity": -1, "price": -3.5}


def test_a_foreign_key_that_leads_nowhere(configured: Any, shop: Any) -> None:
    """As hard deletes behind the ORM leave it: the line stands, without what is gone."""
    items = {"items": "tickets", "item_attributes": {"product_name": "title", "category1": "seat.identifier"}}
    configured(EVENTS={"purchase": {**BOOKING, **items}})
    booking = Booking.objects.create(customer=shop.customer())
    row = Stage.objects.create(identifier="Row 1")
    for title, seat in (("A", row.pk), ("B", row.pk + 1)):
        Ticket._base_manager.create(booking=booking, title=title, seat_id=seat)
    (payload,) = built()
    assert payload["event_attributes"]["items"] == [
        {"product_name": "A", "category1": "Row 1"},
        {"product_name": "B"},
    ]


def test_a_value_in_a_json_column(configured: Any, shop: Any) -> None:
    """Paths go into JSON; a missing key leaves the field out, a list is refused with words."""
    attributes = {"colour": "content.colour", "size": "content.size.chest", "none": "content.no.such"}
    configured(EVENTS={"purchase": {**BOOKING, "event_attributes": attributes}})
    customer = shop.customer()
    Booking.objects.create(content={"colour": "red", "size": {"chest": 50}}, customer=customer)
    Booking.objects.create(content={"colour": ["red"]}, customer=customer)
    Booking.objects.create(content=None, customer=customer)
    good, bad, empty = built()
    assert sent(good) == {"colour": "red", "size": 50}
    assert "'content.colour'" in bad
    assert sent(empty) == {}


def test_very_long_texts_and_many_lines(shop: Any) -> None:
    """They are stored whole, as the platform takes them."""
    order = shop.place(lines=0, customer=shop.customer(), status="paid")
    product = shop.product(name="가" * 200)
    Line.objects.bulk_create(Line(order=order, product=product, unit_price=1) for _ in range(500))
    (payload,) = built()
    items = payload["event_attributes"]["items"]
    assert (len(items), items[499]["product_name"]) == (500, "가" * 200)


def test_an_owner_of_any_model(configured: Any, shop: Any, django_assert_max_num_queries: Any) -> None:
    """A GenericForeignKey is followed, fetched for all at once, and may lead nowhere."""
    user = {"user": "owner", "user_attributes": {"user_id": Coalesce("pk")}, "guests": "skip"}
    configured(EVENTS={"used": {"model": "shop.Voucher", "when": "created", **user}})
    customers = [shop.customer(name) for name in "abc"]
    for customer in customers:
        Voucher.objects.create(code=customer.username, owner=customer)
    gone = shop.customer("gone")
    Voucher.objects.create(code="gone", owner=gone)
    gone.delete()
    Voucher.objects.create(code="nobody")
    Event.objects.update(due_at=timezone.now())
    with django_assert_max_num_queries(8 + 3):  # the ledger: read, and the event's name written down
        assert build_due(Event.objects.all()) == 5
    payloads = built()
    assert [each["user_attributes"]["user_id"] for each in payloads[:3]] == [str(each.pk) for each in customers]
    assert list(Event.objects.order_by("pk").values_list("reason_code", flat=True))[3:] == ["guest", "guest"]


def test_a_path_through_a_generic_relation(configured: Any, shop: Any) -> None:
    """Its model is known when it is read: what an owner has is sent, and the checks let the path pass."""
    attributes: dict[str, Any] = {"name": "owner.username", "grade": "owner.get_grade_display"}
    attributes["joined"] = Joined("owner.order_set", "pk")
    user = {"user_attributes": {"user_id": Coalesce("owner.pk", "code")}}
    configured(EVENTS={"used": {"model": "shop.Voucher", "when": "created", "event_attributes": attributes, **user}})
    customer = shop.customer(grade="gold")
    order = shop.place(customer=customer)
    Voucher.objects.create(code="1", owner=customer)
    Voucher.objects.create(code="2")
    owned, free = built()
    assert sent(owned) == {"name": "hong", "grade": "Gold member", "joined": str(order.pk)}
    assert (owned["user_attributes"]["user_id"], free["user_attributes"]["user_id"]) == (str(customer.pk), "2")
    assert sent(free) == {}


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("and so on")


class Unprintable:
    def __getattr__(self, name: str) -> Any:
        raise UnprintableError

    def __repr__(self) -> str:
        raise UnprintableError

    __str__ = __repr__


def raising(order: Any) -> Any:
    raise UnprintableError


@pytest.mark.parametrize("bad", [lambda order: Unprintable(), raising], ids=["value", "error"])
@pytest.mark.parametrize("attribute", ["event_attributes", "destination", "once_per", "user", "items"])
def test_objects_that_fail_when_they_are_looked_at(configured: Any, shop: Any, bad: Any, attribute: str) -> None:
    """Each costs its own event only: one failed event, or one line in the log, and no raised error."""
    spec = {"x": lambda order: bad(order) if order.note == "bad" else 1}
    given = spec if attribute == "event_attributes" else spec["x"]
    if attribute == "destination":
        given = lambda order: bad(order) if order.note == "bad" else "default"  # noqa: E731
    if attribute == "user":
        given = lambda order: bad(order) if order.note == "bad" else order.customer  # noqa: E731
    if attribute == "items":
        given = lambda order: bad(order) if order.note == "bad" else []  # noqa: E731
    configured(EVENTS={"purchase": {**PURCHASE, attribute: given, "user_attributes": {"user_id": "pk"}}})
    shop.place(status="paid", note="bad", customer=shop.customer("a"))
    shop.place(status="paid", note="good", customer=shop.customer("b"))
    built()
    Event.objects.filter(status="captured").update(created_at="2020-01-01T00:00:00Z")
    built()
    assert list(Event.objects.order_by("pk").values_list("status", flat=True))[-2:] == ["failed", "pending"]


class Invalid(Exception):
    pass


def test_a_row_that_can_not_be_read(shop: Any, monkeypatch: Any) -> None:
    """A class of the site that refuses one row in from_db(): its neighbours are built."""
    original = Order.from_db

    def refusing(cls: Any, db: Any, names: Any, values: Any, **options: Any) -> Any:  # Django 6.1 has an option
        instance = original.__func__(cls, db, names, values, **options)  # type: ignore[attr-defined]
        if instance.note == "bad":
            raise Invalid("no such status")
        return instance

    customer = shop.customer()
    for note in ("a", "bad", "b"):
        shop.place(status="paid", note=note, customer=customer)
    with monkeypatch.context() as patched:
        patched.setattr(Order, "from_db", classmethod(refusing))
        first, bad, second = built()
    assert "no such status" in bad
    assert (len(first["event_attributes"]["items"]), len(second["event_attributes"]["items"])) == (1, 1)
