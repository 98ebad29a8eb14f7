"""The status of an event in a sentence with the next step, and the outcome of an attempt. Tables, no HTML.

There is a sentence for every status and reason. Placeholders are named, so that translations may reorder them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_lazy as _

from ..enums import EventStatus, Outcome, Reason
from ..models import DeliveryAttempt, Destination, Event
from ..text.times import due_in, exact_span, format_datetime, time_left

Text = str | Promise

#: An event that has been due for this long without being claimed gets a sentence of its own.
OVERDUE_AFTER = dt.timedelta(minutes=2)


@dataclass(frozen=True)
class StatusExplanation:
    """The state of an event and what to do about it, if anything."""

    sentence: str
    next_step: str


@dataclass(frozen=True)
class _Texts:
    sentence: Text
    next_step: Text
    too_late: Text = ""  # the next step once the event has expired
    tracked: Text = ""  # the next step of an event without a definition: from ``track()`` or the REST API


_WAIT = _("Nothing to do: it happens by itself.")
_NOTHING = _("Nothing to do.")
_OVER = _("Nothing to do. It can't be sent any more.")
_TOO_LATE = _("It can't be sent any more: it expired on %(expires)s. Fix the cause, so that the next events arrive.")
_REBUILD = _("Fix the cause, then rebuild and resend the event: %(left)s left.")
_TRACK_AGAIN = _("Fix the code that calls track() or the REST API. It can't be rebuilt, since it has no definition.")

_STATUS: dict[str, _Texts] = {
    EventStatus.CAPTURED: _Texts(_("It is stored and waits to be built from %(source)s."), _WAIT),
    EventStatus.PENDING: _Texts(_("It is built and waits for its turn to be sent to %(destination)s."), _WAIT),
    EventStatus.SENDING: _Texts(
        _("It is being sent to %(destination)s at this moment."), _("Look again in a minute: nothing to do.")
    ),
    EventStatus.DELIVERED: _Texts(_("DFINERY accepted it on %(finished)s, %(took)s after it happened."), _NOTHING),
    EventStatus.FAILED: _Texts(
        _("It was not delivered, for the reason below."), _("Fix the cause, then resend it: %(left)s left."), _TOO_LATE
    ),
    EventStatus.EXPIRED: _Texts(
        _("It could not be delivered within the time in which DFINERY accepts events (%(hours)s h)."),
        _("It can't be sent any more. If others wait, see Destinations for what stops them."),
    ),
    EventStatus.CANCELLED: _Texts(
        _("It was cancelled on %(finished)s and is not sent."), _("Nothing to do, or resend it: %(left)s left."), _OVER
    ),
}  # fmt: skip

_REASONS: dict[tuple[str, str], _Texts] = {
    (EventStatus.CAPTURED, Reason.NOT_READY): _Texts(
        _("It waits for the items of %(source)s, which are not stored yet."),
        _("Nothing to do: after a while it is built with what is there."),
    ),
    (EventStatus.CAPTURED, Reason.UNTRUE): _Texts(
        _("It waits until %(source)s is stored as its signal announced it."),
        _("Nothing to do: if that does not happen, it is cancelled after a while."),
    ),
    (EventStatus.CAPTURED, Reason.MAPPING): _Texts(
        _("A database that its mapping reads failed; it is retried %(due)s."), _WAIT
    ),
    (EventStatus.PENDING, Reason.TRANSIENT): _Texts(
        _("DFINERY has given no proper answer so far (attempts: %(attempts)s); it is retried %(due)s."), _WAIT
    ),
    (EventStatus.PENDING, Reason.THROTTLED): _Texts(
        _("DFINERY's rate limit is used up; it is sent when the limit allows it."), _WAIT
    ),
    (EventStatus.PENDING, Reason.BLOCKED): _Texts(
        _("DFINERY refuses us, not this event: delivery to %(destination)s is stopped."),
        _("Have the API token or the address fixed (DFINERY: TOKENS, BASE_URL); then all waiting events are sent."),
    ),
    (EventStatus.FAILED, Reason.PAYLOAD): _Texts(
        _("It was not sent: a value can't be sent as it is."), _REBUILD, _TOO_LATE, _TRACK_AGAIN
    ),
    (EventStatus.FAILED, Reason.MAPPING): _Texts(
        _("It was not sent: its definition raised an error."), _REBUILD, _TOO_LATE, _TRACK_AGAIN
    ),
    (EventStatus.FAILED, Reason.NO_USER): _Texts(
        _("It was not sent: it has no user_id, and DFINERY accepts no event without one."),
        _("Map a user_id for guests, too, or let guests be skipped; then rebuild and resend: %(left)s left."),
        _TOO_LATE, _TRACK_AGAIN,
    ),
    (EventStatus.FAILED, Reason.SOURCE_GONE): _Texts(
        _("It was never sent: %(source)s was deleted before the event was built."),
        _("Nothing can be done unless it is restored; then rebuild and resend: %(left)s left."), _TOO_LATE,
    ),
    (EventStatus.FAILED, Reason.NOT_REGISTERED): _Texts(
        _("It was not sent: there is no definition “%(definition)s” any more."),
        _("Restore the definition, then rebuild and resend: %(left)s left. Otherwise leave it."), _TOO_LATE,
    ),
    (EventStatus.FAILED, Reason.NO_DESTINATION): _Texts(
        _("It was not sent: the destination %(destination)s has no API token."),
        _("Add the token to the settings (DFINERY: TOKENS), then rebuild and resend: %(left)s left."), _TOO_LATE,
        _("Add the token to the settings (DFINERY: TOKENS), then resend it: %(left)s left."),
    ),
    (EventStatus.FAILED, Reason.REJECTED): _Texts(
        _("DFINERY refuses this event, and would refuse it again as it is."),
        _("Fix the mapping as DFINERY's message says, then rebuild and resend: %(left)s left."),
        _TOO_LATE, _TRACK_AGAIN,
    ),
    (EventStatus.FAILED, Reason.WORKER_LOST): _Texts(
        _("It failed, since several workers in a row died while it was in flight."),
        _("If something else stopped them, resend it: %(left)s left. Otherwise find out why they died."), _TOO_LATE,
    ),
    (EventStatus.CANCELLED, Reason.GUEST): _Texts(
        _("It belongs to a guest, and its definition says to skip guests."), _NOTHING
    ),
    (EventStatus.CANCELLED, Reason.NO_CONSENT): _Texts(
        _("It is not sent: consent was checked again before it was built, and there was none."), _NOTHING
    ),
    (EventStatus.CANCELLED, Reason.UNTRUE): _Texts(
        _("It was not sent: what its signal announced of %(source)s was not stored."),
        _("Nothing to do. If it is stored by now, rebuild and resend: %(left)s left."), _OVER,
    ),
    (EventStatus.CANCELLED, Reason.FORGOTTEN): _Texts(
        _("Its person was forgotten. This tombstone holds no data about them, and is deleted later."), _NOTHING
    ),
    (EventStatus.CANCELLED, Reason.BY_HAND): _Texts(
        _("It was cancelled by hand on %(finished)s and is not sent."),
        _("Nothing to do. If that was a mistake, resend or rebuild it: %(left)s left."), _OVER,
    ),
}  # fmt: skip

#: Where events go to a sandbox now: whether this one did is not stored.
_ACCEPTED_ELSEWHERE = _Texts(_("It was accepted on %(finished)s, %(took)s after it happened."), _NOTHING)
_PAUSED = _Texts(
    _("Delivery to %(destination)s is paused by %(paused_by)s; the event waits."),
    _("Resume the destination before %(expires)s: until then DFINERY accepts it."),
)
_STOPPED = _Texts(_("Delivery to %(destination)s is stopped for a while: %(why)s"), _WAIT)
_NO_WORKER = _Texts(
    _("It has been due for %(overdue)s, and no worker has claimed it."),
    _("Either many wait before it, or no worker runs: is the cluster (manage.py qcluster) up?"),
)


def explain_status(
    event: Event, destination: Destination | None, now: dt.datetime, *, is_dfinery: bool = True
) -> StatusExplanation:
    """Return a sentence on the event's state and the next step.

    :param is_dfinery: whether events are sent to DFINERY's host
    """
    is_elsewhere = event.status == EventStatus.DELIVERED and not is_dfinery
    texts = _ACCEPTED_ELSEWHERE if is_elsewhere else _texts(event, destination, now)
    values = _values(event, destination, now)
    too_late = texts.too_late if event.is_finished and event.expires_at <= now else ""
    next_step = too_late or ("" if event.definition else texts.tracked) or texts.next_step
    return StatusExplanation(str(texts.sentence) % values, str(next_step) % values)


def _texts(event: Event, destination: Destination | None, now: dt.datetime) -> _Texts:
    known = _REASONS.get((event.status, event.reason_code), _STATUS[event.status])
    if event.status == EventStatus.PENDING and destination is not None and destination.is_stopped(now):
        if destination.paused_by:
            return _PAUSED
        passes = event.reason_code != Reason.BLOCKED and destination.closed_code in (Reason.TRANSIENT, Reason.THROTTLED)
        return _STOPPED if passes else _REASONS[EventStatus.PENDING, Reason.BLOCKED]
    waits = event.status in (EventStatus.CAPTURED, EventStatus.PENDING)
    return _NO_WORKER if waits and event.due_at and event.due_at < now - OVERDUE_AFTER else known


def _values(event: Event, destination: Destination | None, now: dt.datetime) -> dict[str, object]:
    due, finished = event.due_at, event.finished_at
    return {
        "source": f"{event.source} {event.source_pk}".strip() or "track()",
        "definition": event.definition,
        "destination": event.destination,
        "attempts": event.attempt_count,
        "hours": number_format(f"{(event.expires_at - event.occurred_at).total_seconds() / 3600:g}"),
        "finished": format_datetime(finished) if finished else "",
        "took": exact_span(finished - event.occurred_at) if finished else "",
        "expires": format_datetime(event.expires_at),
        "left": time_left(event.expires_at, now),
        "due": due_in(due, now) if due else "",
        "overdue": timesince(due, now) if due else "",
        "paused_by": destination.paused_by if destination else "",
        "why": destination.translated_reason if destination else "",
    }


_OUTCOMES: dict[str, Text] = {
    Outcome.ACCEPTED: _("DFINERY accepted the event."),
    Outcome.TRANSIENT: _("No proper answer. The event is retried after a pause."),
    Outcome.THROTTLED: _("DFINERY's rate limit is used up: everything waits until it resets. The event is all right."),
    Outcome.REJECTED: _("DFINERY refuses the event, and would refuse it again as it is."),
    Outcome.BLOCKED: _(
        "Nothing accepts events at this address: delivery is stopped until BASE_URL is fixed. This does not count "
        "against the event."
    ),
}
_NO_ANSWER = _("No answer came. The event may have arrived or not, so it is retried with the same event_id.")
_NOT_ARRIVED = _("The event did not arrive. It is retried after a pause.")
_TOKEN_REFUSED = _(
    "DFINERY refuses the API token: delivery is stopped until it is fixed. This does not count against the event."
)
_NOT_SENT = _(
    "No safe connection could be made: delivery is stopped until that is fixed. This does not count against the event."
)


def explain_outcome(attempt: DeliveryAttempt, *, is_dfinery: bool = True) -> str:
    """Return the outcome of an attempt in a sentence."""
    if attempt.outcome == Outcome.ACCEPTED and not is_dfinery:
        return gettext("The event was accepted.")
    if attempt.status_code is None:
        no_answer = _NO_ANSWER if attempt.may_have_arrived else _NOT_ARRIVED
        return str({Outcome.TRANSIENT: no_answer, Outcome.BLOCKED: _NOT_SENT}.get(Outcome(attempt.outcome), ""))
    if attempt.outcome == Outcome.BLOCKED and (attempt.status_code in (401, 403) or attempt.result_code == "4001"):
        return str(_TOKEN_REFUSED)
    return str(_OUTCOMES[attempt.outcome])
