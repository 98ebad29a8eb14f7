"""Destinations, for the record. What is wrong and what to do is said on the overview, where the buttons are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.translation import pgettext_lazy

from .. import clock
from ..models import Destination
from .base import ReadOnly

if TYPE_CHECKING:
    DestinationBase = admin.ModelAdmin[Destination]
else:  # Django's classes are generic for type checkers only
    DestinationBase = admin.ModelAdmin


@admin.register(Destination)
class DestinationAdmin(ReadOnly, DestinationBase):
    list_display = ("alias", "stands", "since", "closed_reason", "paused_by", "drained_at")
    fields = (
        ("alias", "stands"),
        ("paused_by", "paused_at"),
        "closed_reason",
        ("closed_at", "closed_until"),
        "failure_count",
        ("quota_left", "quota_resets_at"),
        "drained_at",
    )
    readonly_fields = ("stands",)

    @admin.display(description=pgettext_lazy("destination", "state"))
    def stands(self, destination: Destination) -> str:
        return str(destination.state(clock.now()).label)

    @admin.display(description=pgettext_lazy("destination", "since"))
    def since(self, destination: Destination) -> object:
        return destination.paused_at or destination.closed_at
