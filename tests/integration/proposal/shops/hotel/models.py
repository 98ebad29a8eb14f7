"""A hotel: a booking is its own line, and a guest is no user."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class RoomType(models.Model):
    name = models.CharField(max_length=50)
    price_per_night = models.DecimalField(max_digits=8, decimal_places=2)


class Room(models.Model):
    room_type = models.ForeignKey(RoomType, on_delete=models.CASCADE)
    number = models.CharField(max_length=10, unique=True)
    floor = models.IntegerField()


class Guest(models.Model):
    first_name = models.CharField(max_length=50)
    last_name = models.CharField(max_length=50)
    email = models.EmailField()
    phone_number = models.CharField(max_length=20)


class Booking(models.Model):
    class BookingStatus(models.TextChoices):
        PENDING = "PE", "Pending"
        CONFIRMED = "CO", "Confirmed"
        CHECKED_IN = "CI", "Checked in"
        CANCELLED = "CA", "Cancelled"

    booking_reference = models.UUIDField(default=uuid.uuid4, unique=True)
    guest = models.ForeignKey(Guest, on_delete=models.PROTECT)
    room = models.ForeignKey(Room, on_delete=models.PROTECT)
    check_in = models.DateField()
    check_out = models.DateField()
    nights = models.PositiveIntegerField()
    num_adults = models.PositiveIntegerField()
    status = models.CharField(max_length=2, choices=BookingStatus.choices, default="PE")
    total_price = models.DecimalField(max_digits=10, decimal_places=2)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="hotel_bookings"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True)
