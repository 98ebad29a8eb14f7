"""The outbox as queries: what is due, claim, settle, give back, expire, resend, cancel, prune.

One row that can't be written, or read, ends alone.

A row belongs to whoever holds its lease: ``due_at`` as it was given out is the fence of every later write.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Cast

from . import clock
from .exceptions import error_text
from .patience import write_bisecting
from .states import FINISHED, UNFINISHED, EventStatus, Reason
from .unreadable import UNREADABLE_ERRORS, lacks_required_date, quarantine

logger = logging.getLogger("dfinery_django")

#: No lease, pause or backoff of ours is longer.
LONGEST_WAIT = dt.timedelta(hours=1)

#: After so many leases in a row that lapsed without a settle, an event is what its workers may have died of.
LAPSES_TO_SUSPECT = 5

#: What a claim counts. For sending: an attempt, and a lapse where the last one was never settled. For building, where a
#: lapsed lease can't be told from a row that is due: a lapse, until it is settled.
_COUNTS: dict[str, dict[str, Any]] = {
    EventStatus.SENDING: {
        "attempt_count": F("attempt_count") + 1,
        "lapse_count": F("lapse_count") + Case(When(status=EventStatus.SENDING, then=1), default=0),
    },
    EventStatus.CAPTURED: {"lapse_count": F("lapse_count") + 1},
}

_ENDING = ("status", "due_at", "reason_code", "reason", "finished_at")


def _afresh(now: dt.datetime) -> dict[str, Any]:
    return {"due_at": now, "finished_at": None, "lapse_count": 0, "reason_code": "", "reason": ""}


def _refuse(event: Any, error: Exception, now: dt.datetime) -> None:
    """Set what an event has whose row the database won't have as it stands; its content is let go of.

    What had ended well, or by somebody's wish, stays so.
    """
    event.payload = ""
    if event.status in UNFINISHED or event.status == EventStatus.FAILED:
        words = next(iter(error_text(error).splitlines()), "")  # further lines quote the row
        event.finish(EventStatus.FAILED, Reason.PAYLOAD, f"The database can't store it: {words}", now)
    event.reason = event.reason.encode("ascii", errors="backslashreplace").decode()


class EventQuerySet(models.QuerySet[Any]):
    def _fetch_all(self) -> None:
        """Read, by way of which all readers of events go; rows that no driver can read are put right first."""
        if self._result_cache is not None:
            super()._fetch_all()
            return
        try:
            super()._fetch_all()
            found: list[Any] = self._result_cache or []
            if not any(map(lacks_required_date, found)):
                return
        except UNREADABLE_ERRORS as error:
            if getattr(error.__cause__, "sqlstate", None) or not self._quarantine():
                raise  # the server's own error, which no value read is to blame for; or none was found
        else:
            self._quarantine()
        self._result_cache, self._prefetch_done = None, False
        super()._fetch_all()

    def _quarantine(self) -> int:
        named: str | None = self._db  # type: ignore[attr-defined]
        # Where none is named, it may have been read from a replica.
        return quarantine(self.model._base_manager.using(named or router.db_for_write(self.model)))

    def unfinished(self) -> EventQuerySet:
        return self.filter(status__in=UNFINISHED)

    def due(self, now: dt.datetime) -> EventQuerySet:
        """Unfinished events that somebody need look at by now.

        What is due later than anything of ours ever waits was written before the clock was set back: due, too. So is
        what was captured to be sent at once, by a machine whose clock is ahead, and never touched since.
        """
        is_fresh = Q(created_at__gt=now, due_at__lte=F("created_at"), attempt_count=0, lapse_count=0)
        return self.filter(Q(due_at__lte=now) | Q(due_at__gt=now + LONGEST_WAIT) | is_fresh)

    def oldest_waiting(self) -> dt.datetime | None:
        """When that happened which expires next; for one destination a look into the index, however many wait."""
        in_turn = self.order_by("expires_at", "pk").values_list("occurred_at", flat=True)
        firsts = [in_turn.filter(status=status).first() for status in UNFINISHED]
        return min(filter(None, firsts), default=None)

    def claim(self, *, limit: int, now: dt.datetime, lease_seconds: float, into: EventStatus) -> list[Any]:
        """Take due events of this queryset for a while; nobody else is given them before their lease is over.

        Two statements in one short transaction: a LIMIT inside an UPDATE may be planned to take more. What expires
        first comes first. The lease (``due_at`` of the events returned) is the fencing token of ``settle``.

        :param into: ``CAPTURED`` to build, ``SENDING`` to send (which counts an attempt)
        """
        lease = now + dt.timedelta(seconds=lease_seconds)
        with transaction.atomic(using=self.db):
            skip_locked = connections[self.db].features.has_select_for_update_skip_locked
            free = self.due(now).order_by("expires_at", "pk").select_for_update(skip_locked=skip_locked)
            claimed = list(free[:limit])
            if claimed:
                rows = self.model._base_manager.using(self.db).filter(pk__in=[event.pk for event in claimed])
                # The counts first: MySQL reads columns that stand further left in their new state.
                rows.update(**_COUNTS[into], status=into, due_at=lease)
        for event in claimed:
            event.attempt_count += into == EventStatus.SENDING
            event.lapse_count += into == EventStatus.CAPTURED or event.status == EventStatus.SENDING
            event.status, event.due_at = into, lease
        return claimed

    def expire(self, *, limit: int, now: dt.datetime, margin: dt.timedelta = dt.timedelta(0)) -> list[Any]:
        """Finish unfinished events whose time is over, except those that somebody holds a lease on.

        :param margin: so long before that it is over already: to send takes time
        """
        late = (
            self.unfinished().filter(expires_at__lte=now + margin).exclude(status=EventStatus.SENDING, due_at__gt=now)
        )
        with transaction.atomic(using=self.db):
            skip_locked = connections[self.db].features.has_select_for_update_skip_locked
            expired = list(late.select_for_update(skip_locked=skip_locked)[:limit])
            for event in expired:
                last = f" Last: {event.reason}" if event.reason else ""
                reason = f"It could not be delivered while DFINERY would still process it.{last}"
                event.finish(EventStatus.EXPIRED, Reason.TOO_OLD, reason, now)
            self._write(self.model._base_manager.using(self.db), expired, _ENDING)
        return expired

    def settle(
        self, events: Sequence[Any], fields: Iterable[str], *, status: EventStatus, lease: dt.datetime
    ) -> list[Any]:
        """Write events that were claimed together, as far as the claim still holds. Safe to repeat.

        :param status: what they were claimed into
        :param lease: the ``due_at`` that they were claimed with
        :returns: those that now stand as given; the others have lost their lease, or are gone
        """
        if not events:
            return []
        rows = self.filter(status=status, due_at=lease)
        if self._write(rows, events, tuple(fields)) == len(events):
            return list(events)
        found = self.filter(pk__in=[event.pk for event in events]).values_list("pk", "status", "due_at", "finished_at")
        stand = {pk: tuple(state) for pk, *state in found}
        return [event for event in events if stand.get(event.pk) == (event.status, event.due_at, event.finished_at)]

    def _write(self, rows: Any, events: Sequence[Any], fields: Sequence[str]) -> int:
        """Write events as they stand; one that the database refuses ends in the database's own words.

        :param rows: those of them that may be written
        :returns: how many were
        """
        written: list[int] = []
        for event, error in self._try_to_write(rows, events, fields, written):
            _refuse(event, error, clock.now())
            if not self._try_to_write(rows, [event], fields, written):
                continue
            for _, failure in self._try_to_write(rows, [event], _ENDING, written):
                logger.error("Event %s can't be written: %s", event.event_id, type(failure).__name__)
        return sum(written)

    def _try_to_write(
        self, rows: Any, events: Sequence[Any], fields: Sequence[str], written: list[int]
    ) -> list[tuple[Any, Exception]]:
        texts = [field for field in ("payload", "reason") if field in fields]

        def weigh(event: Any) -> int:
            return sum(len(getattr(event, text).encode(errors="replace")) for text in texts)

        def write(part: Sequence[Any]) -> None:
            # bulk_update() would open a transaction, and write out one CASE per field even where all values are alike.
            values = {field: self._value_of(part, field) for field in fields}
            written.append(rows.filter(pk__in=[event.pk for event in part]).update(**values))

        return write_bisecting(events, write, using=self.db, weigh=weigh)

    def give_back(self, events: Iterable[Any], *, lease: dt.datetime, now: dt.datetime) -> int:
        """Return what was claimed and not sent, at once: nobody need wait for its lease. Safe to repeat.

        :returns: how many
        """
        rows = self.filter(status=EventStatus.SENDING, due_at=lease, pk__in=[event.pk for event in events])
        return rows.update(attempt_count=F("attempt_count") - 1, status=EventStatus.PENDING, due_at=now)

    def _value_of(self, events: Sequence[Any], name: str) -> Any:
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
        again = self.filter(status__in=FINISHED, expires_at__gt=now)
        again = again.exclude(definition="").exclude(reason_code=Reason.FORGOTTEN)
        again.filter(reason_code=Reason.NO_DESTINATION).update(destination=destination)
        return again.update(status=EventStatus.CAPTURED, **_afresh(now))

    def cancellable(self, now: dt.datetime) -> EventQuerySet:
        """Unfinished events except those that are being sent: nothing can call these back, and they may arrive."""
        lapsed = Q(status=EventStatus.SENDING) & (Q(due_at__lte=now) | Q(lapse_count__gt=0))
        return self.filter(Q(status__in=(EventStatus.CAPTURED, EventStatus.PENDING)) | lapsed)

    def cancel(self, now: dt.datetime, *, by: str) -> int:
        """Finish events that wait, so that they are never sent; where an attempt was made, the reason says so.

        :returns: how many
        """
        unsure = f"Cancelled by {by} after an attempt of which no answer is known: it may have arrived."
        return self.cancellable(now).update(
            # First: MySQL reads columns that stand further left in their new state.
            reason=Case(When(status=EventStatus.SENDING, then=Value(unsure)), default=Value(f"Cancelled by {by}.")),
            status=EventStatus.CANCELLED, reason_code=Reason.BY_HAND, due_at=None, finished_at=now, lapse_count=0,
        )  # fmt: skip

    def in_use(self, field: str) -> list[str]:
        """The different values of a column that an index begins with, over all events, in order.

        A step along the index for each value: MariaDB and MySQL go like that about DISTINCT, others read every row.
        """
        connection = connections[self.db]
        if connection.vendor == "mysql":
            everything = self.model._base_manager.using(self.db)
            return list(everything.order_by(field).values_list(field, flat=True).distinct())
        table, column = (
            connection.ops.quote_name(name)
            for name in (self.model._meta.db_table, self.model._meta.get_field(field).column)
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE found(value) AS (SELECT MIN({column}) FROM {table} UNION ALL "  # noqa: S608 - our names  # nosec B608
                f"SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > found.value) FROM found "
                "WHERE found.value IS NOT NULL) SELECT value FROM found WHERE value IS NOT NULL"
            )
            return [value for (value,) in cursor.fetchall()]

    def prune(self, *, before: dt.datetime, limit: int, now: dt.datetime | None = None) -> int:
        """Delete a chunk of finished events, oldest first, with their attempts.

        One that DFINERY would still process stays: reconcile would take its source for one without an event.

        :returns: how many; 0 when none is left
        """
        old = self.filter(finished_at__lt=before, expires_at__lt=now or clock.now())
        pks = list(old.order_by("finished_at").values_list("pk", flat=True)[:limit])
        if pks:
            with transaction.atomic(using=self.db):
                # By their keys: what is sent again meanwhile stays, and no range of an index is locked.
                held = list(old.filter(pk__in=pks).select_for_update().values_list("pk", flat=True))
                self.filter(pk__in=held).only("pk").delete()
        return len(pks)

    def prune_traces(self, *, now: dt.datetime | None = None) -> int:
        """Delete what forgotten people left, once reconcile does not look so far back.

        :returns: how many
        """
        over = self.filter(
            status=EventStatus.CANCELLED, reason_code=Reason.FORGOTTEN, expires_at__lt=now or clock.now()
        )
        # The index of the claim begins with the destination.
        return over.filter(destination__in=self.in_use("destination")).only("pk").delete()[0]
