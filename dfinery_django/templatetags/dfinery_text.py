"""For the admin's templates: texts of others as text, statuses as badges."""

from __future__ import annotations

from django import template

from .. import display, standing
from ..models import DeliveryAttempt, Event

register = template.Library()

register.filter("shown", display.escaped)
register.filter("moment", standing.moment)


@register.filter
def status_badge(event: Event) -> str:
    """The status of an event."""
    return display.badge(event.status, event.get_status_display())


@register.filter
def outcome_badge(attempt: DeliveryAttempt) -> str:
    """What came of an attempt."""
    return display.badge(attempt.outcome, attempt.get_outcome_display())
