"""The outbox: Event, DeliveryAttempt, Destination. The row is the truth; the task queue is an alarm clock.

Claims and settles are here, as queries; what to do with a claimed event is ``building`` and ``delivery``.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .states import FINISHED, UNFINISHED, EventStatus, Outcome, Reason

#: Longest text kept in the indexed copies of user_id and order_id; the payload has them whole.
SEARCHABLE_LENGTH = 191
REASON_LENGTH = 2000


def searchable(text: str) -> str:
    """The copy of an id that is stored for search (PostgreSQL's text takes no U+0000)."""
    return text.replace("\x00", "")[:SEARCHABLE_LENGTH]


#: What a claim for sending counts: an attempt, and a lapse where the last one was never settled.
_SENDING_COUNTS = {
    "attempt_count": F("attempt_count") + 1,
    "lapse_count": F("lapse_count") + Case(When(status=EventStatus.SENDING, then=1), default=0),
}


def _afresh(now: dt.datetime) -> dict[str, Any]:
    return {"due_at": now, "finished_at": None, "lapse_count": 0, "reason_code": "", "reason": ""}


def storable(text: str) -> str:
    """A reason as every database takes it: no U+0000, no half characters, not endless."""
    clean = text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()
    return clean if len(clean) <= REASON_LENGTH else f"{clean[: REASON_LENGTH - 1]}…"


class EventQuerySet(models.QuerySet["Event"]):
    def unfinished(self) -> EventQuerySet:
        return self.filter(status__in=UNFINISHED)

    def due(self, now: dt.datetime) -> EventQuerySet:
        """Unfinished events that somebody need look at by now."""
        return self.filter(due_at__lte=now)

    def claim(self, *, limit: int, now: dt.datetime, lease_seconds: float, into: EventStatus) -> list[Event]:
        """Take due events of this queryset for a while; nobody else is given them before their lease is over.

        Two statements in one short transaction: a LIMIT inside an UPDATE may be planned to take more. What expires
        first comes first. The lease (``due_at`` of the events returned) is the fencing token of ``settle``.

        :param into: ``CAPTURED`` to build, ``SENDING`` to send (which counts an attempt)
        """
        lease = now + dt.timedelta(seconds=lease_seconds)
        counts = _SENDING_COUNTS if into == EventStatus.SENDING else {}
        with transaction.atomic(using=self.db):
            skip_locked = connections[self.db].features.has_select_for_update_skip_locked
            free = self.due(now).order_by("expires_at", "pk").select_for_update(skip_locked=skip_locked)
            claimed = list(free[:limit])
            if claimed:
                rows = self.model.objects.using(self.db).filter(pk__in=[event.pk for event in claimed])
                # The counts first: MySQL reads columns that stand further left in their new state.
                rows.update(**counts, status=into, due_at=lease)
        for event in claimed:
            if counts:
                event.attempt_count += 1
                event.lapse_count += event.status == EventStatus.SENDING
            event.status, event.due_at = into, lease
        return claimed

    def expire(self, *, limit: int, now: dt.datetime) -> list[Event]:
        """Finish unfinished events whose time is over, except those that somebody holds a lease on."""
        late = self.unfinished().filter(expires_at__lte=now).exclude(status=EventStatus.SENDING, due_at__gt=now)
        with transaction.atomic(using=self.db):
            skip_locked = connections[self.db].features.has_select_for_update_skip_locked
            expired = list(late.select_for_update(skip_locked=skip_locked)[:limit])
            for event in expired:
                last = f" Last: {event.reason}" if event.reason else ""
                reason = f"It could not be delivered while DFINERY would still process it.{last}"
                event.finish(EventStatus.EXPIRED, Reason.TOO_OLD, reason, now)
            self.bulk_update(expired, ["status", "due_at", "reason_code", "reason", "finished_at"])
        return expired

    def settle(self, events: Sequence[Event], fields: Iterable[str], *, status: EventStatus, lease: dt.datetime) -> int:
        """Write events that were claimed together, as far as the claim still holds.

        :param status: what they were claimed into
        :param lease: the ``due_at`` that they were claimed with
        :returns: how many rows still were ours
        """
        # bulk_update() would open a transaction, and write out one CASE per field even where all values are alike.
        if not events:
            return 0
        rows = self.filter(status=status, due_at=lease, pk__in=[event.pk for event in events])
        return rows.update(**{field: self._value_of(events, field) for field in fields})

    def _value_of(self, events: Sequence[Event], name: str) -> Any:
        """What to SET a field to: the value that all the events have, or a CASE over their keys."""
        values = [getattr(event, name) for event in events]
        if all(value == values[0] for value in values):
            return values[0]
        field: Any = self.model._meta.get_field(name)
        whens = (When(pk=event.pk, then=Value(value, field)) for event, value in zip(events, values, strict=True))
        return Cast(Case(*whens, output_field=field), field) if self._casts_case else Case(*whens, output_field=field)

    @property
    def _casts_case(self) -> bool:
        return connections[self.db].features.requires_casted_case_in_updates

    def resend(self, now: dt.datetime) -> int:
        """Send finished events again: same id, same bytes. What is too old or was never built is left alone.

        :returns: how many
        """
        again = self.filter(status__in=FINISHED, expires_at__gt=now).exclude(payload="")
        return again.update(status=EventStatus.PENDING, **_afresh(now))

    def rebuild(self, now: dt.datetime, *, destination: str) -> int:
        """Build finished events of definitions anew, with the same id, and send them. What is too old is left alone.

        :param destination: whose drain builds those that have none; building sets the right one
        :returns: how many
        """
        again = self.filter(status__in=FINISHED, expires_at__gt=now).exclude(definition="")
        again.filter(reason_code=Reason.NO_DESTINATION).update(destination=destination)
        return again.update(status=EventStatus.CAPTURED, **_afresh(now))

    def prune(self, *, before: dt.datetime, limit: int) -> int:
        """Delete a chunk of finished events, oldest first, with their attempts.

        :returns: how many; 0 when none is left
        """
        old = self.filter(finished_at__lt=before).order_by("finished_at").values_list("pk", flat=True)[:limit]
        pks = list(old)
        if pks:
            with transaction.atomic(using=self.db):
                DeliveryAttempt.objects.using(self.db).filter(event__in=pks).delete()
                self.filter(pk__in=pks, status__in=FINISHED).delete()
        return len(pks)


class Event(models.Model):
    """Something that happened, on its way to DFINERY."""

    event_id = models.UUIDField(_("event id"), default=uuid.uuid4, unique=True, editable=False)
    definition = models.CharField(_("definition"), max_length=100, blank=True)
    event_name = models.CharField(_("event"), max_length=255)
    destination = models.CharField(_("destination"), max_length=64)
    source = models.CharField(_("source model"), max_length=120, blank=True)
    source_pk = models.CharField(_("source key"), max_length=SEARCHABLE_LENGTH, blank=True)
    # A hash: MariaDB and MySQL compare text without regard to case and trailing blanks.
    dedup_key = models.CharField(max_length=64, unique=True, null=True, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=EventStatus.choices, default=EventStatus.CAPTURED)
    # Text, not JSON: a jsonb column turns 1e22 into an integer. What is stored is what is sent, byte for byte.
    payload = models.TextField(_("payload"), blank=True)
    user_id = models.CharField(_("user id"), max_length=SEARCHABLE_LENGTH, blank=True)
    order_id = models.CharField(_("order id"), max_length=SEARCHABLE_LENGTH, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    expires_at = models.DateTimeField(_("expires at"))
    # Null when finished, so that an index over it serves the claim however many rows are finished.
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    attempt_count = models.PositiveIntegerField(_("attempts"), default=0)
    # Leases that lapsed in a row without a settle: its workers may have died of it.
    lapse_count = models.PositiveIntegerField(default=0, editable=False)
    reason_code = models.CharField(_("reason"), max_length=20, choices=Reason.choices, blank=True)
    reason = models.TextField(_("reason in words"), blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    created_at = models.DateTimeField(_("captured at"), default=timezone.now)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["destination", "status", "due_at"], name="dfinery_event_due"),
            models.Index(fields=["definition", "source_pk"], name="dfinery_event_source"),
            models.Index(fields=["user_id"], name="dfinery_event_user"),
            models.Index(fields=["order_id"], name="dfinery_event_order"),
            models.Index(fields=["finished_at"], name="dfinery_event_finished"),
        ]
        constraints = [
            models.CheckConstraint(
                name="dfinery_event_due_iff_unfinished",
                condition=Q(status__in=UNFINISHED, due_at__isnull=False) | Q(status__in=FINISHED, due_at__isnull=True),
            ),
        ]
        permissions = [
            ("resend_event", "Can resend events"),
            ("rebuild_event", "Can rebuild and resend events"),
            ("cancel_event", "Can cancel events"),
            ("view_payload", "Can see payloads"),
        ]

    def __str__(self) -> str:
        return f"{self.event_name} {self.event_id}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    def finish(self, status: EventStatus, code: Reason, reason: str, now: dt.datetime) -> None:
        """Set what a finished event has; nothing is saved."""
        self.status, self.reason_code, self.reason = status, code, storable(reason)
        self.due_at, self.finished_at = None, now

    def postpone(self, status: EventStatus, due_at: dt.datetime, code: Reason, reason: str) -> None:
        """Set what an event has that is looked at again later; nothing is saved."""
        self.status, self.due_at, self.reason_code, self.reason = status, due_at, code, storable(reason)

    def happened(self, moment: dt.datetime, max_age_hours: float) -> None:
        """Set when it happened and, from that, until when DFINERY would process it."""
        self.occurred_at = moment
        self.expires_at = moment + dt.timedelta(hours=max_age_hours)


class DeliveryAttempt(models.Model):
    """One HTTP exchange for an event. No headers are stored: they hold the token."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="attempts", verbose_name=_("event"))
    number = models.PositiveIntegerField(_("number"))
    started_at = models.DateTimeField(_("started at"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    status_code = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    result_code = models.CharField(_("result code"), max_length=20, blank=True)
    response_body = models.TextField(_("response body"), blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ["started_at", "pk"]

    def __str__(self) -> str:
        return f"{self.number}: {self.get_outcome_display()}"


class Destination(models.Model):
    """One DFINERY app, one token: open, closed until a time, half-open (closed, and that time is over) or paused."""

    alias = models.CharField(_("alias"), max_length=64, primary_key=True)
    closed_until = models.DateTimeField(_("closed until"), null=True, blank=True)
    closed_code = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    closed_reason = models.TextField(_("why"), blank=True)
    failure_count = models.PositiveIntegerField(_("failures in a row"), default=0)
    paused_by = models.CharField(_("paused by"), max_length=255, blank=True)
    wake_requested_at = models.DateTimeField(null=True, blank=True)
    # When it was said that events have waited for half of their time; null when none has.
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("destination")
        verbose_name_plural = _("destinations")

    def __str__(self) -> str:
        return self.alias

    def places(self, wanted: int, now: dt.datetime) -> int:
        """How many events may be sent now: none when paused or closed, one to probe when half-open."""
        if self.paused_by or (self.closed_until and self.closed_until > now):
            return 0
        return min(1, wanted) if self.closed_until else wanted
