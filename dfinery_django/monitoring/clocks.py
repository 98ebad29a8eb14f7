"""Findings about clocks that differ and events dated in the future. Text only, as ``findings``."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _, ngettext

from ..db.database_clock import REPORTED_SECONDS
from ..text.times import number, span
from .findings import Finding, Level
from .overview import Snapshot


def clock_findings(overview: Snapshot) -> Iterator[Finding]:
    """Yield the findings about clocks, each with its remedy."""
    if overview.fault or not overview.settings.ENABLED:
        return
    seconds, count = overview.clock_ahead_seconds, overview.dated_ahead
    if abs(seconds) > REPORTED_SECONDS:
        ahead = _("A machine's clock is %(span)s ahead of the database's or DFINERY's.")
        text = ahead if seconds > 0 else _("A machine's clock is %(span)s behind the database's or DFINERY's.")
        remedy = _("Let all machines keep their time by NTP: events are dated by the machine that captures them.")
        yield Finding("clocks_differ", Level.WARNING, text % {"span": span(round(abs(seconds)))}, remedy=remedy)
    if count:
        text = ngettext(
            "%(count)s event of the last 48 hours is dated more than an hour ahead.",
            "%(count)s events of the last 48 hours are dated more than an hour ahead.",
            count,
        )
        remedy = _("What DFINERY does with them is not documented. See what their definition takes as event_datetime.")
        yield Finding("dated_ahead", Level.WARNING, text % {"count": number(count)}, remedy=remedy)
