"""``proposal.vocabulary``: names taken apart, points for them, and what a status means."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models

from dfinery_django.proposal.cents import speaks_of_cents
from dfinery_django.proposal.events import PRIMARY_KEY
from dfinery_django.proposal.states import _Value
from dfinery_django.proposal.vocabulary.item_roles import CATEGORY, PRODUCT_NAME, QUANTITY, UNIT_PRICE
from dfinery_django.proposal.vocabulary.order_roles import DELIVERY, DISCOUNT, ORDER_NUMBER, TOTAL
from dfinery_django.proposal.vocabulary.people_roles import EMAIL, PHONE
from dfinery_django.proposal.vocabulary.roles import Role
from dfinery_django.proposal.vocabulary.words import points_of, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("total_price", ("total", "price")),
        ("orderNumber", ("order", "number")),
        ("totalamount", ("total", "amount")),
        ("order_no", ("order", "number")),
        ("paid_at", ("paid", "date")),
        ("cancelled_on", ("canceled", "date")),
        ("categories", ("category",)),
        ("delivery_addresses", ("shipping", "addresse")),
        ("status", ("status",)),
        ("qty2", ("quantity",)),
        ("결제금액", ()),
    ],
)
def test_the_words_of_a_name(name: str, words: tuple[str, ...]) -> None:
    """Snake case, camel case and words without a gap; one spelling for each."""
    assert words_of(name) == words


@pytest.mark.parametrize("better", ["grand_total", "total_incl_tax", "total", "총 결제금액", "合計金額", "amount_paid"])
@pytest.mark.parametrize(
    "worse", ["tax_total", "discount_total", "shipping_total", "total_items", "할인금액", "weight"]
)
def test_an_order_s_total(better: str, worse: str) -> None:
    """An amount that the customer paid has more points than a part of it."""
    assert points_of([better], TOTAL.words, TOTAL.against) > points_of([worse], TOTAL.words, TOTAL.against)


@pytest.mark.parametrize("better", ["unit_price", "price", "단가", "単価", "product_price", "unit_price_incl_tax"])
@pytest.mark.parametrize("worse", ["line_total", "cost_price", "original_price", "tax", "정가", "total_price"])
def test_a_unit_price(better: str, worse: str) -> None:
    """The price of one piece has more points than that of the line, and than one that nobody paid."""
    found = [points_of([each], UNIT_PRICE.words, UNIT_PRICE.against) for each in (better, worse)]
    assert found[0] > found[1]


@pytest.mark.parametrize(
    "name", ["phone_number", "tax_number", "card_number", "coupon_code", "tracking_number", "zip_code"]
)
def test_numbers_of_other_things(name: str) -> None:
    """They are worth less than the order's primary key."""
    assert points_of([name], ORDER_NUMBER.words, ORDER_NUMBER.against) < PRIMARY_KEY


def test_a_word_against_counts_in_any_of_the_names() -> None:
    """A column called ``amount`` whose verbose name says "discount amount" is a discount."""
    assert points_of(["amount"], TOTAL.words, TOTAL.against) == 80
    assert points_of(["amount", "discount amount"], TOTAL.words, TOTAL.against) == 35


def test_a_pattern_explains_its_own_words() -> None:
    """``total_incl_tax`` is a total, though "tax" alone speaks against one."""
    assert points_of(["total_incl_tax"], TOTAL.words, TOTAL.against) == 100


def test_the_words_of_the_model_say_nothing() -> None:
    """``booking_quantity`` of a booking is its quantity."""
    assert points_of(["booking_quantity"], QUANTITY.words) == 94
    assert points_of(["booking_quantity"], QUANTITY.words, neutral=["booking"]) == 100


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("Paid", "paid"),
        ("Fully paid", "paid"),
        ("결제완료", "paid"),
        ("결제 완료", "paid"),
        ("支払い済み", "paid"),
        ("Unpaid", "unpaid"),
        ("Not paid", "unpaid"),
        ("Partially paid", "unpaid"),
        ("Awaiting payment", "unpaid"),
        ("결제 대기", "unpaid"),
        ("Pending", "unpaid"),
        ("Confirmed", "bought"),
        ("Processing", "bought"),
        ("주문 접수", "bought"),
        ("Out for delivery", "later"),
        ("배송중", "later"),
        ("Canceled", "canceled"),
        ("CANCELLED", "canceled"),
        ("취소 완료", "canceled"),
        ("キャンセル", "canceled"),
        ("Refunded", "refunded"),
        ("환불완료", "refunded"),
        ("Payment failed", "other"),
        ("Expired", "other"),
        ("Refund requested", "other"),
        ("취소 요청", "other"),
        ("Partially refunded", "other"),
        ("Blue", ""),
        ("Awaiting shipment", "to ship"),
        ("Ready to ship", "to ship"),
        ("Pending delivery", "to ship"),
        ("To be delivered", "to ship"),
        ("배송준비", "to ship"),
        ("배송 대기", "to ship"),
        ("出荷待ち", "to ship"),
        ("待发货", "to ship"),
        ("待發貨", "to ship"),
        ("待付款", "unpaid"),
        ("未支付", "unpaid"),
        ("已付款", "paid"),
        ("已支付", "paid"),
        ("待收货", "later"),
        ("已發貨", "later"),
        ("已完成", "bought"),
        ("已取消", "canceled"),
        ("已关闭", "canceled"),
        ("退款中", "refunded"),
        ("已退款", "refunded"),
        ("部分退款", "other"),
        ("支付失败", "other"),
    ],
)
def test_what_a_status_means(text: str, phase: str) -> None:
    """In English, Korean, Japanese and Chinese; what only was asked for, or failed, is none of the phases."""
    assert _Value(1, (text,)).phase == phase


@pytest.mark.parametrize(
    ("role", "texts"),
    [
        (ORDER_NUMBER, ("订单号", "訂單編號")),
        (TOTAL, ("总价", "总金额", "实付", "實付金額")),
        (UNIT_PRICE, ("单价", "售价", "單價")),
        (QUANTITY, ("数量", "數量")),
        (PRODUCT_NAME, ("商品名称", "标题", "商品名稱")),
        (CATEGORY, ("分类", "商品分類")),
        (DISCOUNT, ("优惠", "优惠金额", "折扣")),
        (DELIVERY, ("运费", "運費")),
        (PHONE, ("手机号", "手機")),
        (EMAIL, ("邮箱", "電子郵件")),
    ],
)
def test_chinese_names_of_fields(role: Role, texts: tuple[str, ...]) -> None:
    """Simplified, and what is most usual in traditional characters."""
    assert all(points_of([each], role.words, role.against) >= role.least for each in texts)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (models.IntegerField(help_text="The price in cents."), True),
        (models.IntegerField("price (pence)"), True),
        (models.IntegerField(help_text="In the smallest currency unit"), True),
        (models.IntegerField(help_text="Amount in minor units"), True),
        (models.IntegerField("金额(分)"), True),
        (models.IntegerField(help_text="单位\uff1a分"), True),
        (models.IntegerField(help_text="In percent, for minors"), False),
        (models.IntegerField(help_text="The price of the centre"), False),
        (models.DecimalField(help_text="Dollars and cents", max_digits=8, decimal_places=2), False),
        (models.IntegerField("分类"), False),
    ],
)
def test_texts_that_speak_of_cents(field: Any, expected: bool) -> None:
    """Those of a column of integers."""
    assert speaks_of_cents("price", field) is expected


@pytest.mark.parametrize(("name", "expected"), [("total_cents", True), ("amountMinor", True), ("percent", False)])
def test_names_that_speak_of_cents(name: str, expected: bool) -> None:
    """In any kind of value."""
    assert speaks_of_cents(name) is expected
