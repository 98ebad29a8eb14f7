import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.forms.models import model_to_dict

from shop.models import Order

LINE_FIELDS = ["sku", "quantity", "unit_price", "discount"]


class Command(BaseCommand):
    help = "Prints members and orders as JSON: the shop's own tables, to compare with what arrived at DFINERY."

    def handle(self, **options):
        orders = Order.objects.select_related("customer").prefetch_related("lines").order_by("created_at")
        content = {
            "users": [_user(user) for user in get_user_model().objects.order_by("date_joined")],
            "orders": [_order(order) for order in orders],
        }
        self.stdout.write(json.dumps(content, default=float))


def _user(user):
    return {"id": str(user.pk), "name": user.name, "joined_at": user.date_joined.timestamp()}


def _order(order):
    return {
        "number": order.number,
        "buyer": order.buyer,
        "status": order.status,
        "total": order.total,
        "discount": order.discount_total,
        "paid_at": order.paid_at and order.paid_at.timestamp(),
        "cancelled_at": order.cancelled_at and order.cancelled_at.timestamp(),
        "lines": [model_to_dict(line, LINE_FIELDS) for line in order.lines.all()],
    }
