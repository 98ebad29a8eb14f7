"""Pages of a list that may be endless: counted up to a bound, and listed up to there."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator

#: So many are counted and listed: a page far back would cost as much as all rows before it.
MOST_LISTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """:ivar is_bounded: whether there are more than are listed"""

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST_LISTED)

    @property
    def is_bounded(self) -> bool:
        return self._found > MOST_LISTED

    @cached_property
    def _found(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: MOST_LISTED + 1].count())
