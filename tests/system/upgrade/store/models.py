from __future__ import annotations

from django.conf import settings
from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=10)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    total = models.DecimalField(max_digits=14, decimal_places=2)
    note = models.CharField(max_length=50, blank=True)
    paid_at = models.DateTimeField(null=True)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=50)
    name = models.CharField(max_length=200)
    quantity = models.IntegerField()
    price = models.DecimalField(max_digits=14, decimal_places=2)
