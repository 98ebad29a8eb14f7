"""The admin of custom fields: events and fields to register in DFINERY's console, their types and type drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from ..models import CustomField
from ..outbox.databases import outbox_databases
from ..schema.types import WireType
from .base import ReadOnlyAdmin

if TYPE_CHECKING:
    from ..building.custom_fields import ListedField

SECTION_HEADINGS = {
    "": pgettext_lazy("model", "Events"),
    "event": _("Fields of events"),
    "item": _("Fields of items"),
    "user": _("Fields of users"),
}
ORIGIN_LABELS = {
    "declared": pgettext_lazy("custom field", "declared"),
    "model": pgettext_lazy("custom field", "a model's field"),
    "seen": pgettext_lazy("custom field", "its first value"),
}


@admin.register(CustomField)
class CustomFieldAdmin(ReadOnlyAdmin):
    """One page: the ledger of seen fields beside the mapped ones. Rows have no page of their own."""

    class Media:
        css = {"all": ["dfinery_django/events.css"]}

    def get_urls(self) -> Any:
        return super().get_urls()[:1]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from ..building import custom_fields

        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        listed = custom_fields.list_fields(outbox_databases())
        if request.GET.get("format") == "csv":
            headers = {"Content-Disposition": 'attachment; filename="dfinery-fields.csv"'}
            # Spreadsheets recognise UTF-8 by the byte order mark.
            answer = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8", headers=headers)
            custom_fields.write_csv(listed, answer)
            return answer
        context = {
            "title": capfirst(self.opts.verbose_name_plural), "is_empty": not listed,
            "drifting": sum(1 for each in listed if each.drift_count),
            "sections": [
                {"heading": text, "scope": key, "fields": [_template_row(row) for row in listed if row.scope == key]}
                for key, text in SECTION_HEADINGS.items()
            ],
        }  # fmt: skip
        return self.template_page(request, "fields", context, extra_context)


def _template_row(listed: ListedField) -> dict[str, Any]:
    return {
        "listed": listed,
        "type": WireType(listed.type).label if listed.type else "",
        "other_type": WireType(listed.drift_type).label if listed.drift_type else "",
        "origin": ORIGIN_LABELS[listed.origin],
        "line": f'DFINERY["CUSTOM_FIELDS"]["{listed.scope}"]["{listed.name}"]',
    }
