"""Problems of delivery, in plain sentences with a remedy each.

Text only: no queries, no HTML. Sentences are in the reader's language; codes are for machines and don't change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from django.apps import apps
from django.utils.translation import gettext as _, ngettext

from ..conf import Settings
from ..enums import DestinationState, EventStatus, Reason
from ..outbox.wake_setting import wake_named
from ..text.reasons import in_language, unusable_token
from ..text.times import format_datetime, number
from .destination_report import DestinationReport
from .overview import Snapshot

#: A longer outage may be our own (a firewall, a resolver), and not DFINERY's.
LONG_OUTAGE = dt.timedelta(hours=1)
#: An event that waits for longer is reported.
LONG_WAIT = dt.timedelta(hours=1)


class Level(IntEnum):
    """The severity of a finding."""

    OK = 0
    WARNING = 1  # worth a look
    ALARM = 2  # does not recover on its own: a person is needed


@dataclass(frozen=True)
class Finding:
    """One problem."""

    code: str
    level: Level
    text: str
    said: str = ""  # the reason: with DFINERY's own message, or that of the settings
    remedy: str = ""
    commands: tuple[str, ...] = ()
    destination: str = ""


def findings(overview: Snapshot) -> Iterator[Finding]:
    """Yield the problems; those of one level in the order of severity."""
    if overview.fault:
        text = _("The DFINERY setting is wrong: nothing is captured and nothing is sent.")
        yield Finding("misconfigured", Level.ALARM, text, said=overview.fault, commands=("python manage.py check",))
        return
    if not overview.settings.ENABLED:
        text = _("DFINERY is switched off: nothing is captured and nothing is sent.")
        remedy = _("The setting DFINERY['ENABLED'] is False. Take it out to switch it on.")
        yield Finding("disabled", Level.WARNING, text, remedy=remedy)
        return
    by_severity = (
        *(_refusals, _pauses, _undrained, _unscheduled, _at_risk, _unusable_tokens, _broken_definitions),
        *(_temporary_stops, _failed, _expired, _long_waiting, _no_events_yet),
    )
    for find in by_severity:
        yield from find(overview)


def _refusals(overview: Snapshot) -> Iterator[Finding]:
    for each in overview.destinations:
        if each.state not in (DestinationState.CLOSED, DestinationState.HALF_OPEN) or _token_fault(each, overview):
            continue  # _unusable_tokens reports the latter
        if each.code == Reason.TOKEN:
            text = _("Delivery to %(destination)s is stopped: DFINERY refuses the API token since %(time)s.")
            remedy = _("Put a valid token into DFINERY['TOKENS'] and restart the workers: it is then tried at once.")
        elif each.code == Reason.BLOCKED:
            text = _("Delivery to %(destination)s is stopped: DFINERY refuses us since %(time)s.")
            remedy = _("Check DFINERY['BASE_URL'], and whether a proxy or firewall answers in its place.")
        else:
            continue
        yield _stop_finding(each, overview.now, text, code="refused", level=Level.ALARM, remedy=remedy)


def _pauses(overview: Snapshot) -> Iterator[Finding]:
    for each in overview.destinations:
        if each.state == DestinationState.PAUSED:
            text = _("Delivery to %(destination)s is paused by %(who)s since %(time)s.")
            remedy = _("Resume it to go on.")
            yield _stop_finding(each, overview.now, text, code="paused", level=Level.ALARM, remedy=remedy)


def _temporary_stops(overview: Snapshot) -> Iterator[Finding]:
    for each in overview.destinations:
        if each.state not in (DestinationState.CLOSED, DestinationState.HALF_OPEN):
            continue
        if each.code == Reason.THROTTLED:
            text = _("DFINERY's rate limit for %(destination)s is used up since %(time)s; it resumes automatically.")
            yield _stop_finding(each, overview.now, text, code="throttled", level=Level.WARNING)
        elif each.code == Reason.TRANSIENT:
            text = _("DFINERY gives %(destination)s no proper answer since %(time)s; it is retried every minute.")
            remedy = _("After an outage delivery resumes automatically. If it lasts, check network, firewall and DNS.")
            level = Level.ALARM if each.since and overview.now - each.since >= LONG_OUTAGE else Level.WARNING
            yield _stop_finding(each, overview.now, text, code="outage", level=level, remedy=remedy)


def _stop_finding(
    report: DestinationReport, now: dt.datetime, text: str, *, code: str, level: Level, remedy: str = ""
) -> Finding:
    since = format_datetime(report.since or now)
    words = text % {"destination": report.alias, "time": since, "who": report.paused_by}
    said = "" if code == "paused" else in_language(report.why)
    return Finding(code, level, _with_queue(words, report, now), said, remedy, destination=report.alias)


def join_sentences(*sentences: str) -> str:
    """Join sentences by spaces, but not after a Japanese full stop."""
    return " ".join(filter(None, sentences)).replace("。 ", "。")


def _with_queue(text: str, report: DestinationReport, now: dt.datetime) -> str:
    return join_sentences(text, _waiting_sentence(report.waiting, report.expires_next_at, now))


def _waiting_sentence(count: int, expiry: dt.datetime | None, now: dt.datetime) -> str:
    """Return a sentence such as "311 events wait; the first expires at 2026-11-28 09:40."."""
    if not count or expiry is None:
        return ""
    if expiry <= now:
        text = ngettext(
            "%(count)s event waits; it has expired already.",
            "%(count)s events wait; the first has expired already.",
            count,
        )
    else:
        text = ngettext(
            "%(count)s event waits; it expires at %(time)s.",
            "%(count)s events wait; the first expires at %(time)s.",
            count,
        )
    return text % {"count": number(count), "time": format_datetime(expiry)}


def _undrained(overview: Snapshot) -> Iterator[Finding]:
    if not (late := overview.undrained):
        return
    if drained := [each.drained_at for each in late if each.drained_at]:
        text = _("No events are delivered: no worker has looked for events since %(time)s.")
        words = text % {"time": format_datetime(max(drained))}
    else:
        words = _("No events are delivered: no worker has ever looked for events.")
    if len(late) < sum(each.has_token for each in overview.destinations):
        names = ", ".join(each.alias for each in late)
        words = join_sentences(words, _("This concerns: %(names)s.") % {"names": names})
    waiting = sum(each.waiting for each in late)
    expiry = min((each.expires_next_at for each in late if each.expires_next_at), default=None)
    words = join_sentences(words, _waiting_sentence(waiting, expiry, overview.now))
    remedy, commands = _worker_remedy(overview.settings)
    yield Finding("undrained", Level.ALARM if waiting else Level.WARNING, words, remedy=remedy, commands=commands)


def _unscheduled(overview: Snapshot) -> Iterator[Finding]:
    """Yield missing schedules: their tasks would never run."""
    if overview.schedules_fault:
        text = _("django-q2's schedules can't be read.")
        remedy, commands = _("If its tables are missing, create them:"), ("python manage.py migrate",)
        yield Finding("unscheduled", Level.ALARM, text, overview.schedules_fault, remedy, commands)
    elif missing := [name for name, moment in overview.schedules.items() if moment is None]:
        names = ", ".join(name.removeprefix("dfinery: ") for name in missing)
        text = _("django-q2 lacks schedules: %(names)s.") % {"names": names}
        commands = ("python manage.py dfinery schedule",)
        yield Finding("unscheduled", Level.ALARM, text, remedy=_("Create them again."), commands=commands)


def _worker_remedy(settings: Settings) -> tuple[str, tuple[str, ...]]:
    if settings.WAKE == Settings.WAKE and apps.is_installed("django_q"):
        remedy = _("Run a worker permanently, beside the web server. If one runs, create its schedules again.")
        return remedy, ("python manage.py qcluster", "python manage.py dfinery schedule")
    if services := _services(settings):
        return _("Run these permanently, beside the web server:"), services
    remedy = _("Let your queue run dfinery_django.tasks.drain every minute, or run this permanently:")
    return remedy, ("python manage.py dfinery drain --forever",)


def _services(settings: Settings) -> tuple[str, ...]:
    try:
        return wake_named(settings.WAKE).services()
    except Exception:  # noqa: BLE001 - of the site's own module; a check reports it
        return ()


def _at_risk(overview: Snapshot) -> Iterator[Finding]:
    for each in overview.destinations:
        if each.at_risk:
            text = ngettext(
                "%(count)s event for %(destination)s has waited for more than half of its time.",
                "%(count)s events for %(destination)s have waited for more than half of their time.",
                each.at_risk,
            ) % {"count": number(each.at_risk), "destination": each.alias}
            yield Finding("at_risk", Level.ALARM, _with_queue(text, each, overview.now), destination=each.alias)


def _unusable_tokens(overview: Snapshot) -> Iterator[Finding]:
    for each in overview.destinations:
        if each.waiting and not each.has_token:
            text = _("Nothing is sent to %(destination)s: it has no token.") % {"destination": each.alias}
            remedy, words = _("Put its token into DFINERY['TOKENS'] again."), _with_queue(text, each, overview.now)
            yield Finding("no_token", Level.ALARM, words, remedy=remedy, destination=each.alias)
        elif fault := _token_fault(each, overview):
            text = _("Nothing is sent to %(destination)s: its API token can't be used.") % {"destination": each.alias}
            remedy = _("Put a valid token into DFINERY['TOKENS'] and restart the workers: it is then tried at once.")
            words = _with_queue(text, each, overview.now)
            yield Finding("unusable_token", Level.ALARM, words, fault, remedy, destination=each.alias)


def _token_fault(report: DestinationReport, overview: Snapshot) -> str:
    """Return why a token can't be used: the one of this process, or as a worker has found it in a secret store."""
    if report.code == Reason.TOKEN and getattr(report.why, "code", "") == "token_unusable":
        return in_language(report.why)
    token = overview.settings.TOKENS.get(report.alias)
    return in_language(unusable_token(report.alias, token.known_fault)) if token and token.known_fault else ""


def _broken_definitions(overview: Snapshot) -> Iterator[Finding]:
    if overview.definition_faults:
        names = ", ".join(overview.definition_faults)
        text = _("Definitions with mistakes capture nothing: %(names)s.") % {"names": names}
        said = "; ".join(overview.definition_faults.values())
        yield Finding("broken_definitions", Level.ALARM, text, said=said, commands=("python manage.py check",))


def _failed(overview: Snapshot) -> Iterator[Finding]:
    """Yield the events that failed within 48 hours: first those that can still be sent, then those that can't."""
    sendable, until = overview.resendable, overview.resendable_until
    too_late = overview.counts.get(EventStatus.FAILED, 0) - sendable
    if sendable and until:
        text = ngettext(
            "%(count)s failed event can still be sent, until %(time)s.",
            "%(count)s failed events can still be sent, the first until %(time)s.",
            sendable,
        )
        words = text % {"count": number(sendable), "time": format_datetime(until)}
        more = _("For %(count)s more it is too late.") % {"count": number(too_late)} if too_late else ""
        words = join_sentences(words, more)
        remedy = _("Fix the cause, then rebuild or resend.")
        commands = ("python manage.py dfinery resend --status failed --rebuild --dry-run",)
        yield Finding("failed", Level.WARNING, words, remedy=remedy, commands=commands)
    elif too_late:
        text = ngettext(
            "%(count)s event failed in the last 48 hours; it is too late to send it.",
            "%(count)s events failed in the last 48 hours; it is too late to send them.",
            too_late,
        )
        yield Finding("failed", Level.WARNING, text % {"count": number(too_late)})


def _expired(overview: Snapshot) -> Iterator[Finding]:
    if expired := overview.counts.get(EventStatus.EXPIRED, 0):
        text = ngettext(
            "%(count)s event was not delivered in time and expired in the last 48 hours; it can't be sent any more.",
            "%(count)s events were not delivered in time and expired in the last 48 hours; "
            "they can't be sent any more.",
            expired,
        )
        remedy = _("The page of each says why it was not delivered in time.")
        yield Finding("expired", Level.WARNING, text % {"count": number(expired)}, remedy=remedy)


def _long_waiting(overview: Snapshot) -> Iterator[Finding]:
    """Yield events that wait for long although no finding on destinations or workers explains it."""
    oldest, count = overview.oldest_waiting_at, overview.waiting
    is_explained = overview.undrained or any(
        each.waiting and (each.state != DestinationState.OPEN or not each.has_token) for each in overview.destinations
    )
    if oldest is not None and overview.now - oldest >= LONG_WAIT and not is_explained:
        text = ngettext(
            "%(count)s event waits, since %(time)s.", "%(count)s events wait, the oldest since %(time)s.", count
        )
        words = text % {"count": number(count), "time": format_datetime(oldest)}
        yield Finding("waiting", Level.WARNING, words, remedy=_("The reason is on each event's page."))


def _no_events_yet(overview: Snapshot) -> Iterator[Finding]:
    if not overview.is_empty:
        return
    remedy, commands = _("No definition says what to capture: write one into DFINERY['EVENTS']."), tuple[str, ...]()
    if overview.definition_count:
        remedy = _(
            "Save something that a definition watches, or see how many orders of the last 48 hours would be captured:"
        )
        commands = ("python manage.py dfinery reconcile --dry-run",)
    yield Finding("empty", Level.WARNING, _("No event has been captured yet."), remedy=remedy, commands=commands)
