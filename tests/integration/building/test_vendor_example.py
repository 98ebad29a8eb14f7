"""The example body of DFINERY's page, reproduced by a definition over model rows and compared as JSON text."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from dfinery_django import Value
from dfinery_django.building.build import build_due
from dfinery_django.models import Event
from tests.shop.models import Line, Order

# The page's own words, without its blanks. One value differs: the second trade_in_serial_num stands as a number
# there, against the page's own rule that a field keeps its type; declared as "string" it is one here.
EXAMPLE = (
    '{"event_attributes":{"event_id":"0166a71c-caf4-462d-8201-9c30c40f2354","event_name":"purchase",'
    '"event_datetime":1685672905000,"order_id":"123456789","order_sales":4000000.0,'
    '"payment_method":"MobilePayment","discount":11.0,"items":['
    '{"product_id":"123456789","product_name":"Macbook Air 13","category1":"Macbook Air","quantity":1,'
    '"price":1900000.0,"discount":200000.0,"coupon_id":"asdf1234asdf342","product_processor":"m1",'
    '"product_memory":"16g","product_ssd":"256g","product_adaptor":"35W","trade_in_device":"iphone14",'
    '"trade_in_serial_num":"12312313","coupon_name":"Back to School Discount","coupon_discount_type":"per",'
    '"coupon_discount_amount":"11","coupon_expired_date":"2024-01-01"},'
    '{"product_id":"23432424","product_name":"Macbook Pro 13\'","category1":"Macbook Pro","quantity":1,'
    '"price":4000000.0,"discount":300000.0,"coupon_id":"asdf1234asdf342","product_processor":"m2 pro",'
    '"product_memory":"64g","product_ssd":"1tb","product_adaptor":"96W","trade_in_device":"Macbook Air 13\'",'
    '"trade_in_serial_num":"12313131","coupon_name":"Back to School Discount","coupon_discount_type":"per",'
    '"coupon_discount_amount":"11","coupon_expired_date":"2024-01-01"}],'
    '"source_type":"POS","region_type":"tokyo","use_applepay":true,"register_applepay":true},'
    '"user_attributes":{"user_id":"user1","user_name":"Hong Gil-dong"}}'
)

SPECIFICATIONS = [
    {"cpu": "m1", "memory": "16g", "ssd": "256g", "adaptor": "35W", "device": "iphone14", "serial": "12312313"},
    {"cpu": "m2 pro", "memory": "64g", "ssd": "1tb", "adaptor": "96W", "device": "Macbook Air 13'", "serial": 12313131},
]

PURCHASE = {
    "model": "shop.Order",
    "when": {"status": "paid"},
    "event_datetime": "paid_at",
    "event_attributes": {
        "order_id": "number",
        "order_sales": "total",
        "payment_method": "get_payment_method_display",
        "discount": "discount",
        "source_type": Value("POS"),
        "region_type": "note",
        "use_applepay": "uses_applepay",
        "register_applepay": "uses_applepay",
    },
    "items": "lines",
    "item_attributes": {
        "product_id": "product.sku",
        "product_name": "product.name",
        "category1": "product.category.name",
        "quantity": "quantity",
        "price": "unit_price",
        "discount": "discount",
        "coupon_id": "coupon",
        "product_processor": "product.specification.cpu",
        "product_memory": "product.specification.memory",
        "product_ssd": "product.specification.ssd",
        "product_adaptor": "product.specification.adaptor",
        "trade_in_device": "product.specification.device",
        "trade_in_serial_num": "product.specification.serial",
        "coupon_name": Value("Back to School Discount"),
        "coupon_discount_type": Value("per"),
        "coupon_discount_amount": Value("11"),
        "coupon_expired_date": Value(dt.date(2024, 1, 1)),
    },
    "user": "customer",
    "user_attributes": {"user_id": "username", "user_name": "get_full_name"},
}


@pytest.mark.django_db(transaction=True)
def test_the_page_s_example(configured: Any, shop: Any) -> None:
    """Double stays 4000000.0, Long stays 1, every property in its place."""
    configured(
        EVENTS={"purchase": PURCHASE},
        CUSTOM_FIELDS={"item": {"trade_in_serial_num": "string"}},
        MAX_AGE_HOURS=24 * 365 * 100,
    )
    customer = shop.customer("user1", first_name="Hong", last_name="Gil-dong")
    paid_at = dt.datetime(2023, 6, 2, 2, 28, 25, tzinfo=dt.timezone.utc)
    order = Order.objects.create(
        number="123456789", customer=customer, total=Decimal(4000000), discount=11, note="tokyo", paid_at=paid_at
    )
    goods = [("123456789", "Macbook Air 13", "Macbook Air"), ("23432424", "Macbook Pro 13'", "Macbook Pro")]
    for (sku, name, category), price, discount, specification in zip(
        goods, (1900000, 4000000), (200000, 300000), SPECIFICATIONS, strict=True
    ):
        product = shop.product(sku=sku, name=name, category=category, specification=specification)
        Line.objects.create(order=order, product=product, unit_price=price, discount=discount, coupon="asdf1234asdf342")
    shop.pay(order)
    Event.objects.update(event_id=uuid.UUID("0166a71c-caf4-462d-8201-9c30c40f2354"))
    build_due(Event.objects.all())
    assert Event.objects.get().payload == EXAMPLE
