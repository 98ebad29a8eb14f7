"""The health of delivery in a sentence: all is well, something is worth a look, or a person is needed.

Text only: no queries, no HTML.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _, ngettext

from ..enums import EventStatus
from ..text.times import number, time_ago
from .clocks import clock_findings
from .findings import Finding, Level, findings, join_sentences
from .overview import Snapshot


@dataclass(frozen=True)
class HealthReport:
    """The level, a headline and the findings behind them."""

    level: Level
    headline: str  # the worst finding in a sentence or two, or that all is well
    findings: tuple[Finding, ...]  # worst first
    deliveries: str  # the number of events delivered lately and the time of the last delivery, in a sentence

    @property
    def needs_a_person(self) -> bool:
        """True if delivery does not recover on its own."""
        return self.level == Level.ALARM


def assess(overview: Snapshot) -> HealthReport:
    """Assess a snapshot: find all problems, and put the worst into the headline."""
    # The sort is stable: findings of one level stay in order.
    found = tuple(sorted([*findings(overview), *clock_findings(overview)], key=lambda each: -each.level))
    deliveries = _delivery_sentence(overview)
    if not found:
        return HealthReport(Level.OK, _healthy_headline(overview), (), deliveries)
    return HealthReport(found[0].level, found[0].text, found, deliveries)


def _delivery_sentence(overview: Snapshot) -> str:
    count, last = overview.lately.get(EventStatus.DELIVERED, 0), overview.last_delivered_at
    if last is None:
        return _("No event has been delivered lately.")
    words = {"count": number(count), "ago": time_ago(last, overview.now)}
    if not count:
        return _("No event was delivered in the last 24 hours, the last one %(ago)s.") % words
    text = ngettext(
        "%(count)s event delivered in the last 24 hours, %(ago)s.",
        "%(count)s events delivered in the last 24 hours, the last one %(ago)s.",
        count,
    )
    return text % words


def _healthy_headline(overview: Snapshot) -> str:
    has_delivered = overview.lately.get(EventStatus.DELIVERED)
    text = _("All is well: %(deliveries)s") if has_delivered else _("All is well. %(deliveries)s")
    sentence = text % {"deliveries": _delivery_sentence(overview)}
    if not (count := overview.waiting):
        return sentence
    text = ngettext("%(count)s event is on its way.", "%(count)s events are on their way.", count)
    return join_sentences(sentence, text % {"count": number(count)})
