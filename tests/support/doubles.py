"""Doubles and factories that many tests share: a shop with goods, a far side that is a plain function, the setting."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.db import connection, models, transaction

from dfinery_django.protocols.base import Request, Response

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
        "WAKE": "tests.support.doubles.no_wake",
        "EVENTS": {"purchase": PURCHASE},
        **changes,
    }


def no_wake(destination: str) -> None:
    """A WAKE that leaves draining to the test."""


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


#: A text for which ``number_in`` fails.
BAD = "2" if os.environ.get("DATABASE") == "mariadb" else "x"  # no connection: settings modules import this one


def number_in(column: str) -> Any:
    """An expression that is 1 for the text "1", and an error of the database for ``BAD``."""
    template = {
        "sqlite": "json_extract(%(expressions)s, '$')",
        "postgresql": "CAST(%(expressions)s AS integer)",
        "mysql": "CAST(%(expressions)s AS SIGNED) * 9223372036854775807 - 9223372036854775806",
    }[connection.vendor]
    return models.Func(models.F(column), template=template, output_field=models.BigIntegerField())
