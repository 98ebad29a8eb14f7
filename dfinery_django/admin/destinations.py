"""The admin of destinations: a page with all of them and their buttons, and the record of each. Read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.utils.text import capfirst
from django.utils.translation import pgettext_lazy

from .. import clock
from ..models import Destination
from ..operations.redaction import redact
from ..protocols.load import protocol_label
from .base import ReadOnlyAdmin, datetime_column

PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED = (
    datetime_column(Destination, name)
    for name in ("paused_at", "closed_at", "closed_until", "quota_resets_at", "drained_at")
)


@admin.register(Destination)
class DestinationAdmin(ReadOnlyAdmin):
    """The page of all destinations, and the record of one."""

    readonly_fields = (
        *("state_label", "sent_to", "reason", "reason_label"),
        *(PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED),
    )

    class Media:
        css = {"all": ["dfinery_django/events.css", "dfinery_django/overview.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from .overview_page import destinations_page_context

        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            **destinations_page_context(request, self.admin_site.name),
        }
        return self.template_page(request, "destinations", context, extra_context)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields: list[Any] = [("alias", "state_label"), "sent_to"]
        if obj is None or obj.paused_by:
            fields.append(("paused_by", PAUSED))
        if obj is None or obj.closed_until:  # after a recovery the rest is of the last time
            fields += [redact(request, "reason", "reason_label"), (CLOSED, CLOSED_UNTIL), "failure_count"]
        if obj is None or obj.has_quota(clock.now()):
            fields.append(("quota_left", RESETS))
        return [*fields, DRAINED]

    @admin.display(description=pgettext_lazy("destination", "sent to"))
    def sent_to(self, destination: Destination) -> str:
        """Return the host that its events go to, and the API."""
        from ..monitoring.overview import settings_in_force

        settings = settings_in_force()[1]
        context = {"endpoint": settings.endpoint, "protocol": protocol_label(settings)}
        return render_to_string("admin/dfinery_django/endpoint.html", context)

    @admin.display(description=pgettext_lazy("destination", "why"))
    def reason(self, destination: Destination) -> str:
        return destination.translated_reason

    @admin.display(description=pgettext_lazy("destination", "why"))
    def reason_label(self, destination: Destination) -> str:
        """Return why the circuit is open, for users who may not read the reason in full."""
        return destination.get_closed_code_display()

    @admin.display(description=pgettext_lazy("destination", "state"))
    def state_label(self, destination: Destination) -> str:
        return str(destination.state(clock.now()).label)
