"""``proposal.vocabulary``: names taken apart, points for them, and what a status means."""

from __future__ import annotations

import pytest

from dfinery_django.proposal.events import PRIMARY_KEY
from dfinery_django.proposal.states import _Value
from dfinery_django.proposal.vocabulary.item_roles import QUANTITY, UNIT_PRICE
from dfinery_django.proposal.vocabulary.order_roles import ORDER_NUMBER, TOTAL
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
    ],
)
def test_what_a_status_means(text: str, phase: str) -> None:
    """In English, Korean and Japanese; what only was asked for, or failed, is none of the phases."""
    assert _Value(1, (text,)).phase == phase
