"""django-oscar, the one package that is known by name: the mapping of docs/map/oscar.md."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model

from ..mapping.expressions import Coalesce, Hashed
from ..mapping.rows import Joined
from .guesses import Guess, Proposal, ProposedEvent
from .vocabulary.state_words import PHASES
from .vocabulary.words import points_of

ORDER = "order.Order"
_KNOWN = "known of oscar"
_CUSTOMER = {
    "user_id": Coalesce("user.pk", Hashed("guest_email")),
    "user_name": Coalesce("user.get_full_name", "billing_address.name"),
}
_EVENT_ATTRIBUTES = {
    "order_id": "number",
    "order_sales": "total_incl_tax",
    "payment_method": "sources.first.source_type.name",
    "discount": "total_discount_incl_tax",
    "delivery_charge": "shipping_incl_tax",
    "shipping_code": "shipping_code",
    "voucher_codes": Joined("discounts", "voucher_code"),
}
_ITEM_ATTRIBUTES = {
    "product_id": "partner_sku",
    "product_name": "title",
    "category1": Coalesce("product.categories.first.name", "product.parent.categories.first.name"),
    "quantity": "quantity",
    "price": "unit_price_incl_tax",
    "discount": "discount_incl_tax",
    "currency": "order.currency",
    "coupon_id": Joined("discounts", "order_discount.voucher_code"),
}


def is_oscar() -> bool:
    """Return whether the site is an oscar shop. Its apps may be forked: their labels stay."""
    return any(each.name == "oscar" for each in apps.get_app_configs()) and "order" in apps.app_configs


def propose_oscar() -> Proposal:
    """Return the mapping that is known to work."""
    events = [_oscar_purchase(), *_cancellations(), *_people(), _refunds()]
    attributes = {"user_id": Guess("pk"), "user_name": Guess("get_full_name")}
    return Proposal(ORDER, "django-oscar is installed: its proven mapping", events, attributes)


def _oscar_purchase() -> ProposedEvent:
    event = _event("purchase", ORDER, when="created", event_datetime="date_placed", settle_seconds=5)
    event.keys["settle_seconds"] = Guess(5, "oscar stores the payment after the order's transaction")
    event.keys["event_attributes"] = _guesses(_EVENT_ATTRIBUTES)
    event.keys["items"] = Guess("lines")
    event.keys["item_attributes"] = _guesses(_ITEM_ATTRIBUTES)
    event.keys["user_attributes"] = _guesses(_CUSTOMER)
    return event


def _cancellations() -> list[ProposedEvent]:
    pipeline = getattr(settings, "OSCAR_ORDER_STATUS_PIPELINE", {})
    named = [each for each in pipeline if points_of([str(each)], PHASES["canceled"]) >= 40]
    if not named:
        return []
    event = _event("cancel_order", ORDER)
    event.keys["when"] = Guess({"status": named[0]}, "of OSCAR_ORDER_STATUS_PIPELINE")
    event.keys["event_attributes"] = _guesses({"order_id": "number", "order_sales": "total_incl_tax"})
    event.keys["user_attributes"] = _guesses(_CUSTOMER)
    return [event]


def _people() -> list[ProposedEvent]:
    user: Any = get_user_model()
    sign_up = _event("sign_up", user._meta.label, signal=("oscar.apps.customer.signals.user_registered", "user"))
    login = _event("login", user._meta.label, signal=("django.contrib.auth.signals.user_logged_in", "user"))
    login.keys["when"] = Guess({"is_staff": False})
    login.keys["once_per"] = Guess("last_login", "an event for each login")
    return [sign_up, login]


def _refunds() -> ProposedEvent:
    event = _event("refund", "order.PaymentEvent")
    event.keys["when"] = Guess({"event_type__code": "refunded"}, "the code of your payment event type")
    event.keys["event_datetime"] = Guess("date_created")
    event.keys["event_attributes"] = _guesses({"order_id": "order.number", "refund_amount": "amount"})
    event.keys["user_attributes"] = _guesses({"user_id": Coalesce("order.user.pk", Hashed("order.guest_email"))})
    return event


def _event(name: str, model: str, **keys: Any) -> ProposedEvent:
    event = ProposedEvent(name, model)
    event.keys.update(_guesses(keys))
    return event


def _guesses(values: dict[str, Any]) -> dict[str, Any]:
    return {name: Guess(value, _KNOWN if name == "when" else "") for name, value in values.items()}
