"""Cursor pagination of events, newest first, without a count. A page far back costs no more than the first.

DRF's own cursor uses an offset among rows with the same position, which rows that arrive meanwhile shift.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from ..clock import EPOCH
from .errors import bad_request

MAX_PAGE_SIZE = 200

_MICROSECOND = dt.timedelta(microseconds=1)
#: Direction, key and, if events are ordered by when they happened, microseconds since 1970.
_CURSOR = re.compile(r"([np])([0-9]{1,18})(?:t(-?[0-9]{1,18}))?")


@dataclass(frozen=True)
class _Cursor:
    """The event before a page, and the direction.

    :ivar is_forward: towards older events
    :ivar moment: ``None`` if events are ordered by key
    """

    is_forward: bool
    pk: int
    moment: dt.datetime | None

    def __str__(self) -> str:
        time = "" if self.moment is None else f"t{(self.moment - EPOCH) // _MICROSECOND}"
        return f"{'n' if self.is_forward else 'p'}{self.pk}{time}"

    def beyond(self) -> Q:
        """Return the condition of the rows after it."""
        word = "lt" if self.is_forward else "gt"
        if self.moment is None:
            return Q(**{f"pk__{word}": self.pk})
        # The first condition lets the index work; the second decides among events of the same time.
        later = Q(**{f"occurred_at__{word}": self.moment}) | Q(**{f"pk__{word}": self.pk})
        return Q(**{f"occurred_at__{word}e": self.moment}) & later


class EventPagination(CursorPagination):
    """Pages by key, or by time if the query has a range of time."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    ordering = "-pk"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.base_url = request.build_absolute_uri()
        # The order of an index. With a range of time that of its own column, or all later rows would be read first.
        self._by_time = bool(request.query_params.get("since") or request.query_params.get("until"))
        self._cursor = cursor = self._parse_cursor(request.query_params.get(self.cursor_query_param, ""))
        size = self.get_page_size(request)
        is_forward = cursor is None or cursor.is_forward
        sign = "-" if is_forward else ""
        rows = queryset.order_by(*(f"{sign}{name}" for name in (("occurred_at", "pk") if self._by_time else ("pk",))))
        fetched = list((rows.filter(cursor.beyond()) if cursor else rows)[: size + 1])
        self.page = fetched[:size] if is_forward else fetched[:size][::-1]
        self.has_next = len(fetched) > size if is_forward else True
        self.has_previous = cursor is not None if is_forward else len(fetched) > size
        self.display_page_controls = self.has_next or self.has_previous
        return self.page

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size", "")
        if not text:
            return self.page_size or MAX_PAGE_SIZE
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MAX_PAGE_SIZE):
            raise bad_request(f"page_size: a whole number from 1 to {MAX_PAGE_SIZE}.")
        return int(text)

    def get_next_link(self) -> str | None:
        return self._link(True, -1) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self._link(False, 0) if self.has_previous else None

    def _link(self, is_forward: bool, end: int) -> str | None:
        if self.page:
            event = self.page[end]
            cursor = _Cursor(is_forward, event.pk, event.occurred_at if self._by_time else None)
        elif self._cursor:  # its rows are gone
            cursor = _Cursor(is_forward, self._cursor.pk, self._cursor.moment)
        else:
            return None
        return replace_query_param(str(self.base_url), self.cursor_query_param, str(cursor))

    def _parse_cursor(self, text: str) -> _Cursor | None:
        """Parse the cursor.

        :raises ApiError: if it is malformed, or of the other order
        """
        if not text:
            return None
        match = _CURSOR.fullmatch(text)
        try:
            if match and bool(match[3]) == self._by_time:
                moment = EPOCH + int(match[3]) * _MICROSECOND if match[3] else None
                return _Cursor(match[1] == "n", int(match[2]), moment)
        except OverflowError:
            pass
        raise bad_request("cursor: take it from 'next' or 'previous' of an answer to the same filters.")
