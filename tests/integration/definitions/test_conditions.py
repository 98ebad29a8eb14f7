"""A ``when`` that is a ``Q``: judged as a dict is, in memory where that is certain, and as the database would."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q
from django.test.utils import isolate_apps
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings, strategies as st

from dfinery_django.db import savepoints
from dfinery_django.definitions import conditions
from dfinery_django.definitions.registry import from_dict
from dfinery_django.definitions.source import Source
from dfinery_django.models import Event
from tests.integration.ways import keys
from tests.shop.models import Line, Order, Product, User
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)

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
    plain = {"paid", "결제", "대기", 0, 1, True, False, Decimal("1.00"), Decimal("0.1"), 0.1, MOMENT, *VALUES["day"], None}
    used = [value for key, value in conditions.leaves(query) for value in (value if isinstance(value, list) else [value])]
    if "XOR" in str(query) or not {*used, *row.values()} <= plain:
        return
    definition = from_dict("parcel", {"model": parcel, "when": query})
    assert conditions._matches_in_memory(Source(definition, parcel(**row), "default"), None) is not None
