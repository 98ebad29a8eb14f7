"""A shop on old tables: no keys to other apps, states that only a constant names, lines without a product."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    STATES = (("n", "New"), ("p", "Paid"), ("s", "Shipped"), ("x", "Cancelled"))

    number = models.CharField(max_length=20, unique=True)
    state = models.CharField(max_length=1)
    customer_id = models.IntegerField(null=True)
    email = models.CharField(max_length=100)
    ordertotal = models.FloatField()
    freight = models.FloatField(default=0)
    placed = models.DateTimeField()
    payment_date = models.DateTimeField(null=True)
    changed = models.DateTimeField(auto_now=True)


class OrderRow(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="rows")
    sku = models.CharField(max_length=30)
    title = models.CharField(max_length=100)
    qty = models.IntegerField()
    priceeach = models.FloatField()
    rowtotal = models.FloatField()


class OrderLog(models.Model):
    order = models.ForeignKey(Order, models.CASCADE)
    text = models.TextField()
