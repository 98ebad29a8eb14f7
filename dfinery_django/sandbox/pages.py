"""The pages of the sandbox: the arrivals with a search, one arrival, and the question before all is forgotten.

All work without JavaScript: the search, its filter and its page are in the address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from .memory import ArrivalLog, utc
from .rules import Arrival

ARRIVALS_PER_PAGE = 50
LONGEST_SEARCH = 200
#: Filters of the list, by their names in the address.
LIST_FILTERS = {
    "": "all events",
    "problems": "with any problem",
    "unprocessed": "not processed",
    "repeated": "arrived more than once",
    "warnings": "with warnings",
}

Chip = tuple[str, str]  # its colour and its text
Times = Mapping[str, int]  # event id -> number of arrivals


@dataclass(frozen=True)
class Search:
    """The search, filter and page that the reader asked for."""

    text: str = ""
    show: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: str) -> Search:
        """Read a query string; what is not understood is ignored."""
        given = dict(parse_qsl(query))
        page, show = given.get("page", ""), given.get("show", "")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
        return cls(given.get("q", "").strip()[:LONGEST_SEARCH], show if show in LIST_FILTERS else "", max(1, number))

    @property
    def is_narrow(self) -> bool:
        return bool(self.text or self.show)

    def query(self, page: int | None = None) -> str:
        """Return the query string of another page of the same search; of this one without ``page``."""
        wanted = {"q": self.text, "show": self.show, "page": self.page if page is None else page}
        found = urlencode({name: value for name, value in wanted.items() if value not in ("", 1)})
        return f"?{found}" if found else ""

    def finds(self, arrival: Arrival, times: Times) -> bool:
        """Return whether an arrival is wanted."""
        if self.show and not _has_problem(self.show, arrival, times):
            return False
        texts = (arrival.event_name, arrival.user_id, arrival.order_id, arrival.event_id)
        return not self.text or any(self.text.casefold() in each.casefold() for each in texts)


def _has_problem(kind: str, arrival: Arrival, times: Times) -> bool:
    found = {
        "unprocessed": not arrival.processed,
        "repeated": times[arrival.event_id] > 1,
        "warnings": bool(arrival.warnings),
    }
    return any(found.values()) if kind == "problems" else found[kind]


def list_context(arrivals: Sequence[Arrival], times: Times, search: Search) -> dict[str, Any]:
    """Return the rows of one page of the list, newest first, and the links to its other pages."""
    if search.is_narrow:
        wanted = [number for number, each in enumerate(arrivals, 1) if search.finds(each, times)][::-1]
    else:
        wanted = list(range(len(arrivals), 0, -1))
    last_page = max(1, -(-len(wanted) // ARRIVALS_PER_PAGE))
    search = replace(search, page=min(search.page, last_page))
    start = (search.page - 1) * ARRIVALS_PER_PAGE
    shown = wanted[start : start + ARRIVALS_PER_PAGE]
    return {
        "rows": [_row(number, arrivals[number - 1], times) for number in shown],
        "found": len(wanted),
        "first": start + 1 if shown else 0,
        "last": start + len(shown),
        "newer": f"/{search.query(search.page - 1)}" if search.page > 1 else "",
        "older": f"/{search.query(search.page + 1)}" if search.page < last_page else "",
        "is_narrow": "yes" if search.is_narrow else "",
        "text": search.text,
        "show": search.show,
        "query": search.query(),
        "filters": [{"name": name, "label": label} for name, label in LIST_FILTERS.items()],
    }


def _row(number: int, arrival: Arrival, times: Times) -> dict[str, Any]:
    return {
        "number": number,
        "arrived": utc(arrival.received_at).partition(".")[0],
        "event_name": arrival.event_name,
        "user_id": arrival.user_id,
        "order_id": arrival.order_id,
        "chips": list(_chips(arrival, times)),
    }


def _chips(arrival: Arrival, times: Times) -> Iterator[Chip]:
    if not arrival.processed:
        yield "bad", "not processed: older than 48 h"
    if (count := times[arrival.event_id]) > 1:
        yield "warn", f"arrived {count} times"
    if count := len(arrival.warnings):
        yield "warn", f"{count} warning{'s' if count > 1 else ''}"


def arrival_context(log: ArrivalLog, number: int, search: Search) -> dict[str, Any] | None:
    """Return one arrival with its properties and the other arrivals of its event id; ``None`` if there is none."""
    if not 1 <= number <= len(log.arrivals):
        return None
    arrival, times = log.arrivals[number - 1], log.times_arrived
    others = [
        _row(other, each, times)
        for other, each in enumerate(log.arrivals, 1)
        if times[arrival.event_id] > 1 and each.event_id == arrival.event_id and other != number
    ]
    return {
        "event": {**log.describe(arrival), **_row(number, arrival, times), "body": None},
        "others": others[: -ARRIVALS_PER_PAGE - 1 : -1],
        "others_count": len(others),
        "query": search.query(),
        "newer": number + 1 if number < len(log.arrivals) else "",
        "older": number - 1 if number > 1 else "",
    }
