"""For the admin's templates: numbers and moments in words, and the strip above the event list."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils.translation import pgettext

from .. import moments
from ..health import assess
from ..overview import look

register = template.Library()

register.filter("number", moments.number)


@register.filter("local")
def local_time(moment: dt.datetime | None) -> dt.datetime | None:
    """For ``date``, which converts nothing where ``USE_TZ`` is off."""
    return moments.local(moment) if moment else None


@register.filter
def point(moment: dt.datetime | None, now: dt.datetime) -> str:
    """``10:02``, of another day ``Wednesday 10:02``; nothing of nothing."""
    return moments.point_in_time(moment, now) if moment else ""


@register.filter
def ago(moment: dt.datetime | None, now: dt.datetime) -> str:
    """``3 seconds ago``, or never."""
    return moments.time_ago(moment, now) if moment else pgettext("time", "never")


@register.inclusion_tag("admin/dfinery_django/strip.html", takes_context=True)
def dfinery_strip(context: template.Context) -> dict[str, Any]:
    """Is all well? One line, with a link to the overview."""
    return {"health": assess(look(with_schedules=False)), "request": context.get("request")}
