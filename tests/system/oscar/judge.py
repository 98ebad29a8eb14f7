"""What DFINERY was told against the shop's tables. Reads oscar's tables and nothing of ours: a second opinion."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from oscar.apps.catalogue.models import Category, Product
from oscar.apps.order.models import BillingAddress, Line, Order, OrderDiscount, OrderStatusChange, PaymentEvent
from oscar.apps.payment.models import Source

CANCELLED, REFUNDED = "Cancelled", "Refunded"
#: A cancellation is dated with the moment of its save; the shop's own row about it is written right after.
SLACK = dt.timedelta(seconds=5)

Body = Mapping[str, Any]
Told = Mapping[tuple[str, str], list[Body]]


def differences(bodies: Iterable[Body]) -> list[str]:
    """What DFINERY was told and the shop's tables don't say, or the other way round; a line for each."""
    told: dict[tuple[str, str], list[Body]] = defaultdict(list)
    for body in bodies:
        event = body["event_attributes"]
        told[event["event_name"], event.get("order_id", "")].append(body)
    return [
        *_compare("purchase", told, Order.objects.all(), purchase_of),
        *_compare("cancel_order", told, Order.objects.filter(status=CANCELLED), cancellation_of),
        *_cancelled_when(told),
        *_refunds(told),
    ]


def _compare(name: str, told: Told, orders: Iterable[Order], expected: Callable[[Order], Body]) -> Iterator[str]:
    wanted = {order.number: order for order in orders}
    for number, order in wanted.items():
        bodies = told.get((name, number), [])
        if len(bodies) != 1:
            yield f"order {number} has {len(bodies)} {name} events"
        for body in bodies:
            yield from _unlike(f"{name} of order {number}", _read(body, name), expected(order))
    yield from (
        f"{name} of order {number}, which the shop knows nothing of"
        for each, number in told
        if each == name and number not in wanted
    )


def _cancelled_when(told: Told) -> Iterator[str]:
    for change in OrderStatusChange.objects.filter(new_status=CANCELLED).select_related("order"):
        for body in told.get(("cancel_order", change.order.number), []):
            moment = dt.datetime.fromtimestamp(body["event_attributes"]["event_datetime"] / 1000, dt.timezone.utc)
            if not change.date_created - SLACK < moment <= change.date_created:
                yield f"cancel_order of order {change.order.number}: {moment}, the shop has {change.date_created}"


def _refunds(told: Told) -> Iterator[str]:
    rows = PaymentEvent.objects.filter(event_type__name=REFUNDED).values_list("order__number", "amount")
    stored = Counter(rows.iterator())
    said = Counter(
        (number, Decimal(repr(body["event_attributes"]["refund_amount"])))
        for (name, number), bodies in told.items()
        for body in bodies
        if name == "refund"
    )
    for number, amount in (stored - said) + (said - stored):
        had, heard = stored[number, amount], said[number, amount]
        yield f"refund of {amount} for order {number}: DFINERY was told {heard} times, the shop has {had}"


def _unlike(place: str, told: Any, stored: Any) -> Iterator[str]:
    if isinstance(told, dict) and isinstance(stored, dict):
        for key in sorted({*told, *stored}):
            yield from _unlike(f"{place}: {key}", told.get(key), stored.get(key))
    elif isinstance(told, list) and isinstance(stored, list) and len(told) == len(stored):
        for index, pair in enumerate(zip(told, stored, strict=True)):
            yield from _unlike(f"{place}[{index}]", *pair)
    elif told != stored or type(told) is not type(stored):
        yield f"{place}: DFINERY was told {told!r}, the shop has {stored!r}"


def _read(body: Body, name: str) -> Body:
    """A body with its Doubles as decimals, without the id, which the shop does not know."""
    read: dict[str, Any] = json.loads(json.dumps(body), parse_float=Decimal)
    del read["event_attributes"]["event_id"]
    if name == "cancel_order":
        del read["event_attributes"]["event_datetime"]  # judged by itself
    return read


def purchase_of(order: Order) -> Body:
    """A purchase as the tables have it; its lines in the order of the basket."""
    lines = list(Line.objects.filter(order_id=order.pk).order_by("pk").values())
    sources = Source.objects.filter(order_id=order.pk).order_by("pk").values_list("source_type__name", flat=True)
    event = {
        "event_name": "purchase",
        "event_datetime": round(order.date_placed.timestamp() * 1_000_000) // 1000,
        "order_id": order.number,
        "order_sales": order.total_incl_tax,
        "payment_method": sources.first(),
        "discount": sum(map(_discount, lines), Decimal(0)),
        "delivery_charge": order.shipping_incl_tax,
        "shipping_code": order.shipping_code,
        "voucher_codes": _codes(OrderDiscount.objects.filter(order_id=order.pk).order_by("pk")),
        "items": [_item(order, line) for line in lines],
    }
    return {"event_attributes": _present(event), "user_attributes": user_of(order)}


def cancellation_of(order: Order) -> Body:
    """A cancellation as the tables have it, but for its moment."""
    event = {"event_name": "cancel_order", "order_id": order.number, "order_sales": order.total_incl_tax}
    return {"event_attributes": event, "user_attributes": user_of(order)}


def user_of(order: Order) -> Body:
    """A member by key, a guest by the hash of the e-mail address."""
    user_id = str(order.user_id or hashlib.sha256(order.guest_email.strip().lower().encode()).hexdigest())
    people = User.objects.filter(pk=order.user_id), BillingAddress.objects.filter(pk=order.billing_address_id)
    names = [" ".join(name).strip() for each in people for name in each.values_list("first_name", "last_name")]
    return _present({"user_id": user_id, "user_name": next(filter(None, names), None)})


def _item(order: Order, line: Mapping[str, Any]) -> Body:
    product = Product.objects.filter(pk=line["product_id"]).first()
    owner = product and (product.parent_id or product.pk)  # a variant has its parent's categories
    item = {
        "product_id": line["partner_sku"],
        "product_name": line["title"],
        "category1": owner and Category.objects.filter(product__pk=owner).values_list("name", flat=True).first(),
        "quantity": line["quantity"],
        "price": line["unit_price_incl_tax"],
        "discount": _discount(line),
        "currency": order.currency,
        "coupon_id": _codes(
            OrderDiscount.objects.filter(discount_lines__line_id=line["id"]).order_by("discount_lines__pk")
        ),
    }
    return _present(item)


def _codes(discounts: Any) -> str | None:
    codes = discounts.exclude(voucher_code="").values_list("voucher_code", flat=True)
    return ",".join(dict.fromkeys(codes)) or None


def _discount(line: Mapping[str, Any]) -> Decimal:
    difference: Decimal = line["line_price_before_discounts_incl_tax"] - line["line_price_incl_tax"]
    return difference


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
