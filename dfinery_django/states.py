"""The states of an event and the outcomes of a delivery attempt. Read this first.

::

     saved, in the shop's own transaction
          │ capture (one INSERT)
          ▼
     captured ──build──▶ pending ──claim──▶ sending ──accepted──▶ delivered
          │                 ▲   transient, throttled,  │ │
          │                 └── blocked, lease lapsed ─┘ │ rejected
          └── payload can't be built ────────────────────┴──▶ failed ──resend / rebuild──▶ pending
            any unfinished state, 48 h after it happened ──▶ expired    any unfinished state, by hand ──▶ cancelled

In every unfinished state ``due_at`` means "nobody need look at this row before then": when it may be built
(captured), when it may next be tried (pending), when its lease lapses (sending). A finished event has none.
"""

from __future__ import annotations

from django.db.models.enums import TextChoices
from django.utils.translation import gettext_lazy as _


class EventStatus(TextChoices):
    CAPTURED = "captured", _("captured")
    PENDING = "pending", _("pending")
    SENDING = "sending", _("sending")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")


UNFINISHED = (EventStatus.CAPTURED, EventStatus.PENDING, EventStatus.SENDING)
FINISHED = (EventStatus.DELIVERED, EventStatus.FAILED, EventStatus.EXPIRED, EventStatus.CANCELLED)


class Outcome(TextChoices):
    """What the far side said to one request, in five words.

    ============  ==============================  ===========================================================
    outcome       the event                       the destination
    ============  ==============================  ===========================================================
    accepted      delivered                       works
    transient     pending again, with backoff     a failure; several in a row close it for a while
    throttled     pending again                   closed until the rate limit resets
    rejected      failed, with DFINERY's words    works (the wire does)
    blocked       pending, no attempt counted     closed, probed with one event at growing intervals: the
                                                  fault is the token's or the address's, not the event's
    ============  ==============================  ===========================================================
    """

    ACCEPTED = "accepted", _("accepted")
    TRANSIENT = "transient", _("transient")
    THROTTLED = "throttled", _("throttled")
    REJECTED = "rejected", _("rejected")
    BLOCKED = "blocked", _("blocked")


class Reason(TextChoices):
    """``Event.reason_code``: why an event is not (yet) delivered. The sentence is in ``Event.reason``."""

    NONE = "", ""
    PAYLOAD = "payload", _("a value can't be sent")
    MAPPING = "mapping", _("the mapping raised an error")
    NO_USER = "no_user", _("no user_id")
    GUEST = "guest", _("guest, skipped by the definition")
    SOURCE_GONE = "source_gone", _("the source object is gone")
    NOT_REGISTERED = "not_registered", _("its definition is gone")
    NO_DESTINATION = "no_destination", _("its destination is not configured")
    NOT_READY = "not_ready", _("its items are not there yet")
    REJECTED = "rejected", _("refused by DFINERY")
    TRANSIENT = "transient", _("no proper answer yet")
    THROTTLED = "throttled", _("rate limit")
    BLOCKED = "blocked", _("the destination refuses us")
    TOO_OLD = "too_old", _("older than DFINERY processes")
    WORKER_LOST = "worker_lost", _("its workers died while sending it")
