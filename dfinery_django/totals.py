"""How much of something there has been, for Prometheus: totals that never fall, whatever is pruned or sent again.

They are rows, since those who deliver (django-q2's workers) are not those who are scraped (web servers). What a process
has counted is written now and then, many at once. Nothing is counted unless the setting ``METRICS`` says so. A checkout
never writes one: what was captured is counted later, from the outbox.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import threading
from typing import Any

from django.db import DatabaseError, InterfaceError, models, transaction
from django.db.models import Count, F

from . import clock
from .conf import get_settings
from .storing import insert_missing
from .tenants import database_and_schema
from .transactions import raise_or_recover

logger = logging.getLogger("dfinery_django")

FLUSH_SECONDS = 10.0
#: Seconds of a request; how many took that long or shorter.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Events are taken into the total of captured ones at this age: so long a transaction may still commit older ones.
ABSORB_AFTER = dt.timedelta(minutes=10)
ABSORB_EVERY = dt.timedelta(minutes=1)
CAPTURED, ABSORBED = "captured", "absorbed"

Key = tuple[str, tuple[str, ...]]


class Total(models.Model):
    """One total: of which metric, with which labels (a JSON list)."""

    # A hash: MariaDB and MySQL compare text without regard to case.
    key = models.CharField(max_length=64, primary_key=True, editable=False)
    metric = models.CharField(max_length=40)
    labels = models.TextField()
    value = models.FloatField(default=0)

    class Meta:
        app_label = "dfinery_django"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.metric} {self.labels}"


_lock = threading.Lock()
Place = tuple[str, str | None]
#: By database and tenant.
_unwritten: dict[Place, dict[Key, float]] = {}
_written_at: dict[Place, float] = {}
_absorbed_at: dict[Place, dt.datetime] = {}


def count(using: str, metric: str, *labels: str, by: float = 1) -> None:
    """Note it in this process, if ``METRICS`` is on; ``flush`` writes it."""
    if get_settings().METRICS:
        with _lock:
            _add_up(_unwritten.setdefault(database_and_schema(using), {}), (metric, labels), by)


def _add_up(totals: dict[Key, float], key: Key, by: float) -> None:
    totals[key] = totals.get(key, 0) + by


def forget() -> None:
    """Forget what this process has counted and not written, and when it did."""
    for memory in (_unwritten, _written_at, _absorbed_at):
        memory.clear()


def observe(using: str, metric: str, *labels: str, seconds: float) -> None:
    """Note how long something took: its bucket, and the sum."""
    bucket = next((str(each) for each in BUCKETS if seconds <= each), "+Inf")
    count(using, f"{metric}_bucket", *labels, bucket)
    count(using, f"{metric}_sum", *labels, by=seconds)


def flush(using: str, *, after_seconds: float = 0) -> None:
    """Write what this process has counted, unless it did so less than so many seconds ago. Never raises."""
    elapsed, place = clock.monotonic(), database_and_schema(using)
    if not _unwritten.get(place) or elapsed - _written_at.get(place, float("-inf")) < after_seconds:
        return
    with _lock:
        counted = _unwritten.pop(place, {})
        _written_at[place] = elapsed
    try:
        with transaction.atomic(using=using):
            for key in sorted(counted):  # in one order, so that no two workers wait for each other
                _add(using, key, counted[key])
    except (DatabaseError, InterfaceError) as error:
        with _lock:
            for key, by in counted.items():
                _add_up(_unwritten.setdefault(place, {}), key, by)
        raise_or_recover(error, using)
        logger.warning("Metrics were not written; they are kept for the next time: %s", type(error).__name__)


def _add(using: str, key: Key, by: float) -> None:
    rows = Total.objects.using(using)
    row = rows.filter(pk=_hash(key))
    if not row.update(value=F("value") + by):
        insert_missing([_row(key)], using=using)
        row.update(value=F("value") + by)


def _hash(key: Key) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _row(key: Key) -> Total:
    return Total(key=_hash(key), metric=key[0], labels=json.dumps(key[1]))


def absorb(events: models.QuerySet[Any], *, now: dt.datetime | None = None) -> None:
    """Add events that were captured a while ago to their total, each once; at most once a minute. Never raises.

    Younger ones are counted by whoever reads the totals (``read``): the row ``absorbed`` says from which key on.
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
    except (DatabaseError, InterfaceError) as error:
        raise_or_recover(error, using)
        logger.warning("Captured events were not counted; they are the next time: %s", type(error).__name__)


def _absorb(events: models.QuerySet[Any], using: str, before: dt.datetime) -> None:
    rows, key = Total.objects.using(using), (ABSORBED, ())
    is_first = not rows.filter(pk=_hash(key)).exists()
    if is_first:
        insert_missing([_row(key)], using=using)
    mark = rows.select_for_update().get(pk=_hash(key))
    # Backwards along the keys: what is older than that is not read.
    grown = events.filter(pk__gt=int(mark.value), created_at__lt=before).order_by("-pk").values_list("pk", flat=True)
    head = grown.first()
    if head is None:
        return
    if not is_first:  # what was there before metrics were asked for is not counted
        for name, number in _named(events.filter(pk__gt=int(mark.value), pk__lte=head)):
            _add(using, (CAPTURED, (name,)), number)
    rows.filter(pk=mark.pk).update(value=head)


def _named(events: models.QuerySet[Any]) -> list[tuple[str, int]]:
    return list(events.order_by().values_list("event_name").annotate(Count("pk")))


def read(events: models.QuerySet[Any]) -> dict[Key, float]:
    """All totals of a database; those of captured events up to this moment. Two queries."""
    totals: dict[Key, float] = {}
    for row in Total.objects.using(events.db):
        totals[row.metric, tuple(json.loads(row.labels))] = row.value
    mark = totals.pop((ABSORBED, ()), None)
    for name, number in _named(events.filter(pk__gt=int(mark))) if mark is not None else ():
        _add_up(totals, (CAPTURED, (name,)), number)
    return totals
