"""Template context of an event's page: status, payload, attempts, effect of a rebuild. No HTML."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from .. import clock
from ..diagnostics import event_status, rebuild_diff
from ..diagnostics.attempt_groups import group_attempts
from ..enums import Action, EventStatus, Reason
from ..models import Destination, Event
from ..monitoring.overview import FAR_AHEAD, settings_in_force
from ..operations.redaction import may_see_payload, redact
from ..schema.payload import Payload
from ..schema.properties import Scope, console_name
from ..schema.types import infer
from ..text.escape import has_invisible
from ..text.times import due_in, time_left

#: The page shows no more attempts and items than this.
MAX_ATTEMPTS_SHOWN, MAX_ITEMS_SHOWN = 50, 200


def event_context(request: HttpRequest, event: Event, allowed: list[Action]) -> dict[str, Any]:
    """Return the context of one event's page for a user who may take the ``allowed`` actions."""
    now = clock.now()
    destination = Destination.objects.using(event._state.db).filter(alias=event.destination).first()
    attempts = list(event.attempts.order_by("-started_at", "-pk")[: MAX_ATTEMPTS_SHOWN + 1])
    offered = [action for action in allowed if is_offered(action, event, now)]
    reason = redact(request, event.translated_reason, event.get_reason_code_display())
    is_dfinery = settings_in_force()[1].endpoint.is_dfinery
    explanation = event_status.explain_status(
        event, _redacted_destination(request, destination), now, is_dfinery=is_dfinery
    )
    return {
        "event": event,
        "reason": "" if reason in explanation.sentence else reason,  # it waits for the same reason as its destination
        "explanation": explanation,
        "left": time_left(event.expires_at, now),
        "is_dated_ahead": event.occurred_at - event.created_at > FAR_AHEAD,
        "due": due_in(event.due_at, now) if event.due_at else "",
        "offered": [(str(action), action.label) for action in offered],
        "attempt_groups": [
            (
                group,
                event_status.explain_outcome(group.last, is_dfinery=is_dfinery),
                redact(request, group.sentence(), group.times()),
            )
            for group in group_attempts(attempts[MAX_ATTEMPTS_SHOWN - 1 :: -1])
        ],
        "attempts_shown": min(len(attempts), MAX_ATTEMPTS_SHOWN),
        "has_more_attempts": len(attempts) > MAX_ATTEMPTS_SHOWN,
        **payload_context(request, event),
        **(rebuild_context(request, event) if is_offered(Action.REBUILD, event, now) else {}),
    }


def _redacted_destination(request: HttpRequest, destination: Destination | None) -> Destination | None:
    if destination:  # changed for the page only: the row is not saved
        label = destination.get_closed_code_display()
        destination.closed_reason, destination.closed_data = (redact(request, destination.translated_reason, label), "")
    return destination


def is_offered(action: Action, event: Event, now: dt.datetime) -> bool:
    """Return whether the action can have an effect, judged by the row alone."""
    if action == Action.CANCEL:
        return not event.is_finished
    is_forgotten = event.reason_code == Reason.FORGOTTEN
    has_means = event.payload if action == Action.RESEND else event.definition and not is_forgotten
    return event.is_finished and event.expires_at > now and bool(has_means)


def payload_context(request: HttpRequest, event: Event) -> dict[str, Any]:
    """Return the payload as sections of rows and exactly as stored; nothing of it without the permission."""
    if not may_see_payload(request):
        return {"may_see_payload": False}
    try:
        payload = Payload.from_json(event.payload) if event.payload else None
    except (ValueError, KeyError, TypeError, AttributeError):
        payload = None  # damaged, or written by others: its text is shown
    sections = list(_sections(payload)) if payload else []
    most = MAX_ITEMS_SHOWN + 2
    return {
        "may_see_payload": True, "sections": sections[:most], "has_more_sections": len(sections) > most,
        "json": event.payload, "json_has_odd": has_invisible(event.payload),
    }  # fmt: skip


def _sections(payload: Payload) -> Iterator[dict[str, Any]]:
    yield _section("event", payload.event_attributes)
    yield _section("user", payload.user_attributes)
    for number, item in enumerate(payload.items or (), start=1):
        yield _section("item", item, number)


def _section(scope: Scope, properties: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    rows = [
        {"name": console_name(scope, name), "type": _type_label(value), "value": _value_text(value)}
        for name, value in properties.items()
    ]
    return {"scope": scope, "number": number, "rows": rows}


def _type_label(value: Any) -> str:
    """Name the type that DFINERY infers from the JSON type."""
    return infer(value).label if isinstance(value, (str, bool, int, float)) else type(value).__name__


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rebuild_context(request: HttpRequest, event: Event) -> dict[str, Any]:
    """Return what a rebuild would change; empty without ``view_payload`` or a payload to compare with."""
    is_dropped = event.status == EventStatus.DELIVERED and not event.payload
    if not may_see_payload(request) or is_dropped:
        return {}
    rebuild = rebuild_diff.rebuild_difference(event, event._state.db or "default")
    changes = [(each.name, _difference_cell(each.before), _difference_cell(each.after)) for each in rebuild.changes]
    return {"difference": rebuild, "changes": changes}


def _difference_cell(value: Any) -> tuple[str, str] | None:
    return None if value is rebuild_diff.MISSING else (_value_text(value), _type_label(value))


def source_url(request: HttpRequest, site: AdminSite, event: Event) -> str:
    """Return the URL of the source object's admin page; empty if there is none that the user may view."""
    try:
        model = apps.get_model(event.source)
        page = site.get_model_admin(model)
        name = f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_change"
        url = reverse(name, args=[quote(event.source_pk)])
    except (LookupError, ValueError, NoReverseMatch, NotRegistered):
        return ""
    return url if page.has_view_or_change_permission(request) else ""
