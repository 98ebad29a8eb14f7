"""Notifications when events end: signals, a log record for each, one ERROR per incident, counters.

Log records have no payloads and no reasons: a reason may quote a value, DFINERY's answer or the site's own error, and
is shown in the admin. The traceback of a definition's own error is logged once per incident.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections

from ..conf import get_settings
from ..db.retry import DATABASE_ERRORS
from ..db.savepoints import after_commit, raise_or_recover, swallow
from ..db.sql import sql_for
from ..enums import EventStatus, Reason
from ..models import Event
from ..signals import event_delivered, event_expired, event_failed
from ..text.escape import escaped_text
from ..text.log_fields import event_extra, events_logger
from . import counters, incidents

logger = logging.getLogger("dfinery_django")

_SIGNALS = {
    EventStatus.DELIVERED: event_delivered,
    EventStatus.FAILED: event_failed,
    EventStatus.EXPIRED: event_expired,
}
#: The reason codes that ``delivery.exchange`` has logged already.
_LOGGED_BY_EXCHANGE = (Reason.NONE, Reason.REJECTED)
#: Below SQLite's limit of parameters in one statement.
IDS_PER_QUERY = 900
#: Connection -> the hook of its commit, and the events to log then.
_pending_logs: WeakKeyDictionary[Any, tuple[Callable[[], None], list[Event]]] = WeakKeyDictionary()
_PATH = re.compile(r"[\w.\[\]]+(?=: )")


def notify(events: Sequence[Event], using: str) -> None:
    """Log the events that have ended, and send their signals; call it after the database was updated."""
    ended = [event for event in events if event.is_finished]
    log_endings(ended, using)
    for event in ended:
        if signal := _SIGNALS.get(EventStatus(event.status)):
            signal.send_robust(sender=Event, event=event)


def log_endings(ended: Sequence[Event], using: str, *, each: bool = True) -> None:
    """Log ended events and count them, without signals. May be called in a request, after its commit.

    :param each: a record for each event; else one for each name, status and reason code
    """
    if events_logger.isEnabledFor(logging.INFO):
        _log_records([event for event in ended if event.reason_code not in _LOGGED_BY_EXCHANGE], each)
    by_incident: dict[tuple[str, ...], list[Event]] = defaultdict(list)
    for event in ended:
        if event.status == EventStatus.FAILED:
            by_incident["failed", event.definition or event.event_name, event.reason_code].append(event)
        elif event.status == EventStatus.EXPIRED:
            by_incident["expired", event.destination].append(event)
    for subject, group in by_incident.items():
        if _begins_incident(subject, using):
            _log_incident(subject, group)
    if get_settings().METRICS:
        _count_endings(ended, using)


def log_on_commit(event: Event, using: str) -> None:
    """Log an event that ended at capture, together with the others of its transaction, when that commits."""
    connection = connections[using]
    pending = _pending_logs.get(connection)
    if pending and sql_for(connection).is_hook_pending("log", pending[0], connection):
        pending[1].append(event)
    else:
        _pending_logs[connection] = hook, _ = _log_hook([event], using)
        after_commit(hook, using)


def _log_hook(ended: list[Event], using: str) -> tuple[Callable[[], None], list[Event]]:
    def log_dfinery_events() -> None:
        try:
            if present := _still_stored(ended, using):
                log_endings(present, using, each=False)
                counters.flush(using)
        except Exception as error:  # noqa: BLE001 - logged
            swallow(error, using, "Events that failed at capture can't be logged")

    return log_dfinery_events, ended


def _still_stored(events: Sequence[Event], using: str) -> list[Event]:
    """Return the events that were not rolled back to a savepoint."""
    stored: set[Any] = set()
    for start in range(0, len(events), IDS_PER_QUERY):
        ids = [event.event_id for event in events[start : start + IDS_PER_QUERY]]
        stored.update(Event.objects.using(using).filter(event_id__in=ids).values_list("event_id", flat=True))
    return [event for event in events if event.event_id in stored]


def _log_records(ended: Sequence[Event], each: bool) -> None:
    kinds: dict[Any, list[Event]] = defaultdict(list)
    for event in ended:
        kinds[event.event_id if each else (event.event_name, event.status, event.reason_code)].append(event)
    for first, *others in kinds.values():
        events_logger.info(
            "Event %s (%s) %s: %s%s",
            *(first.event_id, escaped_text(first.event_name), first.status, first.reason_code),
            f", and {len(others)} more" if others else "",
            extra=_log_fields(first, count=1 + len(others)) if others else _log_fields(first),
        )


def _log_fields(event: Event, **facts: object) -> dict[str, object]:
    return event_extra(event, status=str(event.status), reason_code=str(event.reason_code), **facts)


def _begins_incident(subject: tuple[str, ...], using: str) -> bool:
    try:
        return incidents.begins(" ".join(subject), using=using)
    except DATABASE_ERRORS as error:
        raise_or_recover(error, using)
        return True  # logged twice rather than not at all


def _log_incident(subject: tuple[str, ...], group: Sequence[Event]) -> None:
    first = group[0]
    source = f" of {first.source} {first.source_pk}" if first.source else ""
    extra = _log_fields(first, count=len(group))
    if subject[0] == "expired":
        logger.error(
            "Events for %s expire: they were not delivered while DFINERY would still process them. The first: "
            "%s (%s)%s. See the overview in the admin for the cause. Further ones are not logged as errors.",
            *(escaped_text(first.destination), first.event_id, escaped_text(first.event_name), source),
            extra=extra,
        )
        return
    place = _PATH.match(first.reason) if first.reason_code in (Reason.PAYLOAD, Reason.NO_USER) else None
    logger.error(
        "Events of %s fail, %s%s. The first: %s%s. Its page in the admin says what to fix. "
        "Further ones are not logged as errors.",
        *(escaped_text(subject[1]), first.reason_code, f" at {place[0]}" if place else "", first.event_id, source),
        extra=extra,
        exc_info=first.fault,
    )


def _count_endings(ended: Sequence[Event], using: str) -> None:
    endings = Counter((str(each.status), each.destination, each.event_name, str(each.reason_code)) for each in ended)
    for (status, destination, name, code), number in endings.items():
        if status in (EventStatus.DELIVERED, EventStatus.EXPIRED):
            counters.increment(using, status, destination, name, by=number)
        elif status == EventStatus.FAILED:
            counters.increment(using, status, destination, name, code, by=number)
