"""Times and durations in words: in the reader's language and time zone, if nothing else is said. No ORM."""

from __future__ import annotations

import datetime as dt

from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _, ngettext

from ..clock import EPOCH

#: Days within this distance are named by their weekday; a week away the name would be ambiguous.
WEEKDAY_DAYS = 6


def number(count: int) -> str:
    """Format a number with the grouping of the reader's language: ``1,204``."""
    return formats.number_format(count, use_l10n=True, force_grouping=True)


def parse_moment(text: str) -> dt.datetime:
    """Parse a time in ISO 8601; a naive one is in the site's time zone.

    :raises ValueError, OverflowError: if it is none
    """
    text = f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text  # Python 3.10 does not know the Z
    moment = parse_datetime(text) or dt.datetime.fromisoformat(text)
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    return aware.astimezone(dt.timezone.utc)


def local(moment: dt.datetime) -> dt.datetime:
    """Return a time in the reader's time zone. Without ``USE_TZ`` Django's templates convert nothing."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def is_same_day(moment: dt.datetime, now: dt.datetime) -> bool:
    """Return whether both are on the same day in the reader's time zone."""
    return local(moment).date() == local(now).date()


def point_in_time(moment: dt.datetime, now: dt.datetime) -> str:
    """Format a point in time: ``10:02``; on another day ``Wednesday 10:02`` or the date."""
    here = local(moment)
    time = formats.date_format(here, "H:i")  # with "a.m." sentences would end in two full stops
    if is_same_day(moment, now):
        return time
    is_near = abs((here.date() - local(now).date()).days) <= WEEKDAY_DAYS
    day = formats.date_format(here, "l" if is_near else "DATE_FORMAT")
    return _("%(day)s %(time)s") % {"day": day, "time": time}


def time_ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Format a past time: ``3 seconds ago``; the date if it is more than a day ago."""
    seconds = max(0, round((now - moment).total_seconds()))
    if seconds < 60:
        return ngettext("%(count)s second ago", "%(count)s seconds ago", seconds) % {"count": seconds}
    if seconds >= 24 * 3600:
        return point_in_time(moment, now)
    return _("%(span)s ago") % {"span": timesince(moment, now, depth=1)}


def span(seconds: float) -> str:
    """Format a duration: ``0.4 s``, ``12 s``, ``3 minutes``."""
    if seconds < 60:
        shown = formats.number_format(round(seconds, 1) if seconds < 10 else round(seconds), use_l10n=True)
        return _("%(seconds)s s") % {"seconds": shown}
    return timesince(EPOCH, EPOCH + dt.timedelta(seconds=seconds), depth=1)


def exact_span(span: dt.timedelta) -> str:
    """Format a duration: ``4 seconds``, ``2 hours, 5 minutes``."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return ngettext("%(seconds)s second", "%(seconds)s seconds", seconds) % {"seconds": seconds}
    return timesince(EPOCH, EPOCH + span)


def time_left(expires_at: dt.datetime, now: dt.datetime) -> str:
    """Return for how long DFINERY still accepts an event: ``3 hours, 20 minutes``; empty if it expired."""
    return timeuntil(expires_at, now) if expires_at > now else ""


def due_in(due_at: dt.datetime, now: dt.datetime) -> str:
    """Return when something is next due: ``in 3 minutes``, ``within a minute``."""
    if due_at <= now + dt.timedelta(seconds=60):
        return _("within a minute")
    return _("in %(time)s") % {"time": timeuntil(due_at, now)}


def format_datetime(moment: dt.datetime) -> str:
    """Format a datetime."""
    # Not DATETIME_FORMAT: after its "a.m." a sentence would end in two full stops.
    here = timezone.localtime(moment)
    return f"{formats.date_format(here, 'DATE_FORMAT')} {formats.date_format(here, 'H:i')}"


def short_time(moment: dt.datetime, now: dt.datetime) -> str:
    """Format a datetime for a narrow column: ``10:02``, on another day with the date."""
    here = timezone.localtime(moment)
    time = formats.date_format(here, "H:i")
    if is_same_day(moment, now):
        return time
    # Full month names are too long for the column in English and similar languages.
    is_this_year = here.year == timezone.localtime(now).year
    day = formats.get_format("MONTH_DAY_FORMAT").replace("F", "M") if is_this_year else "SHORT_DATE_FORMAT"
    return f"{formats.date_format(here, day)} {time}"


def site_time(moment: dt.datetime) -> str:
    """Format a datetime for the console, in the site's time zone, if the calendar reaches that far."""
    try:
        moment = timezone.localtime(moment, timezone.get_default_timezone())
    except OverflowError:  # year 1 or 9999, as shops use for "never"
        pass
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def site_span(span: dt.timedelta) -> str:
    """Format a duration for the console: ``3 h 05 min``, ``4 d``."""
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 1440} d" if minutes >= 72 * 60 else f"{minutes // 60} h {minutes % 60:02} min"
