"""The judge notices what it is there for."""

from __future__ import annotations

import copy
from typing import Any

from tests.system.oscar import judge
from tests.system.oscar.shop import Customer


def test_every_kind_of_difference(catalogue: Any, delivered: Any) -> None:
    """Missing, twice, not in the shop, another amount, type, line or user: each is one line."""
    order = Customer().buy(catalogue.laptop, catalogue.stickers, guest="kim@example.com")
    order.set_status("Cancelled")
    purchase, cancelled = delivered()
    assert judge.differences([purchase, cancelled]) == []
    number = order.number

    def said(*bodies: Any) -> str:
        (line,) = judge.differences(bodies)
        return line

    def changed(body: Any, change: Any) -> Any:
        body = copy.deepcopy(body)
        change(body["event_attributes"], body["user_attributes"])
        return body

    assert said(cancelled) == f"order {number} has 0 purchase events"
    assert said(purchase) == f"order {number} has 0 cancel_order events"
    assert said(purchase, cancelled, purchase) == f"order {number} has 2 purchase events"
    other = changed(purchase, lambda event, user: event.update(order_id="7"))
    assert said(purchase, cancelled, other) == "purchase of order 7, which the shop knows nothing of"
    for change, words in [
        (lambda event, user: event.update(order_sales=1.0), "order_sales: DFINERY was told Decimal('1.0')"),
        (lambda event, user: event.update(order_sales=int(event["order_sales"])), "order_sales: DFINERY was told"),
        (lambda event, user: event.pop("payment_method"), "payment_method: DFINERY was told None"),
        (lambda event, user: event["items"][1].update(quantity=2), "items[1]: quantity"),
        (lambda event, user: event["items"].pop(), "items: DFINERY was told"),
        (lambda event, user: event["items"].reverse(), "items[0]"),
        (lambda event, user: user.update(user_id="1"), "user_id: DFINERY was told '1'"),
    ]:
        lines = judge.differences([changed(purchase, change), cancelled])
        assert lines
        assert words in lines[0]
    late = changed(cancelled, lambda event, user: event.update(event_datetime=event["event_datetime"] - 60_000))
    assert "the shop has" in said(purchase, late)
