"""Reconcile: find source rows without a signal (``update()``, ``bulk_create()``, raw SQL, other services).

Reads the keys of rows of the last 48 hours that match a definition's ``when``, page by page, and captures those without
an event. A ``when`` that is a callable is asked row by row. On the day of installation it captures the last 48 hours.

An anti-join in the database excludes the rows that have an event, if the database writes a key as the same text as
Python. SQLite does not for UUIDs, and MariaDB's collations do not compare exactly: so each page is compared once more,
on exact texts. Elsewhere that costs nothing, since a sweep that finds nothing reads an empty page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models import CharField, Exists, F, OuterRef, Q
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Cast

from .. import clock
from ..conf import get_settings
from ..db.columns import as_site_datetime
from ..db.outage import log_failure
from ..db.savepoints import savepoint_guard, swallow
from ..definitions import consent, registry
from ..definitions.conditions import condition_query, may_join_many, says_yes
from ..definitions.definition import EventDefinition
from ..definitions.needs import reads_of
from ..definitions.scope import in_scope
from ..definitions.source import Source, firing_key, key_text
from ..mapping.expressions import Path
from ..mapping.fetching import get_rows
from ..mapping.model_paths import trace
from ..models import Event
from ..schema.types import as_moment
from .capture import capture_source

#: Younger rows are skipped: the transaction that captures them may not be committed yet.
MARGIN_SECONDS = 60
PAGE_SIZE = 500

_WHOLE_NUMBERS = frozenset({
    models.AutoField, models.BigAutoField, models.SmallAutoField, models.IntegerField, models.BigIntegerField,
    models.SmallIntegerField, models.PositiveIntegerField, models.PositiveBigIntegerField,
    models.PositiveSmallIntegerField,
})  # fmt: skip
#: Database -> key fields that it writes as the same text as Python, and compares exactly. Only Django's own classes: a
#: subclass may return another value to Python.
_JOINABLE = {
    "postgresql": _WHOLE_NUMBERS | {models.UUIDField, models.CharField, models.TextField, models.SlugField},
    "sqlite": _WHOLE_NUMBERS | {models.CharField, models.TextField, models.SlugField},
    "mysql": _WHOLE_NUMBERS,
}

Progress = Callable[[int], object]


def obstacle(definition: EventDefinition) -> str:
    """Return why a definition can't be reconciled; empty if it can."""
    if definition.signal is not None:
        return "it listens to a signal, which leaves no trace in a table"
    if callable(definition.condition):
        if definition.reconcile_by is None:
            return "its 'when' is a callable, and no 'reconcile_by' says which rows to ask"
    elif condition_query(definition) is None and definition.condition != "created":
        return "its 'when' can't be written as a query"
    if definition.identity != ():
        return "its 'once_per' allows several events per row"
    if recency_lookup(definition) is None:
        if definition.reconcile_by is not None:
            return "its 'reconcile_by' is no DateTimeField"
        is_missing = definition.moment is None
        what = "it has no 'event_datetime'" if is_missing else "its 'event_datetime' is no DateTimeField"
        return f"{what}, so no column shows which rows are recent"
    return ""


def missed(definition: EventDefinition, *, since: dt.datetime | None = None) -> Iterator[list[Any]]:
    """Yield pages of source rows that match, are recent (as ``candidate_keys``) and have no event; oldest first."""
    for page in _pages(definition, since):
        yield [row for _, row in page]


def _pages(definition: EventDefinition, since: dt.datetime | None) -> Iterator[list[tuple[dt.datetime, Any]]]:
    """Yield pages of ``missed``, with the moment of each row. A row is asked once, even if it is turned down."""
    now, after = clock.now(), Q()
    since, until = since or now - get_settings().max_age, now - dt.timedelta(seconds=MARGIN_SECONDS)
    while True:
        with in_scope(definition):  # not around the yield, after which other code runs
            candidates = candidate_keys(definition, since=since, until=until)
            keys = list(candidates.filter(after)[:PAGE_SIZE])
            wanted = _wanted_rows(definition, keys)
        if not keys:
            return
        moment, last = keys[-1]
        if connections[database_of_sources(definition)].features.supports_timezones:
            moment = as_moment(moment)  # a naive one may lie in a repeated hour; the driver knows which one
        after = Q(dfinery_moment__gt=moment) | Q(dfinery_moment=moment, pk__gt=last)
        if wanted:
            yield wanted


def _wanted_rows(definition: EventDefinition, keys: list[tuple[Any, Any]]) -> list[tuple[dt.datetime, Any]]:
    """Return the rows of a page's moments and keys that have no event, and that the site's code agrees to."""
    using, moments = database_of_sources(definition), {key: moment for moment, key in keys}
    missing = _without_event(definition, list(moments), using) if moments else []
    if not missing:
        return []
    # A callable reads what the mapping reads, or less: fetch it for the whole page.
    reads = reads_of(definition) if callable(definition.condition) else ()
    rows = {row.pk: row for row in get_rows(definition.model_class, reads, missing, using=using)}
    return [(moments[key], rows[key]) for key in missing if key in rows and _is_wanted(definition, rows[key])]


def sweep(definition: EventDefinition, *, since: dt.datetime | None = None, progress: Progress | None = None) -> int:
    """Capture the events that a definition has missed, none while ``ENABLED`` is false; return how many."""
    captured = 0
    for page in _pages(definition, since) if get_settings().ENABLED else ():
        # One transaction, and so one wake-up, per page. Each row has a savepoint of its own.
        with in_scope(definition), transaction.atomic(using=database_of_sources(definition)):
            captured += sum(_capture_row(definition, row, moment) for moment, row in page)
        if progress:
            progress(len(page))
    return captured


def sweep_all() -> dict[str, int]:
    """Sweep every definition that can be reconciled; return definition name -> how many events were captured.

    :raises Exception: the first error of a sweep, after all others were swept
    """
    found: dict[str, int] = {}
    errors: list[Exception] = []
    for each in registry.definitions() if get_settings().ENABLED else ():
        if not obstacle(each):
            try:
                found[each.name] = sweep(each)
            except Exception as error:  # noqa: BLE001 - raised below
                log_failure("%s can't be reconciled", each.name, error=error)
                errors.append(error)
    if errors:  # so that the task fails, though not before the others were swept
        raise errors[0]
    return found


def database_of_sources(definition: EventDefinition) -> str:
    """Return the database that a definition's model is written to."""
    return router.db_for_write(definition.model_class)


def moment_lookup(definition: EventDefinition) -> str | None:
    """Return ``event_datetime`` as a lookup: ``payment.paid_at`` becomes ``payment__paid_at``."""
    return _column_lookup(definition, definition.moment.path) if isinstance(definition.moment, Path) else None


def recency_lookup(definition: EventDefinition) -> str | None:
    """Return the lookup of the column that says which rows are recent: ``reconcile_by``, else ``event_datetime``."""
    path = definition.reconcile_by
    if path is None:
        return moment_lookup(definition)
    return _column_lookup(definition, path) if isinstance(path, str) else None


def _column_lookup(definition: EventDefinition, path: str) -> str | None:
    followed = trace(definition.model_class, path)
    if not isinstance(followed.field, models.DateTimeField) or any(hop.is_many for hop in followed.hops):
        return None
    # A relation may have another name in queries (related_query_name) than as an attribute.
    return LOOKUP_SEP.join([*(hop.relation.name for hop in followed.hops), followed.field.name])


def candidate_keys(
    definition: EventDefinition, *, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> Any:
    """Return a query for ``(moment, key)`` of the rows that match and are recent, in the order of the pages.

    Rows that have an event are excluded if the database can compare the keys exactly.

    :param since: default: as far back as DFINERY still processes
    :param until: default: ``MARGIN_SECONDS`` ago
    :raises PayloadError: if ``since`` is no moment
    """
    now, using = clock.now(), database_of_sources(definition)
    since = as_moment(since or now - get_settings().max_age, "since")
    until = until or now - dt.timedelta(seconds=MARGIN_SECONDS)
    rows = definition.model_class._base_manager.using(using).filter(condition_query(definition) or Q())
    rows = rows.annotate(dfinery_moment=F(str(recency_lookup(definition)))).filter(
        dfinery_moment__gte=as_site_datetime(since, using),
        dfinery_moment__lt=as_site_datetime(until, using),
    )
    if _joins_exactly(definition, using):
        own_events = Event.objects.filter(definition=definition.name, source_pk=Cast(OuterRef("pk"), CharField()))
        rows = rows.filter(~Exists(own_events))
    rows = rows.order_by("dfinery_moment", "pk").values_list("dfinery_moment", "pk")
    return rows.distinct() if may_join_many(definition) else rows


def _joins_exactly(definition: EventDefinition, using: str) -> bool:
    key: Any = definition.model_class._meta.pk
    while key.is_relation:  # a child's link to its parent, a profile's to its user
        key = key.target_field
    return type(key) in _JOINABLE.get(connections[using].vendor, ())


def _without_event(definition: EventDefinition, keys: list[Any], using: str) -> list[Any]:
    """Return the keys that have neither an event nor the tombstone of a forgotten person's (a hash of its key)."""
    texts = [key_text(definition, key) for key in keys]
    own_events = Event.objects.using(using).filter(definition=definition.name)
    captured = set(own_events.filter(source_pk__in=texts).values_list("source_pk", flat=True))
    hashes = {text: firing_key(definition, text, using) for text in texts if text not in captured}
    by_hash = Event.objects.using(using).filter(dedup_key__in=list(hashes.values())) if hashes else Event.objects.none()
    forgotten = set(by_hash.values_list("dedup_key", flat=True))
    return [key for key, text in zip(keys, texts, strict=True) if text in hashes and hashes[text] not in forgotten]


def _is_wanted(definition: EventDefinition, row: Any) -> bool:
    using = database_of_sources(definition)
    source = Source(definition, row, using)
    try:
        if callable(definition.condition) and not says_yes(source):
            return False
        with savepoint_guard(using, row):
            is_wanted = definition.should_capture(row, created=definition.condition == "created")
        return is_wanted and consent.allows_capture(source)
    except Exception as error:  # noqa: BLE001 - logged; the sweep goes on
        swallow(error, using, "%s %s was not captured", definition.source_label, row.pk)
        return False


def _capture_row(definition: EventDefinition, row: Any, moment: dt.datetime) -> bool:
    using = database_of_sources(definition)
    try:
        capture_source(Source(definition, row, using), occurred_at=None if definition.moment else moment)
    except Exception as error:  # noqa: BLE001 - logged; the sweep goes on
        swallow(error, using, "%s %s was not captured", definition.source_label, row.pk)
        return False
    return True
