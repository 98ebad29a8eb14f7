"""Source rows that no signal told of: ``queryset.update()``, ``bulk_create()``, raw SQL, other services.

Reads the keys of rows of the last 48 hours that match a definition's ``when``, page by page, and captures those that
have no event. Also the way in: on the day of installing it finds the last 48 hours.

The comparison is made per page on exact texts: in the database it would need a cast of the key, which for UUIDs and
for MariaDB's collations is another text than the one stored.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import models, router, transaction
from django.db.models import F, Q
from django.utils import timezone

from . import registry
from .conf import get_settings
from .definitions import EventDefinition
from .expressions import Path
from .models import Event
from .outbox import insert
from .paths import trace

logger = logging.getLogger("dfinery_django")

#: Rows younger than this are left alone: the transaction that captures them may still be under way.
MARGIN_SECONDS = 60
PAGE = 500


def obstacle(definition: EventDefinition) -> str:
    """Why a definition can't be reconciled, or nothing."""
    if definition.signal is not None:
        return "it listens to a signal, which leaves no trace in a table"
    if not isinstance(definition.condition, Mapping) and definition.condition != "created":
        return "its 'when' can't be asked of a table"
    if definition.identity != ():
        return "with its 'once_per', an event is more than a row"
    if _moment_lookup(definition) is None:
        return "its 'event_datetime' is no DateTimeField, so that nothing tells which rows are recent"
    return ""


def missed(definition: EventDefinition, *, since: dt.datetime | None = None) -> Iterator[list[Any]]:
    """Pages of source rows that match, are recent and have no event; the oldest first.

    :param since: default: as far back as DFINERY still processes
    """
    now = timezone.now()
    since = since or now - dt.timedelta(hours=get_settings().MAX_AGE_HOURS)
    until = now - dt.timedelta(seconds=MARGIN_SECONDS)
    using = database_of_sources(definition)
    candidates = _candidates(definition, using).filter(dfinery_moment__gte=since, dfinery_moment__lt=until)
    after = Q()
    while page := list(candidates.filter(after)[:PAGE]):
        moment, last = page[-1]
        after = Q(dfinery_moment__gt=moment) | Q(dfinery_moment=moment, pk__gt=last)
        keys = _without_event(definition, [key for _, key in page], using)
        if keys:
            yield list(definition.model_class._base_manager.using(using).filter(pk__in=keys).order_by("pk"))


def sweep(definition: EventDefinition, *, since: dt.datetime | None = None) -> int:
    """Capture what a definition has missed.

    :returns: how many rows
    """
    captured = 0
    for page in missed(definition, since=since):
        # One transaction and so one wake-up for the page. A row that fails has a savepoint of its own.
        with transaction.atomic(using=database_of_sources(definition)):
            captured += sum(_capture(definition, row) for row in page)
    return captured


def sweep_all() -> dict[str, int]:
    """Sweep every definition that can be: name -> how many were captured."""
    if not get_settings().ENABLED:
        return {}
    return {each.name: sweep(each) for each in registry.definitions() if not obstacle(each)}


def database_of_sources(definition: EventDefinition) -> str:
    """The database that a definition's model is written to."""
    return router.db_for_write(definition.model_class)


def _moment_lookup(definition: EventDefinition) -> str | None:
    """``event_datetime`` as a lookup: ``payment.paid_at`` becomes ``payment__paid_at``."""
    if not isinstance(definition.moment, Path):
        return None
    followed = trace(definition.model_class, definition.moment.path)
    is_column = isinstance(followed.field, models.DateTimeField) and not any(hop.is_many for hop in followed.hops)
    return definition.moment.path.replace(".", "__") if is_column else None


def _candidates(definition: EventDefinition, using: str) -> Any:
    """``(moment, key)`` of the rows that match, in the order of the pages."""
    wanted = definition.condition if isinstance(definition.condition, Mapping) else {}
    rows = definition.model_class._base_manager.using(using).filter(**wanted)
    moments = rows.annotate(dfinery_moment=F(str(_moment_lookup(definition))))
    return moments.order_by("dfinery_moment", "pk").values_list("dfinery_moment", "pk")


def _without_event(definition: EventDefinition, keys: list[Any], using: str) -> list[Any]:
    events = Event.objects.using(using).filter(definition=definition.name, source_pk__in=[str(key) for key in keys])
    captured = set(events.values_list("source_pk", flat=True))
    return [key for key in keys if str(key) not in captured]


def _capture(definition: EventDefinition, row: Any) -> bool:
    try:
        if not definition.should_capture(row, created=definition.condition == "created"):
            return False
        insert(definition, row, using=database_of_sources(definition))
    except Exception:
        logger.exception("%s %s was not captured", definition.source_label, row.pk)
        return False
    return True
