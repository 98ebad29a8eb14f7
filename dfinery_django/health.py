"""Is all well? An overview in a sentence: all is well, something is worth a look, or a person is needed.

Words only: no queries, no HTML.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .clocks import clock_findings
from .findings import Finding, Level, findings, told
from .moments import ago, number
from .overview import Overview
from .states import EventStatus


@dataclass(frozen=True)
class Health:
    """
    :ivar headline: the worst of it in a sentence or two, or that all is well
    :ivar findings: worst first; the headline tells the first
    :ivar deliveries: how many events were delivered lately, and when the last one was
    """

    level: Level
    headline: str
    findings: tuple[Finding, ...]
    deliveries: str

    @property
    def needs_a_person(self) -> bool:
        return self.level == Level.ALARM


def assess(overview: Overview) -> Health:
    # Sorting keeps the order of findings() among equals.
    found = tuple(sorted([*findings(overview), *clock_findings(overview)], key=lambda each: -each.level))
    deliveries = _deliveries(overview)
    if not found:
        return Health(Level.OK, _all_is_well(overview), (), deliveries)
    return Health(found[0].level, found[0].text, found, deliveries)


def _deliveries(overview: Overview) -> str:
    """How many lately, and when the last one."""
    count, last = overview.lately.get(EventStatus.DELIVERED, 0), overview.last_delivered_at
    if last is None:
        return _("No event has been delivered lately.")
    words = {"count": number(count), "ago": ago(last, overview.now)}
    if not count:
        return _("No event was delivered in the last 24 hours, the last one %(ago)s.") % words
    text = ngettext(
        "%(count)s event delivered in the last 24 hours, %(ago)s.",
        "%(count)s events delivered in the last 24 hours, the last one %(ago)s.",
        count,
    )
    return text % words


def _all_is_well(overview: Overview) -> str:
    text = (
        _("All is well: %(deliveries)s")
        if overview.lately.get(EventStatus.DELIVERED)
        else _("All is well. %(deliveries)s")
    )
    sentence = text % {"deliveries": _deliveries(overview)}
    count = overview.waiting
    if not count:
        return sentence
    text = ngettext("%(count)s event is on its way.", "%(count)s events are on their way.", count)
    return told(sentence, text % {"count": number(count)})
