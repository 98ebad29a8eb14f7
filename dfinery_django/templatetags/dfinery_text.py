"""Template tags of the admin: untrusted text made safe, times, statuses as badges."""

from __future__ import annotations

import datetime as dt

from django import template

from ..models import DeliveryAttempt, Event
from ..text import escape, times

register = template.Library()

register.filter("shown", escape.escaped)


@register.filter("moment")
def show_moment(moment: dt.datetime | None) -> str:
    """Return a time as HTML; empty for ``None``."""
    return times.time_element(moment) if moment else ""


@register.filter("moment_text")
def format_moment(moment: dt.datetime | None) -> str:
    """Return a time as text, for places without markup; empty for ``None``."""
    return times.format_datetime(moment) if moment else ""


@register.filter("seconds")
def format_moment_seconds(moment: dt.datetime | None) -> str:
    """Return a time to the second as text; empty for ``None``."""
    return times.format_seconds(moment) if moment else ""


@register.filter
def status_badge(event: Event) -> str:
    """Return the status of an event as a badge."""
    return escape.badge(event.status, event.get_status_display())


@register.filter
def outcome_badge(attempt: DeliveryAttempt) -> str:
    """Return the outcome of an attempt as a badge."""
    return escape.badge(attempt.outcome, attempt.get_outcome_display())
