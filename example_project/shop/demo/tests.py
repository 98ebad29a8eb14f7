"""The comparison must see what is wrong, or its ticks mean nothing."""
# ruff: noqa: PT009 - the assertions of Django's own test classes

import copy

from django.test import SimpleTestCase

from . import comparison, report

LINE = {"sku": "TEA-GREEN", "quantity": 2, "unit_price": 15900.0, "discount": 3180.0}
ORDER = {
    "number": "A-1",
    "buyer": "Mina Kim",
    "total": 31620.0,
    "discount": 3180.0,
    "paid_at": 1000.0,
    "cancelled_at": None,
    "lines": [LINE],
}
ITEM = {"product_id": "TEA-GREEN", "quantity": 2, "price": 15900.0, "discount": 3180.0}
ATTRIBUTES = {"order_id": "A-1", "order_sales": 31620.0, "discount": 3180.0, "items": [ITEM]}
ARRIVAL = {
    "event_id": "e1",
    "event_name": "purchase",
    "received_at": 1000.5,
    "body": {"event_attributes": ATTRIBUTES, "user_attributes": {"user_id": "u1"}},
}


def is_good(*arrivals):
    expected = comparison.expected_from({"users": [], "orders": [ORDER]})
    strays = comparison.assign(expected, arrivals)
    list(report.lines(expected, strays))  # can be shown, whatever arrived
    return report.is_good(expected, strays)


def changed(**attributes):
    arrival = copy.deepcopy(ARRIVAL)
    arrival["body"]["event_attributes"].update(attributes)
    return arrival


class ComparisonTests(SimpleTestCase):
    def test_what_arrived_once_and_equal_is_good(self):
        self.assertEqual(is_good(ARRIVAL), True)

    def test_nothing_twice_or_too_much_is_not(self):
        stray = {**ARRIVAL, "event_name": "refund"}
        for arrivals in ([], [ARRIVAL, ARRIVAL], [ARRIVAL, stray]):
            with self.subTest(count=len(arrivals)):
                self.assertEqual(is_good(*arrivals), False)

    def test_a_wrong_amount_or_line_is_not(self):
        wrong_price, missing = [{**ITEM, "price": 15901.0}], []
        for attributes in (
            {"order_sales": 31621.0},
            {"discount": 0.0},
            {"items": wrong_price},
            {"items": missing},
            {"items": [ITEM, ITEM]},
        ):
            with self.subTest(**attributes):
                self.assertEqual(is_good(changed(**attributes)), False)
