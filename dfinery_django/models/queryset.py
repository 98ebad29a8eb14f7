"""The queries of the outbox: due, claim, record results, requeue, expire, resend, cancel, prune.

A row that can't be written, or read, fails alone.
A row belongs to the worker that has its lease: the ``due_at`` of its claim is the fencing token of every later write.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Cast

from .. import clock
from ..db.retry import write_bisecting
from ..enums import FINISHED, UNFINISHED, EventStatus, Reason
from ..exceptions import error_text
from ..text.reasons import ReasonText, to_json
from .unreadable import UNREADABLE_ERRORS, lacks_required_date, quarantine

logger = logging.getLogger("dfinery_django")

#: The maximum of all our leases, pauses and backoffs.
LONGEST_WAIT = dt.timedelta(hours=1)

#: After this many leases in a row that lapsed without a result, an event is suspected to be a poison event.
POISON_LAPSES = 5

#: The counters that a claim increments. For sending: attempts, and lapses where the row is "sending" already: its last
#: lease lapsed. For building: always lapses, since a captured row does not show whether it had a lease. Recording
#: the result sets them to 0.
_CLAIM_COUNTERS: dict[str, dict[str, Any]] = {
    EventStatus.SENDING: {
        "attempt_count": F("attempt_count") + 1,
        "lapse_count": F("lapse_count") + Case(When(status=EventStatus.SENDING, then=1), default=0),
    },
    EventStatus.CAPTURED: {"lapse_count": F("lapse_count") + 1},
}

_ENDING_FIELDS = ("status", "due_at", "reason_code", "reason", "reason_data", "finished_at")


def _reset_fields(now: dt.datetime) -> dict[str, Any]:
    nothing = dict.fromkeys(("reason_code", "reason", "reason_data"), "")
    return {"due_at": now, "finished_at": None, "lapse_count": 0, **nothing}


def _either(condition: Q, value: str, otherwise: str) -> Case:
    return Case(When(condition, then=Value(value)), default=Value(otherwise))


def _set_unwritable(event: Any, error: Exception, now: dt.datetime) -> None:
    """Clear the payload of an event that the database refuses to store; fail it, unless it has ended otherwise."""
    event.payload = ""
    if event.status in UNFINISHED or event.status == EventStatus.FAILED:
        words = next(iter(error_text(error).splitlines()), "")  # further lines quote the row
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, ReasonText("unstorable", error=words), now)
    event.reason = event.reason.encode("ascii", errors="backslashreplace").decode()


class EventQuerySet(models.QuerySet[Any]):
    """The state changes of events, each as few statements."""

    def _fetch_all(self) -> None:
        """Fetch the rows for every reader of events; rows that no driver can read are quarantined first."""
        if self._result_cache is not None:
            super()._fetch_all()
            return
        try:
            super()._fetch_all()
            if not any(map(lacks_required_date, self._result_cache or ())):
                return
        except UNREADABLE_ERRORS as error:
            if getattr(error.__cause__, "sqlstate", None) or not self._quarantine():
                raise  # the server's own error, not caused by a value; or no such row was found
        else:
            self._quarantine()
        self._result_cache, self._prefetch_done = None, False
        super()._fetch_all()

    def _quarantine(self) -> int:
        named: str | None = self._db  # type: ignore[attr-defined]
        # Without a database of its own the queryset may have read from a replica.
        return quarantine(self.model._base_manager.using(named or router.db_for_write(self.model)))

    def unfinished(self) -> EventQuerySet:
        return self.filter(status__in=UNFINISHED)

    def due(self, now: dt.datetime) -> EventQuerySet:
        """Return unfinished events whose ``due_at`` has passed.

        A row that is due later than ``LONGEST_WAIT`` was written before the clock was set back, and is due as well. So
        is a row that was captured for now by a machine whose clock is ahead, and never touched since.
        """
        is_fresh = Q(created_at__gt=now, due_at__lte=F("created_at"), attempt_count=0, lapse_count=0)
        return self.filter(Q(due_at__lte=now) | Q(due_at__gt=now + LONGEST_WAIT) | is_fresh)

    def oldest_waiting(self) -> dt.datetime | None:
        """Return when the event happened that expires next; for one destination an index lookup, however many wait."""
        in_turn = self.order_by("expires_at", "pk").values_list("occurred_at", flat=True)
        firsts = [in_turn.filter(status=status).first() for status in UNFINISHED]
        return min(filter(None, firsts), default=None)

    def claim(self, *, limit: int, now: dt.datetime, lease_seconds: float, into: EventStatus) -> list[Any]:
        """Lease due events of this queryset; no other worker can claim them before the lease ends.

        Two statements in one short transaction: a LIMIT inside an UPDATE may be planned to take more. What expires
        first comes first. The lease (``due_at`` of the events returned) is the fencing token of ``record_results``.

        :param into: ``CAPTURED`` to build, ``SENDING`` to send (which counts an attempt)
        """
        lease = now + dt.timedelta(seconds=lease_seconds)
        with transaction.atomic(using=self.db):
            claimed = self.due(now).order_by("expires_at", "pk").lock(limit)
            if claimed:
                rows = self.model._base_manager.using(self.db).filter(pk__in=[event.pk for event in claimed])
                # The counters first: MySQL evaluates assignments from left to right, and sees new values.
                rows.update(**_CLAIM_COUNTERS[into], status=into, due_at=lease)
        for event in claimed:
            event.attempt_count += into == EventStatus.SENDING
            event.lapse_count += into == EventStatus.CAPTURED or event.status == EventStatus.SENDING
            event.status, event.due_at = into, lease
        return claimed

    def lock(self, limit: int) -> list[Any]:
        """Lock and return rows that no other transaction has locked."""
        skip_locked = connections[self.db].features.has_select_for_update_skip_locked
        return list(self.select_for_update(skip_locked=skip_locked)[:limit])

    def expire(
        self, *, limit: int, now: dt.datetime, why: Callable[[Any], str], margin: dt.timedelta = dt.timedelta(0)
    ) -> list[Any]:
        """Expire unfinished events whose time is over (``margin`` before ``expires_at``), unless leased for sending.

        :param why: returns the reason of an event
        """
        late = self.unfinished().filter(expires_at__lte=now + margin)
        with transaction.atomic(using=self.db):
            expired = late.exclude(status=EventStatus.SENDING, due_at__gt=now).lock(limit)
            for event in expired:
                event.finish(EventStatus.EXPIRED, Reason.TOO_OLD, why(event), now)
            self._write(self.model._base_manager.using(self.db), expired, _ENDING_FIELDS)
        return expired

    def record_results(
        self, events: Sequence[Any], fields: Iterable[str], *, status: EventStatus, lease: dt.datetime
    ) -> list[Any]:
        """Write the results of events that were claimed together, with this status and lease (``due_at``). Idempotent.

        :returns: those whose row now has the result; the others have lost their lease, or are deleted
        """
        if not events:
            return []
        rows = self.filter(status=status, due_at=lease)
        if self._write(rows, events, tuple(fields)) == len(events):
            return list(events)
        found = self.filter(pk__in=[event.pk for event in events]).values_list("pk", "status", "due_at", "finished_at")
        stored = {pk: tuple(state) for pk, *state in found}
        return [event for event in events if stored.get(event.pk) == (event.status, event.due_at, event.finished_at)]

    def _write(self, rows: Any, events: Sequence[Any], fields: Sequence[str]) -> int:
        """Write those of the events that are in ``rows``; one that the database refuses fails with that error."""
        written: list[int] = []
        for event, error in self._try_to_write(rows, events, fields, written):
            _set_unwritable(event, error, clock.now())
            if not self._try_to_write(rows, [event], fields, written):
                continue
            for _, failure in self._try_to_write(rows, [event], _ENDING_FIELDS, written):
                logger.error("Event %s can't be written: %s", event.event_id, type(failure).__name__)
        return sum(written)

    def _try_to_write(
        self, rows: Any, events: Sequence[Any], fields: Sequence[str], written: list[int]
    ) -> list[tuple[Any, Exception]]:
        texts = [field for field in ("payload", "reason", "reason_data") if field in fields]

        def weigh(event: Any) -> int:
            return sum(len(getattr(event, text).encode(errors="replace")) for text in texts)

        def write(part: Sequence[Any]) -> None:
            # bulk_update() would open a transaction, and write one CASE per field even where all values are equal.
            values = {field: self._set_expression(part, field) for field in fields}
            written.append(rows.filter(pk__in=[event.pk for event in part]).update(**values))

        return write_bisecting(events, write, using=self.db, weigh=weigh)

    def requeue(self, events: Iterable[Any], *, lease: dt.datetime, now: dt.datetime) -> int:
        """Make claimed events that were not sent due again at once, before their lease ends; return how many."""
        rows = self.filter(status=EventStatus.SENDING, due_at=lease, pk__in=[event.pk for event in events])
        return rows.update(attempt_count=F("attempt_count") - 1, status=EventStatus.PENDING, due_at=now)

    def _set_expression(self, events: Sequence[Any], name: str) -> Any:
        """Return what to SET a field to: the common value of all the events, or a CASE over their keys."""
        values = [getattr(event, name) for event in events]
        if all(value == values[0] for value in values):
            return values[0]
        field: Any = self.model._meta.get_field(name)
        whens = (When(pk=event.pk, then=Value(value, field)) for event, value in zip(events, values, strict=True))
        case = Case(*whens, output_field=field)
        return Cast(case, field) if connections[self.db].features.requires_casted_case_in_updates else case

    def resend(self, now: dt.datetime) -> int:
        """Send finished events again, except those too old or never built, with the same id and payload."""
        again = self.filter(status__in=FINISHED, expires_at__gt=now).exclude(payload="")
        return again.update(status=EventStatus.PENDING, **_reset_fields(now))

    def rebuild(self, now: dt.datetime, *, destination: str) -> int:
        """Build finished events of definitions again, except those too old, and send them with the same id.

        :param destination: alias whose drain builds the events of a destination without a token; building sets theirs
        """
        again = self.filter(status__in=FINISHED, expires_at__gt=now)
        again = again.exclude(definition="").exclude(reason_code=Reason.FORGOTTEN)
        again.filter(reason_code=Reason.NO_DESTINATION).update(destination=destination)
        return again.update(status=EventStatus.CAPTURED, **_reset_fields(now))

    def cancellable(self, now: dt.datetime) -> EventQuerySet:
        """Return unfinished events except those in flight, which can't be called back and may arrive."""
        lapsed = Q(status=EventStatus.SENDING) & (Q(due_at__lte=now) | Q(lapse_count__gt=0))
        return self.filter(Q(status__in=(EventStatus.CAPTURED, EventStatus.PENDING)) | lapsed)

    def cancel(self, now: dt.datetime, *, by: str) -> int:
        """Cancel waiting events, so that none is sent. The reason says so of an event that may have arrived."""
        certain, unsure = ReasonText("cancelled", who=by), ReasonText("cancelled_unsure", who=by)
        may_have_arrived = self.may_have_arrived()
        return self.cancellable(now).update(
            # First: MySQL evaluates assignments from left to right, and sees new values.
            reason=_either(may_have_arrived, str(unsure), str(certain)),
            reason_data=_either(may_have_arrived, to_json(unsure), to_json(certain)),
            status=EventStatus.CANCELLED, reason_code=Reason.BY_HAND, due_at=None, finished_at=now, lapse_count=0,
        )  # fmt: skip

    def may_have_arrived(self) -> Q:
        """Return the condition for unfinished events that DFINERY may have got, but gave no proper answer to.

        Of an event whose lease has lapsed no result is known. A refused connection is known not to have arrived.
        """
        attempts = self.model._meta.get_field("attempts").related_model._base_manager.using(self.db)
        unanswered = attempts.filter(event_id=OuterRef("pk"), may_have_arrived=True)
        return Q(status=EventStatus.SENDING) | Q(Exists(unanswered))

    def in_use(self, field: str) -> list[str]:
        """Return the distinct values of an index's first column, over all events, in order.

        One index lookup per value. MariaDB and MySQL execute DISTINCT like that; others would read every row.
        """
        connection = connections[self.db]
        if connection.vendor == "mysql":
            everything = self.model._base_manager.using(self.db)
            return list(everything.order_by(field).values_list(field, flat=True).distinct())
        names = (self.model._meta.db_table, self.model._meta.get_field(field).column)
        table, column = map(connection.ops.quote_name, names)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE found(value) AS (SELECT MIN({column}) FROM {table} UNION ALL "  # noqa: S608 - our names  # nosec B608
                f"SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > found.value) FROM found "
                "WHERE found.value IS NOT NULL) SELECT value FROM found WHERE value IS NOT NULL"
            )
            return [value for (value,) in cursor.fetchall()]

    def prune(self, *, before: dt.datetime, limit: int, now: dt.datetime | None = None) -> int:
        """Delete a chunk of finished events, oldest first, with their attempts; return how many.

        An event that DFINERY would still process is kept: otherwise reconcile would capture its source again.
        """
        old = self.filter(finished_at__lt=before, expires_at__lt=now or clock.now())
        pks = list(old.order_by("finished_at").values_list("pk", flat=True)[:limit])
        if pks:
            with transaction.atomic(using=self.db):
                # By their keys: events resent meanwhile are kept, and no range of an index is locked.
                locked = list(old.filter(pk__in=pks).select_for_update().values_list("pk", flat=True))
                self.filter(pk__in=locked).only("pk").delete()
        return len(pks)

    def prune_tombstones(self, *, now: dt.datetime | None = None) -> int:
        """Delete the tombstones of forgotten people once reconcile no longer looks so far back; return how many."""
        tombstones = self.filter(status=EventStatus.CANCELLED, reason_code=Reason.FORGOTTEN)
        # The index of the claim begins with the destination.
        over = tombstones.filter(destination__in=self.in_use("destination"), expires_at__lt=now or clock.now())
        return over.only("pk").delete()[0]
