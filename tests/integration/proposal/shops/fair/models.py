"""Numbers that are unique for each organizer alone, orders of a test, and lines that were cancelled."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Organizer(models.Model):
    slug = models.CharField(max_length=20)


class Ticket(models.Model):
    name = models.CharField(max_length=50)
    default_price = models.DecimalField(max_digits=8, decimal_places=2)


class Order(models.Model):
    organizer = models.ForeignKey(Organizer, on_delete=models.CASCADE)
    code = models.CharField(max_length=16)
    email = models.EmailField()
    status = models.CharField(max_length=1, choices=[("n", "pending"), ("p", "paid"), ("c", "canceled")])
    testmode = models.BooleanField(default=False)
    total = models.DecimalField(max_digits=8, decimal_places=2)
    datetime = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organizer", "code"], name="fair_code")]

    @property
    def full_code(self) -> str:
        return f"{self.organizer.slug}-{self.code}"


class Position(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="positions")
    item = models.ForeignKey(Ticket, on_delete=models.CASCADE)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    canceled = models.BooleanField(default=False)
