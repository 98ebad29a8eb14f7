"""The admin of destinations, for the record. Problems, remedies and buttons are on the overview page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import pgettext_lazy

from .. import clock
from ..models import Destination
from ..operations.redaction import redact
from ..text.times import time_element
from .base import ReadOnlyAdmin, datetime_column

PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED = (
    datetime_column(Destination, name)
    for name in ("paused_at", "closed_at", "closed_until", "quota_resets_at", "drained_at")
)


@admin.register(Destination)
class DestinationAdmin(ReadOnlyAdmin):
    """The list and page of destinations."""

    readonly_fields = ("state_label", "reason_label", PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED)

    def get_list_display(self, request: HttpRequest) -> Any:
        return ("alias", "state_label", "since", redact(request, "closed_reason", "reason_label"), "paused_by", DRAINED)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        reason = redact(request, "closed_reason", "reason_label")
        groups = (("alias", "state_label"), ("paused_by", PAUSED), reason, (CLOSED, CLOSED_UNTIL))
        return (*groups, "failure_count", ("quota_left", RESETS), DRAINED)

    @admin.display(description=pgettext_lazy("destination", "why"))
    def reason_label(self, destination: Destination) -> str:
        """Return why the circuit is open, for users who may not read the reason in full."""
        return destination.get_closed_code_display()

    @admin.display(description=pgettext_lazy("destination", "state"))
    def state_label(self, destination: Destination) -> str:
        return str(destination.state(clock.now()).label)

    @admin.display(description=pgettext_lazy("destination", "since"))
    def since(self, destination: Destination) -> object:
        since = destination.paused_at or destination.closed_at
        return time_element(since) if since else None
