"""The admin: what was sent, what waits, and why. Read only; nothing is added, changed or deleted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from .models import DeliveryAttempt, Destination, Event

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
    list_display = ("event_name", "status", "order_id", "user_id", "occurred_at", "finished_at", "attempt_count", "why")
    list_filter = ("status", "event_name", "destination", "reason_code")
    search_fields = ("=event_id", "=order_id", "=user_id")
    search_help_text = "event id, order id or user id, whole"
    ordering = ("-pk",)
    show_full_result_count = False
    inlines = (AttemptInline,)

    @admin.display(description="reason")
    def why(self, event: Event) -> str:
        return event.reason[:120]

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> Any:
        hidden = {"id", "dedup_key"} | (set() if request.user.has_perm("dfinery_django.view_payload") else {"payload"})
        return [field.name for field in Event._meta.fields if field.name not in hidden]


@admin.register(Destination)
class DestinationAdmin(_ReadOnly, DestinationBase):
    list_display = ("alias", "closed_until", "closed_reason", "failure_count", "paused_by")
