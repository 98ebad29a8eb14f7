"""A paginator for tables of any size: counts and lists rows up to a limit."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator

#: Rows counted and listed at most: a page far back costs as much as all rows before it.
MAX_LISTED_ROWS = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Paginator with a limit.

    :ivar is_bounded: whether there are more rows than are listed
    """

    @cached_property
    def count(self) -> int:
        return min(self._bounded_count, MAX_LISTED_ROWS)

    @property
    def is_bounded(self) -> bool:
        return self._bounded_count > MAX_LISTED_ROWS

    @cached_property
    def _bounded_count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: MAX_LISTED_ROWS + 1].count())
