"""Template tags of the admin: numbers and times in words, and the strip above the event list."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils.translation import pgettext

from ..monitoring.health import assess
from ..monitoring.overview import look, settings_in_force
from ..protocols.load import protocol_label
from ..text import endpoints, times

register = template.Library()

register.filter("number", times.number)
register.filter("endpoint_label", endpoints.endpoint_label)


@register.filter("ago")
def time_since(moment: dt.datetime | None, now: dt.datetime) -> str:
    """Format as ``3 seconds ago``; ``never`` for ``None``."""
    return times.time_ago(moment, now) if moment else pgettext("time", "never")


@register.inclusion_tag("admin/dfinery_django/strip.html", takes_context=True)
def dfinery_strip(context: template.Context) -> dict[str, Any]:
    """Show the health in one line, with a link to the overview."""
    overview = look(with_schedules=False)
    return {
        "health": assess(overview),
        "elsewhere": endpoints.endpoint_note(overview.settings),
        "request": context.get("request"),
    }


@register.inclusion_tag("admin/dfinery_django/elsewhere.html")
def dfinery_elsewhere() -> dict[str, Any]:
    """Show a line if events do not go to DFINERY."""
    return {"elsewhere": endpoints.endpoint_note(settings_in_force()[1])}


@register.inclusion_tag("admin/dfinery_django/endpoint.html")
def dfinery_endpoint() -> dict[str, Any]:
    """Show the host that events go to, and the API."""
    settings = settings_in_force()[1]
    return {"endpoint": settings.endpoint, "protocol": protocol_label(settings)}
