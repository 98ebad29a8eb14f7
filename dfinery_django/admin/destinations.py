"""Destinations, for the record. What is wrong and what to do is said on the overview, where the buttons are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.translation import pgettext_lazy

from .. import clock
from ..models import Destination
from ..moments import local
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
    list_display = ("alias", "stands", "since", "closed_reason", "paused_by", DRAINED)
    fields = (
        ("alias", "stands"),
        ("paused_by", PAUSED),
        "closed_reason",
        (CLOSED, CLOSED_UNTIL),
        "failure_count",
        ("quota_left", RESETS),
        DRAINED,
    )
    readonly_fields = ("stands", PAUSED, CLOSED, CLOSED_UNTIL, RESETS, DRAINED)

    @admin.display(description=pgettext_lazy("destination", "state"))
    def stands(self, destination: Destination) -> str:
        return str(destination.state(clock.now()).label)

    @admin.display(description=pgettext_lazy("destination", "since"))
    def since(self, destination: Destination) -> object:
        since = destination.paused_at or destination.closed_at
        return local(since) if since else None
