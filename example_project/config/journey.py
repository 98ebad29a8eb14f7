"""The shop with the whole journey: the shop's settings, and each definition of docs/map/journey.md.

DJANGO_SETTINGS_MODULE=config.journey python manage.py runserver
"""

from zlib import crc32

from config.settings import *  # noqa: F403 - derived settings
from config.settings import DFINERY as SHOP, INSTALLED_APPS
from dfinery_django import Coalesce, Every, Hashed

INSTALLED_APPS = [*INSTALLED_APPS, "journey"]  # its dfinery_events.py sends views of products
DFINERY = {**SHOP, "EVENTS": {**SHOP["EVENTS"]}}

DFINERY["EVENTS"]["sign_up"] = {
    "model": "accounts.User",  # your AUTH_USER_MODEL
    "when": {"is_active": True, "is_staff": False},
    "event_datetime": "date_joined",
    "user_attributes": {"user_id": "pk", "user_name": "name", "membership": "membership"},
}
DFINERY["EVENTS"]["login"] = {
    "model": "accounts.User",
    "signal": ("django.contrib.auth.signals.user_logged_in", "user"),
    "when": {"is_staff": False},
    "once_per": "last_login",
}
DFINERY["EVENTS"]["withdrawal"] = {
    "model": "accounts.User",
    "when": {"is_active": False, "last_login__isnull": False},
}
DFINERY["EVENTS"]["account_deleted"] = {
    "model": "accounts.User",
    "when": "deleted",
}
DFINERY["EVENTS"]["update_cart"] = {
    "model": "shop.SavedCart",
    "when": lambda cart, created: crc32(str(cart.customer_id).encode()) % 10 == 0,  # of all members: "saved"
    "once_per": Every(minutes=10),
    "settle_seconds": 600,
    "user": "customer",
    "guests": "skip",
    "items": "lines",
    "item_attributes": {
        "product_id": "product.sku",
        "product_name": "product.name",
        "quantity": "quantity",
        "price": "product.price",
    },
}
DFINERY["EVENTS"]["add_to_wishlist"] = {
    "model": "shop.Wish",
    "event_datetime": "added_at",
    "user": "customer",
    "items": "self",  # the row itself is the only item
    "item_attributes": {"product_id": "product.sku", "product_name": "product.name", "price": "product.price"},
}
DFINERY["EVENTS"]["use_coupon"] = {
    "model": "shop.Order",
    "when": {"status": "paid", "coupon__isnull": False},
    "event_datetime": "paid_at",
    "event_attributes": {"order_id": "number", "coupon_code": "coupon.code", "discount": "discount_total"},
    "user_attributes": {"user_id": Coalesce("customer.pk", Hashed("guest_email"))},
}
DFINERY["EVENTS"]["cancel_item"] = {
    "model": "shop.OrderLine",
    "when": {"status": "cancelled"},
    "event_datetime": "cancelled_at",
    "event_attributes": {"order_id": "order.number"},
    "items": "self",
    "item_attributes": {"product_id": "sku", "product_name": "name", "quantity": "quantity", "price": "unit_price"},
    "user_attributes": {"user_id": Coalesce("order.customer.pk", Hashed("order.guest_email"))},
}
DFINERY["EVENTS"]["refund"] = {
    "model": "shop.Refund",  # a row for each refund
    "event_datetime": "refunded_at",
    "event_attributes": {"order_id": "order.number", "refund_amount": "amount"},
    "items": "lines",  # what came back
    "item_attributes": {
        "product_id": "line.sku",
        "product_name": "line.name",
        "quantity": "quantity",
        "price": "line.unit_price",
    },
    "user_attributes": {"user_id": Coalesce("order.customer.pk", Hashed("order.guest_email"))},
}
DFINERY["EVENTS"]["renew_subscription"] = {
    "model": "shop.Subscription",
    "when": lambda subscription, created: subscription.renewed_at is not None,
    "once_per": "renewed_at",  # an event for each renewal
    "event_datetime": "renewed_at",
    "event_attributes": {"subscription_id": "pk"},
    "user": "customer",
    "items": "self",
    "item_attributes": {"product_id": "product.sku", "product_name": "product.name", "price": "product.price"},
}
