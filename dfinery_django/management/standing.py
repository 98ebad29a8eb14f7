"""How deliveries stand, for a terminal and as what ``json`` takes: what the overview of the admin says.

No order, no user and no event is named.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import OutputWrapper
from django.utils.translation import override

from ..findings import Level
from ..health import HealthReport, assess
from ..moments import number, point_in_time, time_ago
from ..overview import Snapshot, look
from ..reports import DestinationReport
from ..states import FINISHED, UNFINISHED, DestinationState, Reason
from .printing import GAP, wrap

LABEL_WIDTH = 14
#: A running cluster of django-q2 comes to what is due within this time.
SCHEDULER_PAUSE = dt.timedelta(minutes=1)
#: Between the words of Django's spans of time.
NO_BREAK_SPACE = "\xa0"
#: For a reason to be stopped: what to type.
_TO_TYPE = {
    Reason.TOKEN: "manage.py dfinery check-token --destination {alias}",
    Reason.BLOCKED: "manage.py dfinery check-token --destination {alias}",
}


@dataclass(frozen=True)
class Standing:
    overview: Snapshot
    health: HealthReport


@override("en")
def stand() -> Standing:
    overview = look()
    return Standing(overview, assess(overview))


def as_json(standing: Standing) -> dict[str, Any]:
    """What a machine reads: keys don't change, sentences do. Moments are ISO 8601 in UTC."""
    overview, health = standing.overview, standing.health
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
        "oldest_waiting_at": _iso(overview.oldest_waiting_at),
        "expires_next_at": _iso(first.expires_next_at if first else None),
        "last_delivered_at": _iso(overview.last_delivered_at),
        "drained_at": _iso(overview.drained_at),
        "destinations": [_destination(each) for each in overview.destinations],
        "schedules": [
            {"name": name, "next_run_at": _iso(moment), "is_overdue": _is_overdue(moment, overview)}
            for name, moment in overview.schedules.items()
        ],
    }


def _destination(report: DestinationReport) -> dict[str, Any]:
    plain = asdict(report) | {"lately": {str(status): report.lately.get(status, 0) for status in FINISHED}}
    plain["last_24_hours"] = plain.pop("lately")
    return {name: _iso(value) if isinstance(value, dt.datetime) else value for name, value in plain.items()}


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.timezone.utc).isoformat() if moment else None


def lines(standing: Standing, style: Any, width: int) -> list[str]:
    """For a terminal of so many columns.

    :param style: a management command's ``self.style``
    """
    with override("en"):
        return [line.replace(NO_BREAK_SPACE, " ") for line in _lines(standing, style, width)]


def _lines(standing: Standing, style: Any, width: int) -> Iterator[str]:
    health, overview = standing.health, standing.overview
    paint = {Level.OK: style.SUCCESS, Level.WARNING: style.WARNING, Level.ALARM: style.ERROR}
    yield from map(paint[health.level], _wrapped(health.headline, width))
    for index, finding in enumerate(health.findings):
        if index:
            yield from map(paint[finding.level], _wrapped(finding.text, width))
        for text in (finding.said, finding.remedy):
            yield from (GAP + line for line in _wrapped(text, width - len(GAP)) if text)
        yield from (f"{GAP * 2}{command}" for command in finding.commands)
    yield ""
    for label, text in _numbers(overview):
        yield f"{label:{LABEL_WIDTH}}{text}"
    for label, rows in (("destinations", _destinations(overview)), ("schedules", _schedules(overview))):
        for index, row in enumerate(rows):
            yield f"{'' if index else label:{LABEL_WIDTH}}{row}"


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text.replace(NO_BREAK_SPACE, " "), width)


def _numbers(overview: Snapshot) -> Iterator[tuple[str, str]]:
    counts, now = overview.counts, overview.now
    for label, statuses in (("waiting", UNFINISHED), ("48 hours", FINISHED)):
        yield label, ", ".join(f"{number(counts.get(each, 0))} {each.value}" for each in statuses)
    first = overview.first_to_expire
    if overview.oldest_waiting_at and first and first.expires_next_at:
        yield "oldest", f"waits since {point_in_time(overview.oldest_waiting_at, now)}"
        yield "next expiry", f"{point_in_time(first.expires_next_at, now)}, to {first.alias}"
    yield "last arrival", time_ago(overview.last_delivered_at, now) if overview.last_delivered_at else "none lately"
    yield "last drain", time_ago(overview.drained_at, now) if overview.drained_at else "none yet"


def _destinations(overview: Snapshot) -> Iterator[str]:
    for each in overview.destinations:
        said = [_state(each, overview), f"{number(each.waiting)} waiting"]
        if each.expires_next_at:
            said.append(f"the first expires {point_in_time(each.expires_next_at, overview.now)}")
        if each.next_try_at:
            said.append(f"tried again {point_in_time(each.next_try_at, overview.now)}")
        yield f"{each.alias}: {', '.join(said)}"
        if to_type := _to_type(each):
            yield GAP + to_type


def _state(report: DestinationReport, overview: Snapshot) -> str:
    if not report.has_token:
        return "has no token"
    words = str(report.state.label)
    return (
        f"{words} since {point_in_time(report.since, overview.now)}" if report.since and _is_stopped(report) else words
    )


def _is_stopped(report: DestinationReport) -> bool:
    return report.state != DestinationState.OPEN


def _to_type(report: DestinationReport) -> str:
    if report.state == DestinationState.PAUSED:
        return "resume it in the admin"
    return _TO_TYPE[report.code].format(alias=report.alias) if _is_stopped(report) and report.code in _TO_TYPE else ""


def _schedules(overview: Snapshot) -> Iterator[str]:
    for name, moment in overview.schedules.items():
        words = "overdue since" if _is_overdue(moment, overview) else "next"
        yield f"{name}, " + (f"{words} {point_in_time(moment, overview.now)}" if moment else "missing")


def _is_overdue(moment: dt.datetime | None, overview: Snapshot) -> bool:
    """Whether no cluster has come to a schedule that was due: it looks for them about twice a minute."""
    return moment is not None and moment < overview.now - SCHEDULER_PAUSE


def columns(out: OutputWrapper, terminal: int) -> int:
    """How wide to write: as the terminal, or without a limit into a pipe, where a sentence is a line."""
    return min(max(terminal - 1, 60), 120) if out.isatty() else 10_000
