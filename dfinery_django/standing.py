"""Where an event stands, in a sentence with the next step; what an attempt's outcome means. Tables, no HTML.

``stands()`` has a sentence for every status and reason. Placeholders are named, so that a translation may turn them
around.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .models import DeliveryAttempt, Destination, Event
from .states import EventStatus, Outcome, Reason

Text = str | Promise

#: A due event that nobody has looked at for so long is worth a word.
OVERDUE = dt.timedelta(minutes=2)
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)


@dataclass(frozen=True)
class Standing:
    """Where an event stands and what is to be done, if anything."""

    sentence: str
    next_step: str


@dataclass(frozen=True)
class _Words:
    sentence: Text
    next_step: Text
    #: Instead, once its time is over.
    too_late: Text = ""
    #: Instead, where no definition stands behind it: it came from ``track()`` or the REST API.
    tracked: Text = ""


_WAIT = _("Nothing to do: it happens by itself.")
_TOO_LATE = _("It can't be sent any more: its time ended on %(expires)s. Mend the cause, so that the next ones arrive.")
_REBUILD = _("Mend it, then rebuild and resend the event: %(left)s left.")
_TRACK_AGAIN = _("Mend what sends it, by track() or the REST API. It can't be rebuilt, since no definition made it.")

_STATUS: dict[str, _Words] = {
    EventStatus.CAPTURED: _Words(_("It is stored and waits to be built from %(source)s."), _WAIT),
    EventStatus.PENDING: _Words(_("It is built and waits for its turn to be sent to %(destination)s."), _WAIT),
    EventStatus.SENDING: _Words(
        _("It is being sent to %(destination)s at this moment."), _("Look again in a minute: nothing to do.")
    ),
    EventStatus.DELIVERED: _Words(
        _("DFINERY took it on %(finished)s, %(took)s after it happened."), _("Nothing to do.")
    ),
    EventStatus.FAILED: _Words(
        _("It was not delivered, for the reason below."), _("Mend the cause, then resend it: %(left)s left."), _TOO_LATE
    ),
    EventStatus.EXPIRED: _Words(
        _("It could not be delivered within the time in which DFINERY takes events (%(hours)s h)."),
        _("It can't be sent any more. If others wait, see Destinations for what stops them."),
    ),
    EventStatus.CANCELLED: _Words(
        _("It was cancelled on %(finished)s and is not sent."), _("Nothing to do, or resend it: %(left)s left."),
        _("Nothing to do. It can't be sent any more."),
    ),
}  # fmt: skip

_REASONS: dict[tuple[str, str], _Words] = {
    (EventStatus.CAPTURED, Reason.NOT_READY): _Words(
        _("It waits for the items of %(source)s, which are not stored yet."),
        _("Nothing to do: after a while it is built with what is there."),
    ),
    (EventStatus.CAPTURED, Reason.UNTRUE): _Words(
        _("It waits until %(source)s is stored as its signal told it."),
        _("Nothing to do: if that does not happen, it is cancelled after a while."),
    ),
    (EventStatus.CAPTURED, Reason.MAPPING): _Words(
        _("A database that its mapping reads failed; it is tried again %(due)s."), _WAIT
    ),
    (EventStatus.PENDING, Reason.TRANSIENT): _Words(
        _("DFINERY gave no proper answer so far (attempts: %(attempts)s); it is tried again %(due)s."), _WAIT
    ),
    (EventStatus.PENDING, Reason.THROTTLED): _Words(
        _("DFINERY's rate limit is used up; it is sent when the limit allows it."), _WAIT
    ),
    (EventStatus.PENDING, Reason.BLOCKED): _Words(
        _("DFINERY refuses us, not this event: delivery to %(destination)s is stopped."),
        _("Have the API token or the address mended (DFINERY: TOKENS, BASE_URL); then all that waits goes out."),
    ),
    (EventStatus.FAILED, Reason.PAYLOAD): _Words(
        _("It was not sent: a value can't be sent as it is."), _REBUILD, _TOO_LATE, _TRACK_AGAIN
    ),
    (EventStatus.FAILED, Reason.MAPPING): _Words(
        _("It was not sent: its definition raised an error."), _REBUILD, _TOO_LATE, _TRACK_AGAIN
    ),
    (EventStatus.FAILED, Reason.NO_USER): _Words(
        _("It was not sent: it has no user_id, and DFINERY takes no event without one."),
        _("Map a user_id for guests, too, or let guests be skipped; then rebuild and resend: %(left)s left."),
        _TOO_LATE, _TRACK_AGAIN,
    ),
    (EventStatus.FAILED, Reason.SOURCE_GONE): _Words(
        _("It was never sent: %(source)s was deleted before the event was built."),
        _("Nothing can be done unless it is restored; then rebuild and resend: %(left)s left."), _TOO_LATE,
    ),
    (EventStatus.FAILED, Reason.NOT_REGISTERED): _Words(
        _("It was not sent: there is no definition “%(definition)s” any more."),
        _("Bring the definition back, then rebuild and resend: %(left)s left. Else leave it."), _TOO_LATE,
    ),
    (EventStatus.FAILED, Reason.NO_DESTINATION): _Words(
        _("It was not sent: the destination %(destination)s has no API token."),
        _("Add the token to the settings (DFINERY: TOKENS), then rebuild and resend: %(left)s left."), _TOO_LATE,
        _("Add the token to the settings (DFINERY: TOKENS), then resend it: %(left)s left."),
    ),
    (EventStatus.FAILED, Reason.REJECTED): _Words(
        _("DFINERY refuses this event, and would refuse it again as it is."),
        _("Mend the mapping as DFINERY's words say, then rebuild and resend: %(left)s left."), _TOO_LATE, _TRACK_AGAIN,
    ),
    (EventStatus.FAILED, Reason.WORKER_LOST): _Words(
        _("It was given up, since several workers in a row ended while they had it in hand."),
        _("If something else stopped them, resend it: %(left)s left. Else look for what they died of."), _TOO_LATE,
    ),
    (EventStatus.CANCELLED, Reason.GUEST): _Words(
        _("It belongs to a guest, and its definition says to skip guests."), _("Nothing to do.")
    ),
    (EventStatus.CANCELLED, Reason.NO_CONSENT): _Words(
        _("It is not sent: consent was asked once more before it was built, and said no."), _("Nothing to do.")
    ),
    (EventStatus.CANCELLED, Reason.UNTRUE): _Words(
        _("It was not sent: what its signal told of %(source)s was not stored."),
        _("Nothing to do. If it is stored by now, rebuild and resend: %(left)s left."),
        _("Nothing to do. It can't be sent any more."),
    ),
    (EventStatus.CANCELLED, Reason.FORGOTTEN): _Words(
        _("Its person was forgotten. This trace says nothing of them, and is deleted in time."), _("Nothing to do.")
    ),
    (EventStatus.CANCELLED, Reason.BY_HAND): _Words(
        _("It was cancelled by hand on %(finished)s and is not sent."),
        _("Nothing to do. If that was a mistake, resend or rebuild it: %(left)s left."),
        _("Nothing to do. It can't be sent any more."),
    ),
}  # fmt: skip

_PAUSED = _Words(
    _("Delivery to %(destination)s is paused by %(paused_by)s; the event waits."),
    _("Resume the destination before %(expires)s: until then DFINERY takes it."),
)
_STOPPED = _Words(_("Delivery to %(destination)s is stopped for a while: %(why)s"), _WAIT)
_OVERDUE = _Words(
    _("It has been due for %(overdue)s, and no worker has come to it."),
    _("Either many wait before it, or no worker runs: is the cluster (manage.py qcluster) up?"),
)


def stands(event: Event, destination: Destination | None, now: dt.datetime) -> Standing:
    """Where the event stands now.

    :param destination: the row of its destination, if there is one
    """
    words = _words(event, destination, now)
    is_late = event.is_finished and event.expires_at <= now
    step = words.next_step
    if is_late and words.too_late:
        step = words.too_late
    elif not event.definition and words.tracked:
        step = words.tracked
    values = _values(event, destination, now)
    return Standing(str(words.sentence) % values, str(step) % values)


def _words(event: Event, destination: Destination | None, now: dt.datetime) -> _Words:
    waits = event.status in (EventStatus.CAPTURED, EventStatus.PENDING)
    known = _REASONS.get((event.status, event.reason_code), _STATUS[event.status])
    if event.status == EventStatus.PENDING and destination is not None and destination.is_stopped(now):
        if destination.paused_by:
            return _PAUSED
        return known if event.reason_code == Reason.BLOCKED else _stopped(destination)
    if waits and event.due_at is not None and event.due_at < now - OVERDUE:
        return _OVERDUE
    return known


def _stopped(destination: Destination) -> _Words:
    passes = destination.closed_code in (Reason.TRANSIENT, Reason.THROTTLED)
    return _STOPPED if passes else _REASONS[EventStatus.PENDING, Reason.BLOCKED]


def _values(event: Event, destination: Destination | None, now: dt.datetime) -> dict[str, object]:
    due, finished = event.due_at, event.finished_at
    return {
        "source": f"{event.source} {event.source_pk}".strip() or "track()",
        "definition": event.definition,
        "destination": event.destination,
        "attempts": event.attempt_count,
        "hours": number_format(f"{(event.expires_at - event.occurred_at).total_seconds() / 3600:g}"),
        "finished": moment(finished) if finished else "",
        "took": _span(finished - event.occurred_at) if finished else "",
        "expires": moment(event.expires_at),
        "left": time_left(event, now),
        "due": due_in(due, now) if due else "",
        "overdue": timesince(due, now) if due else "",
        "paused_by": destination.paused_by if destination else "",
        "why": destination.closed_reason if destination else "",
    }


def _span(span: dt.timedelta) -> str:
    """``4 seconds``, ``2 hours, 5 minutes``."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return ngettext("%(seconds)s second", "%(seconds)s seconds", seconds) % {"seconds": seconds}
    return timesince(_EPOCH, _EPOCH + span)


def moment(at: dt.datetime) -> str:
    """A time in the reader's time zone."""
    local = timezone.localtime(at)
    # Not DATETIME_FORMAT: its "a.m." would end a sentence twice.
    return f"{date_format(local, 'DATE_FORMAT')} {date_format(local, 'H:i')}"


def time_left(event: Event, now: dt.datetime) -> str:
    """For how long DFINERY still takes the event: "3 hours, 20 minutes"; empty when that is over."""
    return timeuntil(event.expires_at, now) if event.expires_at > now else ""


def due_in(due_at: dt.datetime, now: dt.datetime) -> str:
    """When it is looked at next: "in 3 minutes", "now"."""
    if due_at <= now + dt.timedelta(seconds=60):
        return str(_("within a minute"))
    return str(_("in %(time)s")) % {"time": timeuntil(due_at, now)}


_OUTCOMES: dict[str, Text] = {
    Outcome.ACCEPTED: _("DFINERY took the event."),
    Outcome.TRANSIENT: _("No proper answer. That passes by itself: the event is sent again after a pause."),
    Outcome.THROTTLED: _("DFINERY's rate limit is used up: everything waits until it resets. The event is all right."),
    Outcome.REJECTED: _("DFINERY refuses the event, and would refuse it again as it is."),
    Outcome.BLOCKED: _(
        "Nothing takes events at this address: delivery is stopped until BASE_URL is mended. This does not count "
        "against the event."
    ),
}
_NO_ANSWER = _("No answer came. Nobody can know whether the event arrived, so it is sent again with the same event_id.")
_TOKEN_REFUSED = _(
    "DFINERY refuses the API token: delivery is stopped until it is mended. This does not count against the event."
)
_NOT_SENT = _(
    "No safe connection could be made: delivery is stopped until that is mended. This does not count against the event."
)


def means(attempt: DeliveryAttempt) -> str:
    """What came of an attempt, in plain words."""
    if attempt.status_code is None:
        return str({Outcome.TRANSIENT: _NO_ANSWER, Outcome.BLOCKED: _NOT_SENT}.get(Outcome(attempt.outcome), ""))
    if attempt.outcome == Outcome.BLOCKED and (attempt.status_code in (401, 403) or attempt.result_code == "4001"):
        return str(_TOKEN_REFUSED)
    return str(_OUTCOMES[attempt.outcome])
