"""The pace that a short rate limit allows: learnt from answers, shared by all workers, raised again step by step.

A limit per minute or day is a quota, used up and then waited for (``circuit``). A limit per second is never used
up: requests are spread over slots of time, which workers reserve on the destination's row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction

from ..enums import Outcome, Reason
from ..models import Destination
from ..models.queryset import LONGEST_WAIT
from ..protocols.base import Result

FIELDS = ("rate", "rate_ceiling", "rate_at", "paced_until")

#: A limit per longer period is a quota.
LONGEST_PERIOD_SECONDS = 10.0
#: The share of a limit that is used: neither clocks nor networks nor windows are exact.
SHARE = 0.9
#: The lowest pace after a first refusal that does not announce the limit.
LEAST_PER_SECOND = 5
#: Above this pace there is no pacing.
MOST_PER_SECOND = 2000.0
#: A refusal in spite of the pace slows it down; this many requests and seconds without one speed it up.
SLOWER, FASTER = 0.8, 1.1
REQUESTS_TO_SPEED_UP, SECONDS_TO_SPEED_UP = 150, 5.0
#: A worker reserves one slice at a time, no further ahead than the horizon, so that others get slots too.
SLICE_SECONDS = 0.5
HORIZON_SECONDS, LONGEST_HORIZON_SECONDS = 1.0, 10.0
#: The wait before the first probe if no reset is announced; by then a limit per second has reset.
FIRST_WAIT_SECONDS = 1.0


def is_short_limit(result: Result, now: dt.datetime) -> bool:
    """Return ``True`` if an answer announces a limit of seconds, or is a refusal that no longer limit explains."""
    if result.period_seconds is not None and result.period_seconds <= LONGEST_PERIOD_SECONDS:
        return True
    if result.outcome != Outcome.THROTTLED:
        return False
    is_far = result.reset_at is not None and result.reset_at - now.timestamp() > LONGEST_PERIOD_SECONDS
    # Refused although the announced limit is not used up: there is another one.
    return bool(result.remaining) or (result.period_seconds is None and not is_far)


def throttle_wait_seconds(failures: int) -> float:
    """Return the wait after so many refusals in a row: as long as all waits before it together (1, 1, 2, 4 s, …)."""
    return FIRST_WAIT_SECONDS * 2.0 ** min(max(failures - 2, 0), 12)


def changes_pace(destination: Destination, results: Sequence[Result]) -> bool:
    """Return ``True`` if accepted or rejected answers change the pace."""
    announced = _announced_rate(results)
    is_lifted = destination.rate_ceiling is not None and any(map(_is_long, results))
    return is_lifted or (announced is not None and announced > (destination.rate_ceiling or 0))


def learn(
    row: Destination, results: Sequence[Result], now: dt.datetime, *, sent: int, was_paced: bool, was_throttled: bool
) -> None:
    """Adapt the pace to answers; does not save.

    :param was_paced: ``True`` if this worker kept to a pace
    :param was_throttled: ``True`` if the rate limit had opened the circuit before these answers
    """
    announced = _announced_rate(results)
    if announced is not None:
        if announced > (row.rate_ceiling or 0):
            if row.rate is None:  # the requests sent at full speed have used up a part of the period
                left = [left for left, _ in _short_limits(results)]
                row.paced_until = now + dt.timedelta(seconds=(max(left) - min(left) + 1) / announced)
            row.rate = row.rate_ceiling = announced
            row.rate_at = now
    elif row.rate_ceiling is not None and any(map(_is_long, results)):
        _lift(row)
    if any(each.outcome == Outcome.THROTTLED and is_short_limit(each, now) for each in results):
        _slow_down(row, now, sent, was_paced or row.rate_ceiling is not None, was_throttled)


def _slow_down(row: Destination, now: dt.datetime, sent: int, was_paced: bool, was_throttled: bool) -> None:
    if was_paced or not sent or (row.rate is not None and not was_throttled):
        row.rate = row.rate * SLOWER if row.rate and was_paced and not was_throttled else row.rate
        return
    # Sent at full speed: what was accepted is the limit. The rate already has the parts of the other workers.
    row.rate = (row.rate or 0) + SHARE * max(sent, LEAST_PER_SECOND)
    row.rate_at = now - dt.timedelta(seconds=1)


def on_probe_accepted(row: Destination, now: dt.datetime) -> None:
    """Adapt the pace when a probe is accepted: a long wait means a long period; does not save."""
    if row.rate is None or row.rate_at is None or row.closed_code != Reason.THROTTLED:
        return
    waited = (now - (row.closed_at or now)).total_seconds()
    if row.rate_ceiling is None and waited > 1.5 * FIRST_WAIT_SECONDS:
        went_well = max((now - row.rate_at).total_seconds() - waited, FIRST_WAIT_SECONDS)
        row.rate *= went_well / (went_well + waited - FIRST_WAIT_SECONDS)
    row.rate_at = now


def reserve_slots(destination: Destination, places: int, now: dt.datetime) -> tuple[int, dt.datetime]:
    """Reserve up to ``places`` slots; return how many, and when the first is. The others follow at the ``rate``."""
    if destination.rate is None or not places:
        return places, now
    rows = Destination.objects.using(destination._state.db)
    with transaction.atomic(using=destination._state.db):
        row = rows.select_for_update().get(pk=destination.pk)
        first = now
        if row.paced_until is not None and now < row.paced_until <= now + LONGEST_WAIT:
            first = row.paced_until
            _speed_up(row, now)
        places = _reserve(row, places, first, now)
        row.save(update_fields=FIELDS)
    for field in FIELDS:
        setattr(destination, field, getattr(row, field))
    return places, first


def _reserve(row: Destination, places: int, first: dt.datetime, now: dt.datetime) -> int:
    if row.rate is None:
        return places
    horizon = min(max(HORIZON_SECONDS, 1 / row.rate), LONGEST_HORIZON_SECONDS)
    if first > now + dt.timedelta(seconds=horizon):
        return 0
    places = min(places, max(1, int(row.rate * SLICE_SECONDS)))
    row.paced_until = first + dt.timedelta(seconds=places / row.rate)
    return places


def release_slots(destination: Destination, places: int) -> None:
    """Release the last of the slots just reserved, unless another worker has reserved slots after them."""
    until = destination.paced_until
    if destination.rate is not None and until is not None and places:
        own = Destination.objects.using(destination._state.db).filter(pk=destination.pk, paced_until=until)
        own.update(paced_until=until - dt.timedelta(seconds=places / destination.rate))


def _speed_up(row: Destination, now: dt.datetime) -> None:
    """Raise the pace if it was not refused for a while. Called when more is wanted than it allows."""
    if row.rate is None or row.rate_at is None:
        return
    after = max(SECONDS_TO_SPEED_UP, REQUESTS_TO_SPEED_UP / row.rate)
    if abs((now - row.rate_at).total_seconds()) >= after:
        row.rate, row.rate_at = min(row.rate * FASTER, row.rate_ceiling or float("inf")), now
        if row.rate > MOST_PER_SECOND:
            _lift(row)


def _lift(row: Destination) -> None:
    row.rate = row.rate_ceiling = row.rate_at = row.paced_until = None


def _is_long(result: Result) -> bool:
    return (result.period_seconds or 0) > LONGEST_PERIOD_SECONDS


def _short_limits(results: Sequence[Result]) -> list[tuple[int, float]]:
    """Return ``(remaining, period_seconds)`` of the answers that announce a limit of seconds."""
    return [
        (each.remaining, each.period_seconds)
        for each in results
        if each.outcome in (Outcome.ACCEPTED, Outcome.REJECTED) and each.remaining is not None
        if each.period_seconds is not None and each.period_seconds <= LONGEST_PERIOD_SECONDS
    ]


def _announced_rate(results: Sequence[Result]) -> float | None:
    """Return the pace that the answers' headers allow: the first answer of a period has the most remaining."""
    most = max(((left + 1) / seconds for left, seconds in _short_limits(results)), default=None)
    return None if most is None or most > MOST_PER_SECOND else SHARE * most
