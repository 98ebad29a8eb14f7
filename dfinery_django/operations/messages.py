"""The effect of a bulk action or of forgetting people, before and after, in sentences with numbers. No HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _, ngettext, pgettext

from ..enums import ACTIONABLE, Action, ActionVerdict, EventStatus, Reason
from ..text import times
from .bulk_action import Forecast
from .selection import WILDCARD, Selection

if TYPE_CHECKING:
    from .forget import Forgotten


@dataclass(frozen=True)
class Line:
    """A number of events and what happens to them."""

    count: int
    text: str
    kind: str  # done, doubtful, or left (skipped)

    @property
    def number(self) -> str:
        return times.number(self.count)


def action_title(action: str, count: int, total: int) -> str:
    """Return the title of the confirmation page.

    :param count: events that would be changed
    :param total: events that are selected
    """
    if not count:
        return {
            Action.RESEND: _("None of these events can be resent"),
            Action.REBUILD: _("None of these events can be rebuilt and resent"),
            Action.CANCEL: _("None of these events can be cancelled"),
        }[Action(action)]
    numbers = {"count": times.number(count), "total": times.number(total)}
    if count < total:
        return {
            Action.RESEND: _("Resend %(count)s of %(total)s events?"),
            Action.REBUILD: _("Rebuild and resend %(count)s of %(total)s events?"),
            Action.CANCEL: _("Cancel %(count)s of %(total)s events?"),
        }[Action(action)] % numbers
    return {
        Action.RESEND: ngettext("Resend %(count)s event?", "Resend %(count)s events?", count),
        Action.REBUILD: ngettext("Rebuild and resend %(count)s event?", "Rebuild and resend %(count)s events?", count),
        Action.CANCEL: ngettext("Cancel %(count)s event?", "Cancel %(count)s events?", count),
    }[Action(action)] % numbers


def action_button(action: str, count: int) -> str:
    """Return the label of the confirmation's button."""
    return {
        Action.RESEND: ngettext("Yes, resend it", "Yes, resend %(count)s events", count),
        Action.REBUILD: ngettext("Yes, rebuild and resend it", "Yes, rebuild and resend %(count)s events", count),
        Action.CANCEL: ngettext("Yes, cancel it", "Yes, cancel %(count)s events", count),
    }[Action(action)] % {"count": times.number(count)}  # fmt: skip


def _effect(action: str, verdict: str) -> str:
    if verdict == ActionVerdict.UNSURE:
        return _("cancelled after an attempt without a proper answer: may have arrived anyway")
    if verdict == ActionVerdict.DELIVERED:
        return {
            Action.RESEND: _(
                "delivered already, and to be sent again, with the same event_id and the same content: "
                "DFINERY may count this twice"
            ),
            Action.REBUILD: _(
                "delivered already, and to be rebuilt from the source and sent, with the same event_id: "
                "DFINERY may count this twice"
            ),
        }[Action(action)]
    return {
        Action.RESEND: _("to be sent again, with the same event_id and the same content"),
        Action.REBUILD: _("to be rebuilt from the source and sent, with the same event_id"),
        Action.CANCEL: _("cancelled, and never sent"),
    }[Action(action)]


def action_lines(action: str, tally: Mapping[str, int]) -> Iterator[Line]:
    """Yield a line for every verdict: first for events that are changed, then for those that are skipped."""
    counts = {verdict: tally[verdict] for verdict in ActionVerdict if tally.get(verdict)}
    for verdict in sorted(counts, key=lambda each: each not in ACTIONABLE):
        if verdict in ACTIONABLE:
            kind = "done" if verdict == ActionVerdict.READY else "doubtful"
            yield Line(counts[verdict], _effect(action, verdict), kind)
        else:
            yield Line(counts[verdict], _("left alone: %(why)s") % {"why": verdict.label}, "left")


def unchecked_note(forecast: Forecast, action: str) -> str:
    """Return a note if a forecast did not look up all sources, else an empty text."""
    gone = forecast.tally[ActionVerdict.SOURCE_GONE]
    if action != Action.REBUILD or forecast.checked_sources >= forecast.done + gone:
        return ""
    text = ngettext(
        "The source of %(count)s of these was looked up; others without a source are left alone, too.",
        "The sources of %(count)s of these were looked up; others without a source are left alone, too.",
        forecast.checked_sources,
    )
    return text % {"count": times.number(forecast.checked_sources)}


def action_result(action: str, count: int) -> str:
    """Return what an action has begun in a sentence. What is sent later may still fail; what is cancelled is so now."""
    return {
        Action.RESEND: ngettext("%(count)s event will be sent again.", "%(count)s events will be sent again.", count),
        Action.REBUILD: ngettext(
            "%(count)s event will be rebuilt and sent.", "%(count)s events will be rebuilt and sent.", count
        ),
        Action.CANCEL: ngettext("%(count)s event is cancelled.", "%(count)s events are cancelled.", count),
    }[Action(action)] % {"count": times.number(count)}  # fmt: skip


def action_summary(action: str, tally: Mapping[str, int]) -> str:
    """Return the result of a bulk action so far: "8 to be sent again, 2 left alone"; empty if there is none yet."""
    changed = sum(tally.get(verdict, 0) for verdict in ACTIONABLE)
    left = sum(tally.values()) - changed
    done = {
        Action.RESEND: _("%(count)s to be sent again"),
        Action.REBUILD: _("%(count)s to be rebuilt and sent"),
        Action.CANCEL: _("%(count)s cancelled"),
    }[Action(action)]
    parts = [(changed, done), (left, _("%(count)s left alone"))]
    return ", ".join(text % {"count": times.number(count)} for count, text in parts if count)


def action_log_message(action: str) -> str:
    """Return the text for an event's entry in Django's admin log."""
    return {
        Action.RESEND: _("Asked to send it again: the same event_id and content."),
        Action.REBUILD: _("Asked to rebuild it from its source and send it."),
        Action.CANCEL: pgettext("event", "Cancelled."),
    }[Action(action)]


def describe_selection(selection: Selection) -> str:
    """Describe a selection in words: "status: failed, event: purchase"."""
    conditions = [
        (_("status: %(value)s"), dict(EventStatus.choices).get(selection.status, selection.status)),
        (_("event: %(value)s"), selection.event_name),
        (_("destination: %(value)s"), selection.destination),
        (_("reason: %(value)s"), dict(Reason.choices).get(selection.reason_code, selection.reason_code)),
        (_("definition: %(value)s"), ", ".join(selection.definitions)),
        (_("source: %(value)s"), selection.source_pk),
        (_("happened from %(value)s"), selection.since and times.format_datetime(selection.since)),
        (_("happened before %(value)s"), selection.until and times.format_datetime(selection.until)),
        (_("searched for: %(value)s"), selection.search + WILDCARD * selection.is_prefix),
    ]
    parts = [_("chosen one by one")] if selection.pks else []
    parts += [text % {"value": value} for text, value in conditions if value]
    return ", ".join(parts) or _("all events")


def forget_question(count: int) -> str:
    """Return the title of the confirmation page."""
    if not count:
        return _("There is nothing to erase")
    text = ngettext("Erase all events of this person?", "Erase all events of these %(count)s people?", count)
    return text % {"count": times.number(count)}


def forget_button(count: int) -> str:
    """Return the label of the confirmation button.

    :param count: events that are erased
    """
    text = ngettext("Yes, erase %(count)s event", "Yes, erase %(count)s events", count)
    return text % {"count": times.number(count)}


def forget_outcome(erased: Forgotten) -> str:
    """Return the message that says how much was erased."""
    text = ngettext(
        "Erased: %(count)s event, with its content and attempts.",
        "Erased: %(count)s events, with their contents and attempts.",
        erased.total,
    )
    return text % {"count": times.number(erased.total)}


def describe_forgotten(erased: Forgotten, unread: int) -> Iterator[Line]:
    """Describe what is erased, what remains, what may still arrive, and the events whose person is unknown."""
    if erased.total:
        yield Line(
            erased.total, _("erased: all their events, also those not chosen; content, ids and attempts"), "done"
        )
    if erased.traces:
        words = _("of these leave a tombstone without any id for about two days, so that they are not captured again")
        yield Line(erased.traces, words, "done")
    if entries := erased.repairs + erased.log_entries:
        yield Line(entries, _("entries of ledgers and logs: the ids in them are removed"), "done")
    if sending := erased.events.get(EventStatus.SENDING, 0):
        yield Line(sending, _("being sent at this moment and can't be recalled: may still arrive"), "doubtful")
    if unread:
        yield Line(unread, _("skipped: their source can't be read, so it is unknown whom they are about"), "left")
