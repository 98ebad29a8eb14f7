"""The row of a destination: its circuit, its rate limit, its pause, the wake-up flag."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from ..db.columns import MomentField
from ..enums import DestinationState, Reason
from ..text.reasons import translated
from .queryset import LONGEST_WAIT


class Destination(models.Model):
    """One DFINERY app with one token: open, closed until a time, half-open (closed, that time over) or paused."""

    alias = models.CharField(pgettext_lazy("destination", "alias"), max_length=64, primary_key=True)
    closed_until = MomentField(_("closed until"), null=True, blank=True)
    closed_code = models.CharField(max_length=20, choices=Reason.as_choices, blank=True)
    # In English, and its code and parameters as JSON: see ``text.reasons``.
    closed_reason = models.TextField(pgettext_lazy("destination", "why"), blank=True)
    closed_data = models.TextField(blank=True, editable=False)
    # When it stopped for this reason; probes that fail for the same one don't change it.
    closed_at = MomentField(_("closed since"), null=True, blank=True)
    failure_count = models.PositiveIntegerField(_("failures in a row"), default=0)
    # A fingerprint of the refused token and address, so that a fixed one is tried at once.
    closed_wire = models.CharField(max_length=16, blank=True, editable=False)
    # How many requests the rate limit still allows until it resets, shared by all workers; null while there are many.
    quota_left = models.PositiveIntegerField(_("requests left"), null=True, blank=True)
    quota_resets_at = MomentField(_("rate limit resets at"), null=True, blank=True)
    # Requests per second allowed by a rate limit, null where none is known; the maximum of its headers; since when;
    # until when slots are reserved. See ``delivery.rate_limit``.
    rate = models.FloatField(null=True, editable=False)
    rate_ceiling = models.FloatField(null=True, editable=False)
    rate_at = MomentField(null=True, editable=False)
    paced_until = MomentField(null=True, editable=False)
    paused_by = models.CharField(_("paused by"), max_length=255, blank=True)
    paused_at = MomentField(_("paused since"), null=True, blank=True)
    wake_requested_at = MomentField(null=True, blank=True)
    # When a drain last began. It is scheduled every minute: an old time means that nothing is delivered.
    drained_at = MomentField(_("last drain"), null=True, blank=True)
    # When the warning was logged that events have waited for half of their time; null when none has.
    warned_at = MomentField(null=True, blank=True)
    # By how much a worker's clock was ahead of the database's, and when: written only for large differences.
    clock_ahead_seconds = models.FloatField(null=True, editable=False)
    clock_differed_at = MomentField(null=True, editable=False)

    class Meta:
        verbose_name = pgettext_lazy("model", "destination")
        verbose_name_plural = pgettext_lazy("model", "destinations")
        permissions = [
            ("pause_destination", "Can pause and resume destinations"),
            ("send_test_event", "Can send test events"),
        ]

    def __str__(self) -> str:
        return self.alias

    @property
    def translated_reason(self) -> str:
        """The reason for which it is closed, in the reader's language."""
        return translated(self.closed_data, self.closed_reason)

    def is_closed(self, now: dt.datetime) -> bool:
        """Return whether it is closed after failures: nothing is sent before ``closed_until``."""
        # A time beyond our longest wait was written before the clock was set back.
        return self.closed_until is not None and now < self.closed_until <= now + LONGEST_WAIT

    def is_stopped(self, now: dt.datetime) -> bool:
        return bool(self.paused_by) or self.is_closed(now)

    def state(self, now: dt.datetime) -> DestinationState:
        if self.paused_by:
            return DestinationState.PAUSED
        if self.closed_until is None:
            return DestinationState.OPEN
        return DestinationState.CLOSED if self.is_closed(now) else DestinationState.HALF_OPEN

    def places(self, wanted: int, now: dt.datetime) -> int:
        """Return how many events may be sent now: none when paused or closed, one as a probe when half-open."""
        if self.is_stopped(now):
            return 0
        if self.has_quota(now):
            wanted = min(wanted, self.quota_left or 0)
        return min(1, wanted) if self.closed_until else wanted

    def has_quota(self, now: dt.datetime) -> bool:
        """Return whether little is left of the rate limit, and its reset is near enough to wait for."""
        resets_at = self.quota_resets_at
        return self.quota_left is not None and resets_at is not None and now < resets_at <= now + LONGEST_WAIT
