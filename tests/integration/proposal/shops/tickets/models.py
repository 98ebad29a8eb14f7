"""A ticket shop: a row for each ticket, a status that is a number with constants, amounts in cents."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Event(models.Model):
    title = models.CharField(max_length=50)
    starts_at = models.DateTimeField()
    organizer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)


class TicketType(models.Model):
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
    price = models.IntegerField()


class Order(models.Model):
    STATUS_PENDING = 1
    STATUS_PAID = 2
    STATUS_CANCELLED = 3
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="tickets_orders"
    )
    email = models.EmailField()
    phone = models.CharField(max_length=20)
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    reference = models.CharField(max_length=12, unique=True)
    status = models.PositiveSmallIntegerField(default=STATUS_PENDING)
    total_cents = models.PositiveIntegerField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)


class Ticket(models.Model):
    order = models.ForeignKey(Order, related_name="tickets", on_delete=models.CASCADE)
    ticket_type = models.ForeignKey(TicketType, on_delete=models.PROTECT)
    attendee_name = models.CharField(max_length=50)
    attendee_email = models.EmailField()
    price = models.IntegerField()
    code = models.CharField(max_length=50, unique=True)
    checked_in = models.BooleanField(default=False)
