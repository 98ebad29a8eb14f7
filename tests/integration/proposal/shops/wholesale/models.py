"""A wholesale shop: statuses are rows, payments are rows, and prices have tax or not."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class OrderStatus(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=50)


class Item(models.Model):
    sku = models.CharField(max_length=50)
    name = models.CharField(max_length=50)


class SalesOrder(models.Model):
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    client = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    status = models.ForeignKey(OrderStatus, on_delete=models.PROTECT)
    net_amount = models.DecimalField(max_digits=10, decimal_places=2)
    vat_amount = models.DecimalField(max_digits=10, decimal_places=2)
    gross_amount = models.DecimalField(max_digits=10, decimal_places=2)
    created = models.DateTimeField(auto_now_add=True)


class SalesOrderLine(models.Model):
    sales_order = models.ForeignKey(SalesOrder, on_delete=models.CASCADE)
    item = models.ForeignKey(Item, on_delete=models.PROTECT)
    quantity = models.DecimalField(max_digits=10, decimal_places=2)
    net_price = models.DecimalField(max_digits=10, decimal_places=2)
    gross_price = models.DecimalField(max_digits=10, decimal_places=2)


class Payment(models.Model):
    class State(models.TextChoices):
        INITIATED = "initiated"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    order = models.ForeignKey(SalesOrder, related_name="payments", on_delete=models.CASCADE)
    state = models.CharField(max_length=20, choices=State.choices)
    method = models.CharField(max_length=20)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    created = models.DateTimeField(auto_now_add=True)
    captured_at = models.DateTimeField(null=True)
