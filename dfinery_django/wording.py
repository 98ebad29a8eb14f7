"""What an action will do and has done, in sentences with numbers. No HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from .moments import number as grouped
from .repair import Forecast
from .selection import WILDCARD, Selection
from .standing import moment
from .states import ACTIONABLE, Action, ActionVerdict, EventStatus, Reason


@dataclass(frozen=True)
class Line:
    """So many events, and what is to be said of them."""

    count: int
    text: str
    kind: str  # done, doubtful, or left: alone

    @property
    def number(self) -> str:
        return grouped(self.count)


def question(action: str, count: int) -> str:
    """The title of the page that asks."""
    return {
        Action.RESEND: ngettext("Resend %(count)s event?", "Resend %(count)s events?", count),
        Action.REBUILD: ngettext(
            "Rebuild and resend %(count)s event?", "Rebuild and resend %(count)s events?", count
        ),
        Action.CANCEL: ngettext("Cancel %(count)s event?", "Cancel %(count)s events?", count),
    }[Action(action)] % {"count": grouped(count)}  # fmt: skip


def button(action: str, count: int) -> str:
    """What the button that does it says."""
    return {
        Action.RESEND: ngettext("Yes, resend it", "Yes, resend %(count)s events", count),
        Action.REBUILD: ngettext(
            "Yes, rebuild and resend it", "Yes, rebuild and resend %(count)s events", count
        ),
        Action.CANCEL: ngettext("Yes, cancel it", "Yes, cancel %(count)s events", count),
    }[Action(action)] % {"count": grouped(count)}  # fmt: skip


def _promise(action: str, verdict: str) -> str:
    if verdict == ActionVerdict.UNSURE:
        return _("cancelled after an attempt of which no answer is known: may have arrived all the same")
    if verdict == ActionVerdict.DELIVERED:
        return {
            Action.RESEND: _(
                "delivered already, and sent again, with the same event_id and the same content: "
                "DFINERY may count this twice"
            ),
            Action.REBUILD: _(
                "delivered already, and built anew from the source and sent, with the same event_id: "
                "DFINERY may count this twice"
            ),
        }[Action(action)]
    return {
        Action.RESEND: _("sent again, with the same event_id and the same content"),
        Action.REBUILD: _("built anew from the source and sent, with the same event_id"),
        Action.CANCEL: _("cancelled, and never sent"),
    }[Action(action)]


def lines(action: str, tally: Mapping[str, int]) -> Iterator[Line]:
    """What happens to how many: first what is done, then what is left alone, and why."""
    for verdict in ActionVerdict:
        count = tally.get(verdict, 0)
        if count and verdict in ACTIONABLE:
            yield Line(count, _promise(action, verdict), "done" if verdict == ActionVerdict.READY else "doubtful")
    for verdict in ActionVerdict:
        count = tally.get(verdict, 0)
        if count and verdict not in ACTIONABLE:
            yield Line(count, _("left alone: %(why)s") % {"why": verdict.label}, "left")


def unlooked(forecast: Forecast, action: str) -> str:
    """What is to be said where not all sources could be looked for."""
    gone = forecast.tally[ActionVerdict.SOURCE_GONE]
    if action != Action.REBUILD or forecast.looked_at >= forecast.done + gone:
        return ""
    text = ngettext(
        "Of these, %(count)s was asked for its source; what else has none is left alone, too.",
        "Of these, %(count)s were asked for their source; what else has none is left alone, too.",
        forecast.looked_at,
    )
    return text % {"count": grouped(forecast.looked_at)}


def outcome(action: str, count: int) -> str:
    """What was done."""
    return {
        Action.RESEND: ngettext(
            "%(count)s event is on its way again.", "%(count)s events are on their way again.", count
        ),
        Action.REBUILD: ngettext(
            "%(count)s event is built anew and sent.", "%(count)s events are built anew and sent.", count
        ),
        Action.CANCEL: ngettext("%(count)s event is cancelled.", "%(count)s events are cancelled.", count),
    }[Action(action)] % {"count": grouped(count)}  # fmt: skip


def logged(action: str) -> str:
    """What Django's log says at an event."""
    return {
        Action.RESEND: _("Resent: the same event_id and content again."),
        Action.REBUILD: _("Rebuilt from its source and resent."),
        Action.CANCEL: pgettext("event", "Cancelled."),
    }[Action(action)]


def described(selection: Selection) -> str:
    """Which events, in words: "status: failed, event: purchase"."""
    said = [
        (_("status: %(value)s"), dict(EventStatus.choices).get(selection.status, selection.status)),
        (_("event: %(value)s"), selection.event_name),
        (_("destination: %(value)s"), selection.destination),
        (_("reason: %(value)s"), dict(Reason.choices).get(selection.reason_code, selection.reason_code)),
        (_("definition: %(value)s"), ", ".join(selection.definitions)),
        (_("source: %(value)s"), selection.source_pk),
        (_("happened from %(value)s"), selection.since and moment(selection.since)),
        (_("happened before %(value)s"), selection.until and moment(selection.until)),
        (_("searched for: %(value)s"), selection.search + WILDCARD * selection.is_prefix),
    ]
    parts = [_("chosen one by one")] if selection.pks else []
    parts += [text % {"value": value} for text, value in said if value]
    return ", ".join(parts) or _("all events")
