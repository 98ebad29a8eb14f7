"""What is told when events end: signals, a record for each, one ERROR per incident, totals.

No record holds what an event says: a reason may quote a number, DFINERY's words or the site's own error, and stands in
the admin. The traceback of a definition's own error is logged once per incident.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.db import DatabaseError, InterfaceError, connections

from . import incidents, totals
from .conf import get_settings
from .display import escaped_text
from .logs import events_logger, log_extra
from .models import Event
from .signals import event_delivered, event_expired, event_failed
from .states import EventStatus, Reason
from .transactions import after_commit, is_hook_pending, raise_or_recover, swallow

logger = logging.getLogger("dfinery_django")

_SIGNALS = {
    EventStatus.DELIVERED: event_delivered,
    EventStatus.FAILED: event_failed,
    EventStatus.EXPIRED: event_expired,
}
#: Of these the exchange has a record.
_ANSWERED = (Reason.NONE, Reason.REJECTED)
#: So many ids SQLite takes in one statement.
AT_ONCE = 900
#: Where a connection keeps what is said when it commits: the hook, and the events.
_ENDED = "_dfinery_ended"
_PATH = re.compile(r"[\w.\[\]]+(?=: )")


def tell(events: Sequence[Event], using: str) -> None:
    """Tell the log and the site of those of these events that have ended, after the database was updated."""
    ended = [event for event in events if event.is_finished]
    say(ended, using)
    for event in ended:
        signal = _SIGNALS.get(EventStatus(event.status))
        if signal:
            signal.send_robust(sender=Event, event=event)


def say(ended: Sequence[Event], using: str, *, each: bool = True) -> None:
    """The same without signals. May be called in a request, after its commit.

    :param each: a record for each event; else one for those of one kind
    """
    if events_logger.isEnabledFor(logging.INFO):
        _record([event for event in ended if event.reason_code not in _ANSWERED], each)
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


def say_on_commit(event: Event, using: str) -> None:
    """Say it of an event that ended as it was captured: of all of the caller's transaction at once, when it commits."""
    connection = connections[using]
    hook, ended = connection.__dict__.get(_ENDED, (None, []))
    if is_hook_pending(_ENDED, hook, connection):
        ended.append(event)
    else:
        connection.__dict__[_ENDED] = hook, _ = _hook([event], using)
        after_commit(hook, using)


def _hook(ended: list[Event], using: str) -> tuple[Callable[[], None], list[Event]]:
    def tell_of_dfinery_events() -> None:
        try:
            if present := _present(ended, using):
                say(present, using, each=False)
                totals.flush(using)
        except Exception as error:  # noqa: BLE001 - told, as far as it can be
            swallow(error, using, "Events that failed at capture can't be told of")

    return tell_of_dfinery_events, ended


def _present(events: Sequence[Event], using: str) -> list[Event]:
    """Those that no savepoint has rolled back."""
    stored: set[Any] = set()
    for start in range(0, len(events), AT_ONCE):
        ids = [event.event_id for event in events[start : start + AT_ONCE]]
        stored.update(Event.objects.using(using).filter(event_id__in=ids).values_list("event_id", flat=True))
    return [event for event in events if event.event_id in stored]


def _record(ended: Sequence[Event], each: bool) -> None:
    kinds: dict[Any, list[Event]] = defaultdict(list)
    for event in ended:
        kinds[event.event_id if each else (event.event_name, event.status, event.reason_code)].append(event)
    for first, *others in kinds.values():
        events_logger.info(
            "Event %s (%s) %s: %s%s",
            *(first.event_id, escaped_text(first.event_name), first.status, first.reason_code),
            f", and {len(others)} more" if others else "",
            extra=_about(first) | log_extra(count=1 + len(others)) if others else _about(first),
        )


def _about(event: Event) -> dict[str, object]:
    return log_extra(
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
        raise_or_recover(error, using)
        return True  # said twice rather than not at all


def _say_error(subject: tuple[str, ...], group: Sequence[Event]) -> None:
    first = group[0]
    source = f" of {first.source} {first.source_pk}" if first.source else ""
    extra = {**_about(first), **log_extra(count=len(group))}
    if subject[0] == "expired":
        logger.error(
            "Events for %s expire: they were not delivered while DFINERY would still process them. The first: "
            "%s (%s)%s. The overview in the admin says what stops them. More of them are no error of their own.",
            *(escaped_text(first.destination), first.event_id, escaped_text(first.event_name), source),
            extra=extra,
        )
        return
    place = _PATH.match(first.reason) if first.reason_code in (Reason.PAYLOAD, Reason.NO_USER) else None
    logger.error(
        "Events of %s fail, %s%s. The first: %s%s. Its page in the admin says what to mend. "
        "More of them are no error of their own.",
        *(escaped_text(subject[1]), first.reason_code, f" at {place[0]}" if place else "", first.event_id, source),
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
