"""Two ways to the same statements: who gets which, and what both promise. Most cases are tests of the outbox."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any, cast

import django
import pytest
from django.db import DatabaseError, connection, transaction

from dfinery_django import track
from dfinery_django.db import fast_sql, plain_sql, sql
from dfinery_django.models import Event, Total
from tests.shop.models import Order


def driver(name: str, version: str) -> ModuleType:
    module = ModuleType(name)
    module.__version__ = version  # type: ignore[attr-defined]
    module.version_info = tuple(version.split("."))  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("vendor", "name", "version", "is_fast"),
    [
        ("postgresql", "psycopg", "3.2.10", True),
        ("postgresql", "psycopg2", "2.9.10 (dt dec pq3 ext lo64)", True),
        ("mysql", "MySQLdb", "2.2.7", True),
        ("mysql", "MySQLdb", "3.0.0", False),
        ("sqlite", "sqlite3.dbapi2", "", True),
        ("postgresql", "psycopg", "4.0", False),
        ("postgresql", "psycopg2", "2.10.1", False),
        ("mysql", "pymysql", "1.1.2", False),  # what install_as_MySQLdb() leaves there
        ("cockroachdb", "psycopg", "3.2.10", False),
        ("oracle", "oracledb", "3.0.0", False),
    ],
)
def test_only_drivers_that_ci_tests_are_fast(vendor: str, name: str, version: str, is_fast: bool) -> None:
    asking: Any = SimpleNamespace(vendor=vendor, Database=driver(name, version))
    assert sql.sql_for(asking) is (fast_sql if is_fast else plain_sql)


@pytest.mark.parametrize("version", [(6, 2), (7, 0), (5, 1)])
def test_an_unknown_django_is_plain(version: tuple[int, int]) -> None:
    assert sql._twin(version, "postgresql", driver("psycopg", "3.2")) is plain_sql


def test_what_these_tests_run_on_is_fast() -> None:
    """A new version is added to the table together with its CI."""
    assert django.VERSION[:2] in sql.TESTED_DJANGO
    assert sql.sql_for(connection) is fast_sql


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shop")
def test_an_unknown_django_is_no_outage(monkeypatch: Any) -> None:
    """From the INSERT to the commit, without a piece of the fast twin."""
    for name in ("insert_row", "row_matches", "can_piggyback", "is_hook_pending"):
        monkeypatch.setattr(fast_sql, name, None)
    monkeypatch.setattr(django, "VERSION", (9, 0, 0, "final", 0))
    with transaction.atomic():
        order = Order.objects.create(status="pending")
        order.status = "paid"
        order.save()
        track("visit", user_id="u1", dedup_key="v1")
        assert track("visit", user_id="u1", dedup_key="v1") is None
    assert sorted(Event.objects.values_list("event_name", flat=True)) == ["purchase", "visit"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.sql("fast", "plain")
def test_a_known_key_is_no_error_and_all_else_is() -> None:
    rows = [Total(key=str(number), metric="m", value=number) for number in range(3)]
    sql.insert_missing(rows[:2], using="default")
    sql.insert_missing([Total(key="0", metric="other"), rows[2]], using="default")
    assert list(Total.objects.order_by("key").values_list("metric", "value")) == [("m", 0), ("m", 1), ("m", 2)]
    with transaction.atomic():
        with pytest.raises(DatabaseError):
            sql.insert_missing([Total(key="3", metric=cast("Any", None))], using="default")
        assert Total.objects.count() == 3, "the caller's transaction is usable"


@pytest.mark.django_db(transaction=True)
def test_the_plain_one_looks_again_where_another_was_faster() -> None:
    """Another checkout has stored the same event between the look and the INSERT."""
    sql.insert_missing([Total(key="0", metric="first")], using="default")
    with transaction.atomic():
        plain_sql.insert_row(Total(key="0", metric="second"), unique="key", using="default", may_exist=False)
        assert Total.objects.get().metric == "first"


def test_a_pending_hook_is_found_from_the_first_one_on() -> None:
    """On a connection that has never been asked: a hook at the first place, at another one, and none."""

    class Hooked:
        """A connection's hooks for the commit, as Django keeps them: (savepoints, hook, is robust)."""

        def __init__(self, *hooks: Any) -> None:
            self.run_on_commit = [(set(), hook, True) for hook in hooks]

    def ours() -> None: ...

    for hooks, is_pending in (((ours,), True), ((print, ours), True), ((print,), False), ((), False)):
        connection = Hooked(*hooks)
        assert [fast_sql.is_hook_pending("wake", ours, connection) for _ in range(2)] == [is_pending] * 2
