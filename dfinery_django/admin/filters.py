"""The filters of the event list. ``read_selection`` reads them, for the list and its bulk actions alike.

Choices are read from indexes, never from all rows. Other lookups in the URL are refused: an action on "all" must not
select more than the list shows.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import router
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from .. import clock
from ..enums import EventStatus, Reason
from ..models import Event, Repair
from ..models.queryset import EventQuerySet
from ..operations.selection import WILDCARD, Selection, reasons_in_use
from ..text.escape import escaped
from ..text.times import local, parse_moment
from .base import is_key

#: Query parameters, named as Django's own filters would name them.
STATUS, EVENT, DESTINATION, REASON = "status__exact", "event_name", "destination", "reason_code__exact"
LAST_HOURS, SINCE, UNTIL = "hours", "occurred_at__gte", "occurred_at__lt"
DEFINITIONS, SOURCE = "definition__in", "source_pk"
SEARCH = "q"
#: The key of a bulk action: the events that it changed.
REPAIR = "repair"
FILTER_PARAMETERS = (STATUS, EVENT, DESTINATION, REASON, LAST_HOURS, SINCE, UNTIL, DEFINITIONS, SOURCE, REPAIR)

#: A filter lists no more values than this.
MAX_CHOICES = 50
#: The attributes of a request that keep the values that its filters looked up.
_NAMES_IN_USE, _REASONS_IN_USE = "_dfinery_names_in_use", "_dfinery_reasons_in_use"


def _names_in_use(request: HttpRequest, column: str) -> list[str]:
    """Return the values of a column that an index begins with, looked up once a request."""
    events: EventQuerySet = Event._default_manager.all()
    names: dict[tuple[str, str], list[str]] = request.__dict__.setdefault(_NAMES_IN_USE, {})
    if (events.db, column) not in names:
        names[events.db, column] = events.in_use(column)
    return names[events.db, column]


def destinations_in_use(request: HttpRequest, using: str) -> list[str] | None:
    """Return the destinations that events have; ``None`` unless a filter looked them up in this database."""
    names: dict[tuple[str, str], list[str]] = request.__dict__.get(_NAMES_IN_USE, {})
    return names.get((using, DestinationFilter.column))


def _reasons_in_use(request: HttpRequest) -> dict[str, set[str] | None]:
    """Return the statuses that events have, each with its reasons, looked up once a request."""
    if _REASONS_IN_USE not in request.__dict__:
        found = reasons_in_use(Event._default_manager.all(), _names_in_use(request, DestinationFilter.column))
        request.__dict__[_REASONS_IN_USE] = found
    kept: dict[str, set[str] | None] = request.__dict__[_REASONS_IN_USE]
    return kept


def read_selection(chosen: Mapping[str, str]) -> Selection:
    """Return the selection of the list's query string; a malformed time raises ``IncorrectLookupParameters``."""
    # PostgreSQL refuses U+0000.
    texts = defaultdict(str, {name: text.replace("\x00", "") for name, text in chosen.items()})
    since = _parse_filter_time(chosen.get(SINCE))
    if chosen.get(LAST_HOURS):
        try:
            since = clock.now() - dt.timedelta(hours=float(chosen[LAST_HOURS]))
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
    return Selection(
        pks=_pks_changed_by(texts[REPAIR]) if texts[REPAIR] else (),
        status=texts[STATUS], event_name=texts[EVENT], destination=texts[DESTINATION], reason_code=texts[REASON],
        definitions=tuple(filter(None, texts[DEFINITIONS].split(","))), source_pk=texts[SOURCE],
        since=since, until=_parse_filter_time(chosen.get(UNTIL)), search=texts[SEARCH].strip(),
    )  # fmt: skip


def query_of(selection: Selection) -> dict[str, str]:
    """Return the list's query string of a selection's filters, as a dict; keys chosen one by one have none."""
    texts = {
        STATUS: selection.status, EVENT: selection.event_name, DESTINATION: selection.destination,
        REASON: selection.reason_code, DEFINITIONS: ",".join(selection.definitions), SOURCE: selection.source_pk,
        SINCE: selection.since.isoformat() if selection.since else "",
        UNTIL: selection.until.isoformat() if selection.until else "",
        SEARCH: selection.search + WILDCARD * selection.is_prefix,
    }  # fmt: skip
    return {name: text for name, text in texts.items() if text}


def _pks_changed_by(key: str) -> tuple[int, ...]:
    """Return the keys of the events that a bulk action changed; one of no event if they are not known."""
    rows = Repair.objects.using(router.db_for_write(Event))
    found = rows.filter(pk=int(key)).values_list("changed_pks", flat=True).first() if is_key(key) else None
    return tuple(found or ()) or (0,)  # an empty tuple would select every event


def _parse_filter_time(text: str | None) -> dt.datetime | None:
    """Parse a time; a naive one is in the site's time zone."""
    if not text:
        return None
    try:
        return parse_moment(text)
    except (ValueError, OverflowError) as error:
        raise IncorrectLookupParameters(error) from error


class EventFilter(SimpleListFilter):
    """Base of the filters: choices only, since ``read_selection`` narrows the list."""

    def occurring(self, choices: Iterable[tuple[str, Any]], found: Collection[str]) -> list[tuple[str, Any]]:
        """Return the choices that are found, and the chosen one."""
        return [(value, label) for value, label in choices if value in found or value == self.value()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class StatusFilter(EventFilter):
    """A filter by status."""

    title, parameter_name = pgettext_lazy("event", "status"), STATUS

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return self.occurring(EventStatus.choices, _reasons_in_use(request))


class ReasonFilter(EventFilter):
    """A filter by reason code."""

    title, parameter_name = pgettext_lazy("event", "reason"), REASON

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        found = _reasons_in_use(request).values()
        if None in found:
            return Reason.choices[1:]
        return self.occurring(Reason.choices[1:], {code for codes in found for code in codes or ()})


class ColumnValuesFilter(EventFilter):
    """A filter by the values of a column.

    :cvar column: not named ``field``, which admin themes expect to be a model field
    """

    column = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        names, chosen = _names_in_use(request, self.column)[:MAX_CHOICES], self.value()
        names = [*names, chosen] if chosen is not None and chosen not in names else names
        return [(name, escaped(name, chars=40)) for name in names]


class EventNameFilter(ColumnValuesFilter):
    """A filter by event name."""

    title, parameter_name, column = pgettext_lazy("model", "event"), EVENT, "event_name"


class DestinationFilter(ColumnValuesFilter):
    """A filter by destination, shown if there are several."""

    title, parameter_name, column = pgettext_lazy("model", "destination"), DESTINATION, "destination"

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1 or self.value() is not None


class TimeFilter(EventFilter):
    """A filter by when it happened: the last hours, or from and until."""

    title, parameter_name = _("when it happened"), LAST_HOURS
    template = "admin/dfinery_django/event/time_filter.html"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (SINCE, UNTIL):
            value = params.pop(name, None)
            if value and value[-1]:
                self.used_parameters[name] = value[-1]

    def expected_parameters(self) -> list[str | None]:
        return [LAST_HOURS, SINCE, UNTIL]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            ("1", _("last hour")), ("24", _("last 24 hours")), ("48", _("last 48 hours")), ("168", _("last 7 days")),
        ]  # fmt: skip

    def choices(self, changelist: Any) -> Iterator[Any]:
        own = self.expected_parameters()
        is_open = not (self.used_parameters.get(SINCE) or self.used_parameters.get(UNTIL))
        yield {
            "selected": self.value() is None and is_open,
            "query_string": changelist.get_query_string(remove=own), "display": _("Any time"),
            # For the template's form.
            "kept": [(name, value) for name, value in changelist.params.items() if name not in (*own, "p")],
            "fields": [
                (SINCE, pgettext_lazy("time", "from"), self._local(SINCE)),
                (UNTIL, pgettext_lazy("time", "until"), self._local(UNTIL)),
            ],
        }  # fmt: skip
        for hours, title in self.lookup_choices:
            address = changelist.get_query_string({LAST_HOURS: hours}, [SINCE, UNTIL])
            yield {"selected": self.value() == str(hours), "query_string": address, "display": title}

    def _local(self, name: str) -> str:
        """Format a parameter for ``<input type="datetime-local">``."""
        moment = _parse_filter_time(self.used_parameters.get(name))
        return local(moment).replace(tzinfo=None).isoformat(timespec="minutes") if moment else ""


class SourceFilter(EventFilter):
    """A filter by source object, as links from its page set it; shown only when set, to remove it."""

    title, parameter_name = pgettext_lazy("event", "source"), SOURCE

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        params.pop(DEFINITIONS, None)

    def expected_parameters(self) -> list[str | None]:
        return [SOURCE, DEFINITIONS]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        chosen = self.value()
        return [(chosen, escaped(chosen, chars=40))] if chosen else []

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "selected": False, "query_string": changelist.get_query_string(remove=[SOURCE, DEFINITIONS]),
            "display": _("All events"),
        }  # fmt: skip
        for _value, title in self.lookup_choices:
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": title}


class RepairFilter(EventFilter):
    """A filter by bulk action, as links from its page set it; shown only when set, to remove it."""

    title, parameter_name = pgettext_lazy("model", "repair"), REPAIR

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        chosen = self.value()
        return [(chosen, _("the events that it changed"))] if chosen else []

    def choices(self, changelist: Any) -> Iterator[Any]:
        all_of_them, *chosen = super().choices(changelist)
        yield {**all_of_them, "display": _("All events")}
        yield from chosen


FILTERS = (StatusFilter, EventNameFilter, DestinationFilter, ReasonFilter, TimeFilter, SourceFilter, RepairFilter)
