"""Template tags of the admin: numbers and times in words, and the strip above the event list."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils.translation import pgettext

from ..monitoring.health import assess
from ..monitoring.overview import look
from ..text import times

register = template.Library()

register.filter("number", times.number)


@register.filter("ago")
def time_since(moment: dt.datetime | None, now: dt.datetime) -> str:
    """Format as ``3 seconds ago``; ``never`` for ``None``."""
    return times.time_ago(moment, now) if moment else pgettext("time", "never")


@register.inclusion_tag("admin/dfinery_django/strip.html", takes_context=True)
def dfinery_strip(context: template.Context) -> dict[str, Any]:
    """Show the health in one line, with a link to the overview."""
    return {"health": assess(look(with_schedules=False)), "request": context.get("request")}
