"""Destinations, for the record. What is wrong and what to do is said on the overview, where the buttons are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import pgettext_lazy

from .. import clock
from ..models import Destination
from ..rights import quoted
from .base import ReadOnly

if TYPE_CHECKING:
    DestinationBase = admin.ModelAdmin[Destination]
else:  # Django's classes are generic for type checkers only
    DestinationBase = admin.ModelAdmin


@admin.register(Destination)
class DestinationAdmin(ReadOnly, DestinationBase):
    readonly_fields = ("stands", "why")

    def get_list_display(self, request: HttpRequest) -> Any:
        return ("alias", "stands", "since", quoted(request, "closed_reason", "why"), "paused_by", "drained_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("alias", "stands"),
            ("paused_by", "paused_at"),
            quoted(request, "closed_reason", "why"),
            ("closed_at", "closed_until"),
            "failure_count",
            ("quota_left", "quota_resets_at"),
            "drained_at",
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
        return destination.paused_at or destination.closed_at
