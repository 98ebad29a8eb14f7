"""``manage.py dfinery status``: the admin's overview for a terminal and for monitors.

It names no order, user or event.
"""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.utils.translation import override

from ...enums import FINISHED, UNFINISHED, DestinationState, Reason
from ...text.endpoints import endpoint_label, endpoint_note
from ...text.times import format_datetime, number, time_ago
from ..exit_codes import FAILED
from ..terminal import INDENT, NO_BREAK_SPACE, text_width, wrap
from .base import Subcommand

if TYPE_CHECKING:
    from ...monitoring.destination_report import DestinationReport
    from ...monitoring.health import HealthReport
    from ...monitoring.overview import Snapshot

LABEL_WIDTH = 14
#: The width for a pipe, where each sentence is to be one line.
UNLIMITED_WIDTH = 10_000
#: A running cluster of django-q2 runs what is due within this time: it looks about twice a minute.
SCHEDULER_PAUSE = dt.timedelta(minutes=1)


class StatusCommand(Subcommand):
    help = "show whether all is well, what waits, and what to do"
    examples = ("status", "status --json")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable output")

    @override("en")
    def handle(self, **options: Any) -> None:
        from ...monitoring.health import assess
        from ...monitoring.overview import look

        overview = look()
        health = assess(overview)
        if options["json"]:
            text = json.dumps(_status_as_json(overview, health), indent=2, default=_iso_text)
        else:
            width = text_width(narrowest=60) if self.stdout.isatty() else UNLIMITED_WIDTH
            lines = _status_lines(overview, health, self.style, width)
            text = "\n".join(line.replace(NO_BREAK_SPACE, " ") for line in lines)
        self.stdout.write(text)
        if health.needs_a_person:
            self.stdout.flush()
            raise SystemExit(FAILED)


def _status_as_json(overview: Snapshot, health: HealthReport) -> dict[str, Any]:
    """Return what monitors read: the keys never change, the sentences may. Times are ISO 8601 in UTC."""
    first = overview.first_to_expire
    return {
        "level": health.level.name.lower(),
        "needs_a_person": health.needs_a_person,
        "headline": health.headline,
        "deliveries": health.deliveries,
        "findings": [{**asdict(each), "level": each.level.name.lower()} for each in health.findings],
        "enabled": overview.settings.ENABLED and not overview.fault,
        "counts": {str(status): overview.counts.get(status, 0) for status in (*UNFINISHED, *FINISHED)},
        "last_24_hours": {str(status): overview.lately.get(status, 0) for status in FINISHED},
        "waiting": overview.waiting,
        "resendable": overview.resendable,
        "oldest_waiting_at": overview.oldest_waiting_at,
        "expires_next_at": first.expires_next_at if first else None,
        "last_delivered_at": overview.last_delivered_at,
        "drained_at": overview.drained_at,
        "destinations": [_destination_as_json(each) for each in overview.destinations],
        "schedules": [
            {"name": name, "next_run_at": moment, "is_overdue": _is_overdue(moment, overview)}
            for name, moment in overview.schedules.items()
        ],
    }


def _destination_as_json(report: DestinationReport) -> dict[str, Any]:
    fields = asdict(report)
    del fields["lately"], fields["has_row"]
    return fields | {"last_24_hours": {str(status): report.lately.get(status, 0) for status in FINISHED}}


def _iso_text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.timezone.utc).isoformat()


def _status_lines(overview: Snapshot, health: HealthReport, style: Any, width: int) -> Iterator[str]:
    from ...monitoring.findings import Level

    paint = {Level.OK: style.SUCCESS, Level.WARNING: style.WARNING, Level.ALARM: style.ERROR}
    yield from map(paint[health.level], _wrap_plain(health.headline, width))
    for index, finding in enumerate(health.findings):
        if index:
            yield from map(paint[finding.level], _wrap_plain(finding.text, width))
        for text in (finding.said, finding.remedy):
            yield from (INDENT + line for line in _wrap_plain(text, width - len(INDENT)) if text)
        yield from (f"{INDENT * 2}{command}" for command in finding.commands)
    yield from map(style.WARNING, filter(None, [endpoint_note(overview.settings)]))
    yield ""
    for label, text in _figures(overview):
        yield f"{label:{LABEL_WIDTH}}{text}"
    for label, rows in (("destinations", _destination_lines(overview)), ("schedules", _schedule_lines(overview))):
        for index, row in enumerate(rows):
            yield f"{'' if index else label:{LABEL_WIDTH}}{row}"


def _wrap_plain(text: str, width: int) -> list[str]:
    return wrap(text.replace(NO_BREAK_SPACE, " "), width)


def _figures(overview: Snapshot) -> Iterator[tuple[str, str]]:
    counts, now = overview.counts, overview.now
    for label, statuses in (("waiting", UNFINISHED), ("48 hours", FINISHED)):
        yield label, ", ".join(f"{number(counts.get(each, 0))} {each.value}" for each in statuses)
    first = overview.first_to_expire
    if overview.oldest_waiting_at and first and first.expires_next_at:
        yield "oldest", f"waits since {format_datetime(overview.oldest_waiting_at)}"
        yield "next expiry", f"{format_datetime(first.expires_next_at)}, to {first.alias}"
    yield "last arrival", time_ago(overview.last_delivered_at, now) if overview.last_delivered_at else "none lately"
    yield "last drain", time_ago(overview.drained_at, now) if overview.drained_at else "none yet"


def _destination_lines(overview: Snapshot) -> Iterator[str]:
    for each in overview.destinations:
        parts = [_state_text(each, overview), f"{number(each.waiting)} waiting"]
        if each.expires_next_at:
            parts.append(f"the first expires {format_datetime(each.expires_next_at)}")
        if each.next_try_at:
            parts.append(f"tried again {format_datetime(each.next_try_at)}")
        yield f"{each.alias}: {', '.join(parts)}"
        yield INDENT + _endpoint_text(each)
        if command := _command_to_type(each):
            yield INDENT + command


def _endpoint_text(report: DestinationReport) -> str:
    endpoint, label = report.endpoint, endpoint_label(report.endpoint)
    way = f", through the proxy {endpoint.proxy}" if endpoint.proxy else ""
    return f"to {endpoint.host}{f' ({label})' if label else ''}, {report.protocol}{way}"


def _state_text(report: DestinationReport, overview: Snapshot) -> str:
    if not report.has_token:
        return "has no token"
    since = report.since if report.state != DestinationState.OPEN else None
    return f"{report.state.label} since {format_datetime(since)}" if since else str(report.state.label)


def _command_to_type(report: DestinationReport) -> str:
    if report.state == DestinationState.PAUSED:
        return "resume it in the admin"
    is_refused = report.state != DestinationState.OPEN and report.code in (Reason.TOKEN, Reason.BLOCKED)
    return f"manage.py dfinery check-token --destination {report.alias}" if is_refused else ""


def _schedule_lines(overview: Snapshot) -> Iterator[str]:
    for name, moment in overview.schedules.items():
        words = "overdue since" if _is_overdue(moment, overview) else "next"
        yield f"{name}, " + (f"{words} {format_datetime(moment)}" if moment else "missing")


def _is_overdue(moment: dt.datetime | None, overview: Snapshot) -> bool:
    return moment is not None and moment < overview.now - SCHEDULER_PAUSE
