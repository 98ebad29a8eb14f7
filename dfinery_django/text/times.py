"""Times and durations in the reader's language and time zone. No ORM."""

from __future__ import annotations

import datetime as dt

from django.utils import formats, timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

#: Days within this distance are named by their weekday; a week away the name would be ambiguous.
WEEKDAY_DAYS = 6


def number(count: int) -> str:
    """Format a number with the grouping of the reader's language: ``1,204``."""
    return formats.number_format(count, use_l10n=True, force_grouping=True)


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
    epoch = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
    return timesince(epoch, epoch + dt.timedelta(seconds=seconds), depth=1)


def format_datetime(at: dt.datetime) -> str:
    """Format a datetime in the reader's time zone."""
    local = timezone.localtime(at)
    # Not DATETIME_FORMAT: after its "a.m." a sentence would end in two full stops.
    return f"{date_format(local, 'DATE_FORMAT')} {date_format(local, 'H:i')}"
