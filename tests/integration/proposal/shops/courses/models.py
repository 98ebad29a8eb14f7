"""A shop whose amounts are whole cents, beside a currency; the price of a line is a property over its offer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models


class Offer(models.Model):
    name = models.CharField(max_length=50)

    def current_price(self) -> int:
        return 4900


class Invoice(models.Model):
    number = models.CharField(max_length=16, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=[("cart", "Cart"), ("paid", "Paid")])
    currency = models.CharField(max_length=3, default="usd")
    total = models.IntegerField(null=True)
    discount = models.IntegerField(default=0)
    shipping = models.IntegerField(null=True)
    ordered_at = models.DateTimeField(null=True)


class InvoiceItem(models.Model):
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="items")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField(default=1)
    copy = models.JSONField(default=dict)

    @property
    def price(self) -> Any:
        return self.offer.current_price()
