"""The admin of bulk actions and their progress: read-only, for users who may view events; stoppable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from ..models import Event, Repair
from ..operations.bulk_action import stop
from ..operations.messages import action_lines, action_summary, describe_selection
from ..operations.redaction import redact
from ..operations.selection import Selection
from ..text.escape import escaped
from ..text.times import number
from .base import ReadOnlyAdmin, datetime_column, is_key, site_language
from .filters import REPAIR, STATUS, query_of
from .progress import read_progress

#: The visible page refreshes itself this often until all is over.
PROGRESS_REFRESH_SECONDS = 3


@admin.register(Repair)
class RepairAdmin(ReadOnlyAdmin):
    """The list of bulk actions and a bulk action's page."""

    list_display = (
        *("action", "selected_events", "asked_by", datetime_column(Repair, "asked_at")),
        *("progress", datetime_column(Repair, "finished_at"), "result"),
    )
    list_display_links = ("action",)
    sortable_by = ()
    ordering = ("-pk",)
    show_full_result_count = False

    class Media:
        css = {"all": ["dfinery_django/events.css"]}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("dfinery_django.view_event")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=pgettext_lazy("model", "events"))
    def selected_events(self, bulk_action: Repair) -> str:
        return escaped(_selection_text(bulk_action), chars=80)

    def get_list_display(self, request: HttpRequest) -> Any:
        *others, last = self.list_display
        return [*others, redact(request, last, "result_alone")]

    @admin.display(description=gettext_lazy("so far"))
    def progress(self, bulk_action: Repair) -> str:
        seen, count = bulk_action.seen_count, bulk_action.event_count
        text = f"{number(seen)} / {number(count)}"
        bar = '<progress value="{}" max="{}" aria-label="{}"></progress> {}'
        return format_html(bar, str(seen), str(count or 1), text, text)

    @admin.display(description=pgettext_lazy("repair", "result"), empty_value="-")
    def result(self, bulk_action: Repair) -> str:
        return escaped(bulk_action.error, chars=200) if bulk_action.error else self.result_alone(bulk_action)

    @admin.display(description=pgettext_lazy("repair", "result"), empty_value="-")
    def result_alone(self, bulk_action: Repair) -> str:
        """Return the result for users who may not read an error in full."""
        if bulk_action.error:
            return _("It can't be done: see the log.")
        return action_summary(bulk_action.action, bulk_action.tally)

    def get_urls(self) -> Any:
        stop = require_POST(self.admin_site.admin_view(self.stop_view))
        current = require_safe(self.admin_site.admin_view(self.current_view))
        return [
            path("<int:pk>/stop/", stop, name="dfinery_django_repair_stop"),
            path("<int:pk>/current/", current, name="dfinery_django_repair_current"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        key = unquote(object_id)
        bulk_action = Repair.objects.filter(pk=int(key)).first() if is_key(key) else None
        if bulk_action is None:
            return self.redirect_missing(request)
        context = {
            "title": capfirst(bulk_action.get_action_display()), "original": bulk_action,
            "has_view_permission": True, "which": _selection_text(bulk_action),
            "refresh_seconds": PROGRESS_REFRESH_SECONDS,
            **self._progress_context(request, bulk_action),
        }  # fmt: skip
        return self.template_page(request, "repair/page", context, extra_context)

    def current_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the part of a bulk action's page that refreshes itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self._progress_context(request, get_object_or_404(Repair, pk=pk))
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/dfinery_django/repair/current.html", context)

    def _progress_context(self, request: HttpRequest, bulk_action: Repair) -> dict[str, Any]:
        """Return how far it is, what became of the events that it changed, and what holds them up."""
        progress = read_progress(bulk_action)
        return {
            "repair": bulk_action, "progress": progress, "opts": self.opts,
            "error": redact(request, bulk_action.error, _("It can't be done: see the log.")),
            "seen": number(bulk_action.seen_count), "count": number(bulk_action.event_count),
            "lines": list(action_lines(bulk_action.action, bulk_action.tally)),
            "states": [(*each, self._list_link(bulk_action, each[0])) for each in progress.states],
            "list_url": self._list_link(bulk_action),
            "may_stop": not bulk_action.is_finished and self._may_take(request, bulk_action),
        }  # fmt: skip

    def _list_link(self, bulk_action: Repair, status: str = "") -> str:
        """Return the URL of the events that it changed; of those that its filters select if they are too many."""
        if bulk_action.changed_pks is not None:
            query = {REPAIR: str(bulk_action.pk), **({STATUS: status} if status else {})}
        else:
            query = _query_without_status(bulk_action)
        return f"{self.admin_url('event_changelist')}?{urlencode(query)}"

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop the bulk action."""
        bulk_action = get_object_or_404(Repair.objects.using(router.db_for_write(Event)), pk=pk)
        if not self.has_view_permission(request) or not self._may_take(request, bulk_action):
            raise PermissionDenied
        if stop(bulk_action):
            with site_language():
                self.log_change(request, bulk_action, pgettext("repair", "Stopped."))
            self.message_user(request, _("Stopped. What was already done is not undone."), messages.SUCCESS)
        return HttpResponseRedirect(self.admin_url("repair_change", pk))

    def _may_take(self, request: HttpRequest, bulk_action: Repair) -> bool:
        return request.user.has_perm(f"dfinery_django.{bulk_action.action}_event")


def _query_without_status(bulk_action: Repair) -> dict[str, str]:
    """Return the filters of its selection for the list, less what the action itself has changed."""
    try:
        return query_of(replace(Selection.from_json(bulk_action.selection), status="", reason_code=""))
    except (ValueError, TypeError):  # stored by another version
        return {}


def _selection_text(bulk_action: Repair) -> str:
    try:
        return describe_selection(Selection.from_json(bulk_action.selection))
    except (ValueError, TypeError):  # stored by another version
        return bulk_action.selection
