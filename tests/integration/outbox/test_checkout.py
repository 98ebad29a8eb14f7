"""Whatever raises inside capture: the order is there after the shop's commit, or the shop was told by an exception."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
from django.db import connection, transaction, utils
from hypothesis import given, strategies as st

from dfinery_django import track
from dfinery_django.models import DeliveryAttempt, Event
from tests.shop.models import Line, Order, Product, User
from tests.support.doubles import PURCHASE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]

#: Every class of the database's errors, and a guard of the site's own.
ERRORS = (
    *(utils.DatabaseError, utils.DataError, utils.OperationalError, utils.IntegrityError, utils.InternalError),
    *(utils.InterfaceError, utils.NotSupportedError, utils.ProgrammingError, RuntimeError),
)


def has_agreed(order: Any, user: Any) -> bool:
    return User.objects.filter(pk=order.customer_id).exists()


def destination(order: Any) -> str:
    return "default" if Product.objects.exists() else "brand_b"


class Fault:
    """Raises at the n-th statement of ours; a statement is ours where a frame of ours waits for it."""

    def __init__(self, place: int, error: Exception, *, is_late: bool, lasts: bool) -> None:
        self.place, self.error, self.is_late, self.lasts = place, error, is_late, lasts
        self.statements: list[str] = []

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not _is_ours() or sql.startswith("BEGIN"):  # SQLite's alone passes here, and is Django's own affair
            return execute(sql, parameters, many, context)
        self.statements.append(sql)
        strikes = len(self.statements) == self.place or (self.lasts and len(self.statements) > self.place)
        if strikes and not self.is_late:
            raise self.error
        answer = execute(sql, parameters, many, context)
        if strikes:
            raise self.error
        return answer


def _is_ours() -> bool:
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        if frame.f_globals.get("__name__", "").startswith("dfinery_django"):
            return True
    return False


@contextmanager
def in_autocommit() -> Iterator[None]:
    yield


@contextmanager
def by_hand() -> Iterator[None]:
    transaction.set_autocommit(False)
    try:
        yield
        transaction.commit()
    except BaseException:
        transaction.rollback()
        raise
    finally:
        transaction.rollback()  # what SQLite and MariaDB may have begun since
        transaction.set_autocommit(True)


@contextmanager
def in_a_savepoint() -> Iterator[None]:
    with transaction.atomic(), transaction.atomic():
        yield


MODES: dict[str, Callable[[], Any]] = {
    "autocommit": in_autocommit,
    "atomic": transaction.atomic,
    "savepoint": in_a_savepoint,
    "by hand": by_hand,
}

DEFINITIONS = {
    "purchase": PURCHASE | {"consent": has_agreed, "destination": destination, "build": "commit"},
    "each": PURCHASE | {"when": lambda order, created: Order.objects.exists(), "once_per": None},
}


def check_out(order: Order) -> None:
    """What the shop does in its transaction."""
    order.status = "paid"
    order.save()
    Line.objects.create(order=order, unit_price=1)
    track("coupon", user_id="u1", event_attributes={"own": 1})
    Order.objects.create(number="second", status="paid", customer=order.customer)


def strike(mode: str, place: int, error: type[Exception], *, is_late: bool, lasts: bool) -> int:
    """A checkout with a fault at one of our statements; how many of them there were."""
    order = Order.objects.create(number=str(place), customer=User.objects.get())
    fault = Fault(place, error("no such luck"), is_late=is_late, lasts=lasts)
    told = None
    try:
        with connection.execute_wrapper(fault), MODES[mode]():
            check_out(order)
    except Exception as raised:  # noqa: BLE001 - as a view's would
        told = raised
    here = f"{place}: {fault.statements[place - 1 : place]}, told {told!r}"
    order.refresh_from_db()
    assert told or (order.status, order.lines.count()) == ("paid", 1), here
    assert told or Order.objects.filter(number="second").exists(), here
    struck = (*fault.statements, "")[min(place, len(fault.statements)) - 1]
    if not lasts and not is_late and not struck.startswith(("RELEASE", "ROLLBACK")):
        assert told is None, here  # it was never executed, so that nothing of the shop's is broken
    for model in (DeliveryAttempt, Event, Line, Order):
        model.objects.all()._raw_delete("default")
    return len(fault.statements)


@pytest.fixture
def _customer(configured: Any, shop: Any) -> None:
    configured(EVENTS=DEFINITIONS)
    shop.customer()


@pytest.mark.usefixtures("_customer")
@pytest.mark.parametrize(("is_late", "lasts"), [(False, False), (True, False), (False, True)], ids=str)
@pytest.mark.parametrize("mode", ["autocommit", "atomic", "by hand"])
def test_at_each_statement_in_turn(mode: str, is_late: bool, lasts: bool) -> None:
    """A fault instead of it, or after it was done; once, or from then on."""
    place, count = 0, 1
    while place < count:
        place += 1
        count = strike(mode, place, ERRORS[place % len(ERRORS)], is_late=is_late, lasts=lasts)
    assert place > 5


@pytest.mark.usefixtures("_customer")
@given(
    mode=st.sampled_from(sorted(MODES)),
    place=st.integers(1, 40),
    error=st.sampled_from(ERRORS),
    is_late=st.booleans(),
    lasts=st.booleans(),
)
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_whatever_the_database_says(mode: str, place: int, error: type[Exception], is_late: bool, lasts: bool) -> None:
    """Every class of error, at any statement."""
    strike(mode, place, error, is_late=is_late, lasts=lasts)
