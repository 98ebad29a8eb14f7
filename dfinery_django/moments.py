"""Moments and spans in words, in the reader's language and time zone. No ORM."""

from __future__ import annotations

import datetime as dt

from django.utils import formats, timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

#: So near a day is named by its weekday: a week later the name would mean another day.
WEEKDAY_DAYS = 6


def number(count: int) -> str:
    """``1,204``, grouped as the reader's language does."""
    return formats.number_format(count, use_l10n=True, force_grouping=True)


def local(moment: dt.datetime) -> dt.datetime:
    """Return it in the reader's time zone. Without ``USE_TZ`` Django's own pages convert nothing."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def is_same_day(moment: dt.datetime, now: dt.datetime) -> bool:
    """Whether the reader's calendar has both on one day."""
    return local(moment).date() == local(now).date()


def point(moment: dt.datetime, now: dt.datetime) -> str:
    """``10:02``; of another day ``Wednesday 10:02`` or its date."""
    here = local(moment)
    time = formats.date_format(here, "H:i")  # "a.m." would end sentences twice
    if is_same_day(moment, now):
        return time
    is_near = abs((here.date() - local(now).date()).days) <= WEEKDAY_DAYS
    day = formats.date_format(here, "l" if is_near else "DATE_FORMAT")
    return _("%(day)s %(time)s") % {"day": day, "time": time}


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """``3 seconds ago``; longer than a day ago, the date."""
    seconds = max(0, round((now - moment).total_seconds()))
    if seconds < 60:
        return ngettext("%(count)s second ago", "%(count)s seconds ago", seconds) % {"count": seconds}
    if seconds >= 24 * 3600:
        return point(moment, now)
    return _("%(span)s ago") % {"span": timesince(moment, now, depth=1)}


def span(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 minutes``."""
    if seconds < 60:
        shown = formats.number_format(round(seconds, 1) if seconds < 10 else round(seconds), use_l10n=True)
        return _("%(seconds)s s") % {"seconds": shown}
    epoch = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
    return timesince(epoch, epoch + dt.timedelta(seconds=seconds), depth=1)
