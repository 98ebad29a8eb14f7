"""Times and durations in words: in the reader's language and time zone, if nothing else is said. No ORM."""

from __future__ import annotations

import datetime as dt

from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _, ngettext

from ..clock import EPOCH


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
    try:
        return timezone.localtime(moment) if timezone.is_aware(moment) else moment
    except OverflowError:  # year 1 or 9999, as shops use for "never"
        return moment


def format_datetime(moment: dt.datetime) -> str:
    """Format a point in time: ``2026-11-28 14:11``. One format on every page, the same in every language."""
    return local(moment).replace(tzinfo=None).isoformat(" ", "minutes")


def format_seconds(moment: dt.datetime) -> str:
    """Format a point in time to the second: ``2026-11-28 14:11:09``."""
    return local(moment).replace(tzinfo=None).isoformat(" ", "seconds")


def time_element(moment: dt.datetime) -> SafeString:
    """Return a point in time as HTML; its tooltip has the seconds and the offset from UTC."""
    here = local(moment)
    markup = '<time datetime="{}" title="{}">{}</time>'
    return format_html(markup, here.isoformat(), here.isoformat(" ", "seconds"), format_datetime(moment))


def time_ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Format a past time: ``3 seconds ago``; the date if it is more than a day ago."""
    seconds = max(0, round((now - moment).total_seconds()))
    if seconds < 60:
        return ngettext("%(count)s second ago", "%(count)s seconds ago", seconds) % {"count": seconds}
    if seconds >= 24 * 3600:
        return format_datetime(moment)
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
