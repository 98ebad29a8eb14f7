"""Events and their delivery attempts.

State changes of many events are methods of ``EventQuerySet``; building and delivery decide what to do with a claim.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from .. import clock
from ..conf import get_settings
from ..db.columns import MomentField
from ..enums import FINISHED, UNFINISHED, EventStatus, Outcome, Reason
from ..schema.types import as_moment, hours_after
from ..text.escape import SEARCHABLE_LENGTH, escaped_text, storable
from ..text.reasons import to_json, translated
from .queryset import EventQuerySet


class Event(models.Model):
    """Something that happened, on its way to DFINERY."""

    # Unique with its destination: one event may go to several, and each has a row.
    event_id = models.UUIDField(_("event id"), default=uuid.uuid4, editable=False)
    definition = models.CharField(pgettext_lazy("event", "definition"), max_length=100, blank=True)
    event_name = models.CharField(pgettext_lazy("model", "event"), max_length=255)
    destination = models.CharField(pgettext_lazy("model", "destination"), max_length=64)
    source = models.CharField(_("source model"), max_length=120, blank=True)
    source_pk = models.CharField(_("source key"), max_length=SEARCHABLE_LENGTH, blank=True)
    # A hash: MariaDB and MySQL compare text without regard to case and trailing blanks.
    dedup_key = models.CharField(max_length=64, null=True, editable=False)
    status = models.CharField(
        pgettext_lazy("event", "status"), max_length=10, choices=EventStatus.as_choices, default=EventStatus.CAPTURED
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
    reason_code = models.CharField(
        pgettext_lazy("event", "reason"), max_length=20, choices=Reason.as_choices, blank=True
    )
    # In English, and its code and parameters as JSON: see ``text.reasons``.
    reason = models.TextField(_("reason in words"), blank=True)
    reason_data = models.TextField(blank=True, editable=False)
    finished_at = MomentField(_("finished at"), null=True, blank=True)
    created_at = MomentField(_("captured at"), default=clock.now)

    objects = EventQuerySet.as_manager()
    #: The exception of its definition, for the log; not stored.
    fault: Exception | None = None
    #: Whether the same event may be stored already, as where a definition fires at every save; not stored.
    may_exist = False

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
            models.UniqueConstraint(fields=["event_id", "destination"], name="dfinery_event_id"),
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
        self.status, self.due_at, self.finished_at = status, None, now
        self._set_reason(code, reason)

    def postpone(self, status: EventStatus, due_at: dt.datetime, code: Reason, reason: str) -> None:
        """Set the fields of an event that is due again later; nothing is saved."""
        self.status, self.due_at = status, due_at
        self._set_reason(code, reason)

    def _set_reason(self, code: Reason, reason: str) -> None:
        self.reason_code, self.reason, self.reason_data = code, storable(reason), to_json(reason)

    @property
    def translated_reason(self) -> str:
        """The reason in the reader's language."""
        return translated(self.reason_data, self.reason)

    def set_occurred_at(self, moment: Any, path: str = "event_datetime") -> None:
        """Set ``occurred_at`` and, from that, ``expires_at``; on an error neither.

        :param moment: a datetime; a naive one is read in the site's time zone
        :param path: its field, for the error
        :raises PayloadError: if it is not a datetime, or out of range
        """
        occurred_at = as_moment(moment, path)
        self.expires_at = hours_after(occurred_at, get_settings().MAX_AGE_HOURS, path)
        self.occurred_at = occurred_at


class DeliveryAttempt(models.Model):
    """One HTTP exchange for an event. No headers are stored: the token is among them."""

    event = models.ForeignKey(
        Event, models.CASCADE, related_name="attempts", verbose_name=pgettext_lazy("model", "event")
    )
    number = models.PositiveIntegerField(pgettext_lazy("attempt", "number"))
    started_at = MomentField(_("started at"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    outcome = models.CharField(pgettext_lazy("attempt", "outcome"), max_length=20, choices=Outcome.as_choices)
    status_code = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    result_code = models.CharField(_("result code"), max_length=20, blank=True)
    response_body = models.TextField(_("response body"), blank=True)
    # For people, in English, and its code and parameters as JSON; ``error`` has the library's own words.
    reason = models.TextField(pgettext_lazy("attempt", "reason"), blank=True)
    reason_data = models.TextField(blank=True, editable=False)
    error = models.TextField(pgettext_lazy("attempt", "error"), blank=True)
    # Whether no proper answer came after at least a part of the request was sent.
    may_have_arrived = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ["started_at", "pk"]

    def __str__(self) -> str:
        return f"{self.number}: {self.get_outcome_display()}"

    @property
    def translated_reason(self) -> str:
        """The reason in the reader's language."""
        return translated(self.reason_data, self.reason)


class Overview(Event):
    """A proxy without rows of its own, under which the admin lists the overview page."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = pgettext_lazy("model", "overview")
        # The admin sorts its menu by name: a blank sorts before all letters, and pages don't show it.
        verbose_name_plural = format_lazy(" {}", pgettext_lazy("model", "Overview"))
