"""Counters for Prometheus: totals that never fall, whatever is pruned or resent.

They are rows, since the processes that deliver (django-q2's workers) are not those that are scraped (web servers). Each
process buffers its increments and flushes many at once. Nothing is counted unless the setting ``METRICS`` is on. A
checkout never writes a counter: captured events are counted later, from the outbox.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
from typing import Any

from django.db import models, transaction
from django.db.models import Count, F

from .. import clock
from ..conf import get_settings
from ..db.retry import DATABASE_ERRORS
from ..db.savepoints import raise_or_recover
from ..db.sql import insert_missing
from ..db.tenants import database_and_schema
from ..models import Total

logger = logging.getLogger("dfinery_django")

FLUSH_SECONDS = 10.0
#: Upper bounds of the buckets of request durations, in seconds.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: The age at which events are added to the total of captured ones: younger ones may still be committed out of order.
ABSORB_AFTER = dt.timedelta(minutes=10)
ABSORB_EVERY = dt.timedelta(minutes=1)
CAPTURED, ABSORBED = "captured", "absorbed"

CounterKey = tuple[str, tuple[str, ...]]

_lock = threading.Lock()
TotalsPlace = tuple[str, str | None]
#: Keyed by database and tenant.
_unwritten: dict[TotalsPlace, dict[CounterKey, float]] = {}
_written_at: dict[TotalsPlace, float] = {}
_absorbed_at: dict[TotalsPlace, dt.datetime] = {}


def increment(using: str, metric: str, *labels: str, by: float = 1) -> None:
    """Increment a counter in this process, if ``METRICS`` is on; ``flush`` writes it."""
    if get_settings().METRICS:
        with _lock:
            _add_up(_unwritten.setdefault(database_and_schema(using), {}), (metric, labels), by)


def _add_up(totals: dict[CounterKey, float], key: CounterKey, by: float) -> None:
    totals[key] = totals.get(key, 0) + by


def reset() -> None:
    """Discard the increments of this process that are not flushed, and the times of its flushes."""
    for memory in (_unwritten, _written_at, _absorbed_at):
        memory.clear()


def observe(using: str, metric: str, *labels: str, seconds: float) -> None:
    """Add a duration to its bucket and to the sum."""
    increment(using, f"{metric}_bucket", *labels, next((str(each) for each in BUCKETS if seconds <= each), "+Inf"))
    increment(using, f"{metric}_sum", *labels, by=seconds)


def flush(using: str, *, after_seconds: float = 0) -> None:
    """Write the increments of this process, unless it last did so less than ``after_seconds`` ago. Never raises."""
    elapsed, place = clock.monotonic(), database_and_schema(using)
    if not _unwritten.get(place) or elapsed - _written_at.get(place, float("-inf")) < after_seconds:
        return
    with _lock:
        counted = _unwritten.pop(place, {})
        _written_at[place] = elapsed
    try:
        with transaction.atomic(using=using):
            for key in sorted(counted):  # in one order, so that two workers can't deadlock
                _add(using, key, counted[key])
    except DATABASE_ERRORS as error:
        with _lock:
            for key, by in counted.items():
                _add_up(_unwritten.setdefault(place, {}), key, by)
        raise_or_recover(error, using)
        logger.warning("Metrics were not written; the next flush retries them: %s", type(error).__name__)


def _add(using: str, key: CounterKey, by: float) -> None:
    row = Total.objects.using(using).filter(pk=_hash(key))
    if not row.update(value=F("value") + by):
        insert_missing([_counter_row(key)], using=using)
        row.update(value=F("value") + by)


def _hash(key: CounterKey) -> str:
    return Total.key_of(json.dumps(key))


def _counter_row(key: CounterKey) -> Total:
    return Total(key=_hash(key), metric=key[0], labels=json.dumps(key[1]))


def absorb(events: models.QuerySet[Any], *, now: dt.datetime | None = None) -> None:
    """Add events older than ``ABSORB_AFTER`` to the total of captured ones; at most once a minute. Never raises.

    ``read_totals`` counts the younger ones: the row ``absorbed`` has the key of the last one added.
    """
    if not get_settings().METRICS:
        return
    using, place, now = events.db, database_and_schema(events.db), now or clock.now()
    if place in _absorbed_at and abs(now - _absorbed_at[place]) < ABSORB_EVERY:
        return
    _absorbed_at[place] = now
    try:
        with transaction.atomic(using=using):
            _absorb(events, using, now - ABSORB_AFTER)
    except DATABASE_ERRORS as error:
        raise_or_recover(error, using)
        logger.warning("Captured events were not counted; the next drain retries it: %s", type(error).__name__)


def _absorb(events: models.QuerySet[Any], using: str, before: dt.datetime) -> None:
    rows, key = Total.objects.using(using), (ABSORBED, ())
    is_first = not rows.filter(pk=_hash(key)).exists()
    if is_first:
        insert_missing([_counter_row(key)], using=using)
    mark = rows.select_for_update().get(pk=_hash(key))
    # Backwards along the keys, so that older rows are not read.
    grown = events.filter(pk__gt=int(mark.value), created_at__lt=before).order_by("-pk").values_list("pk", flat=True)
    if (head := grown.first()) is None:
        return
    if not is_first:  # events from before METRICS was on are not counted
        for name, number in _event_counts(events.filter(pk__gt=int(mark.value), pk__lte=head)):
            _add(using, (CAPTURED, (name,)), number)
    rows.filter(pk=mark.pk).update(value=head)


def _event_counts(events: models.QuerySet[Any]) -> list[tuple[str, int]]:
    return list(events.order_by().values_list("event_name").annotate(Count("pk")))


def read_totals(events: models.QuerySet[Any]) -> dict[CounterKey, float]:
    """Return all totals of a database; that of captured events is up to date. Two queries."""
    rows = Total.objects.using(events.db)
    totals: dict[CounterKey, float] = {(row.metric, tuple(json.loads(row.labels))): row.value for row in rows}
    mark = totals.pop((ABSORBED, ()), None)
    for name, number in _event_counts(events.filter(pk__gt=int(mark))) if mark is not None else ():
        _add_up(totals, (CAPTURED, (name,)), number)
    return totals
