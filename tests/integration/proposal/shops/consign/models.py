"""A purchase is split by seller: lines and delivery charges belong to its consignments, the state to a payment."""

from __future__ import annotations

from django.conf import settings
from django.db import models

STATES = ("READY", "DONE", "FAILED", "CANCELED")


class Taxon(models.Model):
    title = models.CharField(max_length=50)


class Listing(models.Model):
    title = models.CharField(max_length=100)
    taxons = models.ManyToManyField(Taxon)
    asking_price = models.DecimalField(max_digits=8, decimal_places=2)


class Variant(models.Model):
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE)
    sku = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=40)


class Purchase(models.Model):
    reference = models.CharField(max_length=12, unique=True)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    grand_total = models.DecimalField(max_digits=12, decimal_places=2)


class Consignment(models.Model):
    purchase = models.ForeignKey(Purchase, on_delete=models.CASCADE, related_name="consignments")
    shipping_cost = models.DecimalField(max_digits=12, decimal_places=2, default=0)


class ConsignmentLine(models.Model):
    consignment = models.ForeignKey(Consignment, on_delete=models.CASCADE, related_name="lines")
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE)
    pieces = models.PositiveIntegerField(default=1)
    price_each = models.DecimalField(max_digits=10, decimal_places=2)


class Payment(models.Model):
    purchase = models.OneToOneField(Purchase, on_delete=models.CASCADE)
    state = models.CharField(max_length=10, choices=[(each, each.title()) for each in STATES])
    created = models.DateTimeField(auto_now_add=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
