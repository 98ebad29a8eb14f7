"""The admin of events: the list and an event's page, with the bulk actions. Read-only otherwise."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from .. import clock
from ..models import Event
from ..operations.redaction import redact
from ..text.escape import badge, escaped, escaped_text
from ..text.times import due_in, time_element, time_left
from .base import is_key
from .filters import FILTER_PARAMETERS, FILTERS, LAST_HOURS, SEARCH, SINCE, UNTIL, destinations_in_use, read_selection
from .forget import ForgetActionAdmin
from .paging import BoundedPaginator


def _badge(event: Event, words: str) -> str:
    shown_badge = badge(event.status, event.get_status_display())
    if not event.reason_code:
        return shown_badge
    why = event.get_reason_code_display()
    return format_html('{}<div class="dfinery-why" title="{}">{}</div>', shown_badge, words, why)


@admin.register(Event)
class EventAdmin(ForgetActionAdmin):
    """The event list and an event's page."""

    list_display = ("badge", "event", "order", "user", "happened", "arrived", "attempt_count", "left")
    list_display_links = ("event",)
    list_filter = FILTERS
    search_fields = ("event_id", "order_id", "user_id")
    # Columns with an index; sorting by any other would sort the whole table for each page.
    sortable_by = ("happened", "arrived")
    ordering = ("-pk",)
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    class Media:
        css = {"all": ["dfinery_django/events.css", "dfinery_django/overview.css"]}
        js = ["dfinery_django/events.js"]

    # ── the list ───────────────────────────────────────────────────────────────────────────────────────────────

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("payload", "dedup_key")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Narrow the list by its filters and its search field at once."""
        chosen = read_selection({**request.GET.dict(), SEARCH: search_term})
        narrowed = chosen.resolved(queryset.order_by()).narrow(queryset, destinations_in_use(request, queryset.db))
        return narrowed, False

    def get_ordering(self, request: HttpRequest) -> Any:
        has_time = any(request.GET.get(name) for name in (LAST_HOURS, SINCE, UNTIL))
        return ("-occurred_at", "-pk") if has_time else self.ordering

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in FILTER_PARAMETERS

    def get_list_display(self, request: HttpRequest) -> Any:
        first, *others = self.list_display
        return [redact(request, first, "badge_alone"), *others]

    @admin.display(description=pgettext_lazy("event", "status"))
    def badge(self, event: Event) -> str:
        return _badge(event, escaped_text(event.translated_reason[:300]))

    @admin.display(description=pgettext_lazy("event", "status"))
    def badge_alone(self, event: Event) -> str:
        """Return the badge for users who may not read the reason."""
        return _badge(event, "")

    @admin.display(description=pgettext_lazy("model", "event"))
    def event(self, event: Event) -> str:
        return escaped(event.event_name, chars=40)

    @admin.display(description=pgettext_lazy("event", "order"), empty_value="")
    def order(self, event: Event) -> str:
        return escaped(event.order_id, chars=24) if event.order_id else ""

    @admin.display(description=pgettext_lazy("event", "user"), empty_value="")
    def user(self, event: Event) -> str:
        if not event.user_id:
            return ""
        return format_html('<span title="{}">{}</span>', escaped_text(event.user_id), escaped(event.user_id, chars=13))

    @admin.display(description=pgettext_lazy("event", "happened"), ordering="occurred_at")
    def happened(self, event: Event) -> str:
        return time_element(event.occurred_at)

    @admin.display(description=_("arrived or next due"), ordering="finished_at")
    def arrived(self, event: Event) -> str:
        if event.due_at is not None:
            return due_in(event.due_at, clock.now())
        return time_element(event.finished_at) if event.finished_at else ""

    @admin.display(description=_("time left"), empty_value="-")
    def left(self, event: Event) -> str:
        return "" if event.status == "delivered" else time_left(event.expires_at, clock.now())

    # ── an event's page ────────────────────────────────────────────────────────────────────────────────────────

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        from .event_page import event_context, source_url

        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        key, queryset = unquote(object_id), super().get_queryset(request)
        event = queryset.filter(pk=int(key)).first() if is_key(key) else None
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        if event is None:
            return self.redirect_missing(request)
        context = {
            "title": pgettext_lazy("model", "Event"), "subtitle": None, "original": event,
            "has_view_permission": True, "preserved_filters": self.get_preserved_filters(request),
            "source_url": source_url(request, self.admin_site, event),
            **event_context(request, event, self.allowed_actions(request)),
        }  # fmt: skip
        return self.template_page(request, "event/page", context, extra_context)
