"""The overview page: health, findings and remedies. Pause, resume and test event, by POST only.

The page refreshes itself through ``current``, which returns its content without the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _, pgettext
from django.views.decorators.http import require_POST, require_safe

from ..exceptions import ConfigurationError
from ..models import Destination, Overview
from ..outbox.wakeup import wake_on_commit
from ..text.reasons import in_language
from .base import ReadOnlyAdmin, site_language
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
            "title": pgettext("model", "Overview"),
            "opts": self.opts,
            "refresh_seconds": REFRESH_SECONDS,
            **self._snapshot_context(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/dfinery_django/overview.html", context)

    def current(self, request: HttpRequest) -> TemplateResponse:
        """Return the content that the page refreshes."""
        return TemplateResponse(request, "admin/dfinery_django/overview_current.html", self._snapshot_context(request))

    def _snapshot_context(self, request: HttpRequest) -> dict[str, Any]:
        from .overview_page import overview_context

        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        return overview_context(request, self.admin_site.name)

    def pause(self, request: HttpRequest) -> HttpResponse:
        """Pause delivery to a destination."""
        from ..delivery import circuit
        from ..monitoring.overview import databases

        alias = self._posted_destination(request, "pause_destination")
        for using in databases():
            circuit.pause(alias, by=request.user.get_username(), using=using)
        self._log_change(request, alias, lambda: pgettext("destination", "Paused."))
        self.message_user(request, _("Delivery to %(destination)s is paused.") % {"destination": alias})
        return self._redirect_back(request)

    def resume(self, request: HttpRequest) -> HttpResponse:
        """Resume delivery to a destination, or close its circuit."""
        from ..delivery import circuit
        from ..monitoring.overview import databases

        alias = self._posted_destination(request, "pause_destination")
        for using in databases():
            circuit.resume(alias, using=using)
            wake_on_commit(using, alias)
        self._log_change(request, alias, lambda: pgettext("destination", "Resumed."))
        self.message_user(request, _("Delivery to %(destination)s is resumed.") % {"destination": alias})
        return self._redirect_back(request)

    def send_test_event(self, request: HttpRequest) -> HttpResponse:
        """Check the token of a destination with a test event."""
        from ..delivery.token_check import check_token

        alias = self._posted_destination(request, "send_test_event")
        try:
            result = check_token(alias)
        except ConfigurationError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._redirect_back(request)
        self._log_change(request, alias, lambda: _("Sent a test event: %(answer)s") % {"answer": result.text})
        answer = in_language(result.answer) or f"({result.duration_ms} ms)"
        level = _TEST_EVENT_LEVELS[result.is_accepted]
        # An answer that is not DFINERY's is not the success that was asked for.
        level = level if result.endpoint.is_dfinery else max(level, messages.WARNING)
        self.message_user(request, f"{result.text} {answer}", level)
        return self._redirect_back(request)

    def _posted_destination(self, request: HttpRequest, permission: str) -> str:
        """Return the alias that was posted.

        :raises PermissionDenied: if the user lacks the permission
        :raises Http404: if there is no such destination
        """
        from ..monitoring.overview import databases, settings_in_force

        if not self.has_view_permission(request) or not request.user.has_perm(f"dfinery_django.{permission}"):
            raise PermissionDenied
        alias = request.POST.get("destination", "").replace("\x00", "")  # which PostgreSQL refuses
        known = (Destination.objects.using(using).filter(pk=alias).exists() for using in databases())
        if alias not in settings_in_force()[1].TOKENS and not any(known):
            raise Http404(_("There is no such destination."))
        return alias

    def _log_change(self, request: HttpRequest, alias: str, words: Callable[[], str]) -> None:
        """Log the change in Django's admin log."""
        from ..delivery.circuit import destination_row
        from ..monitoring.overview import databases

        with site_language():
            self.log_change(request, destination_row(alias, databases()[0]), words())

    def _redirect_back(self, request: HttpRequest) -> HttpResponse:
        page = "destination" if request.POST.get("back") == "destination" else "overview"
        return HttpResponseRedirect(self.admin_url(f"{page}_changelist"))
