"""What is told when events end: signals, a record for each, one ERROR per incident, totals.

No record holds what an event says: a reason may quote a number, DFINERY's words or the site's own error, and stands in
the admin. The traceback of a definition's own error is logged once per incident.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError

from . import incidents, totals
from .conf import get_settings
from .display import visible
from .logs import about, events_logger
from .models import Event
from .signals import event_delivered, event_expired, event_failed
from .states import EventStatus, Reason
from .transactions import before_swallowing

logger = logging.getLogger("dfinery_django")

_SIGNALS = {
    EventStatus.DELIVERED: event_delivered,
    EventStatus.FAILED: event_failed,
    EventStatus.EXPIRED: event_expired,
}
#: Of these the exchange has a record.
_ANSWERED = (Reason.NONE, Reason.REJECTED)
_PATH = re.compile(r"[\w.\[\]]+(?=: )")


def tell(events: Sequence[Event], using: str) -> None:
    """Tell the log and the site of those of these events that have ended, after the database was updated."""
    ended = [event for event in events if event.is_finished]
    say(ended, using)
    for event in ended:
        signal = _SIGNALS.get(EventStatus(event.status))
        if signal:
            signal.send_robust(sender=Event, event=event)


def say(ended: Sequence[Event], using: str) -> None:
    """The same without signals. May be called in a request, after its commit."""
    if events_logger.isEnabledFor(logging.INFO):
        for event in ended:
            if event.reason_code not in _ANSWERED:
                events_logger.info(
                    "Event %s (%s) %s: %s",
                    *(event.event_id, visible(event.event_name), event.status, event.reason_code),
                    extra=_about(event),
                )
    by_incident: dict[tuple[str, ...], list[Event]] = defaultdict(list)
    for event in ended:
        if event.status == EventStatus.FAILED:
            by_incident["failed", event.definition or event.event_name, event.reason_code].append(event)
        elif event.status == EventStatus.EXPIRED:
            by_incident["expired", event.destination].append(event)
    for subject, group in by_incident.items():
        if _begins(subject, using):
            _say_error(subject, group)
    if get_settings().METRICS:
        _count(ended, using)


def _about(event: Event) -> dict[str, object]:
    return about(
        event_id=str(event.event_id),
        event_name=event.event_name,
        definition=event.definition,
        destination=event.destination,
        status=str(event.status),
        reason_code=str(event.reason_code),
    )


def _begins(subject: tuple[str, ...], using: str) -> bool:
    try:
        return incidents.begins(" ".join(subject), using=using)
    except (DatabaseError, InterfaceError) as error:
        before_swallowing(error, using)
        return True  # said twice rather than not at all


def _say_error(subject: tuple[str, ...], group: Sequence[Event]) -> None:
    first = group[0]
    source = f" of {first.source} {first.source_pk}" if first.source else ""
    extra = {**_about(first), **about(count=len(group))}
    if subject[0] == "expired":
        logger.error(
            "Events for %s expire: they were not delivered while DFINERY would still process them. The first: "
            "%s (%s)%s. The overview in the admin says what stops them. More of them are no error of their own.",
            *(visible(first.destination), first.event_id, visible(first.event_name), source),
            extra=extra,
        )
        return
    place = _PATH.match(first.reason) if first.reason_code in (Reason.PAYLOAD, Reason.NO_USER) else None
    logger.error(
        "Events of %s fail, %s%s. The first: %s%s. Its page in the admin says what to mend. "
        "More of them are no error of their own.",
        *(visible(subject[1]), first.reason_code, f" at {place[0]}" if place else "", first.event_id, source),
        extra=extra,
        exc_info=first.fault,
    )


def _count(ended: Sequence[Event], using: str) -> None:
    endings = Counter((str(each.status), each.destination, each.event_name, str(each.reason_code)) for each in ended)
    for (status, destination, name, code), number in endings.items():
        if status in (EventStatus.DELIVERED, EventStatus.EXPIRED):
            totals.count(using, status, destination, name, by=number)
        elif status == EventStatus.FAILED:
            totals.count(using, status, destination, name, code, by=number)
