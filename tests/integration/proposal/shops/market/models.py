"""A market of several sellers: orders in parts, addresses on models of their own."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Vendor(models.Model):
    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    shop_name = models.CharField(max_length=50)


class Product(models.Model):
    vendor = models.ForeignKey(Vendor, on_delete=models.CASCADE)
    title = models.CharField(max_length=50)
    sku = models.CharField(max_length=50)
    regular_price = models.DecimalField(max_digits=10, decimal_places=2)
    sale_price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    categories = models.ManyToManyField("Category")


class Category(models.Model):
    title = models.CharField(max_length=50)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE)


class Address(models.Model):
    email = models.EmailField()
    phone = models.CharField(max_length=50)
    full_name = models.CharField(max_length=50)


class CustomerOrder(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    order_number = models.CharField(max_length=50, unique=True)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    billing_address = models.ForeignKey(Address, on_delete=models.PROTECT, related_name="+")
    shipping_address = models.ForeignKey(Address, on_delete=models.PROTECT, related_name="+")
    grand_total = models.DecimalField(max_digits=10, decimal_places=2)
    tax_total = models.DecimalField(max_digits=10, decimal_places=2)
    shipping_total = models.DecimalField(max_digits=10, decimal_places=2)
    discount_total = models.DecimalField(max_digits=10, decimal_places=2)
    currency = models.CharField(max_length=3)
    placed_at = models.DateTimeField(auto_now_add=True)
    payment_status = models.CharField(
        max_length=20,
        choices=[(x, x.title()) for x in ("unpaid", "authorized", "paid", "refunded", "partially_refunded")],
    )
    status = models.CharField(
        max_length=20, choices=[(x, x.title()) for x in ("pending", "processing", "shipped", "delivered", "cancelled")]
    )


class VendorOrder(models.Model):
    order = models.ForeignKey(CustomerOrder, on_delete=models.CASCADE, related_name="vendor_orders")
    vendor = models.ForeignKey(Vendor, on_delete=models.CASCADE)
    subtotal = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.CharField(
        max_length=20, choices=[(x, x.title()) for x in ("pending", "shipped", "delivered", "cancelled")]
    )


class VendorOrderLine(models.Model):
    vendor_order = models.ForeignKey(VendorOrder, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, null=True, on_delete=models.SET_NULL)
    product_title = models.CharField(max_length=50)
    qty = models.PositiveIntegerField()
    line_total = models.DecimalField(max_digits=10, decimal_places=2)
