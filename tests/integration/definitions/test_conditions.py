"""A ``when`` that is a ``Q``: judged as a dict is, in memory where that is certain, and as the database would."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat
from django.db.models.lookups import GreaterThan
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings, strategies as st

from dfinery_django import tasks
from dfinery_django.definitions import conditions, registry
from dfinery_django.definitions.in_memory import leaves
from dfinery_django.definitions.registry import from_dict
from dfinery_django.definitions.source import Source
from dfinery_django.delivery.worker import drain
from dfinery_django.diagnostics.explain import explain
from dfinery_django.models import Event
from dfinery_django.outbox import reconcile
from tests.integration.ways import keys
from tests.shop.models import Booking, Line, Order
from tests.support.doubles import PURCHASE, FarSide

pytestmark = pytest.mark.django_db(transaction=True)

order_paid = Signal()

MOMENT = dt.datetime(2026, 11, 1, 5, 30, tzinfo=dt.timezone.utc if django_settings.USE_TZ else None)
IN_SEOUL = MOMENT.astimezone(dt.timezone(dt.timedelta(hours=9))) if django_settings.USE_TZ else MOMENT
VALUES: dict[str, list[Any]] = {
    "word": ["paid", "Paid", "paid ", "", "é", "e", "결제", "대기", "ﾊ"],
    "number": [0, 1, -1, 32767],
    "is_gift": [True, False],
    "amount": [Decimal("1.00"), Decimal(1), Decimal("1.005"), Decimal("0.1")],
    "rate": [0.1, 1.0, -0.0, 0.0],
    "moment": [MOMENT, IN_SEOUL, MOMENT + dt.timedelta(microseconds=1)],
    "day": [dt.date(2026, 11, 1), dt.date(2026, 11, 2)],
}
COLUMNS = [*VALUES, *(f"maybe_{name}" for name in VALUES)]


def fields(**options: Any) -> dict[str, models.Field[Any, Any]]:
    return {
        "word": models.CharField(max_length=10, **options),
        "number": models.IntegerField(**options),
        "is_gift": models.BooleanField(**options),
        "amount": models.DecimalField(max_digits=8, decimal_places=2, **options),
        "rate": models.FloatField(**options),
        "moment": models.DateTimeField(**options),
        "day": models.DateField(**options),
    }


@pytest.fixture
def parcel(transactional_db: Any) -> Iterator[type[models.Model]]:
    """A model with a column of each kind, and a nullable one beside it."""
    with isolate_apps("tests.shop"):
        columns = {**fields(), **{f"maybe_{name}": field for name, field in fields(null=True).items()}}
        meta = type("Meta", (), {"app_label": "shop", "db_table": "conditions_parcel"})
        model: type[models.Model] = type("Parcel", (models.Model,), {"__module__": __name__, "Meta": meta, **columns})
        with connection.schema_editor() as editor:
            editor.create_model(model)
        yield model
        with connection.schema_editor() as editor:
            editor.delete_model(model)


def values_of(column: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(VALUES[column.removeprefix("maybe_")])


@st.composite
def lookups(draw: st.DrawFn) -> tuple[str, Any]:
    column = draw(st.sampled_from(COLUMNS))
    kind = draw(st.sampled_from(["", "__exact", "__in", "__isnull", "None"]))
    if kind == "__isnull":
        return f"{column}__isnull", draw(st.booleans())
    if kind == "None":
        return column, None
    if kind == "__in":
        return f"{column}__in", draw(st.lists(st.one_of(st.none(), values_of(column)), max_size=3))
    return column + kind, draw(values_of(column))


def trees() -> st.SearchStrategy[Q]:
    leaf = st.builds(lambda each, negated: Q(each, _negated=negated), lookups(), st.booleans())

    def joined(inner: st.SearchStrategy[Q]) -> st.SearchStrategy[Q]:
        connectors = st.sampled_from([Q.AND, Q.OR, Q.XOR])
        return st.builds(
            lambda parts, connector, negated: Q(*parts, _connector=connector, _negated=negated),
            *(st.lists(inner, max_size=3), connectors, st.booleans()),
        )

    return st.recursive(leaf, joined, max_leaves=6)


ROW = {name: values[0] for name, values in VALUES.items()}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    found = {name: draw(values_of(name)) for name in VALUES}
    return {**found, **{f"maybe_{name}": draw(st.one_of(st.none(), values_of(name))) for name in VALUES}}


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(query=trees(), row=rows())
@example(query=~Q(maybe_word="paid"), row=ROW)
@example(query=~~Q(maybe_word="paid"), row=ROW)
@example(query=~(Q(maybe_word="paid") ^ ~Q(maybe_number=1)), row=ROW)
@example(query=Q(maybe_number__in=[]) ^ Q(number=1), row={**ROW, "number": 1})
@example(query=~Q(maybe_number__in=[None]), row=ROW)
@example(query=~Q(maybe_number__in=[None, 1]), row=ROW)
@example(query=Q(number=10**30) ^ Q(word="paid"), row=ROW)
@example(query=~Q(Q(), _connector=Q.OR), row=ROW)
@example(query=Q(Q(), Q(word="x"), _connector=Q.OR), row=ROW)
def test_memory_and_database_agree(parcel: type[models.Model], query: Q, row: dict[str, Any]) -> None:
    """Where the instance is enough, its answer is that of filter(), NULLs and negations included."""
    definition = from_dict("parcel", {"model": parcel, "when": query})
    instance = parcel(**row)
    instance.save()
    found = parcel._base_manager.filter(pk=instance.pk).filter(query).exists()
    answer = conditions._matches_in_memory(Source(definition, instance, "default"), None)
    assert answer in (None, found)
    assert conditions.holds_after(Source(definition, instance, "default"), None) is found


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(query=trees(), row=rows())
def test_plain_columns_need_no_query(parcel: type[models.Model], query: Q, row: dict[str, Any]) -> None:
    """However deep the tree is: without XOR, and with values that every database compares alike."""
    plain = ["paid", "결제", "대기", 0, 1, True, Decimal("1.00"), Decimal("0.1"), 0.1, MOMENT, *VALUES["day"], None]
    wanted = [value for _, value in leaves(query)]
    used = [each for value in wanted for each in (value if isinstance(value, list) else [value])]
    lists_none = any(isinstance(value, list) and None in value for value in wanted)
    if "XOR" in str(query) or lists_none or any(each not in plain for each in (*used, *row.values())):
        return
    definition = from_dict("parcel", {"model": parcel, "when": query})
    assert conditions._matches_in_memory(Source(definition, parcel(**row), "default"), None) is not None


SHIPPABLE = [
    Q(status="paid"),
    Q(status="paid", total__gt=0) | Q(status="cancelled", note="x"),
    ~Q(status="pending"),
    ~(Q(status="pending") | Q(customer=None)),
    ~Q(status__in=["pending", "cancelled"]) & Q(customer__isnull=False),
    Q(status="paid") ^ Q(note="paid"),
    Q(status="paid") & ~Q(customer__grade="gold"),
    Q(status="paid") & ~Q(lines__quantity=7),
    Q(status="paid") & Q(Exists(Line.objects.filter(order=OuterRef("pk")))),
    Q(status="paid") & Q(total__gt=F("discount")),
    Q(Q(status="paid"), Q()),
]


@pytest.mark.sql("fast", "plain")
@pytest.mark.parametrize("when", SHIPPABLE, ids=range(len(SHIPPABLE)))
@pytest.mark.parametrize("way", ["save", "update_fields", "deferred", "expression", "never_read"])
def test_it_fires_when_it_becomes_true(configured: Any, shop: Any, when: Q, way: str) -> None:
    """Once with the save that makes it true, not with those before and after."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": when, "once_per": None}})
    order = shop.place(status="pending", customer=shop.customer(), lines=2, note="no")
    order.save()
    assert keys() == []
    if way == "save":
        order.status = "paid"
        order.save()
    elif way == "update_fields":
        order.status = "paid"
        order.save(update_fields=["status"])
    elif way == "deferred":
        other = Order.objects.only("status").get(pk=order.pk)
        other.status = "paid"
        other.save()
    elif way == "expression":
        order.status = Concat(Value("pa"), Value("id"))
        order.save()
    else:
        values = {field.attname: getattr(order, field.attname) for field in Order._meta.concrete_fields}
        Order(**{**values, "status": "paid"}).save()
    assert keys() == [str(order.pk)]
    again = Order.objects.get(pk=order.pk)
    again.payment_method = "card"
    again.save()
    again.save(update_fields=["payment_method"])
    assert keys() == [str(order.pk)]


def test_a_save_of_other_columns_does_not_fire(configured: Any, shop: Any) -> None:
    """What update() made true stays for reconcile, as with a dict."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": Q(status="paid") | Q(note="paid")}})
    order = shop.place(status="pending", customer=shop.customer())
    Order.objects.filter(pk=order.pk).update(status="paid")
    order.payment_method = "card"
    order.save(update_fields=["payment_method"])
    assert keys() == []


@pytest.mark.parametrize(
    "when",
    [{"note__in": [F("number"), "x"]}, Q(note__in=(F("number"),)), ~Q(note__in=[F("guest_email"), "x"])],
    ids=str,
)
def test_a_list_with_an_expression_is_asked_of_the_database(configured: Any, shop: Any, when: Any) -> None:
    """The text of the expression is no value of the column."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": when}})
    order = shop.place(status="pending", number="7", note="", customer=shop.customer())
    assert keys() == []
    order.note = "7"
    order.save(update_fields=["note"])
    assert keys() == [str(order.pk)]


@pytest.mark.parametrize(("when", "fires"), [({"status": "paid"}, True), (~Q(status="paid"), False)], ids=str)
def test_texts_are_compared_as_the_database_does(configured: Any, shop: Any, when: Any, fires: bool) -> None:
    """MariaDB's usual collations ignore case, and reconcile's query with them."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": when}})
    order = shop.place(status="Paid")
    is_equal = connection.vendor == "mysql"
    assert (keys() == [str(order.pk)]) is (fires is is_equal)


def test_a_generated_column(configured: Any) -> None:
    """Only the database knows its value."""
    configured(EVENTS={"sale": {"model": "shop.Booking", "when": ~Q(net__lte=0) & Q(grade=0), "user": "customer"}})
    booking = Booking(amount=5, rebate=5)
    booking.save()
    assert keys("sale") == []
    booking.rebate = Decimal(1)
    booking.save(update_fields=["rebate"])
    assert keys("sale") == [str(booking.pk)]


@pytest.mark.parametrize(
    ("plain", "query"),
    [
        ({"status": "paid"}, Q(status="paid")),
        ({"status": "paid"}, Q(status="paid") | Q(note="gift")),
        ({"status": "paid"}, ~Q(status="pending") & ~Q(paid_at__isnull=False)),
        ({"status": "paid"}, Q(status="paid") ^ Q(note="gift")),
        ({}, Q()),
    ],
    ids=str,
)
@pytest.mark.parametrize("change", [{"status": "paid"}, {"total": 5}], ids=str)
def test_a_save_costs_what_it_costs_with_a_dict(
    configured: Any, shop: Any, plain: dict[str, Any], query: Q, change: dict[str, Any]
) -> None:
    """A Q of plain own columns is compared in memory, however it is nested."""
    counts, customer = [], shop.customer()
    for when in (plain, plain, query):  # the first also wakes the worker
        configured(EVENTS={"purchase": {**PURCHASE, "when": when}})
        order = Order.objects.get(pk=shop.place(status="pending", customer=customer).pk)
        vars(order).update(change)
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            order.save()
        counts.append(len(queries))
    assert counts[1] == counts[2]


@pytest.mark.parametrize("when", [{}, Q(), ~Q(), Q(Q(), _connector=Q.OR)], ids=str)
def test_an_empty_condition_is_always_true(configured: Any, shop: Any, when: Any) -> None:
    """So it becomes true with the insertion, as an empty dict does."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": when}})
    order = shop.place(status="pending", customer=shop.customer())
    Order.objects.get(pk=order.pk).save()
    assert keys() == [str(order.pk)]


def test_a_signal_and_a_query(configured: Any, shop: Any, far_side: FarSide) -> None:
    """Both must hold, also for the stored row when the event is built."""
    when = Q(status="paid") & ~Q(note="test")
    signal = ("tests.integration.definitions.test_conditions.order_paid", "order")
    configured(EVENTS={"purchase": {**PURCHASE, "when": when, "signal": signal}})
    order = shop.place(status="pending", customer=shop.customer(), lines=1)
    order_paid.send(Order, order=order)
    assert keys() == []
    order.status = "paid"
    with transaction.atomic():
        order_paid.send(Order, order=order)  # not saved yet
    drain("default", send=far_side)
    assert Event.objects.get().reason_code == "untrue"
    order.save()
    Event.objects.update(due_at=timezone.now())
    drain("default", send=far_side)
    assert Event.objects.get().status == "delivered"


def steps_of(when: Q, order: Order) -> list[tuple[bool | None, str]]:
    definition = from_dict("purchase", {**PURCHASE, "when": when})
    found = explain(definition, order, using="default")
    return [(step.holds, step.words) for step in found.steps if step.name == "when"]


def test_an_explanation_names_the_parts(shop: Any) -> None:
    """A line for each part that must hold, with the values that were found."""
    order = shop.place(status="pending", customer=shop.customer(), lines=1, note="gift")
    assert steps_of(Q(status="paid") & (Q(note="gift") | Q(total__gt=10**9)), order) == [
        (False, "status is 'pending', wanted 'paid'."),
        (True, "note='gift' OR total__gt=1000000000 is true: note is 'gift', total is Decimal('4000000.00')."),
    ]
    assert steps_of(~Q(status="pending"), order) == [(False, "NOT (status='pending') is false: status is 'pending'.")]
    (found,) = steps_of(Q(Exists(Line.objects.filter(order=OuterRef("pk"), quantity=9))), order)
    assert found[0] is False
    assert found[1].endswith("is false.")
    assert steps_of(~Q(statuss="paid"), order)[0][1].startswith("NOT (statuss='paid') can't be evaluated: ")


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        (Q(status="paid") & Q(lines__quantity__gte=1), [0, 1, 2]),
        (Q(status="paid") & ~Q(lines__quantity=7), [0, 1]),
        (Q(lines__quantity=7) | Q(lines__product__sku="none"), [2]),
        (Q(Exists(Line.objects.filter(order=OuterRef("pk"), quantity=7))), [2]),
        (Q(GreaterThan(F("lines__quantity"), 6)) & ~Q(status="pending"), [2]),
    ],
    ids=["lines", "not lines", "or", "exists", "comparison"],
)
def test_reconcile_asks_the_same(configured: Any, shop: Any, when: Q, wanted: list[int]) -> None:
    """Each row once, though several lines match, and a negation over lines as Django has it."""
    hour_ago = timezone.now() - dt.timedelta(hours=1)
    orders = [shop.place(status="pending", lines=3, paid_at=hour_ago) for _ in range(3)]
    orders[2].lines.filter(pk=orders[2].lines.first().pk).update(quantity=7)
    Order.objects.update(status="paid")
    configured(EVENTS={"purchase": {**PURCHASE, "when": when, "event_datetime": "paid_at"}})
    found = [orders[index].pk for index in wanted]
    assert [pk for _, pk in reconcile.candidate_keys(registry.get("purchase"))] == found
    assert tasks.reconcile() == {"purchase": len(found)}
    assert keys() == [str(pk) for pk in found]
