"""Free shipping, or a parcel tomorrow; both have names that are translated."""

from __future__ import annotations

from decimal import Decimal

from oscar.apps.shipping import methods, repository


class Tomorrow(methods.FixedPrice):
    code = "tomorrow"
    charge_excl_tax, charge_incl_tax = Decimal("3000"), Decimal("3300")


class Repository(repository.Repository):
    methods = (methods.Free(), Tomorrow())
