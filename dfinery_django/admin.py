"""The admin: what was sent, what waits, and why; resend and rebuild. Nothing is typed or deleted by hand."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from .conf import default_destination, get_settings
from .models import DeliveryAttempt, Destination, Event, EventQuerySet
from .outbox import request_wake

if TYPE_CHECKING:
    EventBase = admin.ModelAdmin[Event]
    AttemptBase = admin.TabularInline[DeliveryAttempt, Event]
    DestinationBase = admin.ModelAdmin[Destination]
else:  # Django's classes are generic for type checkers only
    EventBase = DestinationBase = admin.ModelAdmin
    AttemptBase = admin.TabularInline


class _ReadOnly:
    """The row is the truth, and nobody types the truth."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AttemptInline(_ReadOnly, AttemptBase):
    model = DeliveryAttempt
    extra = 0
    fields = ("number", "started_at", "duration_ms", "outcome", "status_code", "result_code", "response_body", "error")
    readonly_fields = fields
    can_delete = False


@admin.register(Event)
class EventAdmin(_ReadOnly, EventBase):
    list_display = ("event_name", "status", "order_id", "user", "occurred_at", "finished_at", "attempt_count", "why")
    list_filter = ("status", "event_name", "destination", "reason_code")
    search_fields = ("=event_id", "=order_id", "=user_id")
    search_help_text = _("event id, order id or user id, whole")
    ordering = ("-pk",)
    show_full_result_count = False
    inlines = (AttemptInline,)
    actions = ("resend", "rebuild")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.resend_event")

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.rebuild_event")

    @admin.action(description=_("Resend: the same payload again"), permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: EventQuerySet) -> None:
        self._send_again(request, queryset, queryset.resend)

    @admin.action(description=_("Rebuild and resend: after a mapping was mended"), permissions=["rebuild"])
    def rebuild(self, request: HttpRequest, queryset: EventQuerySet) -> None:
        self._send_again(request, queryset, partial(queryset.rebuild, destination=default_destination()))

    def _send_again(self, request: HttpRequest, queryset: EventQuerySet, start: Callable[[dt.datetime], int]) -> None:
        chosen, started = queryset.count(), start(timezone.now())
        for alias in get_settings().TOKENS if started else ():
            request_wake(queryset.db, alias)
        self.message_user(request, _("Sent on their way again: %(count)s.") % {"count": started})
        if started < chosen:
            why = _("Left alone, being unfinished, never built, or older than DFINERY processes: %(count)s.")
            self.message_user(request, why % {"count": chosen - started}, messages.WARNING)

    @admin.display(description=_("user id"))
    def user(self, event: Event) -> str:
        return Truncator(event.user_id).chars(20)

    @admin.display(description=_("payload"))
    def pretty_payload(self, event: Event) -> str:
        text = json.dumps(json.loads(event.payload), ensure_ascii=False, indent=2) if event.payload else "-"
        return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere; margin: 0">{}</pre>', text)

    @admin.display(description=_("reason"))
    def why(self, event: Event) -> str:
        return Truncator(event.reason).chars(120)

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> Any:
        shown = [each.name for each in Event._meta.fields if each.name not in ("id", "dedup_key", "payload")]
        return [*shown, "pretty_payload"] if request.user.has_perm("dfinery_django.view_payload") else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Event | None = None) -> Any:
        return self.get_fields(request, obj)


@admin.register(Destination)
class DestinationAdmin(_ReadOnly, DestinationBase):
    list_display = ("alias", "closed_until", "closed_reason", "failure_count", "paused_by")
