"""Database routers of shops."""

from __future__ import annotations

from typing import Any


class ShopInOther:
    """The shop's tables are in "other", all else in "default"."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "other" if model._meta.app_label == "shop" else "default"

    db_for_write = db_for_read
