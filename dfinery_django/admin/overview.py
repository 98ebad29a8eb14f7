"""The overview page: health, findings and remedies. Pause, resume and test event, by POST only.

The page refreshes itself through ``current``, which returns its content without the frame.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from ..delivery import circuit
from ..delivery.token_check import check_token
from ..enums import FINISHED, UNFINISHED, EventStatus
from ..exceptions import ConfigurationError
from ..models import Destination, Overview
from ..monitoring import overview, recent
from ..monitoring.health import HealthReport, assess
from ..operations.permissions import redact
from ..outbox.wakeup import wake_on_commit
from ..text.times import span
from .base import ReadOnlyAdmin, site_language
from .chart import build_chart
from .guard import View

#: The visible page refreshes itself this often.
REFRESH_SECONDS = 10
_TEST_EVENT_LEVELS = {True: messages.SUCCESS, False: messages.ERROR, None: messages.WARNING}


@admin.register(Overview)
class OverviewAdmin(ReadOnlyAdmin):
    """The overview page and its buttons."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("dfinery_django.view_event")

    def get_urls(self) -> list[Any]:
        views: list[tuple[str, str, View]] = [
            ("", "changelist", require_safe(self.changelist_view)),
            ("current/", "current", require_safe(self.current)),
            ("pause/", "pause", require_POST(self.pause)),
            ("resume/", "resume", require_POST(self.resume)),
            ("test/", "test", require_POST(self.send_test_event)),
        ]
        return [
            path(route, self._view(view), name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")
            for route, name, view in views
        ]

    def _view(self, view: View) -> View:
        # A test event waits for the network, which must not happen inside a transaction (ATOMIC_REQUESTS).
        for using in connections:
            view = transaction.non_atomic_requests(using=using)(view)
        return self.admin_site.admin_view(view)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": pgettext("model", "Overview"), "opts": self.opts, "refresh_seconds": REFRESH_SECONDS,
            **self._snapshot_context(request),
            **(extra_context or {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/dfinery_django/overview.html", context)

    def current(self, request: HttpRequest) -> TemplateResponse:
        """Return the content that the page refreshes."""
        return TemplateResponse(request, "admin/dfinery_django/overview_current.html", self._snapshot_context(request))

    def _snapshot_context(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        snapshot = _redacted_overview(request, overview.look())
        arrival = recent.arrival_times(snapshot.now)
        return {
            "overview": snapshot,
            "health": _redacted_health(request, snapshot),
            "chart": build_chart(snapshot.hours),
            "arrival": arrival and {"median": span(arrival.median_seconds), "p95": span(arrival.p95_seconds)},
            "failures": [
                (each, redact(request, each.example.reason, ""), self._failures_link(each, snapshot))
                for each in recent.failures(snapshot.now)
            ],
            "first_to_expire": recent.first_to_expire(snapshot.first_to_expire),
            "unfinished": [self._tile(status, snapshot) for status in UNFINISHED],
            "finished": [self._tile(status, snapshot) for status in FINISHED],
            "may_pause": request.user.has_perm("dfinery_django.pause_destination"),
            "may_test": request.user.has_perm("dfinery_django.send_test_event"),
        }

    def _tile(self, status: EventStatus, snapshot: overview.Snapshot) -> dict[str, Any]:
        since = {} if status in UNFINISHED else {"occurred_at__gte": _list_since(status, snapshot)}
        link = self._list_link(status__exact=status, **since)
        return {"status": status, "count": snapshot.counts[status], "link": link}

    def _failures_link(self, failures: recent.FailureGroup, snapshot: overview.Snapshot) -> str:
        return self._list_link(
            status__exact=failures.status, reason_code__exact=failures.code, event_name=failures.event_name,
            occurred_at__gte=_list_since(failures.status, snapshot),
        )  # fmt: skip

    def _list_link(self, **lookups: str) -> str:
        try:
            return f"{self.admin_url('event_changelist')}?{urlencode(lookups)}"
        except NoReverseMatch:  # a site that registers the overview alone
            return ""

    def pause(self, request: HttpRequest) -> HttpResponse:
        """Pause delivery to a destination."""
        alias = self._posted_destination(request, "pause_destination")
        for using in overview.databases():
            circuit.pause(alias, by=request.user.get_username(), using=using)
        self._log_change(request, alias, lambda: pgettext("destination", "Paused."))
        self.message_user(request, _("Delivery to %(destination)s is paused.") % {"destination": alias})
        return self._redirect_back()

    def resume(self, request: HttpRequest) -> HttpResponse:
        """Resume delivery to a destination, or close its circuit."""
        alias = self._posted_destination(request, "pause_destination")
        for using in overview.databases():
            circuit.resume(alias, using=using)
            wake_on_commit(using, alias)
        self._log_change(request, alias, lambda: pgettext("destination", "Resumed."))
        self.message_user(request, _("Delivery to %(destination)s is resumed.") % {"destination": alias})
        return self._redirect_back()

    def send_test_event(self, request: HttpRequest) -> HttpResponse:
        """Check the token of a destination with a test event."""
        alias = self._posted_destination(request, "send_test_event")
        try:
            result = check_token(alias)
        except ConfigurationError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._redirect_back()
        self._log_change(request, alias, lambda: _("Sent a test event: %(answer)s") % {"answer": result.text})
        words = f"{result.text} {result.answer}" if result.answer else f"{result.text} ({result.duration_ms} ms)"
        self.message_user(request, words, _TEST_EVENT_LEVELS[result.is_accepted])
        return self._redirect_back()

    def _posted_destination(self, request: HttpRequest, permission: str) -> str:
        if not self.has_view_permission(request) or not request.user.has_perm(f"dfinery_django.{permission}"):
            raise PermissionDenied
        alias = request.POST.get("destination", "").replace("\x00", "")  # which PostgreSQL refuses
        known = (Destination.objects.using(using).filter(pk=alias).exists() for using in overview.databases())
        if alias not in overview.settings_in_force()[1].TOKENS and not any(known):
            raise Http404(_("There is no such destination."))
        return alias

    def _log_change(self, request: HttpRequest, alias: str, words: Callable[[], str]) -> None:
        with site_language():
            self.log_change(request, circuit.destination_row(alias, overview.databases()[0]), words())

    def _redirect_back(self) -> HttpResponse:
        return HttpResponseRedirect(self.admin_url("overview_changelist"))


def _redacted_overview(request: HttpRequest, snapshot: overview.Snapshot) -> overview.Snapshot:
    found = (
        dataclasses.replace(each, why=redact(request, each.why, str(each.code.label))) for each in snapshot.destinations
    )
    return dataclasses.replace(snapshot, destinations=tuple(found))


def _redacted_health(request: HttpRequest, snapshot: overview.Snapshot) -> HealthReport:
    health = assess(snapshot)
    found = (dataclasses.replace(each, said=redact(request, each.said, "")) for each in health.findings)
    return dataclasses.replace(health, findings=tuple(found))


def _list_since(status: EventStatus, snapshot: overview.Snapshot) -> str:
    # Events that expired in the last 48 hours occurred up to the maximum age earlier.
    age_hours = snapshot.settings.MAX_AGE_HOURS if status == EventStatus.EXPIRED else 0
    return (overview.first_hour(snapshot.now) - dt.timedelta(hours=age_hours)).isoformat()
