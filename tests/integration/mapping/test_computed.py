"""A mapping's value may be an expression of Django: the database computes it, for the whole batch."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db import OperationalError, connection, connections, models, transaction
from django.db.models import (
    Avg,
    BooleanField,
    Case,
    CharField,
    Count,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    Max,
    OuterRef,
    Q,
    StdDev,
    Subquery,
    Sum,
    Value as DBValue,
    When,
    Window,
)  # fmt: skip
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Coalesce as DBCoalesce, Concat, ExtractYear, Length, Lower, Upper
from django.db.models.lookups import Exact, GreaterThan
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone

from dfinery_django import Coalesce, EventDefinition, Hashed, Joined, PayloadError, Rows, capture, preview, register
from dfinery_django.building.build import build_due
from dfinery_django.definitions import registry
from dfinery_django.definitions.needs import reads_of
from dfinery_django.definitions.registry import from_dict, unregister
from dfinery_django.diagnostics.explain import explain
from dfinery_django.diagnostics.rebuild_diff import rebuild_difference
from dfinery_django.mapping.annotations import Annotation, loaded, prepare
from dfinery_django.mapping.expressions import Computed
from dfinery_django.mapping.fetching import get_rows
from dfinery_django.mapping.reading import Read
from dfinery_django.mapping.rewriting import shown
from dfinery_django.models import Event
from dfinery_django.schema.types import WireType
from dfinery_django.testing import captured_events
from tests.settings import SHOP_TZ
from tests.shop.models import Booking, BranchOrder, GiftOrder, Line, Order, OrderReport, Stage, Ticket, User
from tests.support.doubles import BAD, PURCHASE, number_in
from tests.support.events import build_all, built_payload

pytestmark = pytest.mark.django_db(transaction=True)

EVENT: dict[str, Any] = PURCHASE["event_attributes"]  # type: ignore[assignment]
ITEM: dict[str, Any] = PURCHASE["item_attributes"]  # type: ignore[assignment]
MONEY = DecimalField(max_digits=14, decimal_places=2)


def mapped(configured: Any, **changes: Any) -> None:
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})


def order_with_lines(shop: Any, number: str = "N1", **fields: Any) -> Order:
    """An order of 100 with discounts of 0, 1 and 2 on its lines."""
    customer = fields.pop("customer", None) or shop.customer(f"c{number}", grade="gold")
    content = {"number": number, "total": 100, "discount": 7, "note": "1", "status": "paid", **fields}
    with transaction.atomic():
        order: Order = Order.objects.create(customer=customer, **content)
        product = shop.product(sku=f"S{number}")
        for place in range(3):
            coupon = "A" if place else ""
            Line.objects.create(
                order=order, product=product, unit_price=10, quantity=place + 1, discount=place, coupon=coupon
            )
    return order


LINES = Line.objects.filter(order=OuterRef("pk"))


@pytest.mark.parametrize(
    ("value", "expected", "kind"),
    [
        (F("total"), 100.0, WireType.DOUBLE),
        (F("customer__grade"), "gold", WireType.STRING),
        (F("total") - F("discount"), 93.0, WireType.DOUBLE),
        (Sum("lines__discount"), 3.0, WireType.DOUBLE),
        (Sum(F("lines__unit_price") * F("lines__quantity"), output_field=MONEY), 60.0, WireType.DOUBLE),
        (Max("lines__quantity"), 3, WireType.LONG),
        (Avg("lines__quantity"), 2.0, WireType.DOUBLE),
        (Count("lines"), 3, WireType.LONG),
        (Count("lines", filter=Q(lines__coupon="A")), 2, WireType.LONG),
        (F("total") - Sum("lines__discount"), 97.0, WireType.DOUBLE),
        (DBCoalesce(Sum("lines__discount", filter=Q(lines__coupon="Z")), DBValue(Decimal(0))), 0.0, WireType.DOUBLE),
        (Sum("lines__discount", filter=Q(lines__coupon="Z"), default=Decimal(5)), 5.0, WireType.DOUBLE),
        (Case(When(status="paid", then=DBValue("yes")), default=DBValue("no")), "yes", WireType.STRING),
        (Case(When(total__gt=Sum("lines__discount"), then=DBValue("+")), default=DBValue("-")), "+", WireType.STRING),
        (Concat("number", DBValue("/"), "status"), "N1/paid", WireType.STRING),
        (Upper("number"), "N1", WireType.STRING),
        (Lower(F("customer__username")), "cn1", WireType.STRING),
        (Length("number"), 2, WireType.LONG),
        (ExtractYear("paid_at", tzinfo=dt.timezone.utc), 2026, WireType.LONG),
        (Cast("total", IntegerField()), 100, WireType.LONG),
        (DBValue("WEB"), "WEB", WireType.STRING),
        (Exists(LINES.filter(coupon="A")), True, WireType.BOOLEAN),
        (~Exists(LINES.filter(coupon="A")), False, WireType.BOOLEAN),
        (Subquery(LINES.order_by("-pk").values("quantity")[:1]), 3, WireType.LONG),
        (LINES.order_by("-pk").values("quantity")[:1], 3, WireType.LONG),
        (Q(status="paid", total__gte=100), True, WireType.BOOLEAN),
        (~Q(status="paid"), False, WireType.BOOLEAN),
        (Q(lines__coupon="A"), True, WireType.BOOLEAN),
        (Q(lines__coupon="B"), False, WireType.BOOLEAN),
        (Q(guest_email="") & ~Q(lines__quantity=9), True, WireType.BOOLEAN),
        (Q(total__gt=Sum("lines__discount")), True, WireType.BOOLEAN),
        (Q(total__range=(Sum("lines__discount"), 1000)), True, WireType.BOOLEAN),
        (Q(total__in=[Sum("lines__discount"), F("discount")]), False, WireType.BOOLEAN),
        (Case(When(Q(discount__range=[0, Sum("lines__quantity")]), then=DBValue("+"))), None, WireType.STRING),
        (ExpressionWrapper(Q(status="paid"), output_field=BooleanField()), True, WireType.BOOLEAN),
    ],
    ids=lambda value: shown(value)[:40] if hasattr(value, "resolve_expression") else None,
)  # fmt: skip
def test_a_value_is_computed(configured: Any, shop: Any, value: Any, expected: Any, kind: WireType) -> None:
    """It is built, and previewed from the instance at hand, with the type of its output field."""
    mapped(configured, event_attributes={**EVENT, "computed": value})
    order = order_with_lines(shop, paid_at=dt.datetime(2026, 5, 4, 3, tzinfo=SHOP_TZ))
    sent = built_payload()["event_attributes"].get("computed")
    assert (sent, type(sent)) == (expected, type(expected))
    payload = preview("purchase", order)
    assert payload is not None
    assert payload.event_attributes.get("computed") == expected
    assert registry.get("purchase").type_of("event", "computed") is kind


def test_a_value_that_is_null_is_left_out(configured: Any, shop: Any) -> None:
    """NULL is None: the field is not sent. The sum over no lines is NULL, a count of them is 0."""
    mapped(
        configured, items=None,
        event_attributes={**EVENT, "saved": Sum("lines__discount"), "lines": Count("lines"), "year": F("paid_at")},
    )  # fmt: skip
    shop.place(lines=0, status="paid", customer=shop.customer())
    attributes = built_payload()["event_attributes"]
    assert attributes["lines"] == 0
    assert not {"saved", "year"} & set(attributes)


def test_a_key_of_a_json_column(configured: Any) -> None:
    """A JSON key has no type of its own, so the value's is sent."""
    attributes = {"seat": KeyTransform("seat", "content"), "row": F("content__place__row"), "net": F("net")}
    configured(EVENTS={"booked": {"model": "shop.Booking", "user": "customer", "event_attributes": attributes}})
    customer = User.objects.create(username="a")
    Booking.objects.create(content={"seat": "A1", "place": {"row": 7}}, customer=customer, amount=9, rebate=2)
    sent = built_payload()["event_attributes"]
    assert (sent["seat"], sent["row"], sent["net"]) == ("A1", 7, 7.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Avg("lines__unit_price"), 10.3333), (F("total") / 3.0, 33.3333), (StdDev("lines__unit_price"), 0.4714)],
    ids=shown,
)
def test_a_number_that_has_no_end(configured: Any, shop: Any, value: Any, expected: float) -> None:
    """PostgreSQL gives 16 places or more of a quotient, which no Double holds: those that it holds are sent."""
    mapped(configured, event_attributes={**EVENT, "computed": ExpressionWrapper(value, output_field=MONEY)})
    order_with_lines(shop)
    Line.objects.filter(quantity=1).update(unit_price=11)
    assert built_payload()["event_attributes"]["computed"] == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("10.3333333333333333", "10.3333333333333"),
        ("-0.47140452079103168293", "-0.471404520791032"),
        ("999999999999.99", "999999999999.99"),
        ("1000000000000.004999999", "1000000000000.00"),
        ("12345678901234567.89", "12345678901234567.89"),  # of the column: refused where it is sent
        ("12345678901234.567", "12345678901234.567"),
        ("NaN", "NaN"),
        ("1E+20", "1E+20"),
    ],
)
def test_digits_of_the_column_are_kept(shop: Any, number: str, expected: str) -> None:
    """Only those are rounded away that a column of that type does not have."""
    order, annotation = Order(), Annotation(F("total"))
    vars(order)[annotation.name] = Decimal(number)
    assert str(annotation.value_of(order)) == expected


def test_aggregates_over_several_relations_do_not_multiply(configured: Any) -> None:
    """Two orders, three bookings, three branch orders: each sum is of its own rows, also within one expression."""
    customer = User.objects.create(username="a")
    for number in range(2):
        Order.objects.create(customer=customer, total=10 * (number + 1))
    for number in range(3):
        Booking.objects.create(customer=customer, amount=number + 1)
        BranchOrder.objects.create(branch="b", number=number, customer=customer)
    attributes = {
        "spent": Sum("order__total"),
        "booked": Sum("booking__amount"),
        "both": Sum("order__total") + Sum("booking__amount"),
        "number": Count("order") + Count("booking") + Count("branchorder__number"),
    }
    configured(
        EVENTS={"grown": {"model": "shop.User", "when": "saved", "once_per": None, "event_attributes": attributes}}
    )
    customer.save()
    sent = built_payload()["event_attributes"]
    assert (sent["spent"], sent["booked"], sent["both"], sent["number"]) == (30.0, 6.0, 36.0, 8)


THREE = {"saved": Sum("lines__discount"), "net": F("total") - F("discount"), "is_gold": Q(customer__grade="gold")}


@pytest.mark.parametrize(
    ("plain", "computed"),
    [
        (
            {"event_attributes": {**EVENT, "saved": "total", "net": "total", "is_gold": "uses_applepay"}},
            {"event_attributes": {**EVENT, **THREE}},
        ),
        (
            {
                "event_attributes": {**EVENT, "saved": "total"},
                "item_attributes": {**ITEM, "sum": "unit_price"},
                "user_attributes": {"user_id": "pk", "name": "username", "is_used": "is_active"},
            },
            {
                "event_attributes": {**EVENT, "saved": Sum("lines__discount")},
                "item_attributes": {**ITEM, "sum": F("unit_price") * F("quantity")},
                "user_attributes": {"user_id": "pk", "name": Upper("username"), "is_used": Q(order__isnull=False)},
            },
        ),
    ],
    ids=["three in the event", "one in each"],
)
def test_200_orders_with_expressions_take_at_most_one_query_more(
    configured: Any, shop: Any, plain: Any, computed: Any
) -> None:
    """They come with the rows that are read anyway; only the users are no longer joined."""
    mapped(configured, **plain)
    without = queries_of_199(shop)
    mapped(configured, **computed)
    assert queries_of_199(shop) <= without + 1


def queries_of_199(shop: Any) -> int:
    """Build 200 orders: one first, since fields that are seen for the first time are stored, then the others."""
    Event.objects.all().delete()
    product, start = shop.product(), Order.objects.count()
    customers = User.objects.bulk_create(User(username=f"c{start + number}") for number in range(200))
    orders = [Order.objects.create(number=str(n), customer=c, status="paid") for n, c in enumerate(customers)]
    Line.objects.bulk_create(Line(order=each, product=product, unit_price=5, quantity=2) for each in orders)
    Event.objects.update(due_at=timezone.now())
    build_due(Event.objects.all(), limit=1)
    with CaptureQueriesContext(connection) as made:
        assert build_due(Event.objects.all()) == 199
    assert set(Event.objects.values_list("status", flat=True)) == {"pending"}
    return len(made)


def test_items_and_users_have_values_of_their_own(configured: Any, shop: Any) -> None:
    """An item's expression is relative to the line, a user's to the user: also where one user has two orders."""
    mapped(
        configured,
        item_attributes={**ITEM, "sum": F("unit_price") * F("quantity"), "category": Lower("product__category__name")},
        user_attributes={"user_id": "pk", "orders": Count("order"), "name": Concat("username", DBValue("!"))},
    )
    customer = shop.customer("kim")
    orders = [order_with_lines(shop, number, customer=customer) for number in ("1", "2")]
    for order, event in zip(orders, build_all(), strict=True):
        sent = json.loads(event.payload)
        assert [item["sum"] for item in sent["event_attributes"]["items"]] == [10.0, 20.0, 30.0]
        assert {item["category"] for item in sent["event_attributes"]["items"]} == {"macbook air"}
        assert sent["user_attributes"] == {"user_id": str(customer.pk), "orders": 2, "name": "kim!"}
        payload = preview("purchase", Order.objects.get(pk=order.pk))
        assert payload is not None
        assert payload.as_dict()["user_attributes"] == sent["user_attributes"]
        assert [item["sum"] for item in payload.items or ()] == [10.0, 20.0, 30.0]


def test_expressions_within_ours(configured: Any, shop: Any) -> None:
    """Coalesce, Hashed and Joined of this app take Django's expressions, wherever they start."""
    mapped(
        configured, user=None,
        user_attributes={"user_id": Coalesce("customer.pk", Hashed(Lower("guest_email")))},
        event_attributes={**EVENT, "codes": Joined("lines", Lower("coupon")), "first": Coalesce(F("note"), "number")},
    )  # fmt: skip
    order = order_with_lines(shop, guest_email="KIM@x.kr", note="")
    Order.objects.update(customer=None)
    Event.objects.update(user_id="", user_source="")
    sent = built_payload()
    assert sent["user_attributes"]["user_id"] == Hashed("guest_email").resolve(order)
    assert (sent["event_attributes"]["codes"], sent["event_attributes"]["first"]) == ("a", "N1")
    payload = preview("purchase", Order.objects.get())
    assert payload is not None
    assert payload.event_attributes["codes"] == "a"


# ── rows whose value can't be computed ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"event_attributes": {**EVENT, "risky": number_in("note")}}, "event_attributes.risky"),
        ({"event_attributes": {**EVENT, **THREE, "risky": number_in("note")}}, "event_attributes.risky"),
        ({"event_attributes": {**EVENT, "risky": Sum(number_in("lines__coupon"))}}, "event_attributes.risky"),
        ({"event_attributes": {**EVENT, "risky": Joined("lines", number_in("coupon"))}}, "event_attributes.risky"),
        ({"item_attributes": {**ITEM, "y": number_in("coupon")}}, "items[1].y"),
        ({"user_attributes": {"user_id": "pk", "z": number_in("first_name")}}, "user_attributes.z"),
        ({"event_datetime": Case(When(GreaterThan(number_in("note"), 0), then="paid_at"))}, "event_datetime"),
    ],
)  # fmt: skip
def test_one_bad_row_fails_its_own_event_alone(configured: Any, shop: Any, changes: Any, place: str) -> None:
    """Its neighbours are built in the same round; the reason says the field, and what the database said."""
    mapped(configured, **changes)
    product = shop.product()
    for number in range(9):
        text = BAD if number == 4 else "1"
        customer = shop.customer(f"c{number}", first_name=text)
        order = Order.objects.create(
            number=str(number), customer=customer, status="paid", note=text, paid_at=timezone.now()
        )
        for each in ("1", text):
            Line.objects.create(order=order, product=product, unit_price=1, coupon=each)
    events = build_all()
    assert [event.status for event in events] == [*["pending"] * 4, "failed", *["pending"] * 4]
    assert events[4].reason_code == "payload"
    assert events[4].reason.startswith(f"{place}: ")
    assert " raised " in events[4].reason
    with pytest.raises(PayloadError) as caught:
        preview("purchase", Order.objects.get(number="4"))
    assert caught.value.path == place


def test_a_bad_row_among_many_is_found_in_few_queries(configured: Any, shop: Any) -> None:
    """The rows are halved until it is alone: its neighbours' values still come together."""
    mapped(
        configured, items=None,
        event_attributes={**EVENT, "risky": number_in("note"), "net": F("total") - F("discount")},
    )  # fmt: skip
    customer = shop.customer()
    for number in range(128):
        note = BAD if number == 77 else "1"
        Order.objects.create(number=str(number), customer=customer, status="paid", note=note)
    definition = registry.get("purchase")
    keys = list(Order.objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as made:
        rows = get_rows(Order, reads_of(definition), keys, using="default")
    # One that fails, one without expressions, one that fails again, one per expression, and two per halving.
    assert len(made) <= 1 + 1 + 1 + 2 + 2 * 7
    with CaptureQueriesContext(connection) as made:
        found = [definition.event_expressions["net"].resolve(row) for row in rows]
    assert found == [0] * 128
    assert len(made) == 0


def test_a_bad_row_leaves_the_transaction_usable(configured: Any, shop: Any) -> None:
    """An event of a deletion is built in the shop's own transaction: it fails, and the shop goes on."""
    attributes = {**EVENT, "risky": number_in("note"), "net": F("total") - F("discount")}
    mapped(configured, when="deleted", event_attributes=attributes)
    good, bad = order_with_lines(shop, "1"), order_with_lines(shop, "2", note=BAD)
    with transaction.atomic():
        bad.delete()
        good.delete()
        assert Order.objects.count() == 0
    failed, built = Event.objects.order_by("pk")
    assert (failed.status, built.status) == ("failed", "pending")
    assert failed.reason.startswith("event_attributes.risky: ")
    sent = json.loads(built.payload)["event_attributes"]
    assert (sent["risky"], sent["net"], len(sent["items"])) == (1, 93.0, 3)


def test_a_preview_in_a_transaction_leaves_it_usable(configured: Any, shop: Any) -> None:
    """Also where the expression fails."""
    mapped(configured, event_attributes={**EVENT, "risky": number_in("note")})
    order = order_with_lines(shop, note=BAD)
    with transaction.atomic():
        with pytest.raises(PayloadError, match=r"event_attributes\.risky"):
            preview("purchase", order)
        assert Order.objects.count() == 1


def test_an_outage_is_retried(configured: Any, shop: Any) -> None:
    """An error that passes is no fault of the expression: the event waits, and is built later."""
    mapped(configured, event_attributes={**EVENT, "saved": Sum("lines__discount")})
    order_with_lines(shop)

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if "_dfinery_value" in sql:
            raise OperationalError("the database is locked") if connection.vendor == "sqlite" else lost()
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        (event,) = build_all()
    assert (event.status, event.attempt_count) == ("captured", 0)
    assert "It is retried" in event.reason
    assert built_payload()["event_attributes"]["saved"] == 3.0


def lost() -> Exception:
    return OperationalError(2006, "MySQL server has gone away") if connection.vendor == "mysql" else OperationalError()


# ── expressions that Django refuses ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (F("ttal"), "Cannot resolve keyword 'ttal' into field."),
        (F("lines__product__sku"), "F(lines__product__sku) gives several values for one shop.Order"),
        (F("total") + F("number"), "You must set output_field"),
        (Sum(Sum("lines__discount")), "is an aggregate"),
        (Window(Sum("total")), "window function"),
    ],
    ids=["name", "rows", "types", "nested", "window"],
)
def test_a_wrong_expression_fails_its_own_field_alone(configured: Any, shop: Any, value: Any, words: str) -> None:
    """The event fails with Django's words; another definition of the model, and the shop, go on."""
    wrong = {**PURCHASE, "event_attributes": {**EVENT, "x": value}}
    sound = {**PURCHASE, "event_attributes": {**EVENT, "x": F("total")}}
    configured(EVENTS={"wrong": wrong, "sound": sound})
    order_with_lines(shop)
    events = {event.definition: event for event in build_all()}
    assert events["sound"].status == "pending"
    assert events["wrong"].status == "failed"
    assert events["wrong"].reason.startswith("event_attributes.x: ")
    assert words in events["wrong"].reason


def test_a_wrong_expression_multiplies_no_item(configured: Any, shop: Any) -> None:
    """An item's expression that gives several values duplicates no line, and drops none."""
    mapped(configured, item_attributes={**ITEM, "x": F("order__lines__quantity")})
    order_with_lines(shop)
    (event,) = build_all()
    assert event.reason.startswith("items[0].x: ")
    definition = registry.get("purchase")
    assert [line.quantity for line in definition.get_item_sources(Order.objects.get())] == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": F("customer")}, "user=F(customer), which is no object"),
        ({"items": F("lines")}, "items=F(lines), which is no object"),
    ],
)
def test_what_paths_start_at_is_no_expression(changes: Any, words: str) -> None:
    """An expression gives a value, not an object: the definition is refused, with what to write."""
    with pytest.raises(Exception, match="which is no object") as caught:
        from_dict("purchase", {**PURCHASE, **changes}).paths()
    assert words in str(caught.value)


# ── where the instance does not have the values ────────────────────────────────────────────────────────────────────


def test_a_value_is_read_on_demand_by_one_query_per_object(configured: Any, shop: Any) -> None:
    """All expressions of an object at once, those of all items at once, and never kept: the row may change."""
    mapped(
        configured,
        event_datetime=F("paid_at"),
        event_attributes={**EVENT, **THREE},
        item_attributes={**ITEM, "sum": F("unit_price") * F("quantity"), "upper": Upper("coupon")},
        user_attributes={"user_id": "pk", "name": Upper("username"), "orders": Count("order")},
    )
    order = order_with_lines(shop, paid_at=timezone.now())
    with CaptureQueriesContext(connection) as made:
        first = preview("purchase", order)
    assert sum("_dfinery_value" in each["sql"] for each in made) == 3
    Line.objects.update(discount=5)
    Order.objects.update(total=50)
    second = preview("purchase", order)
    assert first is not None
    assert second is not None
    assert (first.event_attributes["saved"], second.event_attributes["saved"]) == (3.0, 15.0)
    assert (first.event_attributes["net"], second.event_attributes["net"]) == (93.0, 43.0)
    assert [name for each in (order, order.customer) for name in vars(each) if name.startswith("_dfinery")] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"user": lambda order: User.objects.get(pk=order.customer_id)},
        {"items": lambda order: Line.objects.filter(order=order)},
        {"user": Coalesce("customer")},
    ],
)
def test_items_and_users_of_a_callable(configured: Any, shop: Any, changes: Any) -> None:
    """What a callable returns is not fetched by us; its expressions are computed for it all the same."""
    mapped(
        configured, **changes,
        item_attributes={**ITEM, "sum": F("unit_price") * F("quantity")},
        user_attributes={"user_id": "pk", "name": Upper("username")},
    )  # fmt: skip
    order_with_lines(shop)
    sent = built_payload()
    assert sent["user_attributes"]["name"] == "CN1"
    assert [item["sum"] for item in sent["event_attributes"]["items"]] == [10.0, 20.0, 30.0]


def test_an_item_that_is_no_row(configured: Any, shop: Any) -> None:
    """A dict is no row, so nothing can be computed for it: the event fails, and says so."""
    mapped(configured, items=lambda order: [{"sku": "A"}], item_attributes={"product_id": Upper("sku")})
    order_with_lines(shop)
    (event,) = build_all()
    assert event.reason.startswith("items[0].product_id: ")
    assert "a dict is no row of the database" in event.reason


@pytest.mark.parametrize("key", [None, 4711])
def test_an_object_that_is_not_stored(configured: Any, shop: Any, key: int | None) -> None:
    """The database can't compute for it: the error says so."""
    mapped(configured, items=None, event_attributes={**EVENT, "x": F("total")})
    with pytest.raises(PayloadError, match=r"the Order is not in the database\. Save it first\."):
        preview("purchase", Order(pk=key, number="1", customer=shop.customer()))


def test_hooks_get_computed_values_too(configured: Any, shop: Any) -> None:
    """A hook that adds to what is mapped, and the tools that look at one object, see the same values."""
    configured(EVENTS={})

    @register("shop.Order", name="hooked")
    class Purchase(EventDefinition):
        when = {"status": "paid"}
        user = "customer"
        event_attributes = {"order_id": "number", "saved": Sum("lines__discount")}

        def get_event_attributes(self, instance: Any) -> Any:
            return {**super().get_event_attributes(instance), "source_type": "WEB"}

    try:
        with captured_events() as events:
            order = order_with_lines(shop)
        assert events[0].payload["event_attributes"]["saved"] == 3.0
        assert events[0].payload["event_attributes"]["source_type"] == "WEB"
        (event,) = build_all()
        Line.objects.filter(quantity=1).update(discount=10)
        difference = rebuild_difference(event, "default")
        assert [(each.name, each.before, each.after) for each in difference.changes] == [("c:saved", 3.0, 13.0)]
        explained = explain(registry.get("hooked"), order, using="default")
        assert explained.ending == "pending"
    finally:
        unregister("hooked")


def test_explain_shows_expressions_as_they_are_written(configured: Any, shop: Any) -> None:
    """Each field has its source, its value, and a type from the output field."""
    source = Subquery(LINES.values("quantity")[:1])
    mapped(configured, event_datetime=F("paid_at"), event_attributes={**EVENT, **THREE, "x": source})
    order = order_with_lines(shop, paid_at=timezone.now())
    parts = explain(registry.get("purchase"), order, using="default").parts
    shown_fields = {each.name: each for part in parts for each in part.readings}
    assert shown_fields["event_datetime"].source == "F(paid_at)"
    assert shown_fields["saved"].source == "Sum(F(lines__discount))"
    assert shown_fields["is_gold"].source == "Q(AND: ('customer__grade', 'gold'))"
    assert shown_fields["x"].source == "Subquery(…)"
    assert (shown_fields["saved"].wire, shown_fields["saved"].type_from) == (3.0, "model field")


# ── once_per, the user, the moment ─────────────────────────────────────────────────────────────────────────────────


def test_once_per_computed_values(configured: Any, shop: Any) -> None:
    """One event for each value that the database computes, at capture, in the shop's transaction."""
    mapped(configured, when="saved", once_per=(Upper("note"), F("total")), items=None, event_attributes={})
    order = shop.place(status="paid", customer=shop.customer(), lines=0, note="a")
    for note in ("A", "b", "B"):
        order.note = note
        order.save()
    assert Event.objects.count() == 2


def test_once_per_is_computed_afresh(configured: Any, shop: Any) -> None:
    """A callable that saves the row while its event is built: what was fetched for that event is of before."""

    def save_again(order: Order) -> str:
        if order.note == "a":
            order.note = "b"
            order.save()
        return order.note

    computed = Upper("note")
    attributes = {"upper": computed, "note": save_again, "again": Lower(computed)}
    mapped(configured, when="saved", once_per=computed, items=None, event_attributes=attributes)
    shop.place(status="paid", customer=shop.customer(), lines=0, note="a")
    assert len(build_all()) == 2
    sent = [json.loads(event.payload)["event_attributes"] for event in build_all()]
    assert [(each["upper"], each["again"]) for each in sent] == [("A", "a"), ("B", "b")]


def test_a_failing_once_per_does_not_break_the_checkout(configured: Any, shop: Any) -> None:
    """The order is stored, the event has failed and says why."""
    mapped(configured, when="saved", once_per=number_in("note"))
    order = order_with_lines(shop, note=BAD)
    assert Order.objects.get().pk == order.pk
    assert Event.objects.get().status == "failed"
    assert "at capture, raised" in Event.objects.get().reason


def test_a_computed_user_is_not_known_at_capture(configured: Any, shop: Any) -> None:
    """It takes a query: neither it, nor what only counts where it is empty, is stored with the captured event."""
    long = DBCoalesce("guest_email", DBValue("x" * 300))
    for first in (Lower("guest_email"), Hashed(F("guest_email")), long):
        mapped(configured, user=None, user_attributes={"user_id": Coalesce(first, "customer.pk")})
        order_with_lines(shop, str(Order.objects.count()), guest_email="A@x.kr")
    assert set(Event.objects.values_list("user_id", "user_source")) == {("", "")}
    events = build_all()
    assert [event.reason for event in events] == [""] * 3
    assert [event.user_id for event in events] == ["A@x.kr"] * 3  # of the mapping as it is now


def test_a_path_before_a_computed_user_is_kept(configured: Any, shop: Any) -> None:
    """The customer at capture stays the event's, though a fallback is computed."""
    user_id = Coalesce("customer.pk", Hashed(Lower("guest_email")))
    mapped(configured, user=None, user_attributes={"user_id": user_id})
    order = order_with_lines(shop, guest_email="a@x.kr")
    customer = order.customer_id
    User.objects.all().delete()
    assert built_payload()["user_attributes"]["user_id"] == str(customer)


def test_the_moment_may_be_computed(configured: Any, shop: Any) -> None:
    """The first of two columns that has a value."""
    mapped(configured, event_datetime=DBCoalesce("paid_at", "customer__date_joined"))
    order = order_with_lines(shop)
    assert order.customer is not None
    assert built_payload()["event_attributes"]["event_datetime"] == pytest.approx(
        order.customer.date_joined.timestamp() * 1000, abs=1
    )


# ── models of all kinds ────────────────────────────────────────────────────────────────────────────────────────────


def value_for(definition: dict[str, Any], instance: Any) -> list[Any]:
    """Return x as it is fetched for a batch, and as it is computed for the instance alone."""
    made = from_dict("made", {"user_attributes": {"user_id": "pk"}, **definition})
    (source,) = made.event_expressions.values()
    assert isinstance(source, Computed)
    (row,) = get_rows(made.model_class, [Read((), source.annotation)], [instance.pk], using="default")
    assert source.annotation.name in vars(row)
    return [made.get_event_attributes(each)["x"] for each in (row, instance)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [(Count("customer__order"), 2), (Concat("branch", "status"), "Bpending"), (Q(number=7), True)],
)
def test_a_composite_key(source: Any, expected: Any) -> None:
    """The row is found by all columns of its key."""
    customer = User.objects.create(username="a")
    Order.objects.create(customer=customer)
    Order.objects.create(customer=customer)
    BranchOrder.objects.create(branch="A", number=7, customer=None)
    order = BranchOrder.objects.create(branch="B", number=7, customer=customer)
    assert value_for({"model": "shop.BranchOrder", "event_attributes": {"x": source}}, order) == [expected] * 2


@pytest.mark.parametrize("source", [Count("lines"), F("total") - Sum("lines__discount") - 95, Q(lines__quantity=2)])
@pytest.mark.parametrize("model", ["shop.GiftOrder", "shop.OrderReport", "shop.Order"])
def test_children_and_proxies(shop: Any, model: str, source: Any) -> None:
    """A child's table, a proxy and the parent of a child: all have the lines of their order."""
    order = order_with_lines(shop)
    gift = GiftOrder(order_ptr_id=order.pk, greeting="hi")
    gift.__dict__.update({key: value for key, value in vars(order).items() if key not in ("_state", "id")})
    gift.save()
    instance: Any = {"shop.GiftOrder": GiftOrder, "shop.OrderReport": OrderReport, "shop.Order": GiftOrder}[model]
    fetched = value_for({"model": model, "event_attributes": {"x": source}}, instance.objects.get())
    assert fetched == [True if isinstance(source, Q) else 2 if "95" in repr(source) else 3] * 2


def test_a_default_manager_that_raises(configured: Any) -> None:
    """Workers have no tenant: expressions over such a model, and of it, go by no manager of the shop."""
    booking = Booking.objects.create(customer=User.objects.create(username="a"))
    stage = Stage.objects.create(identifier="s")
    for number in range(3):
        Ticket._base_manager.create(booking=booking, title=f"t{number}", is_cancelled=number == 0, seat=stage)
    sources: Any = {"event_attributes": {"x": Count("tickets", filter=Q(tickets__is_cancelled=False))}}
    assert value_for({"model": "shop.Booking", **sources}, booking) == [2, 2]
    ticket = Ticket._base_manager.order_by("pk")[0]
    assert value_for({"model": "shop.Ticket", "event_attributes": {"x": Upper("title")}}, ticket) == ["T0", "T0"]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_once_per_is_computed_where_the_event_is_stored(configured: Any, shop: Any) -> None:
    """A row that was read from a replica, which lags behind."""
    mapped(configured, when="saved", once_per=(Upper("note"), "total"))
    order = order_with_lines(shop)
    Event.objects.all().delete()
    order._state.db = "other"
    first, second = (capture("purchase", order, using="default") for _ in range(2))
    assert first is not None
    assert (first.status, second) == ("captured", None)


def test_a_name_is_of_one_process() -> None:
    """A hook may put an instance into a cache with its values, and another process read it with other mappings."""
    script = "from dfinery_django.mapping.annotations import own_name; print(own_name('value'))"
    names = {subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(names) == 2


class AsksFirst(Func):
    """It asks the database while it is resolved, as a generic relation does for its content type; once in vain."""

    function = "UPPER"
    output_field = CharField()  # type: ignore[assignment]
    refusals = 1

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        if AsksFirst.refusals:
            AsksFirst.refusals -= 1
            raise OperationalError("server closed the connection")
        return super().resolve_expression(*args, **kwargs)


@pytest.mark.parametrize("use", ["value", "order", "condition"])
def test_a_passing_error_is_not_kept(configured: Any, shop: Any, use: str) -> None:
    """The event waits, and is built when the database answers: the expression was not to blame."""
    asks = AsksFirst(F("coupon"))
    rows = Rows("lines", order_by=asks) if use == "order" else Rows("lines", Exact(asks, "A"))
    changes = {"event_attributes": {**EVENT, "x": AsksFirst(F("number"))}} if use == "value" else {"items": rows}
    mapped(configured, **changes)
    order_with_lines(shop)
    AsksFirst.refusals = 1
    (event,) = build_all()
    assert (event.status, "server closed" in event.reason) == ("captured", True)
    assert AsksFirst.refusals == 0
    (event,) = build_all()
    assert (event.status, event.reason) == ("pending", "")


def generic_models() -> tuple[Any, Any]:
    """Labels for anything, and a parcel that has some."""
    content: dict[str, Any] = {"__module__": __name__}

    def meta() -> Any:
        return type("Meta", (), {"app_label": "shop"})

    label: Any = type("Label", (models.Model,), {
        **content, "Meta": meta(), "word": CharField(max_length=9),
        "kind": models.ForeignKey(ContentType, models.CASCADE),
        "number": models.BigIntegerField(), "target": GenericForeignKey("kind", "number"),
    })  # fmt: skip
    labels = GenericRelation(label, "number", "kind", related_query_name="parcel")
    return label, type("Parcel", (models.Model,), {**content, "Meta": meta(), "labels": labels})


@pytest.mark.parametrize(
    ("source", "expected"),
    [(Count("labels"), 3), (Max("labels__word"), "c"), (Q(labels__word="b"), True), (~Q(labels__word="z"), True)],
    ids=shown,
)
@isolate_apps("tests.shop", "django.contrib.contenttypes")
def test_a_generic_relation(source: Any, expected: Any) -> None:
    """Its rows are several: an aggregate or a Q over them is one value, a field of theirs is not."""
    label, parcel_model = generic_models()
    content_type = ContentType.objects.create(app_label="shop", model="parcel")
    with connection.schema_editor() as editor:
        editor.create_model(label)
        editor.create_model(parcel_model)
    try:
        parcel = parcel_model.objects.create()
        for word in "abc":
            label.objects.create(kind=content_type, number=parcel.pk, word=word)
        assert value_for({"model": parcel_model, "event_attributes": {"x": source}}, parcel) == [expected] * 2
        assert "several values" in str(prepare(Annotation(F("labels__word")), parcel_model).fault)
        assert prepare(Annotation(F("parcel__pk")), label).fault is None
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(parcel_model)
            editor.delete_model(label)
        content_type.delete()
        ContentType.objects.clear_cache()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_database_of_the_object(configured: Any) -> None:
    """An object of another database is computed there."""
    mapped(configured, user=None, user_attributes={"user_id": "pk"}, event_attributes={"x": Count("lines")}, items=None)
    order = Order.objects.using("other").create(number="1")
    Order.objects.create(pk=order.pk, number="1")
    Line.objects.using("other").create(order=order, unit_price=1)
    source = registry.get("purchase").event_expressions["x"]
    with CaptureQueriesContext(connections["default"]) as made:
        assert source.resolve(Order.objects.using("other").get()) == 1
    assert len(made) == 0


def test_a_lookup_in_a_queryset_is_not_read_to_be_shown() -> None:
    """A repr asks the database nothing, and is the same in each process."""
    with CaptureQueriesContext(connection) as made:
        sources = (Q(customer__in=User.objects.all()), Exists(LINES), LINES, F("total") - F("discount"))
        words = [repr(Annotation(each)) for each in sources]
    assert words == [
        *("Q(AND: ('customer__in', QuerySet(shop.User)))", "Exists(…)", "Subquery(…)"),
        "(F(total) - F(discount))",
    ]
    assert len(made) == 0


def test_values_are_taken_off_even_after_an_error(shop: Any) -> None:
    """An instance at hand never keeps a computed value."""
    order, annotation = order_with_lines(shop), Annotation(F("total"))
    with pytest.raises(FieldError), loaded([order], [annotation]):
        assert annotation.value_of(order) == 100
        raise FieldError
    assert annotation.name not in vars(order)
