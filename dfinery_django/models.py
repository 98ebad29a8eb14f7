"""Models of the outbox. The row is the truth, the task queue only an alarm clock.

State changes of many events are methods of ``EventQuerySet``; building and delivery decide what to do with a claim.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import clock
from .columns import MomentField
from .display import SEARCHABLE_LENGTH, escaped_text, storable
from .incidents import Incident
from .queries import LONGEST_WAIT, EventQuerySet
from .states import FINISHED, UNFINISHED, Action, DestinationState, EventStatus, Outcome, Reason
from .totals import Total
from .values import as_moment, hours_after

__all__ = ["CustomField", "DeliveryAttempt", "Destination", "Event", "Incident", "Overview", "Repair", "Total"]


class Event(models.Model):
    """Something that happened, on its way to DFINERY."""

    event_id = models.UUIDField(_("event id"), default=uuid.uuid4, unique=True, editable=False)
    definition = models.CharField(pgettext_lazy("event", "definition"), max_length=100, blank=True)
    event_name = models.CharField(pgettext_lazy("model", "event"), max_length=255)
    destination = models.CharField(pgettext_lazy("model", "destination"), max_length=64)
    source = models.CharField(_("source model"), max_length=120, blank=True)
    source_pk = models.CharField(_("source key"), max_length=SEARCHABLE_LENGTH, blank=True)
    # A hash: MariaDB and MySQL compare text without regard to case and trailing blanks.
    dedup_key = models.CharField(max_length=64, null=True, editable=False)
    status = models.CharField(
        pgettext_lazy("event", "status"), max_length=10, choices=EventStatus.choices, default=EventStatus.CAPTURED
    )
    # Text, not JSON: a jsonb column turns 1e22 into an integer. What is stored is what is sent, byte for byte.
    payload = models.TextField(pgettext_lazy("event", "payload"), blank=True)
    user_id = models.CharField(_("user id"), max_length=SEARCHABLE_LENGTH, blank=True)
    # Where user_id was read from at capture, so that building keeps to it.
    user_source = models.CharField(max_length=255, blank=True, editable=False)
    order_id = models.CharField(_("order id"), max_length=SEARCHABLE_LENGTH, blank=True)
    occurred_at = MomentField(_("occurred at"))
    expires_at = MomentField(_("expires at"))
    # Null when finished, so that an index over it serves the claim however many rows are finished.
    due_at = MomentField(_("due at"), null=True, blank=True)
    attempt_count = models.PositiveIntegerField(pgettext_lazy("event", "attempts"), default=0)
    # Leases in a row that lapsed without a result: it may be a poison event, of which its workers died.
    lapse_count = models.PositiveIntegerField(default=0, editable=False)
    reason_code = models.CharField(pgettext_lazy("event", "reason"), max_length=20, choices=Reason.choices, blank=True)
    reason = models.TextField(_("reason in words"), blank=True)
    finished_at = MomentField(_("finished at"), null=True, blank=True)
    created_at = MomentField(_("captured at"), default=clock.now)

    objects = EventQuerySet.as_manager()
    #: The exception of its definition, for the log; not stored.
    fault: Exception | None = None
    #: Whether the same event is likely stored, as where a definition fires at every save; not stored.
    may_be_known = False

    class Meta:
        verbose_name = pgettext_lazy("model", "event")
        verbose_name_plural = pgettext_lazy("model", "events")
        indexes = [
            # The claim scans it in the order in which events expire; few of them are not due yet.
            models.Index(fields=["destination", "status", "expires_at", "id"], name="dfinery_event_claim"),
            models.Index(fields=["definition", "source_pk"], name="dfinery_event_source"),
            # On PostgreSQL only this operator class serves LIKE 'x%', and = as well. Other databases ignore it.
            models.Index(fields=["user_id"], name="dfinery_event_user", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["order_id"], name="dfinery_event_order", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["finished_at"], name="dfinery_event_finished"),
            models.Index(fields=["occurred_at"], name="dfinery_event_occurred"),
            models.Index(fields=["event_name", "id"], name="dfinery_event_name"),
        ]
        constraints = [
            # Not unique=True: PostgreSQL would keep a second index for LIKE.
            models.UniqueConstraint(fields=["dedup_key"], name="dfinery_event_once"),
            models.CheckConstraint(
                name="dfinery_event_due_iff_unfinished",
                condition=Q(status__in=UNFINISHED, due_at__isnull=False) | Q(status__in=FINISHED, due_at__isnull=True),
            ),
        ]
        permissions = [
            ("resend_event", "Can resend events"),
            ("rebuild_event", "Can rebuild and resend events"),
            ("cancel_event", "Can cancel events"),
            ("forget_user", "Can erase the events of users"),
            ("view_payload", "Can see payloads"),
        ]

    def __str__(self) -> str:
        return f"{escaped_text(self.event_name)} {self.event_id}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    def finish(self, status: EventStatus, code: Reason, reason: str, now: dt.datetime) -> None:
        """Set the fields of a finished event; nothing is saved."""
        self.status, self.reason_code, self.reason = status, code, storable(reason)
        self.due_at, self.finished_at = None, now

    def postpone(self, status: EventStatus, due_at: dt.datetime, code: Reason, reason: str) -> None:
        """Set the fields of an event that is due again later; nothing is saved."""
        self.status, self.due_at, self.reason_code, self.reason = status, due_at, code, storable(reason)

    def set_occurred_at(self, moment: Any, max_age_hours: float, path: str = "event_datetime") -> None:
        """Set ``occurred_at`` and, from that, ``expires_at``; on an error neither.

        :param moment: a datetime; a naive one is read in the site's time zone
        :param path: its field, for the error
        :raises PayloadError: if it is not a datetime, or out of range
        """
        occurred_at = as_moment(moment, path)
        self.expires_at = hours_after(occurred_at, max_age_hours, path)
        self.occurred_at = occurred_at


class DeliveryAttempt(models.Model):
    """One HTTP exchange for an event. No headers are stored: the token is among them."""

    event = models.ForeignKey(
        Event, models.CASCADE, related_name="attempts", verbose_name=pgettext_lazy("model", "event")
    )
    number = models.PositiveIntegerField(pgettext_lazy("attempt", "number"))
    started_at = MomentField(_("started at"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    outcome = models.CharField(pgettext_lazy("attempt", "outcome"), max_length=10, choices=Outcome.choices)
    status_code = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    result_code = models.CharField(_("result code"), max_length=20, blank=True)
    response_body = models.TextField(_("response body"), blank=True)
    error = models.TextField(pgettext_lazy("attempt", "error"), blank=True)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ["started_at", "pk"]

    def __str__(self) -> str:
        return f"{self.number}: {self.get_outcome_display()}"


class Destination(models.Model):
    """One DFINERY app with one token: open, closed until a time, half-open (closed, that time over) or paused."""

    alias = models.CharField(pgettext_lazy("destination", "alias"), max_length=64, primary_key=True)
    closed_until = MomentField(_("closed until"), null=True, blank=True)
    closed_code = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    closed_reason = models.TextField(pgettext_lazy("destination", "why"), blank=True)
    # When it stopped for this reason; probes that fail for the same one don't change it.
    closed_at = MomentField(_("closed since"), null=True, blank=True)
    failure_count = models.PositiveIntegerField(_("failures in a row"), default=0)
    # A fingerprint of the refused token and address, so that a fixed one is tried at once.
    closed_wire = models.CharField(max_length=16, blank=True, editable=False)
    # How many requests the rate limit still allows until it resets, shared by all workers; null while there are many.
    quota_left = models.PositiveIntegerField(_("requests left"), null=True, blank=True)
    quota_resets_at = MomentField(_("rate limit resets at"), null=True, blank=True)
    # Requests per second allowed by a rate limit, null where none is known; the maximum of its headers; since when;
    # until when slots are reserved. See ``pacing``.
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


class Overview(Event):
    """A proxy without rows of its own, under which the admin lists the overview page."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = pgettext_lazy("model", "overview")
        # The admin sorts its menu by name: a blank sorts before all letters, and pages don't show it.
        verbose_name_plural = format_lazy(" {}", pgettext_lazy("model", "Overview"))


class CustomField(models.Model):
    """A custom field that was sent, with its type so far; or, without a scope, a custom event."""

    # A hash: MariaDB and MySQL compare text without regard to case, DFINERY does not.
    key = models.CharField(max_length=64, primary_key=True, editable=False)
    scope = models.CharField(pgettext_lazy("custom field", "scope"), max_length=5, blank=True)
    name = models.TextField(pgettext_lazy("custom field", "name"))
    type = models.CharField(pgettext_lazy("custom field", "type"), max_length=7, blank=True)
    first_seen_at = MomentField(_("first seen at"))
    last_seen_at = MomentField(_("last seen at"))
    # How often a value had another type, which DFINERY stores as another field; the last such type, and when.
    drift_count = models.PositiveIntegerField(pgettext_lazy("custom field", "drifts"), default=0)
    drift_type = models.CharField(_("other type"), max_length=7, blank=True)
    drifted_at = MomentField(_("drifted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")

    def __str__(self) -> str:
        return f"{self.scope} {self.name}".strip()

    @staticmethod
    def key_of(scope: str, name: str) -> str:
        return hashlib.sha256(f"{scope}\x1f{name}".encode()).hexdigest()


class Repair(models.Model):
    """A bulk action: an operator's action on a selection of events, with its progress. It is done in chunks."""

    action = models.CharField(pgettext_lazy("repair", "action"), max_length=10, choices=Action.choices)
    selection = models.TextField(pgettext_lazy("repair", "selection"), help_text=_("which events, as JSON"))
    asked_by = models.CharField(_("asked by"), max_length=255)
    asked_at = MomentField(_("asked at"), default=clock.now)
    # Events that changed after this time are skipped, so that repeating a chunk does nothing.
    seen_at = MomentField(_("as seen at"))
    last_pk = models.BigIntegerField(editable=False)
    last_attempt_pk = models.BigIntegerField(editable=False)
    reached_pk = models.BigIntegerField(default=0, editable=False)
    event_count = models.PositiveIntegerField(_("events selected"), default=0)
    tally = models.JSONField(_("so far"), default=dict)
    error = models.TextField(pgettext_lazy("repair", "error"), blank=True)
    finished_at = MomentField(_("finished at"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = pgettext_lazy("model", "repair")
        verbose_name_plural = pgettext_lazy("model", "repairs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.event_count})"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def seen_count(self) -> int:
        """The number of events that it has handled so far."""
        return sum(self.tally.values())
