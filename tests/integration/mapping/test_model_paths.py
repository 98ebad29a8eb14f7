"""What a dotted path meets on the models of the test shop."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import ProgrammingError, connection, models
from django.db.models import Q
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor
from django.db.models.functions import Upper
from django.test.utils import CaptureQueriesContext, isolate_apps

from dfinery_django import Rows
from dfinery_django.definitions.registry import from_dict
from dfinery_django.definitions.source import fetch_sources
from dfinery_django.mapping.expressions import Path
from dfinery_django.mapping.fetching import _log_not_fetched, get_rows, queryset_with_related
from dfinery_django.mapping.model_paths import (
    trace,
    wire_type,
)
from dfinery_django.outbox.reconcile import candidate_keys, recency_lookup
from dfinery_django.schema.types import WireType
from tests.shop.models import Category, Line, Order, Product, User, Voucher
from tests.support.doubles import Shop

S, L, D, B = WireType.STRING, WireType.LONG, WireType.DOUBLE, WireType.BOOLEAN


@pytest.mark.parametrize(
    ("model", "path", "hops", "field"),
    [
        (Order, "number", [], "shop.Order.number"),
        (Order, "pk", [], "shop.Order.id"),
        (Order, "customer_id", [], "shop.User.id"),
        (Order, "customer.pk", ["customer"], "shop.User.id"),
        (Order, "customer.username", ["customer"], "shop.User.username"),
        (Line, "product.category.name", ["product", "category"], "shop.Category.name"),
        (Order, "lines.first.product.sku", ["lines", "product"], "shop.Product.sku"),
        (User, "order_set.last.number", ["order_set"], "shop.Order.number"),
        (Order, "lines.all.product.sku", ["lines", "product"], "shop.Product.sku"),
        (Order, "lines.all.0.product.sku", ["lines", "product"], "shop.Product.sku"),
        (Order, "lines.all.-1.unit_price", ["lines"], "shop.Line.unit_price"),
        (Category, "product_set.first.line_set.first.quantity", ["product_set", "line_set"], "shop.Line.quantity"),
        # what _meta can't know ends the way without a field and without a fault
        (Order, "get_payment_method_display", [], None),
        (Order, "customer.get_full_name", ["customer"], None),
        (Order, "broken", [], None),
        (Order, "broken.deeper", [], None),
        (Order, "number.upper", [], None),
        (Line, "product.specification.ram", ["product"], None),
        (Line, "product.specification.rows.0.ram", ["product"], None),
        (Voucher, "owner.username", ["owner"], None),
        (Voucher, "owner.order_set.first.number", ["owner"], None),
        (Order, "lines.in_bulk", ["lines"], None),
    ],
)
def test_a_path_is_followed_over_relations(
    model: type[models.Model], path: str, hops: list[str], field: str | None
) -> None:
    """The relations on the way and the field at the end are found, without reading a row."""
    found = trace(model, path)
    assert [hop.name for hop in found.hops] == hops
    assert (str(found.field) if found.field else None) == field
    assert found.missing is None
    assert not found.ends_in_relation


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (Order, "customer"),
        (Order, "lines"),
        (Order, "lines.first"),
        (Order, "lines.all.0"),
        (Line, "product.category"),
        (Voucher, "owner"),
    ],
)
def test_a_path_may_end_in_a_relation(model: type[models.Model], path: str) -> None:
    """A path that stops at an object or a manager is told from one that ends in a value."""
    found = trace(model, path)
    assert found.ends_in_relation
    assert found.field is None


@pytest.mark.parametrize(
    ("model", "path", "missing"),
    [
        (Order, "totl", (Order, "totl")),
        (Order, "customer.nam", (User, "nam")),
        (Order, "customer.nam.upper", (User, "nam")),
        (Line, "product.categry.name", (Product, "categry")),
        (Order, "lines.first.produkt.sku", (Line, "produkt")),
        (User, "orders", (User, "orders")),
        (Order, "lines.0.quantity", (Line, "0")),
        (Order, "customer.0", (User, "0")),
    ],
)
def test_a_name_that_does_not_exist_is_found(
    model: type[models.Model], path: str, missing: tuple[type[models.Model], str]
) -> None:
    """A misspelt name is named together with the model that lacks it."""
    assert trace(model, path).missing == missing


def test_items_are_followed_through_the_relation() -> None:
    """Behind the path of the items, attributes are looked up on each of the rows."""
    found = trace(Order, "lines.product.sku", through_many=True)
    assert [hop.name for hop in found.hops] == ["lines", "product"]
    assert str(found.field) == "shop.Product.sku"
    assert trace(Order, "lines.produkt", through_many=True).missing == (Line, "produkt")


@pytest.mark.parametrize(
    ("model", "path", "expected"),
    [
        (Order, "number", S),
        (Order, "total", D),
        (Order, "uses_applepay", B),
        (Order, "paid_at", S),
        (Order, "pk", L),
        (Order, "customer_id", S),
        (Order, "customer.pk", S),
        (Order, "guest_email", S),
        (Line, "quantity", L),
        (Line, "order_id", L),
        (Line, "order.discount", D),
        (Order, "lines.first.unit_price", D),
        # these have no type of their own
        (Line, "product.specification", None),
        (Line, "product.specification.ram", None),
        (Order, "broken", None),
        (Order, "get_status_display", None),
        (Order, "customer", None),
        (Order, "lines", None),
        (Order, "totl", None),
    ],
)
def test_a_field_gives_its_type(model: type[models.Model], path: str, expected: WireType | None) -> None:
    """A path that ends in a model field has that field's type; JSON, properties and methods have none."""
    assert wire_type(model, path) is expected


def test_item_paths_have_types_too() -> None:
    """The type of an item's attribute is found behind the relation of the items."""
    assert wire_type(Order, "lines.unit_price", through_many=True) is D


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "paths", "queries"),
    [
        (Order, ["number", "get_status_display"], 1),
        (Order, ["customer.username", "customer.get_full_name"], 1),
        (Line, ["product.category.name", "order.number", "product.sku"], 1),
        (Order, ["customer.username", "lines.product.category.name", "lines.quantity"], 2),
        (Order, ["lines.first.product.sku"], 2),
        (Order, ["lines.all.product.sku"], 2),
        (User, ["order_set.lines.product.sku", "order_set.number"], 3),
    ],
)
def test_rows_come_with_all_that_the_paths_read(
    shop: Shop, model: type[models.Model], paths: list[str], queries: int
) -> None:
    """To-one relations are joined, each to-many relation costs one query more, and reading costs none."""
    for number in range(3):
        shop.place(lines=2, customer=shop.customer(f"customer{number}"))
    with CaptureQueriesContext(connection) as made:
        rows = list(queryset_with_related(model, paths, using="default"))
        for row in rows:
            for path in paths:
                _read(row, path.split("."))
    assert rows
    assert len(made) == queries


def _read(holder: Any, parts: list[str]) -> None:
    """Read a path on every row behind a to-many relation, as items are."""
    for index, part in enumerate(parts):
        holder = getattr(holder, part)
        if hasattr(holder, "all"):
            following = parts[index + 1 : index + 2]
            rows = [holder.first()] if following == ["first"] else list(holder.all())
            for row in rows:
                _read(row, parts[index + (2 if following in (["first"], ["all"]) else 1) :])
            return
        if callable(holder):
            holder = holder()


@pytest.mark.django_db
def test_no_row_is_lost_to_a_join(shop: Shop) -> None:
    """A guest's order and a line whose product is gone are read like any other."""
    order = shop.place(lines=1)
    Line.objects.update(product=None)
    assert [row.pk for row in queryset_with_related(Order, ["customer.username"], using="default")] == [order.pk]
    (line,) = queryset_with_related(Line, ["product.category.name"], using="default")
    assert Path("product.category.name").resolve(line) is None


@pytest.mark.django_db
def test_rows_and_lines_keep_their_order(shop: Shop) -> None:
    """Rows come in the order asked for, and fetched lines in that of their model."""
    numbers = [shop.place(lines=3).number for _ in range(3)]
    rows = list(queryset_with_related(Order, ["lines.quantity"], using="default", ordering=["-number"]))
    assert [row.number for row in rows] == numbers[::-1]
    keys = [line.pk for line in rows[0].lines.all()]
    assert keys == sorted(keys)


class OwnQuerySet(models.QuerySet[Any]):
    def in_stock(self) -> Any:
        return self.filter(pk=1)


def hierarchy(base_manager: str | None) -> tuple[Any, Any]:
    """Goods with a child, and a line that points to them; ``base_manager`` reads the goods."""
    options: dict[str, Any] = {"app_label": "shop", **({"base_manager_name": base_manager} if base_manager else {})}
    content = {"__module__": __name__, "objects": OwnQuerySet.as_manager()}
    goods: Any = type("Goods", (models.Model,), {**content, "Meta": type("Meta", (), options)})
    meta = type("Meta", (), {"app_label": "shop"})
    type("Shirt", (goods,), {"__module__": __name__, "size": models.CharField(), "Meta": meta})
    key = models.ForeignKey(goods, models.CASCADE, related_name="rows")
    return goods, type("Row", (models.Model,), {"__module__": __name__, "goods": key, "Meta": meta})


@isolate_apps("tests.shop")
def test_a_model_with_a_base_manager_of_its_own() -> None:
    """Its rows may be of a child, or hidden: it is never joined, and what a child has may be named."""
    goods, row = hierarchy("objects")
    rows = queryset_with_related(row, ["goods.size"], using="default")
    assert rows.query.select_related is False
    assert rows._prefetch_related_lookups[0].prefetch_through == "goods"
    assert trace(row, "goods.size").missing is None
    assert trace(row, "goods.sise").missing == (goods, "sise")


@isolate_apps("tests.shop")
def test_a_model_that_django_reads() -> None:
    """It is joined, and what only a child has is no name of it; what its managers have, is."""
    goods, row = hierarchy(None)
    assert queryset_with_related(row, ["goods.id"], using="default").query.select_related == {"goods": {}}
    assert trace(row, "goods.size").missing == (goods, "size")
    assert trace(goods, "rows.count").missing is None
    tagged = type("Tagged", (models.Model,), {
        "__module__": __name__, "goods": models.ManyToManyField(goods), "Meta": type("Meta", (), {"app_label": "shop"})
    })  # fmt: skip
    assert trace(tagged, "goods.in_stock").missing is None
    assert trace(tagged, "goods.in_stok").missing == (goods, "in_stok")


@isolate_apps("tests.shop")
def test_a_relation_with_another_name_in_queries() -> None:
    """Paths go by the attribute, joins and reconcile's query by the name that queries use."""
    meta = {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "shop"})}
    parcel: Any = type("Parcel", (models.Model,), meta)
    order = models.OneToOneField(parcel, models.CASCADE, related_name="payment", related_query_name="paid_by")
    meta = {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "shop"})}
    type("Payment", (models.Model,), {**meta, "order": order, "at": models.DateTimeField()})
    rows = queryset_with_related(parcel, ["payment.at"], using="default")
    str(rows.query)
    assert rows._prefetch_related_lookups[0].prefetch_through == "payment"
    definition = from_dict("sent", {"model": parcel, "reconcile_by": "payment.at"})
    assert recency_lookup(definition) == "paid_by__at"
    str(candidate_keys(definition).query)


class LinesDescriptor(ReverseManyToOneDescriptor):
    """A relation in its own way, which takes no queryset of others, as tags do."""

    raised: type[Exception] | None = None

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        manager = super().__get__(instance, cls)
        original = manager.get_prefetch_querysets

        def get_prefetch_querysets(instances: Any, querysets: Any = None) -> Any:
            if querysets or self.raised:
                raise (self.raised or ValueError)("Custom queryset can't be used for this lookup.")
            return original(instances, querysets)

        manager.get_prefetch_querysets = get_prefetch_querysets
        return manager


class FailingDescriptor(LinesDescriptor):
    raised = RuntimeError


class SqlDescriptor(LinesDescriptor):
    raised = ProgrammingError


PATHS = ["customer.username", "lines.product.category.name", "lines.quantity"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("descriptor", "queries"), [(LinesDescriptor, 4), (FailingDescriptor, None), (SqlDescriptor, None)]
)
def test_relations_of_others(shop: Shop, monkeypatch: Any, caplog: Any, descriptor: Any, queries: int | None) -> None:
    """They are fetched plainly, for all at once; where that fails, they are read where a path meets them."""
    _log_not_fetched.cache_clear()
    orders = [shop.place(lines=2, customer=shop.customer(name)) for name in "abc"]
    monkeypatch.setattr(Order, "lines", descriptor(Order.lines.rel))
    with CaptureQueriesContext(connection) as made:
        rows = get_rows(Order, PATHS, [order.pk for order in orders], using="default")
        names = [line.product.category.name for row in rows for line in row.lines.all()]
    assert names == ["Macbook Air"] * 6
    assert len(made) == (queries or len(made))
    assert {row.customer.username for row in rows} == {"a", "b", "c"}
    assert ("shop.Order: lines.quantity can't be prefetched" in caplog.text) == (queries is None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("descriptor", [LinesDescriptor, FailingDescriptor, SqlDescriptor])
def test_expressions_and_rows_over_relations_of_others(shop: Shop, monkeypatch: Any, descriptor: Any) -> None:
    """They take no queryset of ours: values and rows are read for each object."""
    shop.place(lines=2, customer=shop.customer("a"), status="paid")
    Line.objects.update(coupon="a")
    monkeypatch.setattr(Order, "lines", descriptor(Order.lines.rel))
    items = {"product_id": "product.sku", "code": Upper("coupon")}
    for lines in ("lines", Rows("lines", Q(coupon="a"), order_by="-pk")):
        definition = from_dict("x", {"model": "shop.Order", "items": lines, "item_attributes": items})
        (row,) = fetch_sources(definition, [str(Order.objects.get().pk)], "default").values()
        assert [item["code"] for item in definition.get_items(row) or ()] == ["A", "A"]
