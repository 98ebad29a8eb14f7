"""What needed Python in three foreign shops is a dict: JSON instead of columns, cancelled lines, two signs of a state.

The models are shaped like those of django-salesman (``extra_rows``, ``product_data``, products of any model), pretix
(cancelled positions, a fee, two ways to cancel) and saleor (UUIDs as keys). No definition here has a callable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.db import connection, transaction
from django.db.models import Case, CharField, Count, DecimalField, F, Func, Max, Q, Sum, Value as DBValue, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce as DBCoalesce, Concat, Upper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import Coalesce, Hashed, Joined, Rows, Value
from dfinery_django.building.build import build_due
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event
from dfinery_django.outbox import reconcile
from dfinery_django.testing import FakeDfinery
from tests.integration.ways import built, keys
from tests.shop.models import Category, Course, Position, Product, Sale, User, Voucher

pytestmark = pytest.mark.django_db(transaction=True)

MONEY = DecimalField(max_digits=14, decimal_places=2)
#: As docs/map/values.md has it.
SUM_OF_ROWS = {
    "sqlite": "(SELECT SUM(json_extract(value, '$.amount')) FROM json_each(%(expressions)s))",
    "postgresql": "(SELECT SUM((e->>'amount')::numeric) FROM jsonb_array_elements(%(expressions)s) AS e)",
    "mysql": "(SELECT SUM(e.amount) FROM JSON_TABLE(%(expressions)s, '$[*]' "
    "COLUMNS (amount DECIMAL(14, 2) PATH '$.amount')) AS e)",
}[connection.vendor]

PURCHASE: dict[str, Any] = {
    "model": "shop.Sale",
    "when": {"state": "p"},
    "event_datetime": "placed_at",
    "event_attributes": {"order_id": "number", "order_sales": "total"},
    "user": "buyer",
}
ITEMS: dict[str, Any] = {
    "items": "positions",
    "item_attributes": {"product_id": "code", "product_name": "name", "quantity": "quantity", "price": "price"},
}


def placed(buyer: Any = None, *, number: str = "S-1", **fields: Any) -> Sale:
    """A sale of three positions, the second of them cancelled; written as salesman does, first the sale."""
    content = {"placed_at": timezone.now() - dt.timedelta(minutes=5), "total": Decimal(100), "fee": Decimal("7.50")}
    with transaction.atomic():
        sale = Sale.objects.create(number=number, buyer=buyer, **{**content, **fields})
        air = Product.objects.create(sku="A1", name="Macbook Air 13", category=Category.objects.create(name="Laptops"))
        course = Course.objects.create(title="Django", category=Category.objects.create(name="Courses"))
        for place, (product, price, is_cancelled) in enumerate(
            [(air, 30, False), (air, 99, True), (course, 70, False)]
        ):
            data = {"code": f"c{place}", "name": f"Bought {place}"}
            Position.objects.create(
                sale=sale, place=place, product=product, product_data=data, price=price, deposit="0.50",
                is_cancelled=is_cancelled,
            )  # fmt: skip
    return sale


def pay_by_save(sale: Sale) -> None:
    sale.state = "p"
    sale.save()


def pay_unseen(sale: Sale) -> None:
    """Without a signal: reconcile finds it."""
    Sale.objects.filter(pk=sale.pk).update(state="p")
    assert not Event.objects.exists()
    assert reconcile.sweep_all()["purchase"] == 1


#: The ways in which an event comes about.
WAYS = pytest.mark.parametrize("pay", [pay_by_save, pay_unseen], ids=["save", "reconcile"])
Pay = Callable[[Sale], None]


def in_force(configured: Any, **definitions: Any) -> None:
    """The checks have nothing to say, not even for information, and nothing is a callable."""
    configured(EVENTS=definitions)
    found = [each for each in run_checks(tags=["dfinery"]) if each.id != "dfinery.I002"]  # of sites without USE_TZ
    assert [str(each) for each in found] == []
    assert not any(map(_has_callable, definitions.values()))


def _has_callable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_callable, value.values()))
    return callable(value) and not hasattr(value, "resolve_expression")


def arrived() -> list[Any]:
    """Drain; what DFINERY has got, without the envelope of each event."""
    Event.objects.update(due_at=timezone.now())
    with FakeDfinery() as fake:
        drain()
    assert set(Event.objects.values_list("status", "reason")) <= {("delivered", "")}
    return [
        {
            **{name: value for name, value in each["event_attributes"].items() if not name.startswith("event_")},
            "user": each["user_attributes"],
        }
        for each in fake.events
    ]


# ── discounts in JSON rows ─────────────────────────────────────────────────────────────────────────────────────────

ROWS = [{"label": "Spring", "amount": -5.5, "extra": {"code": "SPRING"}}, {"label": "Loyal", "amount": -2}]


@WAYS
def test_the_first_of_the_json_rows(configured: Any, shop: Any, pay: Pay) -> None:
    """By its place: as a path as it is, as an expression with its sign changed; the label is a text."""
    attributes = {
        "order_id": "number",
        "rebate": "extra_rows.0.amount",
        "last_row": "extra_rows.-1.label",
        "code": "extra_rows.0.extra.code",
        "discount": Cast(KT("extra_rows__0__amount"), MONEY) * -1,
        "label": Upper(KT("extra_rows__0__label")),
    }
    in_force(configured, purchase={**PURCHASE, "event_attributes": attributes})
    customer = shop.customer()
    pay(placed(customer, extra_rows=ROWS))
    assert arrived() == [
        {
            "order_id": "S-1",
            "rebate": -5.5,
            "last_row": "Loyal",
            "code": "SPRING",
            "discount": 5.5,
            "label": "SPRING",
            "user": {"user_id": str(customer.pk)},
        }
    ]


@WAYS
@pytest.mark.parametrize(("rows", "discount"), [(ROWS, 7.5), (ROWS[:1], 5.5), ([], 0.0)], ids=["two", "one", "none"])
def test_a_known_number_of_json_rows(configured: Any, shop: Any, pay: Pay, rows: Any, discount: float) -> None:
    """Django's own words add up places: what a list does not have counts as nothing."""
    places = [DBCoalesce(Cast(KT(f"extra_rows__{place}__amount"), MONEY), DBValue(Decimal(0))) for place in range(3)]
    total = (places[0] + places[1] + places[2]) * -1
    in_force(configured, purchase={**PURCHASE, "event_attributes": {"order_id": "number", "discount": total}})
    customer = shop.customer()
    pay(placed(customer, extra_rows=rows))
    assert arrived() == [{"order_id": "S-1", "discount": discount, "user": {"user_id": str(customer.pk)}}]


@WAYS
@pytest.mark.parametrize(
    ("rows", "discount"),
    [(ROWS * 3, 22.5), ([{"amount": "-5.50"}, {"amount": "-2"}, {"label": "Gift"}], 7.5), ([], 0.0)],
    ids=["six", "texts", "none"],
)
def test_the_sum_of_all_json_rows(configured: Any, shop: Any, pay: Pay, rows: Any, discount: float) -> None:
    """Django has no aggregate over a list: one line of the database's SQL in a ``Func``, as the docs have it."""
    page = Path(__file__).parents[3] / "docs" / "map" / "values.md"
    assert SUM_OF_ROWS in page.read_text(encoding="utf-8")
    total = DBCoalesce(Func(F("extra_rows"), template=SUM_OF_ROWS, output_field=MONEY) * -1, DBValue(Decimal(0)))
    in_force(configured, purchase={**PURCHASE, "event_attributes": {"order_id": "number", "discount": total}})
    customer = shop.customer()
    pay(placed(customer, extra_rows=rows))
    assert arrived() == [{"order_id": "S-1", "discount": discount, "user": {"user_id": str(customer.pk)}}]


# ── differences, chosen lines ──────────────────────────────────────────────────────────────────────────────────────


@WAYS
def test_differences_and_chosen_lines(configured: Any, shop: Any, pay: Pay) -> None:
    """Total minus fee, price minus deposit; cancelled positions are left out, the dearest comes first."""
    definition = {
        **PURCHASE,
        "event_attributes": {
            "order_id": "number",
            "order_sales": F("total") - F("fee"),
            "quantity_live": Count("positions", filter=Q(positions__is_cancelled=False)),
            "names": Joined(Rows("positions", Q(is_cancelled=False), order_by="-place"), "name"),
        },
        "items": Rows("positions", is_cancelled=False, order_by=("-price", "place")),
        "item_attributes": {
            "product_id": "code",
            "product_name": "name",
            "quantity": "quantity",
            "price": F("price") - F("deposit"),
        },
    }
    in_force(configured, purchase=definition)
    customer = shop.customer()
    pay(placed(customer))
    assert arrived() == [
        {
            "order_id": "S-1",
            "order_sales": 92.5,
            "quantity_live": 2,
            "names": "Bought 2,Bought 0",
            "items": [
                {"product_id": "c2", "product_name": "Bought 2", "quantity": 1, "price": 69.5},
                {"product_id": "c0", "product_name": "Bought 0", "quantity": 1, "price": 29.5},
            ],
            "user": {"user_id": str(customer.pk)},
        }
    ]


# ── two signs of a cancellation ────────────────────────────────────────────────────────────────────────────────────

CANCEL: dict[str, Any] = {
    "model": "shop.Sale",
    "event_name": "cancel_order",
    "when": Q(state="c") | Q(cancelled_at__isnull=False),
    "reconcile_by": "placed_at",
    "event_attributes": {"order_id": "number"},
    "user": "buyer",
}
SIGNS: dict[str, dict[str, Any]] = {
    "state": {"state": "c"},
    "moment": {"cancelled_at": dt.datetime(2026, 5, 4, 3, tzinfo=dt.timezone.utc)},
}


def write(sale: Sale, way: str, fields: dict[str, Any]) -> None:
    if way == "update":
        Sale.objects.filter(pk=sale.pk).update(**fields)
        reconcile.sweep_all()
        return
    fresh = Sale.objects.get(pk=sale.pk)
    for name, value in fields.items():
        setattr(fresh, name, value)
    fresh.save(update_fields=fields if way == "update_fields" else None)


@pytest.mark.parametrize("way", ["save", "update_fields", "update"])
@pytest.mark.parametrize("first", SIGNS)
def test_either_of_two_signs(configured: Any, shop: Any, settings: Any, first: str, way: str) -> None:
    """The first fires, the second does not, nor do later saves, nor reconcile."""
    moment = SIGNS["moment"]["cancelled_at"]
    signs = {**SIGNS, "moment": {"cancelled_at": moment if settings.USE_TZ else timezone.make_naive(moment)}}
    in_force(configured, cancelled=CANCEL)
    customer = shop.customer()
    sale = placed(customer, state="p")
    assert keys("cancelled") == []
    write(sale, way, signs[first])
    assert keys("cancelled") == [str(sale.pk)]
    for name in signs:
        write(sale, way, signs[name])
    Sale.objects.get(pk=sale.pk).save()
    assert reconcile.sweep_all() == {"cancelled": 0}
    assert arrived() == [{"order_id": "S-1", "user": {"user_id": str(customer.pk)}}]
    assert keys("cancelled") == [str(sale.pk)]


def test_both_signs_at_once(configured: Any, shop: Any) -> None:
    """One event; an order that is cancelled from the start fires as well."""
    in_force(configured, cancelled=CANCEL)
    both = {"state": "c", "cancelled_at": timezone.now()}
    sale = placed(shop.customer())
    write(sale, "save", both)
    born = placed(shop.customer("kim"), number="S-2", **both)
    assert keys("cancelled") == [str(sale.pk), str(born.pk)]


# ── products of any model ──────────────────────────────────────────────────────────────────────────────────────────

OF_ANY_MODEL = {
    **PURCHASE,
    "items": Rows("positions", order_by="place"),
    "item_attributes": {
        "product_id": "product.pk",
        "product_name": "product.name",
        "category1": "product.category.name",
        "price": "price",
    },
}


@WAYS
def test_names_over_a_generic_relation(configured: Any, shop: Any, pay: Pay) -> None:
    """Two models of products in one order, a column here and a property there; a product that is gone."""
    in_force(configured, purchase=OF_ANY_MODEL)
    customer = shop.customer()
    sale = placed(customer)
    Position.objects.create(sale=sale, place=3, price=1)
    pay(sale)
    (payload,) = arrived()
    product, course = Product.objects.get(), Course.objects.get()
    laptop = {"product_id": str(product.pk), "product_name": "Macbook Air 13", "category1": "Laptops"}
    assert payload == {
        "order_id": "S-1",
        "order_sales": 100.0,
        "items": [
            {**laptop, "price": 30.0},
            {**laptop, "price": 99.0},
            {"product_id": str(course.pk), "product_name": "Course: Django", "category1": "Courses", "price": 70.0},
            {"price": 1.0},
        ],
        "user": {"user_id": str(customer.pk)},
    }


# ── users ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@WAYS
def test_expressions_in_user_attributes(configured: Any, shop: Any, pay: Pay) -> None:
    """Of the user, over all of their orders."""
    users = {
        "user_id": "pk",
        "order_count": Count("sale", filter=Q(sale__state="p")),
        "turnover": Sum("sale__total") - Sum("sale__fee"),
        "kind": Case(When(grade="gold", then=DBValue("VIP")), default=DBValue("guest"), output_field=CharField()),
    }
    in_force(configured, purchase={**PURCHASE, "user_attributes": users})
    customer = shop.customer(grade="gold")
    placed(customer, number="S-0")
    pay(placed(customer))
    (payload,) = arrived()
    wanted = {"user_id": str(customer.pk), "order_count": 1, "turnover": 185.0, "kind": "VIP"}
    assert payload == {"order_id": "S-1", "order_sales": 100.0, "user": wanted}


@WAYS
def test_buyers_without_an_account(configured: Any, pay: Pay) -> None:
    """A hash of the e-mail stands for them, from the row itself."""
    users = {"user_id": Coalesce("buyer.pk", Hashed("email")), "last": Concat("number", DBValue("!"))}
    in_force(configured, purchase={**PURCHASE, "user": None, "user_attributes": users})
    pay(placed(email="Hong@Example.com"))
    (payload,) = arrived()
    wanted = "4712e731a5638c5ba9c7f6234af7ae4ddc8c2dd05b50f24135869399fb48df53"
    assert payload["user"] == {"user_id": wanted, "last": "S-1!"}


# ── queries ────────────────────────────────────────────────────────────────────────────────────────────────────────


def queries_of(number: int) -> int:
    """Build so many orders, of as many products; before them one, which stores the fields that are new."""
    for model in (Event, Position, Sale):
        model._base_manager.all().delete()
    start, now = User.objects.count(), timezone.now() - dt.timedelta(minutes=5)
    for place in range(number + 1):
        category = Category.objects.create(name=f"Category {place}")
        product: Any = Product.objects.create(sku=f"A{place}", name=f"Air {place}", category=category)
        course = Course.objects.create(title=f"Course {place}", category=category)
        buyer = User.objects.create(username=f"c{start + place}")
        sale = Sale.objects.create(number=f"S-{place}", state="p", placed_at=now, buyer=buyer, extra_rows=ROWS)
        Position.objects.bulk_create(
            Position(sale=sale, place=place, product=each, price=5, product_data={"name": "x"})
            for place, each in enumerate((product, course))
        )
    Event.objects.update(due_at=timezone.now())
    build_due(Event.objects.all(), limit=1)
    with CaptureQueriesContext(connection) as made:
        assert build_due(Event.objects.all()) == number
    assert set(Event.objects.values_list("status", "reason")) == {("pending", "")}
    return len(made)


#: Where the values stand -> three plain values, and three expressions for the same fields, of the same types.
THREE: dict[str, list[dict[str, Any]]] = {
    "event_attributes": [
        {"order_sales": "total", "discount": "fee", "dearest": "fee"},
        {
            "order_sales": F("total") - F("fee"),
            "discount": Cast(KT("extra_rows__0__amount"), MONEY) * -1,
            "dearest": Max("positions__price"),
        },
    ],
    "item_attributes": [
        {"price": "price", "net": "deposit", "bought_as": "product_data.name"},
        {"price": F("price") - F("deposit"), "net": F("price") * F("quantity"), "bought_as": KT("product_data__name")},
    ],
    "user_attributes": [
        {"order_count": Value(2), "turnover": Value(2.5), "kind": "grade"},
        {"order_count": Count("sale"), "turnover": Sum("sale__total"), "kind": Upper("grade")},
    ],
}
MAPPED: dict[str, Any] = {**OF_ANY_MODEL, "user_attributes": {"user_id": "pk"}}


def with_values(kind: int, *, only: int | None = None, places: Any = THREE) -> dict[str, Any]:
    """The definition with the plain paths (0) or the expressions (1): three in these places, or only one of each."""
    values = {place: dict([*THREE[place][kind].items()][:only]) for place in places}
    return {**MAPPED, **{place: {**MAPPED[place], **added} for place, added in values.items()}}


@pytest.mark.parametrize(
    "chosen",
    [*({"places": [place]} for place in THREE), {"only": 1}],
    ids=[*THREE, "one in each"],
)
def test_200_orders_with_three_expressions(configured: Any, chosen: Any) -> None:
    """They cost one query more at most, also where lines are chosen and products are of two models."""
    in_force(configured, purchase=with_values(0, **chosen))
    queries_of(1)  # from here on the fields are known
    without = queries_of(199)
    in_force(configured, purchase=with_values(1, **chosen))
    assert queries_of(199) <= without + 1


def test_goods_of_any_model_cost_the_same_for_many_orders(configured: Any) -> None:
    """What lies behind a generic relation is fetched for all of a model's rows at once."""
    in_force(configured, purchase=MAPPED)
    assert queries_of(50) == queries_of(2)


def test_users_of_any_model_cost_the_same_for_many_orders(configured: Any, shop: Any) -> None:
    """Expressions of whoever is behind a generic relation, too."""
    users = {"user_id": "pk", "order_count": Count("sale"), "kind": Upper("grade")}
    configured(EVENTS={"used": {"model": "shop.Voucher", "when": "created", "user": "owner", "user_attributes": users}})
    counts = []
    for number in (1, 2, 20):  # at first the fields are new
        for place in range(number + 1):
            Voucher.objects.create(code=f"{number}-{place}", owner=shop.customer(f"c{number}-{place}", grade="gold"))
        Event.objects.update(due_at=timezone.now())
        build_due(Event.objects.all(), limit=1)
        with CaptureQueriesContext(connection) as made:
            assert build_due(Event.objects.all()) == number
        counts.append(len(made))
    assert counts[1] == counts[2]
    users = [each["user"] for each in arrived()]
    assert {each["user_id"] for each in users} == {str(each.pk) for each in User.objects.all()}
    assert {(each["order_count"], each["kind"]) for each in users} == {(0, "GOLD")}


def test_a_generic_relation_that_leads_nowhere(configured: Any, shop: Any) -> None:
    """Its model was removed from the site: that event fails alone, however far behind it the path goes."""
    attributes = {"name": "owner.name", "category": "owner.category.name"}
    users = {"user_id": "code"}
    definition = {"model": "shop.Voucher", "when": "created", "event_attributes": attributes, "user_attributes": users}
    configured(EVENTS={"used": definition})
    removed = ContentType.objects.create(app_label="removed", model="thing")
    Voucher.objects.create(code="1", owner=shop.product())
    Voucher.objects.create(code="2", owner_type=removed, owner_id="5")
    Voucher.objects.create(code="3", owner=shop.product())
    first, failed, third = built()
    removed.delete()
    assert "'owner.name'" in failed
    for each in (first, third):
        assert each["event_attributes"]["category"] == "Macbook Air"
