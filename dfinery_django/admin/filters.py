"""The filters beside the event list: choices. ``selected`` reads what was chosen, for the list and its actions alike.

The choices are read from indexes, never from all rows. Other lookups in the address are refused: an action on "all"
must not take more than the list shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .. import clock
from ..display import escaped
from ..models import Event
from ..queries import EventQuerySet
from ..selection import Selection
from ..states import EventStatus, Reason

#: What stands in the address, in the words that Django's own filters would use.
STATUS, EVENT, DESTINATION, REASON = "status__exact", "event_name", "destination", "reason_code__exact"
LAST_HOURS, SINCE, UNTIL = "hours", "occurred_at__gte", "occurred_at__lt"
DEFINITIONS, SOURCE = "definition__in", "source_pk"
SEARCH = "q"
PARAMETERS = (STATUS, EVENT, DESTINATION, REASON, LAST_HOURS, SINCE, UNTIL, DEFINITIONS, SOURCE)

#: More names than this are not listed.
MOST_CHOICES = 50
#: Where a request keeps what its filters have looked up.
_IN_USE = "_dfinery_in_use"


def destinations_in_use(request: HttpRequest, using: str) -> list[str] | None:
    """Those that events have, if the filter beside the list has looked them up in the list's own database."""
    found: list[str] | None = request.__dict__.get(_IN_USE, {}).get((using, DestinationFilter.column))
    return found


def selected(chosen: Mapping[str, str]) -> Selection:
    """The events that an address of the list asks for.

    :raises IncorrectLookupParameters: if a time in it is none
    """
    since = _moment(chosen.get(SINCE))
    if chosen.get(LAST_HOURS):
        try:
            since = clock.now() - dt.timedelta(hours=float(chosen[LAST_HOURS]))
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
    return Selection(
        status=clean(chosen.get(STATUS)),
        event_name=clean(chosen.get(EVENT)),
        destination=clean(chosen.get(DESTINATION)),
        reason_code=clean(chosen.get(REASON)),
        definitions=tuple(filter(None, clean(chosen.get(DEFINITIONS)).split(","))),
        source_pk=clean(chosen.get(SOURCE)),
        since=since,
        until=_moment(chosen.get(UNTIL)),
        search=clean(chosen.get(SEARCH)).strip(),
    )


def clean(text: str | None) -> str:
    """What an address or a form gives, as every database takes it."""
    return (text or "").replace("\x00", "")  # PostgreSQL takes none


def _moment(text: str | None) -> dt.datetime | None:
    """A time in the address; a naive one is read in the site's time zone."""
    if not text:
        return None
    try:
        moment = parse_datetime(text)
        if moment is None:
            moment = dt.datetime.fromisoformat(text)
        aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
        return aware.astimezone(dt.timezone.utc)
    except (ValueError, OverflowError) as error:
        raise IncorrectLookupParameters(error) from error


class EventFilter(SimpleListFilter):
    """Choices only: the list is narrowed once, by ``selected``."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class StatusFilter(EventFilter):
    title, parameter_name = pgettext_lazy("event", "status"), STATUS

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return EventStatus.choices


class ReasonFilter(EventFilter):
    title, parameter_name = pgettext_lazy("event", "reason"), REASON

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [choice for choice in Reason.choices if choice[0]]


class NamesFilter(EventFilter):
    """The values that a column has.

    :cvar column: not ``field``, which themes of the admin expect to be a model's field
    """

    column = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        events: EventQuerySet = Event._default_manager.all()
        everything = events.in_use(self.column)
        request.__dict__.setdefault(_IN_USE, {})[events.db, self.column] = everything
        names, chosen = everything[:MOST_CHOICES], self.value()
        names = [*names, chosen] if chosen is not None and chosen not in names else names
        return [(name, escaped(name, chars=40)) for name in names]


class EventNameFilter(NamesFilter):
    title, parameter_name, column = pgettext_lazy("model", "event"), EVENT, "event_name"


class DestinationFilter(NamesFilter):
    title, parameter_name, column = pgettext_lazy("model", "destination"), DESTINATION, "destination"

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1 or self.value() is not None


class TimeFilter(EventFilter):
    """When it happened: the last hours, or from and until."""

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
            ("1", _("last hour")),
            ("24", _("last 24 hours")),
            ("48", _("last 48 hours")),
            ("168", _("last 7 days")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = {SINCE: None, UNTIL: None, LAST_HOURS: None}
        is_open = not any(self.used_parameters.get(name) for name in (SINCE, UNTIL))
        first = {"selected": self.value() is None and is_open, "display": _("Any time")}
        # What the form of the template needs, beside the choices.
        first |= {
            "kept": [
                pair
                for pair in changelist.params.items()
                if pair[0] not in self.expected_parameters() and pair[0] != "p"
            ],
            "fields": [
                (SINCE, pgettext_lazy("time", "from"), self._local(SINCE)),
                (UNTIL, pgettext_lazy("time", "until"), self._local(UNTIL)),
            ],
        }
        yield first | {"query_string": changelist.get_query_string(remove=list(others))}
        for hours, title in self.lookup_choices:
            address = changelist.get_query_string({LAST_HOURS: hours}, [SINCE, UNTIL])
            yield {"selected": self.value() == str(hours), "query_string": address, "display": title}

    def _local(self, name: str) -> str:
        """For an ``<input type="datetime-local">``."""
        moment = _moment(self.used_parameters.get(name))
        try:
            return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M") if moment else ""
        except OverflowError:  # the first or last hours that Python knows
            return ""


class SourceFilter(EventFilter):
    """Where a source object's own page links to its events: shown only then, so that it can be taken off."""

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


FILTERS = (StatusFilter, EventNameFilter, DestinationFilter, ReasonFilter, TimeFilter, SourceFilter)
