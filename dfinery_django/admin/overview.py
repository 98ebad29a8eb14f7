"""The overview page: is all well, and if not, what to do. Pause, resume and test events, by POST alone.

It refreshes itself through ``current``, which is the page without what surrounds it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from .. import destinations, overview, recent
from ..exceptions import ConfigurationError
from ..health import Health, assess
from ..models import Destination, Overview
from ..moments import span
from ..rights import redact
from ..states import FINISHED, UNFINISHED, EventStatus
from ..token_check import check_token
from ..waking import wake_on_commit
from .base import ReadOnly, site_language
from .chart import draw
from .filters import clean

if TYPE_CHECKING:
    OverviewBase = admin.ModelAdmin[Overview]
else:  # Django's classes are generic for type checkers only
    OverviewBase = admin.ModelAdmin

View = Callable[..., Any]

#: While somebody looks at it, the page asks for news this often.
REFRESH_SECONDS = 10
_SHOWN_AS = {True: messages.SUCCESS, False: messages.ERROR, None: messages.WARNING}


@dataclass(frozen=True)
class Tile:
    """How many events have a status, and where they are listed."""

    status: EventStatus
    count: int
    link: str


@admin.register(Overview)
class OverviewAdmin(ReadOnly, OverviewBase):
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
        # A test event waits for the network, which no transaction of a site with ATOMIC_REQUESTS may do.
        for using in connections:
            view = transaction.non_atomic_requests(using=using)(view)
        return self.admin_site.admin_view(view)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": pgettext("model", "Overview"),
            "opts": self.opts,
            "refresh_seconds": REFRESH_SECONDS,
            **self._standing(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/dfinery_django/overview.html", context)

    def current(self, request: HttpRequest) -> TemplateResponse:
        return TemplateResponse(request, "admin/dfinery_django/overview_current.html", self._standing(request))

    def _standing(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        now = _readable(request, overview.look())
        arrival = recent.arrival(now.now)
        return {
            "overview": now,
            "health": _assessed(request, now),
            "chart": draw(now.hours),
            "arrival": arrival and {"median": span(arrival.median_seconds), "p95": span(arrival.p95_seconds)},
            "failures": [
                (each, redact(request, each.example.reason, ""), self._failures_link(each, now))
                for each in recent.failures(now.now)
            ],
            "first_to_expire": recent.first_to_expire(now.first_to_expire),
            "unfinished": [self._tile(status, now) for status in UNFINISHED],
            "finished": [self._tile(status, now) for status in FINISHED],
            "may_pause": request.user.has_perm("dfinery_django.pause_destination"),
            "may_test": request.user.has_perm("dfinery_django.send_test_event"),
        }

    def _tile(self, status: EventStatus, now: overview.Overview) -> Tile:
        since = {} if status in UNFINISHED else {"occurred_at__gte": _since(status, now)}
        return Tile(status, now.counts[status], self._list_link(status__exact=status, **since))

    def _failures_link(self, failures: recent.Failures, now: overview.Overview) -> str:
        return self._list_link(
            status__exact=failures.status,
            reason_code__exact=failures.code,
            event_name=failures.event_name,
            occurred_at__gte=_since(failures.status, now),
        )

    def _list_link(self, **lookups: str) -> str:
        try:
            url = reverse("admin:dfinery_django_event_changelist", current_app=self.admin_site.name)
        except NoReverseMatch:  # a site that shows the overview alone
            return ""
        return f"{url}?{urlencode(lookups)}"

    def pause(self, request: HttpRequest) -> HttpResponse:
        alias = self._chosen(request, "pause_destination")
        for using in overview.databases():
            destinations.pause(alias, by=request.user.get_username(), using=using)
        self._log(request, alias, lambda: pgettext("destination", "Paused."))
        self.message_user(request, _("Delivery to %(destination)s is paused.") % {"destination": alias})
        return self._back()

    def resume(self, request: HttpRequest) -> HttpResponse:
        alias = self._chosen(request, "pause_destination")
        for using in overview.databases():
            destinations.resume(alias, using=using)
            wake_on_commit(using, alias)
        self._log(request, alias, lambda: pgettext("destination", "Resumed."))
        self.message_user(request, _("Delivery to %(destination)s goes on.") % {"destination": alias})
        return self._back()

    def send_test_event(self, request: HttpRequest) -> HttpResponse:
        alias = self._chosen(request, "send_test_event")
        try:
            found = check_token(alias)
        except ConfigurationError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._back()
        self._log(request, alias, lambda: _("Sent a test event: %(answer)s") % {"answer": found.text})
        words = f"{found.text} {found.said}" if found.said else f"{found.text} ({found.duration_ms} ms)"
        self.message_user(request, words, _SHOWN_AS[found.is_accepted])
        return self._back()

    def _chosen(self, request: HttpRequest, permission: str) -> str:
        """
        :raises PermissionDenied: if this user may not
        :raises Http404: if there is no such destination
        """
        if not self.has_view_permission(request) or not request.user.has_perm(f"dfinery_django.{permission}"):
            raise PermissionDenied
        alias = clean(request.POST.get("destination"))
        known = (Destination.objects.using(using).filter(pk=alias).exists() for using in overview.databases())
        if alias not in overview.settings_in_force()[1].TOKENS and not any(known):
            raise Http404(_("There is no such destination."))
        return alias

    def _log(self, request: HttpRequest, alias: str, words: Callable[[], str]) -> None:
        """Django's own record of who did what."""
        with site_language():
            self.log_change(request, destinations.current(alias, overview.databases()[0]), words())

    def _back(self) -> HttpResponse:
        url = reverse("admin:dfinery_django_overview_changelist", current_app=self.admin_site.name)
        return HttpResponseRedirect(url)


def _readable(request: HttpRequest, now: overview.Overview) -> overview.Overview:
    """The same, with why each destination is closed as this person may read it."""
    found = (
        dataclasses.replace(each, why=redact(request, each.why, str(each.code.label))) for each in now.destinations
    )
    return dataclasses.replace(now, destinations=tuple(found))


def _assessed(request: HttpRequest, now: overview.Overview) -> Health:
    """Is all well? Without what was said word for word where this person may not read it."""
    health = assess(now)
    found = (dataclasses.replace(each, said=redact(request, each.said, "")) for each in health.findings)
    return dataclasses.replace(health, findings=tuple(found))


def _since(status: EventStatus, now: overview.Overview) -> str:
    """The list goes by when events happened: those that expired within 48 hours did so as much before."""
    age_hours = now.settings.MAX_AGE_HOURS if status == EventStatus.EXPIRED else 0
    return (overview.first_hour(now.now) - dt.timedelta(hours=age_hours)).isoformat()
