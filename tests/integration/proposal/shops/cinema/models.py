"""A booking is its own line: a showing, and behind it the film. Guests may have a phone number alone."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Cinema(models.Model):
    name = models.CharField(max_length=50)


class Film(models.Model):
    title = models.CharField(max_length=100)
    ticket_price = models.DecimalField(max_digits=8, decimal_places=2)
    venue = models.ForeignKey(Cinema, on_delete=models.CASCADE)


class Showing(models.Model):
    movie = models.ForeignKey(Film, on_delete=models.CASCADE)
    starts = models.DateTimeField()


class Booking(models.Model):
    class State(models.TextChoices):
        PENDING = "PENDING"
        CONFIRMED = "CONFIRMED"
        CANCELLED = "CANCELLED"

    number = models.CharField(max_length=16, unique=True)
    showing = models.ForeignKey(Showing, on_delete=models.CASCADE)
    booked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=30)
    seats = models.PositiveIntegerField(default=1)
    total_price = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
