"""Template tags of the admin: untrusted text made safe, statuses as badges."""

from __future__ import annotations

from django import template

from .. import display, standing
from ..models import DeliveryAttempt, Event

register = template.Library()

register.filter("shown", display.escaped)
register.filter("moment", standing.format_datetime)


@register.filter
def status_badge(event: Event) -> str:
    """Return the status of an event as a badge."""
    return display.badge(event.status, event.get_status_display())


@register.filter
def outcome_badge(attempt: DeliveryAttempt) -> str:
    """Return the outcome of an attempt as a badge."""
    return display.badge(attempt.outcome, attempt.get_outcome_display())
