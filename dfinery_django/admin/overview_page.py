"""Template context of the overview page: numbers, health, chart, links to the lists of events. No HTML."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from ..enums import FINISHED, UNFINISHED, EventStatus
from ..monitoring import overview, recent
from ..monitoring.health import HealthReport, assess
from ..operations.redaction import redact
from ..text.endpoints import endpoint_note
from ..text.reasons import in_language
from ..text.times import span
from .chart import build_chart


def overview_context(request: HttpRequest, site: str) -> dict[str, Any]:
    """Return the context of the page, as of now.

    :param site: the name of the admin site
    """
    snapshot = _redacted_overview(request, overview.look())
    arrival = recent.arrival_times(snapshot.now)
    return {
        "overview": snapshot,
        "health": _redacted_health(request, snapshot),
        "chart": build_chart(snapshot.hours),
        "arrival": arrival and {"median": span(arrival.median_seconds), "p95": span(arrival.p95_seconds)},
        "failures": [
            (each, redact(request, each.example.translated_reason, ""), _failures_link(each, snapshot, site))
            for each in recent.failures(snapshot.now)
        ],
        **_destinations_context(request, snapshot, site),
        "first_to_expire": recent.first_to_expire(snapshot.first_to_expire),
        "unfinished": [_tile(status, snapshot, site) for status in UNFINISHED],
        "finished": [_tile(status, snapshot, site) for status in FINISHED],
    }


def destinations_page_context(request: HttpRequest, site: str) -> dict[str, Any]:
    """Return the context of the Destinations page, as of now."""
    snapshot = _redacted_overview(request, overview.look(with_schedules=False))
    return {
        "overview": snapshot,
        **_destinations_context(request, snapshot, site, with_pages=True),
        "back": "destination",
    }


def _destinations_context(
    request: HttpRequest, snapshot: overview.Snapshot, site: str, *, with_pages: bool = False
) -> dict[str, Any]:
    """Return the destinations with a link to the events of each; if asked for, with one to the page of its row."""
    may_view = request.user.has_perm("dfinery_django.view_event")
    cards = []
    for each in snapshot.destinations:
        events = _list_link(site, destination=each.alias) if may_view else ""
        page = ""
        if with_pages and each.has_row:
            page = reverse("admin:dfinery_django_destination_change", args=[quote(each.alias)], current_app=site)
        cards.append((each, events, page))
    return {
        "elsewhere": endpoint_note(snapshot.settings),
        "destinations": cards,
        "may_pause": may_view and request.user.has_perm("dfinery_django.pause_destination"),
        "may_test": may_view and request.user.has_perm("dfinery_django.send_test_event"),
    }


def _tile(status: EventStatus, snapshot: overview.Snapshot, site: str) -> dict[str, Any]:
    since = {} if status in UNFINISHED else {"occurred_at__gte": _list_since(status, snapshot)}
    link = _list_link(site, status__exact=status, **since)
    return {"status": status, "count": snapshot.counts[status], "link": link}


def _failures_link(failures: recent.FailureGroup, snapshot: overview.Snapshot, site: str) -> str:
    return _list_link(
        site,
        status__exact=failures.status,
        reason_code__exact=failures.code,
        event_name=failures.event_name,
        occurred_at__gte=_list_since(failures.status, snapshot),
    )


def _list_link(site: str, **lookups: str) -> str:
    try:
        url = reverse("admin:dfinery_django_event_changelist", current_app=site)
    except NoReverseMatch:  # a site that registers the overview alone
        return ""
    return f"{url}?{urlencode(lookups)}"


def _redacted_overview(request: HttpRequest, snapshot: overview.Snapshot) -> overview.Snapshot:
    """Translate the reasons for open circuits, and redact them as far as the user may not read them."""
    found = (
        dataclasses.replace(each, why=redact(request, in_language(each.why), "")) for each in snapshot.destinations
    )
    return dataclasses.replace(snapshot, destinations=tuple(found))


def _redacted_health(request: HttpRequest, snapshot: overview.Snapshot) -> HealthReport:
    """Return the health, without the quoted texts if the user may not read them."""
    health = assess(snapshot)
    found = (dataclasses.replace(each, said=redact(request, each.said, "")) for each in health.findings)
    return dataclasses.replace(health, findings=tuple(found))


def _list_since(status: EventStatus, snapshot: overview.Snapshot) -> str:
    """Return the start of the list's range of ``occurred_at``.

    Events that expired in the last 48 hours occurred up to the maximum age earlier.
    """
    since = overview.first_hour(snapshot.now)
    return (since - snapshot.settings.max_age if status == EventStatus.EXPIRED else since).isoformat()
