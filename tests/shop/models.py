"""A shop in few words, with what real shops have: guests, lines after the order, a product that may go."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    grade = models.CharField(max_length=10, default="basic", choices=[("basic", "Basic"), ("gold", "Gold member")])


class Category(models.Model):
    name = models.CharField(max_length=50)


class Product(models.Model):
    sku = models.CharField(max_length=50)
    name = models.CharField(max_length=200)
    category = models.ForeignKey(Category, models.PROTECT)
    specification = models.JSONField(default=dict, blank=True)


class Order(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PAID = "paid", "Paid"
        CANCELLED = "cancelled", "Cancelled"

    number = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    customer = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    guest_email = models.EmailField(blank=True)
    total = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    payment_method = models.CharField(
        max_length=20, default="mobile", choices=[("mobile", "MobilePayment"), ("card", "CreditCard")]
    )
    uses_applepay = models.BooleanField(default=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=50, blank=True)

    @property
    def broken(self) -> str:
        raise ZeroDivisionError("division by zero")


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    quantity = models.IntegerField(default=1)
    unit_price = models.DecimalField(max_digits=14, decimal_places=2)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    coupon = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["pk"]
