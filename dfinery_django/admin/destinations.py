"""Destinations, for the record. What is wrong and what to do is said on the overview, where the buttons are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import pgettext_lazy

from .. import clock
from ..models import Destination
from ..moments import local
from ..rights import redact
from .base import ReadOnly, moment_of

if TYPE_CHECKING:
    DestinationBase = admin.ModelAdmin[Destination]
else:  # Django's classes are generic for type checkers only
    DestinationBase = admin.ModelAdmin

PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED = (
    moment_of(Destination, name) for name in ("paused_at", "closed_at", "closed_until", "quota_resets_at", "drained_at")
)


@admin.register(Destination)
class DestinationAdmin(ReadOnly, DestinationBase):
    readonly_fields = ("stands", "why", PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED)

    def get_list_display(self, request: HttpRequest) -> Any:
        return ("alias", "stands", "since", redact(request, "closed_reason", "why"), "paused_by", DRAINED)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("alias", "stands"),
            ("paused_by", PAUSED),
            redact(request, "closed_reason", "why"),
            (CLOSED, CLOSED_UNTIL),
            "failure_count",
            ("quota_left", RESETS),
            DRAINED,
        )

    @admin.display(description=pgettext_lazy("destination", "why"))
    def why(self, destination: Destination) -> str:
        """Why it is closed, for those who may not read it in full."""
        return destination.get_closed_code_display()

    @admin.display(description=pgettext_lazy("destination", "state"))
    def stands(self, destination: Destination) -> str:
        return str(destination.state(clock.now()).label)

    @admin.display(description=pgettext_lazy("destination", "since"))
    def since(self, destination: Destination) -> object:
        since = destination.paused_at or destination.closed_at
        return local(since) if since else None
