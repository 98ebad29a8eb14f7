"""The rows of a dump: events in every state, with payloads that are easily damaged, and what stands beside them.

``fill`` runs in a process with the released code. The tests know the literals. Once a dump is made, what it holds does
not follow a change of this file, so a new row belongs to the dump of a later version.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any

MOMENT = dt.datetime(2026, 11, 20, 3, 4, 5, 678901, tzinfo=dt.timezone.utc)
ANSWER = "<h1>503 '잠시' 🎁</h1>\r\n"
LONG = "긴 글 🎁 " * 1500


def event_id(name: str) -> str:
    """Return the event id of a row."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _payload(name: str, attributes: str, user_id: str = "1") -> str:
    head = f'"event_id":"{event_id(name)}","event_name":"coupon","event_datetime":1795143845678'
    return f'{{"event_attributes":{{{head},{attributes}}},"user_attributes":{{"user_id":{json.dumps(user_id)}}}}}'


#: Payloads as they are stored and sent, with what a jsonb column, a narrow charset or a driver would change.
PAYLOADS = {
    name: _payload(name, attributes)
    for name, attributes in {
        "emoji": '"memo":"선물 🎁👩‍👩‍👧","빛깔":"Ünïcode \u202eright to left"',
        "null byte": r'"memo":"a\u0000b","tab":"\t\\ \" \u2028/"',
        "numbers": '"order_sales":1e+22,"rate":0.1,"big":9007199254740993,"minus":-0.0,"discount":4000000.0',
        "long": f'"memo":"{LONG}"',
        "quotes": r"""  "memo":"it's 100% \\' -- ; /* */ $$ %s {} ?" """.strip(),
        "blanks": '"memo":" \\n\\r end ","yes":true',
    }.items()
}
#: Name -> status, destination, other fields. The names are those of the payloads, or say what is special.
EVENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "emoji": ("pending", "default", {}),
    "null byte": ("pending", "default", {"attempt_count": 3, "reason_code": "transient", "reason": "no answer"}),
    "numbers": ("pending", "default", {"order_id": "A-1"}),
    "long": ("sending", "default", {"attempt_count": 1, "lapse_count": 1}),
    "quotes": ("pending", "default", {"user_id": "O'Neil\\"}),
    "blanks": ("sending", "default", {"attempt_count": 4}),
    "leased": ("sending", "default", {"attempt_count": 1}),
    "stale": ("pending", "default", {}),
    "paused": ("pending", "paused", {}),
    "closed": ("pending", "closed", {"attempt_count": 2, "reason_code": "blocked", "reason": "HTTP 401"}),
    "of no destination": ("pending", "gone", {"reason_code": "no_destination"}),
    "delivered": ("delivered", "default", {"attempt_count": 2}),
    "to resend": ("failed", "default", {"reason_code": "rejected", "reason": "4007: Contains unsupported value."}),
    "failed": (
        "failed",
        "default",
        {"reason_code": "mapping", "reason": "'number': ZeroDivisionError 🎁", "payload": ""},
    ),
    "expired": ("expired", "default", {"reason_code": "too_old"}),
    "cancelled": ("cancelled", "default", {"reason_code": "by_hand", "reason": "by kim"}),
    "guest": ("cancelled", "default", {"reason_code": "guest", "payload": ""}),
    "tombstone": ("cancelled", "", {"reason_code": "forgotten", "payload": "", "user_id": "", "event_name": ""}),
}
#: What the next version delivers: what is due, and what a bulk action of the last one had begun to resend.
DUE = (*PAYLOADS, "closed", "to resend")
RESENT, EXPIRING, LEASED = "to resend", "stale", "leased"
#: Numbers of paid orders: one is captured, one delivered.
WAITING_ORDER, DELIVERED_ORDER = "W-1", "D-1"


def payload_of(name: str) -> str:
    return PAYLOADS.get(name, EVENTS[name][2].get("payload", _payload(name, f'"memo":{json.dumps(name)}')))


def fill() -> None:
    """Fill the tables of a new site."""
    from django.contrib.auth.models import User

    from tests.system.upgrade import site

    User.objects.create_superuser("root", password=None, last_login=MOMENT, date_joined=MOMENT)
    site.place([DELIVERED_ORDER])
    site.drain()
    for name in EVENTS:
        _store_event(name)
    site.place([WAITING_ORDER])
    _store_the_rest()
    _set_moments()


def _store_event(name: str) -> None:
    from dfinery_django.models import DeliveryAttempt, Event

    status, destination, fields = EVENTS[name]
    is_finished = status in ("delivered", "failed", "expired", "cancelled")
    standard = {"event_name": "coupon", "definition": "coupon", "user_id": "1", "payload": payload_of(name)}
    event = Event.objects.create(
        event_id=event_id(name),
        status=status,
        destination=destination,
        dedup_key=hashlib.sha256(f"key of {name}".encode()).hexdigest(),
        source="" if name == "tombstone" else "store.Coupon",
        source_pk=hashlib.sha256(name.encode()).hexdigest() if name == "tombstone" else name,
        occurred_at=MOMENT,
        expires_at=MOMENT + dt.timedelta(hours=48),
        created_at=MOMENT,
        due_at=None if is_finished else MOMENT,
        finished_at=MOMENT if is_finished else None,
        **standard | fields,
    )
    for number in range(1, fields.get("attempt_count", 0) + 1):
        DeliveryAttempt.objects.create(
            event=event, number=number, started_at=MOMENT + dt.timedelta(minutes=number), duration_ms=31 * number,
            outcome="transient", status_code=503, response_body=ANSWER, may_have_arrived=number % 2,
            error="ReadTimeout: it's \\ slow", reason="no proper answer",
        )  # fmt: skip


def _store_the_rest() -> None:
    from django_q.models import Schedule

    from dfinery_django.models import CustomField, Destination, Incident, Repair, Total

    for alias, fields in {
        "default": {"rate": 12.5, "rate_ceiling": 1e22, "rate_at": MOMENT, "drained_at": MOMENT},
        "paused": {"paused_by": "kim 🎁", "paused_at": MOMENT},
        "closed": {
            "closed_code": "token", "closed_reason": "4001: it's refused", "closed_at": MOMENT, "failure_count": 7,
            "closed_until": dt.datetime(2026, 11, 20, 4, tzinfo=dt.timezone.utc), "closed_wire": "0123456789abcdef",
        },
    }.items():  # fmt: skip
        Destination.objects.update_or_create(alias=alias, defaults=fields)
    selection = json.dumps({"status": "failed", "reason_code": "rejected"})
    seen = {"asked_by": "kim", "asked_at": MOMENT, "selection": selection, "last_attempt_pk": 10**6}
    Repair.objects.create(action="resend", seen_at=MOMENT, last_pk=10**6, event_count=1, **seen)
    done = {"tally": {"ready": 1, "delivered": 2}, "changed_pks": [1, 2, 3], "finished_at": MOMENT}
    Repair.objects.create(action="cancel", seen_at=MOMENT, last_pk=5, event_count=3, error="it's 🎁", **seen | done)
    for name in ("빛깔", "it's", "Grade", "grade"):
        seen_at = {"first_seen_at": MOMENT, "last_seen_at": MOMENT}
        CustomField.objects.create(
            key=CustomField.key_of("event", name), scope="event", name=name, type="string", **seen_at
        )
    Incident.objects.create(key=Incident.key_of("purchase 🎁"), subject="purchase 🎁", last_at=MOMENT)
    Total.objects.create(
        key=Total.key_of("delivered", "x"), metric="delivered", labels='["default","쿠폰"]', value=1e15
    )
    Schedule.objects.create(name="the shop's own", func="store.tasks.tidy", schedule_type="H", next_run=MOMENT)


def _set_moments() -> None:
    """Give the moments that the code has set a value that says nothing of who made the dump, and when."""
    from django.db.migrations.recorder import MigrationRecorder
    from django_q.models import Schedule

    from dfinery_django.models import DeliveryAttempt, Event

    MigrationRecorder.Migration.objects.update(applied=MOMENT)
    Schedule.objects.update(next_run=MOMENT)
    DeliveryAttempt.objects.filter(event__definition="purchase").update(started_at=MOMENT, duration_ms=12)
    moments = {"occurred_at": MOMENT, "expires_at": MOMENT + dt.timedelta(hours=48), "created_at": MOMENT}
    purchases = Event.objects.filter(definition="purchase")
    purchases.update(**moments)
    purchases.exclude(due_at=None).update(due_at=MOMENT)
    purchases.exclude(finished_at=None).update(finished_at=MOMENT)
