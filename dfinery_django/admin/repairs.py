"""What was done to many events at once, and how far it is. Whoever may see events may see it; nobody may change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.http import require_POST

from .. import repair, wording
from ..display import escaped
from ..models import Event, Repair
from ..moments import number
from ..rights import redact
from ..selection import Selection
from .base import ReadOnly, is_key, moment_of, site_language

if TYPE_CHECKING:
    RepairBase = admin.ModelAdmin[Repair]
else:  # Django's classes are generic for type checkers only
    RepairBase = admin.ModelAdmin


@admin.register(Repair)
class RepairAdmin(ReadOnly, RepairBase):
    list_display = (
        *("action", "which", "asked_by", moment_of(Repair, "asked_at")),
        *("progress", moment_of(Repair, "finished_at")),
    )
    list_display_links = ("action",)
    sortable_by = ()
    ordering = ("-pk",)
    show_full_result_count = False

    class Media:
        css = {"all": ["dfinery_django/events.css"]}
        js = ["dfinery_django/events.js"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("dfinery_django.view_event")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=pgettext_lazy("model", "events"))
    def which(self, made: Repair) -> str:
        return escaped(_described(made), chars=80)

    @admin.display(description=gettext_lazy("so far"))
    def progress(self, made: Repair) -> str:
        return f"{number(made.seen_count)} / {number(made.event_count)}"

    def get_urls(self) -> Any:
        stop = require_POST(self.admin_site.admin_view(self.stop_view))
        return [path("<int:pk>/stop/", stop, name="dfinery_django_repair_stop"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        key = unquote(object_id)
        made = Repair.objects.filter(pk=int(key)).first() if is_key(key) else None
        if made is None:
            return self.not_there(request)
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(made.get_action_display()), "original": made, "opts": self.model._meta,
            "media": self.media, "has_view_permission": True, "repair": made, "which": _described(made),
            "error": redact(request, made.error, _("It can't be done: see the log.")),
            "seen": number(made.seen_count), "count": number(made.event_count),
            "lines": list(wording.lines(made.action, made.tally)),
            "may_stop": not made.is_finished and self._may(request, made),
            **(extra_context or {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/dfinery_django/repair/page.html", context)

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do no more of it."""
        made = get_object_or_404(Repair.objects.using(router.db_for_write(Event)), pk=pk)
        if not self.has_view_permission(request) or not self._may(request, made):
            raise PermissionDenied
        if repair.stop(made):
            with site_language():
                self.log_change(request, made, pgettext("repair", "Stopped."))
            self.message_user(request, _("It is stopped. What was done stays done."), messages.SUCCESS)
        return HttpResponseRedirect(self.address("repair_change", pk))

    def _may(self, request: HttpRequest, made: Repair) -> bool:
        """Whoever may take the action may stop it."""
        return request.user.has_perm(f"dfinery_django.{made.action}_event")


def _described(made: Repair) -> str:
    try:
        return wording.described(Selection.from_json(made.selection))
    except (ValueError, TypeError):  # of another version
        return made.selection
