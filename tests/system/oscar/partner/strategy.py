"""Prices with VAT, as in Korea."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from oscar.apps.partner import strategy


class Korea(strategy.UseFirstStockRecord, strategy.StockRequired, strategy.FixedRateTax, strategy.Structured):
    rate = Decimal("0.1")
    exponent = Decimal("0.01")


class Selector(strategy.Selector):
    def strategy(self, request: Any = None, user: Any = None, **kwargs: Any) -> Any:
        return Korea(request)
