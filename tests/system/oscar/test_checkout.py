"""Orders placed over oscar's own pages: each has one purchase, with its own amounts, lines and user."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.core.checks import INFO, run_checks
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import Coalesce, Hashed, preview
from dfinery_django.building.build import build_due
from dfinery_django.models import Event
from tests.system.oscar import judge, wakes
from tests.system.oscar.shop import FREE, TOMORROW, Clerk, Customer


def test_the_page_s_settings_pass_every_check() -> None:
    """What a reader copies into an oscar shop is met with silence by all of Django's checks."""
    assert [each for each in run_checks() if each.level > INFO] == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_member(catalogue: Any, delivered: Any, language: str) -> None:
    """Several lines, a variant and a product without UPC among them, shipped for money."""
    customer = Customer(language)
    user = customer.register("hong@example.com")
    order = customer.buy(catalogue.laptop, catalogue.black_bag, catalogue.stickers, shipping=TOMORROW, quantity=2)
    (body,) = delivered("purchase")
    assert judge.differences([body]) == []
    assert body["user_attributes"] == {"user_id": str(user.pk)}
    assert body["event_attributes"]["payment_method"] == "Credit card"
    assert body["event_attributes"]["delivery_charge"] == 3300.0
    assert [item["category1"] for item in body["event_attributes"]["items"][:2]] == ["Laptops", "가방"]
    assert order.total_incl_tax > order.total_excl_tax, "there is VAT"


def test_a_guest(catalogue: Any, delivered: Any) -> None:
    """Known by the hash of the address, however it was typed."""
    Customer().buy(catalogue.laptop, guest="Kim@Example.com")
    Customer("ko").buy(catalogue.red_bag, guest="KIM@EXAMPLE.COM")
    bodies = delivered("purchase")
    assert judge.differences(bodies) == []
    assert len({body["user_attributes"]["user_id"] for body in bodies}) == 1


def test_what_is_sent_does_not_depend_on_the_language(catalogue: Any, delivered: Any) -> None:
    """The order of a Korean page has other texts than that of an English one, the event has not."""
    orders = [Customer(language).buy(catalogue.laptop, guest="kim@example.com") for language in ("en", "ko")]
    assert [order.shipping_method for order in orders] == ["Free shipping", "무료 배송"]
    english, korean = delivered("purchase")
    for body in (english, korean):
        for name in ("event_id", "event_datetime", "order_id"):
            del body["event_attributes"][name]
    assert english == korean
    assert english["event_attributes"]["shipping_code"] == FREE


def test_vouchers_and_offers(catalogue: Any, delivered: Any) -> None:
    """Two vouchers and an offer for everybody on one order: both codes, and what all three took off."""
    catalogue.offer("Autumn", "5")
    vouchers = [catalogue.voucher("TEN", "10"), catalogue.voucher("TWENTY", "20")]
    order = Customer().buy(catalogue.laptop, catalogue.gift_card, guest="kim@example.com", vouchers=vouchers)
    assert order.discounts.count() == 3
    (body,) = delivered("purchase")
    assert judge.differences([body]) == []
    assert set(body["event_attributes"]["voucher_codes"].split(",")) == {"TEN", "TWENTY"}


def test_a_voucher_for_the_shipping(catalogue: Any, delivered: Any) -> None:
    """It lowers the delivery charge, which is no discount of the goods."""
    voucher = catalogue.voucher("SHIP", "50", kind="Shipping percentage")
    Customer().buy(catalogue.laptop, guest="kim@example.com", vouchers=[voucher], shipping=TOMORROW)
    (body,) = delivered("purchase")
    assert judge.differences([body]) == []
    event = body["event_attributes"]
    assert (event["delivery_charge"], event["discount"], event["voucher_codes"]) == (1650.0, 0.0, "SHIP")


def test_a_free_order(catalogue: Any, delivered: Any) -> None:
    """Nothing to pay, so no payment method, and a purchase nevertheless."""
    voucher = catalogue.voucher("GIFT", "100")
    Customer().buy(catalogue.red_bag, guest="kim@example.com", vouchers=[voucher])
    (body,) = delivered("purchase")
    assert judge.differences([body]) == []
    assert body["event_attributes"]["order_sales"] == 0.0
    assert "payment_method" not in body["event_attributes"]


def test_nothing_to_ship(catalogue: Any, delivered: Any) -> None:
    """A digital order has neither address nor charge."""
    Customer("ko").buy(catalogue.gift_card, guest="kim@example.com")
    assert judge.differences(delivered("purchase")) == []


def test_an_order_that_is_saved_again(catalogue: Any, delivered: Any) -> None:
    """The thank-you page, seen twice, and the back office save it; still one purchase."""
    customer = Customer()
    order = customer.buy(catalogue.laptop, guest="kim@example.com")
    delivered()
    customer.thank_you()
    order.save()
    order.lines.get().save()
    assert judge.differences(delivered()) == []


def test_a_product_that_leaves_the_catalogue(catalogue: Any, delivered: Any) -> None:
    """Sku, title and prices are the order's own."""
    last_one = catalogue.product("마지막", "LAST", "1000", stock=1)
    Customer().buy(last_one, guest="kim@example.com")
    last_one.delete()
    (body,) = delivered("purchase")
    assert judge.differences([body]) == []
    assert body["event_attributes"]["items"][0]["product_name"] == "마지막"


def test_the_payment_is_there_however_fast_the_worker_is(catalogue: Any, delivered: Any, settings: Any) -> None:
    """oscar stores the payment after the order's transaction; a worker that is faster than that waits."""
    settings.DFINERY = {**settings.DFINERY, "WAKE": "tests.system.oscar.wakes.at_once"}
    Customer().buy(catalogue.laptop, guest="kim@example.com")
    (body,) = wakes.far_side.bodies + delivered("purchase")
    assert body["event_attributes"]["payment_method"] == "Credit card"


def test_accounts(catalogue: Any, delivered: Any) -> None:
    """One sign_up for who registers on the way to the checkout, and one login each time; clerks are no customers."""
    Clerk()
    customer = Customer("ko")
    user = customer.register("hong@example.com")
    Customer().login("hong@example.com")
    bodies = delivered()
    assert [body["event_attributes"]["event_name"] for body in bodies] == ["sign_up", "login", "login"]
    assert {body["user_attributes"]["user_id"] for body in bodies} == {str(user.pk)}
    assert not Event.objects.filter(status="failed").exists()


def test_the_whole_way_of_a_category(catalogue: Any, settings: Any) -> None:
    """The page's other category1."""
    events = settings.DFINERY["EVENTS"]
    whole = {"item_attributes": {"category1": "product.categories.first.full_name"}}
    settings.DFINERY = {**settings.DFINERY, "EVENTS": {**events, "purchase": {**events["purchase"], **whole}}}
    payload = preview("purchase", Customer().buy(catalogue.laptop, guest="kim@example.com"))
    assert payload is not None
    assert payload.items == ({"category1": "Computers > Laptops"},)
    assert [each for each in run_checks() if each.level > INFO] == []


def test_one_identity_for_guests_and_members(catalogue: Any, delivered: Any, settings: Any) -> None:
    """The page's other user_id: who buys as a guest and registers later stays the same user."""
    by_address = Hashed(Coalesce("user.email", "guest_email"))
    events = settings.DFINERY["EVENTS"]
    purchase = {**events["purchase"], "user_attributes": {"user_id": by_address}}
    settings.DFINERY = {
        **settings.DFINERY,
        "USER_ATTRIBUTES": {"user_id": Hashed("email")},
        "EVENTS": {**events, "purchase": purchase},
    }
    Customer().buy(catalogue.stickers, guest="hong@example.com")
    member = Customer()
    member.register("hong@example.com")
    member.buy(catalogue.stickers)
    bodies = delivered()
    assert Counter(body["event_attributes"]["event_name"] for body in bodies) == {
        "purchase": 2,
        "sign_up": 1,
        "login": 1,
    }
    assert len({body["user_attributes"]["user_id"] for body in bodies}) == 1


def test_many_orders_cost_no_more_queries_than_one(catalogue: Any) -> None:
    """All that the page's paths read comes in bulk: lines, products, categories, vouchers, payments, users."""
    vouchers = [catalogue.voucher("TEN", "10"), catalogue.voucher("TWENTY", "20")]
    customer = Customer()
    customer.register("hong@example.com")
    counts = []
    for orders in (1, 1, 1, 3):  # the first ones find custom fields that are new, and read the ledger again
        for _ in range(orders):
            customer.buy(catalogue.laptop, catalogue.black_bag, catalogue.gift_card, vouchers=vouchers)
        Event.objects.update(due_at=timezone.now())
        with CaptureQueriesContext(connection) as made:
            build_due(Event.objects.filter(definition="purchase"))
        counts.append(len(made))
    assert counts[-2] == counts[-1]
    assert Event.objects.filter(definition="purchase", status="pending").count() == 6
