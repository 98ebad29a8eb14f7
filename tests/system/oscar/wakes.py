"""A WAKE that drains at once, inside the checkout: the fastest worker there could be."""

from __future__ import annotations

from dfinery_django.delivery.worker import drain
from tests.support.doubles import FarSide

far_side = FarSide()


def at_once(destination: str) -> None:
    drain(destination, send=far_side)
