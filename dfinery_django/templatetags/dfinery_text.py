"""Template tags of the admin: untrusted text made safe, statuses as badges."""

from __future__ import annotations

from django import template

from ..models import DeliveryAttempt, Event
from ..text import escape, times

register = template.Library()

register.filter("shown", escape.escaped)
register.filter("moment", times.format_datetime)


@register.filter
def status_badge(event: Event) -> str:
    """Return the status of an event as a badge."""
    return escape.badge(event.status, event.get_status_display())


@register.filter
def outcome_badge(attempt: DeliveryAttempt) -> str:
    """Return the outcome of an attempt as a badge."""
    return escape.badge(attempt.outcome, attempt.get_outcome_display())
