"""What one event's page shows: where it stands, its payload, its attempts, what a rebuild would change. No HTML."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from .. import clock, difference, schema, standing
from ..deadlines import FAR_AHEAD
from ..display import has_invisible
from ..models import Destination, Event
from ..payloads import Payload
from ..rights import may_see_payload, redact
from ..states import Action, EventStatus, Reason
from ..values import infer

#: More attempts, or lines of a payload, than this are not shown.
MOST_ATTEMPTS, MOST_ITEMS = 50, 200


@dataclass(frozen=True)
class Row:
    """One property: its name in DFINERY's console, its type there, its value as it stands on the wire."""

    name: str
    type: str
    value: str


@dataclass(frozen=True)
class Section:
    """The properties of the event, of one item or of the user."""

    scope: str
    number: int
    rows: list[Row]


def event_context(request: HttpRequest, event: Event, allowed: list[Action]) -> dict[str, Any]:
    """Everything about one event."""
    now = clock.now()
    using = event._state.db
    destination = Destination.objects.using(using).filter(alias=event.destination).first()
    attempts = list(event.attempts.order_by("-started_at", "-pk")[: MOST_ATTEMPTS + 1])
    offered = [action for action in allowed if is_offered(action, event, now)]
    return {
        "event": event,
        "reason": redact(request, event.reason, event.get_reason_code_display()),
        "standing": standing.stands(event, _readable(request, destination), now),
        "left": standing.time_left(event, now),
        "is_dated_ahead": event.occurred_at - event.created_at > FAR_AHEAD,
        "due": standing.due_in(event.due_at, now) if event.due_at else "",
        "offered": [(str(action), action.label) for action in offered],
        "attempts": [
            (attempt, standing.means(attempt), redact(request, attempt.error, ""))
            for attempt in reversed(attempts[:MOST_ATTEMPTS])
        ],
        "has_more_attempts": len(attempts) > MOST_ATTEMPTS,
        **payload_context(request, event),
        **(rebuild_context(request, event) if is_offered(Action.REBUILD, event, now) else {}),
    }


def _readable(request: HttpRequest, destination: Destination | None) -> Destination | None:
    """A row of the destination that says why it is closed as this person may read it; it is not saved."""
    if destination:
        label = destination.get_closed_code_display()
        destination.closed_reason = redact(request, destination.closed_reason, label)
    return destination


def is_offered(action: Action, event: Event, now: dt.datetime) -> bool:
    """Whether an action can do anything for the event, as far as the row tells."""
    if action == Action.CANCEL:
        return not event.is_finished
    is_forgotten = event.reason_code == Reason.FORGOTTEN
    has_means = event.payload if action == Action.RESEND else event.definition and not is_forgotten
    return event.is_finished and event.expires_at > now and bool(has_means)


def payload_context(request: HttpRequest, event: Event) -> dict[str, Any]:
    """The payload twice: as sections of rows, and exactly as it is stored. Nothing of it without the permission."""
    if not may_see_payload(request):
        return {"may_see_payload": False}
    try:
        payload = Payload.from_json(event.payload) if event.payload else None
    except (ValueError, KeyError, TypeError, AttributeError):
        payload = None  # not ours, or damaged: its text is shown all the same
    sections = list(_sections(payload)) if payload else []
    return {
        "may_see_payload": True,
        "sections": sections[: MOST_ITEMS + 2],
        "has_more_sections": len(sections) > MOST_ITEMS + 2,
        "json": event.payload,
        "json_has_odd": has_invisible(event.payload),
    }


def _sections(payload: Payload) -> Iterator[Section]:
    yield Section("event", 0, list(_rows("event", payload.event_attributes)))
    yield Section("user", 0, list(_rows("user", payload.user_attributes)))
    for number, item in enumerate(payload.items or (), start=1):
        yield Section("item", number, list(_rows("item", item)))


def _rows(scope: schema.Scope, properties: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in properties.items():
        yield Row(schema.console_name(scope, name), _type(value), _written(value))


def _type(value: Any) -> str:
    """DFINERY takes a value's type from the JSON type that it sees."""
    return infer(value).label if isinstance(value, (str, bool, int, float)) else type(value).__name__


def _written(value: Any) -> str:
    """As on the wire, a text without its quotation marks."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rebuild_context(request: HttpRequest, event: Event) -> dict[str, Any]:
    """What a rebuild would change; nothing without the permission to see payloads, or a payload to compare with."""
    is_dropped = event.status == EventStatus.DELIVERED and not event.payload
    if not may_see_payload(request) or is_dropped:
        return {}
    found = difference.rebuild_difference(event, event._state.db or "default")
    return {
        "difference": found,
        "changes": [
            (each.name, *map(_side, (each.before, each.after))) for each in found.changes
        ],
    }  # fmt: skip


def _side(value: Any) -> tuple[str, str] | None:
    return None if value is difference.MISSING else (_written(value), _type(value))


def source_url(request: HttpRequest, site: AdminSite, event: Event) -> str:
    """The admin page of the object that the event came from; empty if there is none that this person may see."""
    try:
        model = apps.get_model(event.source)
        page = site.get_model_admin(model)
        url = reverse(
            f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_change", args=[quote(event.source_pk)]
        )
    except (LookupError, ValueError, NoReverseMatch, NotRegistered):
        return ""
    return url if page.has_view_or_change_permission(request) else ""
