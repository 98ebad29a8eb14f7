"""``Rows``: the lines of an event that match conditions, in an order of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Lower, Upper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import Coalesce, Joined, PayloadError, Rows, preview
from dfinery_django.building.build import build_due
from dfinery_django.checks.definitions import check_definition
from dfinery_django.definitions import registry
from dfinery_django.definitions.registry import from_dict
from dfinery_django.definitions.source import fetch_sources
from dfinery_django.diagnostics.explain import explain
from dfinery_django.models import Event
from dfinery_django.schema.types import WireType
from tests.shop.models import Booking, GiftOrder, Line, Order, Stage, Ticket, User
from tests.support.doubles import BAD, PURCHASE, number_in
from tests.support.events import build_all, built_payload

pytestmark = pytest.mark.django_db(transaction=True)

EVENT: dict[str, Any] = PURCHASE["event_attributes"]  # type: ignore[assignment]


def mapped(configured: Any, **changes: Any) -> None:
    configured(EVENTS={"purchase": {**PURCHASE, "item_attributes": {"quantity": "quantity"}, **changes}})


def order_of(shop: Any, *coupons: str, **fields: Any) -> Order:
    """An order with a line of quantity 1, 2, 3 … for each coupon."""
    with transaction.atomic():
        number = str(Order.objects.count())
        content = {"number": number, "status": "paid", "customer": shop.customer(f"c{number}"), **fields}
        order: Order = Order.objects.create(**content)
        for place, coupon in enumerate(coupons, 1):
            Line.objects.create(order=order, product=shop.product(), unit_price=5, quantity=place, coupon=coupon)
    return order


@pytest.mark.parametrize(
    ("rows", "quantities"),
    [
        (Rows("lines"), [1, 2, 3, 4]),
        (Rows("lines", Q(coupon="A")), [1, 3]),
        (Rows("lines", ~Q(coupon="A"), quantity__lt=4), [2]),
        (Rows("lines", Q(coupon="A"), Q(quantity=3)), [3]),
        (Rows("lines", coupon__in=["A", "B"], order_by="-quantity"), [4, 3, 2, 1]),
        (Rows("lines", order_by=("coupon", "-quantity")), [3, 1, 4, 2]),
        (Rows("lines", order_by=["-product__category__name", "-pk"]), [4, 3, 2, 1]),
        (Rows("lines", order_by=F("quantity").desc()), [4, 3, 2, 1]),
        (Rows("lines", order__lines__coupon="A", coupon="A"), [1, 3]),
        (Rows("lines", Q(order__lines__quantity__gt=1)), [1, 2, 3, 4]),
        (Rows("lines", Q(product=None)), []),
        (Rows("lines", pk__in=[]), []),
        (Rows("lines", product__line__order__isnull=False), [1, 2, 3, 4]),
    ],
    ids=repr,
)
def test_items_are_the_rows_that_match(configured: Any, shop: Any, settings: Any, rows: Any, quantities: Any) -> None:
    """Each once, in order: fetched for the batch, and read for the instance at hand."""
    mapped(configured, items=rows)
    settings.DFINERY = {**settings.DFINERY, "READY_SECONDS": 0}  # without any row it would wait
    order = order_of(shop, "A", "B", "A", "B")
    sent = built_payload()["event_attributes"]["items"]
    assert [item["quantity"] for item in sent] == quantities
    payload = preview("purchase", order)
    assert payload is not None
    assert [item["quantity"] for item in payload.items or ()] == quantities


def test_other_readers_see_all_rows(configured: Any, shop: Any) -> None:
    """The relation itself is not narrowed, neither for other paths nor for the shop's own code."""
    mapped(
        configured, items=Rows("lines", coupon="B", order_by="-quantity"),
        event_attributes={
            **EVENT, "first": "lines.first.quantity", "all": Joined("lines", "coupon"),
            "counted": lambda order: len(order.lines.all()),
            "b": Joined(Rows("lines", Q(coupon="B"), order_by="-quantity"), "quantity", separator="+"),
        },
    )  # fmt: skip
    order = order_of(shop, "A", "B", "B")
    sent = built_payload()["event_attributes"]
    assert (sent["first"], sent["all"], sent["counted"], sent["b"]) == (1, "A,B", 3, "3+2")
    assert [item["quantity"] for item in sent["items"]] == [3, 2]
    payload = preview("purchase", order)
    assert payload is not None
    assert (payload.event_attributes["all"], payload.event_attributes["b"]) == ("A,B", "3+2")
    assert [name for name in vars(order) if name.startswith("_dfinery")] == []


def test_rows_of_a_batch_take_one_query(configured: Any, shop: Any) -> None:
    """As many queries as for the plain relation, with the relations of the rows and what is computed for them."""
    items: dict[str, Any] = {"product_id": "product.sku", "category1": "product.category.name", "quantity": "quantity"}
    counts = []
    for changes in (
        {"items": "lines", "item_attributes": {**items, "code": "coupon"}},
        {
            "items": Rows("lines", Q(quantity__gt=1), order_by="-pk"),
            "item_attributes": {**items, "code": Lower("coupon")},
        },
    ):
        Event.objects.all().delete()
        mapped(configured, **changes)
        for _ in range(5):
            order_of(shop, "A", "B", "C")
        Event.objects.update(due_at=timezone.now())
        build_due(Event.objects.all(), limit=1)
        with CaptureQueriesContext(connection) as made:
            assert build_due(Event.objects.all()) == 4
        counts.append(sum("shop_" in each["sql"] for each in made))
        for e in made:
            print("Q", e["sql"][:250])
        assert set(Event.objects.values_list("status", flat=True)) == {"pending"}
    assert counts == [2, 2]
    codes = [json.loads(event.payload)["event_attributes"]["items"][0]["code"] for event in Event.objects.all()]
    assert codes == ["c"] * 5


def test_rows_behind_a_relation(configured: Any, shop: Any) -> None:
    """The path may run over to-one relations; where one is missing there are no rows."""
    mapped(
        configured, items=Rows("customer.order_set", Q(status="paid"), order_by="-number"), user=None,
        item_attributes={"product_id": "number"},
        user_attributes={"user_id": Coalesce("customer.pk", "number")},
    )  # fmt: skip
    customer = shop.customer("kim")
    Order.objects.create(number="x", customer=customer, status="cancelled")
    first = order_of(shop, customer=customer)
    second = order_of(shop, customer=customer)
    guest = order_of(shop, customer=None)
    numbers = [item["product_id"] for item in json.loads(build_all()[0].payload)["event_attributes"]["items"]]
    assert numbers == [second.number, first.number]
    waiting = Event.objects.get(source_pk=str(guest.pk))
    assert (waiting.status, waiting.reason_code) == ("captured", "not_ready")


def test_rows_of_items_and_users(configured: Any, shop: Any) -> None:
    """Rows may start at a line and at the user, with expressions of their own, each time the same Rows or another."""
    others = Rows("product.line_set", Q(quantity__lt=3), order_by="-quantity")
    mapped(
        configured, items=Rows("lines", coupon="A"),
        item_attributes={
            "quantity": "quantity", "others": Joined(others, "quantity"), "codes": Joined(others, Lower("coupon")),
        },
        user_attributes={
            "user_id": "pk", "name": Upper("username"),
            "paid": Joined(Rows("order_set", status="paid", order_by="-number"), Upper("number")),
        },
    )  # fmt: skip
    order = order_of(shop, "A", "B", "A")
    Line.objects.update(product=shop.product(sku="same"))
    Order.objects.create(number="x", status="paid", customer=order.customer)
    Order.objects.create(number="y", customer=order.customer)
    (sent, *_) = [json.loads(event.payload or "{}") for event in build_all()]
    assert sent["event_attributes"]["items"] == [
        {"quantity": 1, "others": "2,1", "codes": "b,a"}, {"quantity": 3, "others": "2,1", "codes": "b,a"},
    ]  # fmt: skip
    assert sent["user_attributes"]["paid"] == "X,0"
    payload = preview("purchase", Order.objects.get(pk=order.pk))
    assert payload is not None
    assert payload.as_dict()["event_attributes"]["items"] == sent["event_attributes"]["items"]
    assert payload.user_attributes == sent["user_attributes"]


def test_rows_of_a_many_to_many_relation() -> None:
    """Each group once, though several of its permissions match; two users share a group."""
    groups = [Group.objects.create(name=name) for name in "abc"]
    permissions = Permission.objects.all()[:3]
    for group in groups[:2]:
        group.permissions.set(permissions)
    users = [User.objects.create(username=name) for name in ("kim", "lee")]
    users[0].groups.set(groups)
    users[1].groups.set(groups[1:])
    matching = Rows("groups", permissions__in=[each.pk for each in permissions], order_by="-name")
    definition = from_dict("x", {
        "model": "shop.User", "items": matching, "item_attributes": {"product_id": Upper("name")},
        "event_attributes": {
            "all": Joined("groups", "name"), "some": Joined(matching, "name"), "count": Count("groups"),
        },
    })  # fmt: skip
    rows = fetch_sources(definition, [str(user.pk) for user in users], "default")
    for user, some in zip(users, (["b", "a"], ["b"]), strict=True):
        for instance in (rows[str(user.pk)], user):
            names = [item["product_id"].lower() for item in definition.get_items(instance) or ()]
            assert names == some
            attributes = definition.get_event_attributes(instance)
            assert attributes["some"] == ",".join(some)
            assert attributes["count"] == user.groups.count() == len(attributes["all"].split(","))


@pytest.mark.parametrize("model", ["shop.GiftOrder", "shop.OrderReport"])
def test_rows_of_children_and_proxies(shop: Any, model: str) -> None:
    """A child's table and a proxy have the lines of their order."""
    order = order_of(shop, "A", "B")
    gift = GiftOrder(order_ptr_id=order.pk, greeting="hi")
    gift.save_base(raw=True)
    definition = from_dict(
        "x", {"model": model, "items": Rows("lines", coupon="B"), "item_attributes": {"q": "quantity"}}
    )
    (row,) = fetch_sources(definition, [str(order.pk)], "default").values()
    for instance in (row, definition.model_class._base_manager.get()):
        assert definition.get_items(instance) == [{"q": 2}]


def test_lookups_may_be_named_like_parameters() -> None:
    """A field called "path" is filtered by as any other."""
    assert repr(Rows("files", path="/a")) == "Rows('files', Q(AND: ('path', '/a')))"


def test_an_order_whose_rows_are_all_left_out(configured: Any, shop: Any, settings: Any) -> None:
    """It waits as one without lines does, READY_SECONDS at most, and is then sent without items."""
    mapped(configured, items=Rows("lines", coupon="A"))
    order_of(shop, "B")
    (event,) = build_all()
    assert (event.status, event.reason_code) == ("captured", "not_ready")
    settings.DFINERY = {**settings.DFINERY, "READY_SECONDS": 0}
    assert built_payload()["event_attributes"]["items"] == []


def test_a_default_manager_that_raises(configured: Any) -> None:
    """A worker has no tenant: the rows of a scoped model are read all the same."""
    configured(EVENTS={"booked": {
        "model": "shop.Booking", "user": "customer", "items": Rows("tickets", is_cancelled=False, order_by="-title"),
        "item_attributes": {"product_name": "title", "seat": "seat.identifier", "upper": Upper("title")},
    }})  # fmt: skip
    seat = Stage.objects.create(identifier="S")
    with transaction.atomic():
        booking = Booking.objects.create(customer=User.objects.create(username="a"))
        for number in range(3):
            Ticket._base_manager.create(booking=booking, title=f"t{number}", is_cancelled=number == 0, seat=seat)
    names = [
        (item["product_name"], item["seat"], item["upper"]) for item in built_payload()["event_attributes"]["items"]
    ]
    assert names == [("t2", "S", "T2"), ("t1", "S", "T1")]
    payload = preview("booked", booking)
    assert payload is not None
    assert [item["product_name"] for item in payload.items or ()] == ["t2", "t1"]


def test_types_come_from_the_rows() -> None:
    """A custom field of an item has the type of its column, or of its expression's output."""
    definition = from_dict("x", {
        "model": "shop.Order", "items": Rows("lines", coupon="A"),
        "item_attributes": {"cut": "discount", "code": Lower("coupon"), "category": "product.category.name"},
    })  # fmt: skip
    assert definition.prefix_of("items") == "lines."
    assert definition.paths_by_use()["items"] == ["lines"]
    kinds = [definition.type_of("item", name) for name in ("cut", "code", "category")]
    assert kinds == [WireType.DOUBLE, WireType.STRING, WireType.STRING]


def test_rows_are_shown_as_they_are_written(configured: Any, shop: Any) -> None:
    """In an explanation, and as a repr."""
    rows = Rows("lines", Q(coupon="A"), order_by=("-quantity", "pk"))
    assert repr(rows) == "Rows('lines', Q(AND: ('coupon', 'A')), order_by=('-quantity', 'pk'))"
    assert repr(Rows("lines", order_by="pk")) == "Rows('lines', order_by='pk')"
    assert repr(Joined(Rows("lines"), "coupon")) == "Joined(Rows('lines'), 'coupon')"
    mapped(configured, items=rows)
    order = order_of(shop, "A", "B")
    explained = explain(registry.get("purchase"), order, using="default")
    assert explained.item_count == 1
    assert explained.parts[2].start == repr(rows)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (Rows("lines", copon="A"), "Cannot resolve keyword 'copon'"),
        (Rows("lines", order_by="quantty"), "Cannot resolve keyword 'quantty'"),
        (Rows("lines", order_by="order__lines__pk"), "runs over a to-many relation"),
        (Rows("customer"), "a Order has no to-many relation customer"),
        (Rows("lnes"), "a Order has no to-many relation lnes"),
    ],
    ids=repr,
)
def test_rows_that_can_not_be_selected_fail_their_own_event(configured: Any, shop: Any, rows: Any, words: str) -> None:
    """The event says why, its neighbour of another definition is built, and no line appears twice."""
    configured(EVENTS={"wrong": {**PURCHASE, "items": rows}, "sound": {**PURCHASE, "items": Rows("lines")}})
    order = order_of(shop, "A", "B")
    events = {event.definition: event for event in build_all()}
    assert (events["wrong"].status, events["sound"].status) == ("failed", "pending")
    assert events["wrong"].reason.startswith("items: ")
    assert words in events["wrong"].reason
    with pytest.raises(PayloadError, match=r"^items: "):
        preview("wrong", order)


def test_a_bad_row_leaves_selected_rows_fetched(configured: Any, shop: Any) -> None:
    """An expression that fails for one line costs its own event, and no query for each of the others."""
    mapped(
        configured, items=Rows("lines", quantity__gt=1),
        item_attributes={"quantity": "quantity", "risky": number_in("coupon"), "upper": Upper("product__sku")},
    )  # fmt: skip
    orders = [order_of(shop, "1", "1", BAD if number == 9 else "1") for number in range(32)]
    definition = registry.get("purchase")
    with CaptureQueriesContext(connection) as made:
        rows = fetch_sources(definition, [str(each.pk) for each in orders], "default")
        is_fetched = [len(list(definition.get_item_sources(row))) == 2 for row in rows.values()]
        values = [definition.get_items(row) for row in rows.values() if row.pk != orders[9].pk]
    assert all(is_fetched)
    assert values == [[{"quantity": each, "risky": 1, "upper": "123456789"} for each in (2, 3)]] * 31
    assert len(made) <= 2 + 2 + 1 + 2 + 2 * 6
    build_all()
    (failed,) = Event.objects.exclude(status="pending")
    assert failed.reason.startswith("items[1].risky: ")


def test_rows_that_fail_for_one_object_alone(configured: Any, shop: Any) -> None:
    """A condition that the database can't evaluate for one row fails that row's event, and no other."""
    mapped(configured, items=Rows("lines", Q(pk__isnull=False), order_by=number_in("coupon").asc()))
    for coupon in ("1", BAD, "1"):
        order_of(shop, coupon, "1")
    events = build_all()
    assert [event.status for event in events] == ["pending", "failed", "pending"]
    assert events[1].reason.startswith("items: ")


@pytest.mark.parametrize(
    ("items", "coupons"),
    [
        ("order_set.lines", "ABC"),
        ("order_set.first.lines", "AB"),
        ("order_set.all.lines", "ABC"),
        (Rows("order_set.lines", ~Q(coupon="B"), order_by="-coupon"), "AC"),
    ],
    ids=["relations", "first", "all", "Rows"],
)
def test_rows_behind_rows(configured: Any, shop: Any, items: Any, coupons: str) -> None:
    """Items may lie behind several relations: of each order of a customer, and within it in their order."""
    customer = shop.customer("kim")
    for lines in ("AB", "C", ""):
        order_of(shop, *lines, customer=customer)
    event = {
        "model": "shop.User", "when": "created", "user_attributes": {"user_id": "pk"}, "items": items,
        "item_attributes": {"coupon_id": "coupon", "total": F("quantity") * F("unit_price")},
    }  # fmt: skip
    configured(EVENTS={"bought": event})
    payload = preview("bought", customer)
    assert payload is not None
    assert payload.items is not None
    assert [each["coupon_id"] for each in payload.items] == list(coupons)
    definition = registry.get("bought")
    with CaptureQueriesContext(connection) as queries:
        fetched = fetch_sources(definition, [str(customer.pk)], "default")[str(customer.pk)]
        assert len(list(definition.get_item_sources(fetched))) == len(coupons)
    assert len(queries) <= 3  # customers, orders, lines
    assert [each.id for each in check_definition(definition) if each.id.startswith("dfinery.E")] == []
