"""Shared pieces: a shop with goods, orders placed as real shops do, and a far side that is a plain function."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

from dfinery_django.protocols.base import Request, Response

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # Started with "&" by a script: processes that tests start would inherit that Ctrl-C is not heard.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# CI draws the same examples each time: what a new draw finds belongs to whoever runs the tests at home.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

#: What needs packages and settings of its own (``pytest tests/oscar``), or a browser (``pytest tests/browser``).
collect_ignore = ["api", "browser", "neighbours", "oscar"]

#: Whoever requests one of these uses a database, also by way of a fixture of ours.
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}

PURCHASE = {
    "model": "shop.Order",
    "when": {"status": "paid"},
    "event_attributes": {
        "order_id": "number",
        "order_sales": "total",
        "payment_method": "get_payment_method_display",
        "discount": "discount",
    },
    "items": "lines",
    "item_attributes": {
        "product_id": "product.sku",
        "product_name": "product.name",
        "category1": "product.category.name",
        "quantity": "quantity",
        "price": "unit_price",
    },
    "user": "customer",
}


def dfinery(**changes: Any) -> dict[str, Any]:
    """A DFINERY setting: the suite's own, with a purchase, and these changes."""
    return {
        "TOKENS": {"default": "test-token"},
        "BASE_URL": "http://127.0.0.1:9",
        "WAKE": "tests.conftest.no_wake",
        "EVENTS": {"purchase": PURCHASE},
        **changes,
    }


def pytest_configure(config: pytest.Config) -> None:
    """Hand tests to whichever process is free; ``-n`` alone would leave some behind a slow one."""
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Let ``-n auto`` start one process more than there are cores, since the slow tests mostly wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests: one process works them off while the others take the rest."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Leave thousands of items and modules, which stay to the end, out of what the garbage collector looks at."""
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses a database, so that the rest need not run once per database.

    A test that opens a database of its own, or starts a process that uses one, has the mark ``db`` in its module.
    """
    fixtures = getattr(item, "fixturenames", ())
    test_class = getattr(item, "cls", None)
    is_case = isinstance(test_class, type) and issubclass(test_class, TransactionTestCase)
    if item.get_closest_marker("django_db") or is_case or not DATABASE_FIXTURES.isdisjoint(fixtures):
        item.add_marker("db")


def no_wake(destination: str) -> None:
    """A WAKE that leaves draining to the test."""


@pytest.fixture(autouse=True, scope="session")
def _quick_flush() -> None:
    """Between tests tables are emptied, but for content types and permissions, which are the same in each test.

    To make those again, as ``flush`` does, takes longer than most tests. PostgreSQL's tables are emptied by DELETE:
    TRUNCATE makes and syncs a file for each of them.
    """
    from django.core.management.commands import flush

    from dfinery_django import custom_fields, django_q2, waking

    kept = {"django_content_type", "auth_permission"}
    known: dict[str, list[str]] = {}

    def tables_of(connection: Any) -> list[str]:
        name = connection.settings_dict["NAME"]
        if name not in known:  # MariaDB takes longer to name its tables than to empty them
            found = connection.introspection.django_table_names(only_existing=True, include_views=False)
            known[name] = [table for table in found if table not in kept]
        return known[name]

    def sql_flush(style: Any, connection: Any, *, reset_sequences: bool, allow_cascade: bool) -> list[str]:
        tables = tables_of(connection)
        if connection.vendor == "postgresql" and not reset_sequences:
            return ["; ".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables)]
        options = {"reset_sequences": reset_sequences, "allow_cascade": allow_cascade}
        statements: list[str] = connection.ops.sql_flush(style, tables, **options)
        return statements

    def emit_ours(verbosity: int, interactive: bool, db: str, **kwargs: Any) -> None:
        django_q2.schedule_after_migrate(using=db)
        custom_fields.forget_what_is_known()
        waking.forget_notices()

    flush.sql_flush = sql_flush
    flush.emit_post_migrate_signal = emit_ours


@pytest.fixture(autouse=True)
def _no_known_fields() -> None:
    """The ledger is read afresh: each test has one of its own."""
    from dfinery_django.custom_fields import forget_what_is_known

    forget_what_is_known()


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    """What a process tells once a minute is told to each test."""
    from dfinery_django.logs import forget_what_was_told

    forget_what_was_told()


@pytest.fixture
def configured(settings: Any) -> Callable[..., None]:
    """Sets DFINERY: ``configured(EVENTS={…})``."""

    def configure(**changes: Any) -> None:
        settings.DFINERY = dfinery(**changes)

    return configure


class FarSide:
    """A client that is a function: remembers requests and answers as told, else accepts."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Response | Exception] = []
        self.always: Response | Exception | None = None

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else self.always or accepted()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.requests]


def answer(status: int, code: int | None = None, message: str | None = None, **headers: str) -> Response:
    body = b"" if code is None else json.dumps({"result_code": code, "result_msg": message}).encode()
    return Response(status, {name.replace("_", "-").lower(): value for name, value in headers.items()}, body)


def accepted() -> Response:
    return answer(200, 2000)


@pytest.fixture
def far_side() -> FarSide:
    return FarSide()


@pytest.fixture
def shop(configured: Callable[..., None]) -> Shop:
    configured()
    return Shop()


class Shop:
    """Customers and orders of the test shop."""

    def __init__(self) -> None:
        self._number = 0

    def customer(self, name: str = "hong", **fields: Any) -> Any:
        from tests.shop.models import User

        return User.objects.create(username=name, **fields)

    def product(
        self, sku: str = "123456789", name: str = "Macbook Air 13", category: str = "Macbook Air", **f: Any
    ) -> Any:
        from tests.shop.models import Category, Product

        return Product.objects.create(sku=sku, name=name, category=Category.objects.create(name=category), **f)

    def place(self, *, lines: int = 1, status: str = "pending", customer: Any = None, **fields: Any) -> Any:
        """An order as real shops write it: first the order, then its lines, in one transaction."""
        from tests.shop.models import Line, Order

        with transaction.atomic():
            self._number += 1
            fields = {"number": f"2026-{self._number:05}", "total": Decimal("4000000"), **fields}
            order = Order.objects.create(customer=customer, status=status, **fields)
            for _ in range(lines):
                Line.objects.create(order=order, product=self.product(), unit_price=Decimal("1900000"))
        return order

    def pay(self, order: Any) -> None:
        with transaction.atomic():
            order.status = "paid"
            order.save()


@contextmanager
def driver_options(**options: Any) -> Iterator[None]:
    """Connect with these ``OPTIONS``, and without them afterwards."""
    given = connection.settings_dict["OPTIONS"]
    given.update(options)
    connection.close()
    try:
        yield
    finally:
        for name in options:
            del given[name]
        connection.close()


def is_ci() -> bool:
    return os.environ.get("CI") == "true"
