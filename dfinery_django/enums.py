"""The states of an event and the outcomes of a delivery attempt. Read this first.

::

    saved ──capture──▶ captured ──build──▶ pending ──claim──▶ sending ──accepted──▶ delivered
                          │                   ▲                  │ │
                          │                   └─ not delivered ──┘ └─ rejected, or its workers died ──▶ failed
                          ├─ its payload can't be built ──▶ failed
                          └─ guest, no consent, condition untrue ──▶ cancelled

    captured, pending, sending with a lapsed lease:   48 h are over ──▶ expired,   by hand ──▶ cancelled
    any finished event whose 48 h are not over:       resend ──▶ pending,          rebuild ──▶ captured

In every unfinished state ``due_at`` is the time before which no worker looks at the row: when it may be built
(captured) or sent (pending), or when its lease lapses (sending; also captured, while it is being built). It is null in
a finished event.
"""

from __future__ import annotations

from typing import Any

from django.db.models.enums import TextChoices
from django.utils.translation import gettext_lazy as _, pgettext_lazy


class CallableChoices(TextChoices):
    """Choices that a field takes as a callable, so that a changed label asks for no migration."""

    @classmethod
    def as_choices(cls) -> list[tuple[Any, Any]]:
        return cls.choices


class EventStatus(CallableChoices):
    """The states in the diagram above."""

    CAPTURED = "captured", pgettext_lazy("event status", "captured")
    PENDING = "pending", pgettext_lazy("event status", "pending")
    SENDING = "sending", pgettext_lazy("event status", "sending")
    DELIVERED = "delivered", pgettext_lazy("event status", "delivered")
    FAILED = "failed", pgettext_lazy("event status", "failed")
    EXPIRED = "expired", pgettext_lazy("event status", "expired")
    CANCELLED = "cancelled", pgettext_lazy("event status", "cancelled")


UNFINISHED = (EventStatus.CAPTURED, EventStatus.PENDING, EventStatus.SENDING)
FINISHED = (EventStatus.DELIVERED, EventStatus.FAILED, EventStatus.EXPIRED, EventStatus.CANCELLED)


class DestinationState(CallableChoices):
    """The state of a destination; an open one is sent to. The table of ``Outcome`` says what changes it."""

    OPEN = "open", pgettext_lazy("destination state", "open")
    HALF_OPEN = "half_open", pgettext_lazy("destination state", "tried again")
    CLOSED = "closed", pgettext_lazy("destination state", "stopped")
    PAUSED = "paused", pgettext_lazy("destination state", "paused")


class Outcome(CallableChoices):
    """The result of one request, in five words.

    ============  ==============================  ===========================================================
    outcome       the event                       the destination
    ============  ==============================  ===========================================================
    accepted      delivered                       works
    transient     pending again, with backoff     a failure; several in a row stop it for a while
    throttled     pending again                   stopped until the rate limit resets
    rejected      failed, with DFINERY's message  works (the connection does)
    blocked       pending, no attempt counted     stopped, probed with one event at growing intervals: the
                                                  token or the address is wrong, not the event
    ============  ==============================  ===========================================================
    """

    ACCEPTED = "accepted", pgettext_lazy("outcome", "accepted")
    TRANSIENT = "transient", pgettext_lazy("outcome", "transient")
    THROTTLED = "throttled", pgettext_lazy("outcome", "throttled")
    REJECTED = "rejected", pgettext_lazy("outcome", "rejected")
    BLOCKED = "blocked", pgettext_lazy("outcome", "blocked")


class Reason(CallableChoices):
    """The values of ``Event.reason_code``: why an event is not (yet) delivered. ``Event.reason`` has the details.

    ``Destination.closed_code`` has the same values for a stopped destination; ``token`` occurs only there.
    """

    NONE = "", ""
    PAYLOAD = "payload", _("a value can't be sent")
    MAPPING = "mapping", _("the mapping raised an error")
    NO_USER = "no_user", _("no user_id")
    GUEST = "guest", _("guest, skipped by the definition")
    NO_CONSENT = "no_consent", _("no consent")
    SOURCE_GONE = "source_gone", _("the source object is gone")
    NOT_REGISTERED = "not_registered", _("its definition is gone")
    NO_DESTINATION = "no_destination", _("its destination is not configured")
    NOT_READY = "not_ready", _("its items are not there yet")
    UNTRUE = "untrue", _("its condition does not hold")
    REJECTED = "rejected", _("refused by DFINERY")
    TRANSIENT = "transient", _("no proper answer yet")
    THROTTLED = "throttled", _("rate limit")
    BLOCKED = "blocked", _("the destination refuses us")
    TOKEN = "token", _("DFINERY refuses the API token")
    TOO_OLD = "too_old", _("older than DFINERY processes")
    WORKER_LOST = "worker_lost", _("its workers died while sending it")
    BY_HAND = "by_hand", _("cancelled by hand")
    FORGOTTEN = "forgotten", _("its person was forgotten")


class Action(CallableChoices):
    """An operation that an operator can apply to events."""

    RESEND = "resend", pgettext_lazy("action", "resend")
    REBUILD = "rebuild", pgettext_lazy("action", "rebuild and resend")
    CANCEL = "cancel", pgettext_lazy("action", "cancel")


class ActionVerdict(CallableChoices):
    """The result of an ``Action`` for one event. Of those not ``ACTIONABLE`` the label continues "12 left alone: "."""

    READY = "ready", _("nothing speaks against it")
    DELIVERED = "delivered", _("delivered already")
    UNSURE = "unsure", _("an attempt got no proper answer")
    UNFINISHED = "unfinished", _("still on the way")
    FINISHED = "finished", _("finished, with nothing left to cancel")
    IN_FLIGHT = "in_flight", _("being sent at this moment, which nothing can call back; look again in a minute")
    TOO_OLD = "too_old", _("past the hours in which DFINERY takes events; it would drop them without a word")
    NOT_BUILT = "not_built", _("never built, with nothing to send; rebuild instead")
    DROPPED = "dropped", _("the content was dropped on delivery (KEEP_PAYLOADS); rebuild instead")
    FORGOTTEN = "forgotten", _("its person was forgotten")
    NO_DEFINITION = "no_definition", _("no definition in force to build from")
    NO_DESTINATION = "no_destination", _("the destination has no token")
    SOURCE_GONE = "source_gone", _("the source object is gone")
    CHANGED = "changed", _("changed since you looked")


#: Verdicts of events that an action changes; all others are skipped.
ACTIONABLE = (ActionVerdict.READY, ActionVerdict.DELIVERED, ActionVerdict.UNSURE)
