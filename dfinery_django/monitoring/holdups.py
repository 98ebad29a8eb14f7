"""The findings that keep certain events from being sent for now. Text only: no queries, no HTML."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from django.utils.translation import gettext as _

from .findings import Finding, findings, join_sentences
from .overview import Snapshot

#: Codes of findings with which no worker does anything, a bulk action's chunks included.
_NO_WORK = ("misconfigured", "disabled", "undrained")
#: Codes of findings with which workers send nothing to a destination.
_NO_DELIVERY = ("paused", "refused", "outage", "throttled", "no_token", "unusable_token")


def find_holdups(snapshot: Snapshot, destinations: Collection[str], *, is_sending: bool = True) -> list[Finding]:
    """Return the findings that hold up events of these destinations.

    :param snapshot: one without events will do
    :param is_sending: false for work of which nothing is sent, as a cancellation
    """
    # The reader asks about certain events: they wait, and the number of all that wait is not said.
    concerned = [
        dataclasses.replace(each, waiting=1, expires_next_at=None)
        for each in snapshot.destinations
        if each.alias in destinations
    ]
    narrowed = dataclasses.replace(snapshot, destinations=tuple(concerned))
    codes = (*_NO_WORK, *_NO_DELIVERY) if is_sending else _NO_WORK
    return [each for each in findings(narrowed) if each.code in codes]


def holdup_text(finding: Finding) -> str:
    """Return what holds the events up, that they wait, and the remedy, in sentences."""
    return join_sentences(finding.text, _("The events wait meanwhile."), finding.remedy)
