"""Signals of the shop."""

from django.dispatch import Signal

product_viewed = Signal()  # product, user
