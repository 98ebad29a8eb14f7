"""The whole journey: each recipe of ``docs/map/oscar-journey.md``, taken from the page, and oscar's own pages."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock
from zlib import crc32

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import messages, run_checks
from django.db.models.signals import post_delete, post_save
from django.utils import timezone
from oscar.apps.basket.models import Line as BasketLine
from oscar.apps.catalogue.signals import product_viewed
from oscar.apps.order.models import PaymentEventType

from dfinery_django.definitions import registry
from dfinery_django.models import Event
from dfinery_django.outbox.reconcile import obstacle
from tests.system.oscar.settings import PAGE
from tests.system.oscar.shop import PASSWORD, Clerk, Customer

BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.with_name("oscar-journey.md").read_text(), re.MULTILINE | re.DOTALL)
#: The menu of oscar's pages, with a new treebeard.
pytestmark = pytest.mark.filterwarnings("ignore:Using Category")
GUEST = hashlib.sha256(b"kim@example.com").hexdigest()


def receiver(name: str) -> Any:
    """A receiver of the page, connected. Signals refer to it weakly."""
    (block,) = [each for each in BLOCKS if f"def {name}(" in each]
    names: dict[str, Any] = {"__name__": "shop.dfinery_events"}
    exec(block, names)
    return names[name]


@pytest.fixture(autouse=True)
def journey(settings: Any) -> Iterator[None]:
    """The page's blocks, executed below those of the page before it."""
    names = {"DFINERY": copy.deepcopy(settings.DFINERY)}
    for block in BLOCKS:
        if block.startswith("# settings.py\n"):
            exec(block, names)
    settings.DFINERY = names["DFINERY"]
    send_view, basket_changed = receiver("send_view"), receiver("basket_changed")
    yield
    product_viewed.disconnect(send_view)
    for signal in (post_save, post_delete):
        signal.disconnect(basket_changed, sender=BasketLine)


@pytest.fixture
def member() -> Any:
    """A member whose views are sent, logged in."""
    customer = Customer()
    number = 0
    while not hasattr(customer, "user"):
        number += 1
        found = get_user_model()(pk=number)
        if crc32(str(found.pk).encode()) % 10 == 0:
            found.username, found.email = "hong", "hong@example.com"
            found.set_password(PASSWORD)
            found.save()
            customer.user = found  # type: ignore[attr-defined]
    customer.login("hong@example.com")
    return customer


def said(delivered: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
    """What DFINERY was told by this name: of whom, and what."""
    envelope = {"event_id", "event_name", "event_datetime"}
    return [
        (
            body["user_attributes"]["user_id"],
            {key: value for key, value in body["event_attributes"].items() if key not in envelope},
        )
        for body in delivered(name)
    ]


def at(minute: int) -> Any:
    """Let it be that minute after ten o'clock, today."""
    moment = timezone.now().replace(hour=10, minute=0, second=0, microsecond=0) - dt.timedelta(days=1)
    return mock.patch("django.utils.timezone.now", return_value=moment + dt.timedelta(minutes=minute))


def test_the_settings_have_no_mistake() -> None:
    """Each definition is one that oscar's models have the fields for."""
    assert [each for each in run_checks(tags=["dfinery"]) if each.level > messages.INFO] == []


def test_reconcile_finds_what_the_page_says() -> None:
    """Vouchers and refunds, besides the purchases of the page before."""
    found = {each.name for each in registry.definitions() if not obstacle(each)}
    assert found == {"purchase", "use_coupon", "refund"}


def test_sign_up_and_login(delivered: Any) -> None:
    """Oscar's registration logs in at once; a later login is another event."""
    customer = Customer()
    user = customer.register("lee@example.com")
    customer.get("customer:logout")
    customer.login("lee@example.com")
    assert [pk for pk, _ in said(delivered, "sign_up")] == [str(user.pk)]
    assert [pk for pk, _ in said(delivered, "login")] == [str(user.pk)] * 2


def test_a_profile_is_deleted(member: Any, catalogue: Any, delivered: Any) -> None:
    """One withdrawal, and nothing that fails for what went with the row: baskets, wishes."""
    member.add(catalogue.laptop)
    member.send("customer:wishlists-add-product", {}, product_pk=catalogue.laptop.pk)
    delivered()
    key = str(member.user.pk)
    member.send("customer:profile-delete", {"password": PASSWORD})
    assert not get_user_model().objects.exists()
    assert said(delivered, "withdrawal") == [(key, {})]
    assert list(Event.objects.exclude(status="delivered").values_list("definition", "reason")) == []


def test_a_member_is_switched_off(member: Any, delivered: Any, settings: Any) -> None:
    """The other form of the page, for shops that keep the row."""
    (when,) = re.findall(r'"when": (\{"is_active".*?\})', PAGE.with_name("oscar-journey.md").read_text(), re.DOTALL)
    settings.DFINERY["EVENTS"]["withdrawal"]["when"] = eval(when)
    settings.DFINERY = {**settings.DFINERY}
    get_user_model().objects.create_user("new", "new@example.com", PASSWORD, is_active=False)
    user = get_user_model().objects.get(pk=member.user.pk)
    user.is_active = False
    user.save()
    assert said(delivered, "withdrawal") == [(str(user.pk), {})]


def test_views(member: Any, catalogue: Any, delivered: Any) -> None:
    """One per product and ten minutes, of a member in the sample; a parent of variants has its own key."""
    pages = [{"product_slug": each.slug, "pk": each.pk} for each in (catalogue.laptop, catalogue.bag)]
    with mock.patch("django.utils.timezone.now", return_value=timezone.now()):
        for page in (*pages, *pages):
            assert member.get("catalogue:detail", **page).status_code == 200
            assert Customer().get("catalogue:detail", **page).status_code == 200
    assert said(delivered, "view_product_details") == [
        (str(member.user.pk), {"items": [{"product_id": "LAPTOP-13", "product_name": "노트북 13"}]}),
        (str(member.user.pk), {"items": [{"product_id": str(catalogue.bag.pk), "product_name": "Bag"}]}),
    ]


def test_a_basket_is_one_event_per_ten_minutes(member: Any, catalogue: Any, delivered: Any) -> None:
    """With what is in it at the end, prices with tax."""
    with at(0):
        member.add(catalogue.laptop)
    with at(9):
        member.add(catalogue.stickers, 2)
        member.add(catalogue.laptop)
    with at(10):
        BasketLine.objects.get(product=catalogue.stickers).delete()
    assert [each.created_at.minute for each in Event.objects.filter(definition="update_cart")] == [0, 10]
    laptop = {"product_id": "LAPTOP-13", "product_name": "노트북 13", "quantity": 2, "price": 2090000.0}
    assert said(delivered, "update_cart") == [(str(member.user.pk), {"items": [laptop]})] * 2


def test_a_visitor_s_basket_is_known_after_the_login(member: Any, catalogue: Any, delivered: Any) -> None:
    """Nothing before; then one event of the member's basket, into which the lines were moved."""
    customer = Customer()
    customer.add(catalogue.laptop)
    assert not Event.objects.filter(definition="update_cart").exists()
    customer.login("hong@example.com")
    customer.get("basket:summary")
    (event,) = said(delivered, "update_cart")
    assert event[0] == str(member.user.pk)
    assert [each["product_id"] for each in event[1]["items"]] == ["LAPTOP-13"]


def test_a_wish(member: Any, catalogue: Any, delivered: Any) -> None:
    """One event, however often it is wished for."""
    for _ in range(2):
        member.send("customer:wishlists-add-product", {}, product_pk=catalogue.laptop.pk)
    wish = {"product_id": "LAPTOP-13", "product_name": "노트북 13"}
    assert said(delivered, "add_to_wishlist") == [(str(member.user.pk), {"items": [wish]})]


def test_vouchers(member: Any, catalogue: Any, delivered: Any) -> None:
    """Of a member and of a guest; an order without a voucher is none."""
    voucher = catalogue.voucher("TEN", "10")
    order = member.buy(catalogue.laptop, vouchers=[voucher])
    guest_order = Customer().buy(catalogue.laptop, guest="kim@example.com", vouchers=[voucher])
    Customer().buy(catalogue.laptop, guest="lee@example.com")
    assert said(delivered, "use_coupon") == [
        (str(member.user.pk), {"order_id": order.number, "coupon_code": "TEN"}),
        (GUEST, {"order_id": guest_order.number, "coupon_code": "TEN"}),
    ]


def test_a_single_line_is_cancelled(catalogue: Any, delivered: Any) -> None:
    """At the desk: the line is the only item, once."""
    order = Customer().buy(catalogue.laptop, catalogue.stickers, guest="kim@example.com")
    line = order.lines.get(partner_sku="STICKERS")
    clerk = Clerk()
    for _ in range(2):
        clerk.act(order, line_action="change_line_statuses", new_status="Cancelled", **chosen(line))
    line.refresh_from_db()
    line.save()
    assert line.status == "Cancelled"
    item = {"product_id": "STICKERS", "product_name": "Stickers", "quantity": 1}
    item["price"] = float(line.unit_price_incl_tax)
    assert said(delivered, "cancel_item") == [(GUEST, {"order_id": order.number, "items": [item]})]
    assert said(delivered, "cancel_order") == []


@pytest.mark.parametrize("at_the_desk", [True, False])
def test_a_whole_order_is_no_single_line(catalogue: Any, delivered: Any, at_the_desk: bool) -> None:
    """The cascade cancels its lines: one cancel_order, no event per line."""
    order = Customer().buy(catalogue.laptop, catalogue.stickers, guest="kim@example.com")
    if at_the_desk:
        Clerk().set_status(order, "Cancelled")
    else:
        order.set_status("Cancelled")
    assert {each.status for each in order.lines.all()} == {"Cancelled"}
    assert len(said(delivered, "cancel_order")) == 1
    assert said(delivered, "cancel_item") == []


def test_a_partial_refund_names_what_came_back(catalogue: Any, delivered: Any) -> None:
    """By lines and pieces; a refund of an amount alone has no items."""
    PaymentEventType.objects.create(name="Refunded")
    order = Customer().buy(catalogue.laptop, catalogue.stickers, guest="kim@example.com", quantity=3)
    line = order.lines.get(partner_sku="STICKERS")
    clerk = Clerk()
    form = {"line_action": "create_payment_event", "payment_event_type": "refunded", "amount": "3.98"}
    clerk.act(order, **form, **chosen(line, quantity=2))
    item = {"product_id": "STICKERS", "product_name": "Stickers", "quantity": 2}
    item["price"] = float(line.unit_price_incl_tax)
    refund = {"order_id": order.number, "refund_amount": 3.98, "items": [item]}
    assert said(delivered, "refund") == [(GUEST, refund)]
    clerk.refund(order, "1000")
    assert len(said(delivered, "refund")) == 1
    event = Event.objects.get(definition="refund", status="captured")
    assert event.reason_code == "not_ready"
    Event.objects.filter(pk=event.pk).update(created_at=timezone.now() - dt.timedelta(minutes=10))
    assert said(delivered, "refund")[1] == (GUEST, {"order_id": order.number, "refund_amount": 1000.0, "items": []})


def chosen(line: Any, quantity: int = 1) -> dict[str, Any]:
    return {"selected_line": line.pk, f"selected_line_qty_{line.pk}": quantity}
