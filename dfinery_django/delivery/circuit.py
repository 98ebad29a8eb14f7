"""The circuit of a destination: open after failures, half-open for a probe, closed, or paused by hand.

Events do not know of it: with an open circuit no event can be claimed, with a half-open one a single event, as a probe.
All workers share the destination's row, so each change is made under its lock, and notified once. Mind the columns'
names: ``closed_until``, ``closed_code`` and so on say that the destination is closed, which is an open circuit.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import os
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.crypto import salted_hmac

from .. import clock, signals
from ..backoff import ceiling_seconds
from ..conf import Settings
from ..enums import UNFINISHED, EventStatus, Outcome, Reason
from ..models import Destination, Event
from ..protocols.base import Result
from ..text.escape import storable
from ..text.log_fields import log_extra
from ..text.reasons import to_json, unusable_token
from . import rate_limit

logger = logging.getLogger("dfinery_django")

#: This many requests in a row without a proper answer close a destination for a while.
FAILURES_TO_CLOSE = 5
#: A destination is probed at least this often, however far off the announced reset of its rate limit is.
MAX_THROTTLE_SECONDS = 3600.0
#: An outage ends on its own, and one probe a minute is no load.
MAX_OUTAGE_SECONDS = 60.0
#: Nobody fixes a refused token or a wrong address within seconds: its first probe comes later than a retry.
FIRST_BLOCKED_SECONDS = 30.0
#: With more requests left than this the workers need not share the quota.
SCARCE_QUOTA = 2000

#: Reasons to be closed, in ascending severity: only a more severe one replaces another.
_SEVERITY = (Reason.NONE, Reason.TRANSIENT, Reason.THROTTLED, Reason.BLOCKED, Reason.TOKEN)
#: DFINERY refuses us, and waiting does not fix that.
REFUSAL_CODES = (Reason.BLOCKED, Reason.TOKEN)

_CLOSED_FIELDS = (
    *("closed_until", "closed_code", "closed_reason", "closed_data", "closed_at", "closed_wire", "failure_count"),
)
_STATE_FIELDS = (*_CLOSED_FIELDS, "quota_left", "quota_resets_at", *rate_limit.FIELDS)


def destination_row(alias: str, using: str) -> Destination:
    """Return the destination's row, created if it does not exist yet."""
    return Destination.objects.using(using).get_or_create(alias=alias)[0]


def fingerprint(alias: str, settings: Settings) -> str:
    """Return a hash of the protocol, token, address and proxy: it changes with them, and reveals none of them."""
    token = settings.TOKENS[alias].resolved()
    way = (repr(settings.PROXY), *settings.PROXY.secrets, os.fspath(settings.CA_BUNDLE))
    wire = "\x1f".join((settings.PROTOCOL, settings.BASE_URL, token.fault or token.reveal(), *way))
    return salted_hmac("dfinery_django.wire", wire, algorithm="sha256").hexdigest()[:16]


def pause(alias: str, *, by: str, using: str) -> None:
    """Send nothing to a destination until it is resumed; events are stored meanwhile, and wait."""
    destination = destination_row(alias, using)
    if _saved(destination).filter(paused_by="").update(paused_by=by[:255] or "somebody", paused_at=clock.now()):
        destination.refresh_from_db()
        extra = log_extra(destination=alias)
        logger.warning("Delivery to %s is paused by %s", alias, destination.paused_by, extra=extra)
        signals.destination_paused.send_robust(sender=Destination, destination=destination)


def resume(alias: str, *, using: str) -> None:
    """End a pause; the next drain probes a closed destination at once."""
    destination = destination_row(alias, using)
    _saved(destination).filter(closed_until__isnull=False).update(closed_until=clock.now())
    if _saved(destination).exclude(paused_by="").update(paused_by="", paused_at=None):
        destination.refresh_from_db()
        logger.info("Delivery to %s is resumed", alias, extra=log_extra(destination=alias))
        signals.destination_resumed.send_robust(sender=Destination, destination=destination)


def probe_if_fixed(destination: Destination, wire: str) -> None:
    """Probe at once if the token or address has changed since it was refused."""
    if destination.closed_code in REFUSAL_CODES and destination.closed_wire not in ("", wire):
        _saved(destination).filter(closed_wire=destination.closed_wire).update(closed_until=clock.now(), closed_wire="")
        destination.refresh_from_db()


def block_without_token(destination: Destination, settings: Settings, wire: str, now: dt.datetime) -> None:
    """Close a destination whose token can't be used. Events are stored and built meanwhile, and wait."""
    if fault := settings.TOKENS[destination.alias].fault:
        refused = Result(Outcome.BLOCKED, unusable_token(destination.alias, fault), blames_token=True)
        update_circuit(destination, [refused], now, wire=wire)


def reserve(destination: Destination, wanted: int, now: dt.datetime, probe_seconds: float) -> int:
    """Reserve events of the quota of all workers, or the only probe within ``probe_seconds``; return how many."""
    places = destination.places(wanted, now)
    row = _saved(destination)
    if places and destination.closed_until is not None:
        until = now + dt.timedelta(seconds=probe_seconds)
        if not row.filter(closed_until=destination.closed_until).update(closed_until=until):
            return 0
        destination.closed_until = until
        extra = log_extra(destination=destination.alias)
        logger.info("Delivery to %s is probed with one event", destination.alias, extra=extra)
    if not places or not destination.has_quota(now):
        return places
    return places if row.filter(quota_left__gte=places).update(quota_left=F("quota_left") - places) else 0


def release(destination: Destination, places: int, now: dt.datetime) -> None:
    """Release what was reserved and not used."""
    if places and destination.has_quota(now):
        same_period = _saved(destination).filter(quota_left__isnull=False, quota_resets_at=destination.quota_resets_at)
        same_period.update(quota_left=F("quota_left") + places)


def has_due(alias: str, using: str, *, within_seconds: float = 0, now: dt.datetime | None = None) -> bool:
    """Return ``True`` if a drain would find work now, or within so many seconds."""
    soon = (now or clock.now()) + dt.timedelta(seconds=within_seconds)
    events = Event.objects.using(using).filter(destination=alias)
    is_open = destination_row(alias, using).places(1, soon) > 0
    return events.filter(status__in=UNFINISHED if is_open else [EventStatus.CAPTURED]).due(soon).exists()


def update_circuit(
    destination: Destination,
    results: Sequence[Result],
    now: dt.datetime,
    *,
    wire: str = "",
    was_probe: bool = False,
    in_flight: int = 0,
    sent: int = 0,
) -> None:
    """Apply results to the circuit, in the order in which they came; the row is written only if something changes.

    :param wire: the ``fingerprint`` that the requests were sent with
    :param was_probe: ``True`` if the first of them answers the probe of a closed destination
    :param in_flight: events that this worker has claimed without a result yet: the rate limit has not counted them
    :param sent: requests of this worker that were accepted within the last second
    """
    quota = _quota(results, now)
    works = all(result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED) for result in results)
    is_clean = destination.closed_until is None and not destination.failure_count
    is_plenty = destination.quota_left is None and (quota is None or quota[0] > SCARCE_QUOTA)
    if works and is_clean and is_plenty and not rate_limit.changes_pace(destination, results):
        return
    was_paced = destination.rate is not None
    with transaction.atomic(using=destination._state.db):
        shared = _saved(destination).select_for_update().get()
        before = {field: getattr(shared, field) for field in _STATE_FIELDS}
        was_throttled = shared.closed_code == Reason.THROTTLED
        for result in results:
            _apply_result(shared, result, now, was_probe)
            was_probe = False
        if shared.closed_code in REFUSAL_CODES and shared.closed_until != before["closed_until"]:
            shared.closed_wire = wire
        _apply_quota(shared, quota, in_flight)
        rate_limit.learn(shared, results, now, sent=sent, was_paced=was_paced, was_throttled=was_throttled)
        changes = {field: getattr(shared, field) for field in before if getattr(shared, field) != before[field]}
        if changes:
            _saved(destination).update(**changes)
    for field in before:
        setattr(destination, field, getattr(shared, field))
    _notify(destination, before)


def _notify(destination: Destination, before: dict[str, Any]) -> None:
    code, was_closed = destination.closed_code, before["closed_until"] is not None
    arguments: dict[str, Any] = {"sender": Destination, "destination": destination, "reason": destination.closed_reason}
    if destination.closed_until is None:
        if was_closed:
            logger.info("Delivery to %s goes on", destination.alias, extra=log_extra(destination=destination.alias))
            signals.destination_recovered.send_robust(sender=Destination, destination=destination)
    elif not was_closed or (code in REFUSAL_CODES and before["closed_code"] != code):
        level = logging.ERROR if code in REFUSAL_CODES else logging.WARNING
        extra = log_extra(destination=destination.alias, reason_code=str(code))
        logger.log(level, "Delivery to %s is stopped. %s", destination.alias, destination.closed_reason, extra=extra)
        signals.destination_closed.send_robust(**arguments)
        if code in REFUSAL_CODES:
            signals.destination_blocked.send_robust(**arguments)


def _saved(destination: Destination) -> Any:
    return Destination.objects.using(destination._state.db).filter(pk=destination.pk)


def _apply_result(destination: Destination, result: Result, now: dt.datetime, was_probe: bool) -> None:
    if result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED):
        if destination.is_closed(now) and not was_probe and destination.closed_code != Reason.TRANSIENT:
            return  # in flight when it closed: proves nothing about the token or the limit since
        destination.failure_count = 0
        rate_limit.on_probe_accepted(destination, now)
        destination.closed_until = destination.closed_at = None
        destination.closed_code = Reason.NONE
        destination.closed_reason = destination.closed_data = destination.closed_wire = ""
        return
    # Requests that were in flight when it closed don't change the wait, unless their reason is more severe.
    counts = was_probe or not destination.is_closed(now)
    destination.failure_count += counts
    if result.outcome == Outcome.THROTTLED:
        seconds, code = _throttle_seconds(destination, result, now), Reason.THROTTLED
    elif result.outcome == Outcome.BLOCKED:
        seconds = max(FIRST_BLOCKED_SECONDS, ceiling_seconds(destination.failure_count))
        code = Reason.TOKEN if result.blames_token else Reason.BLOCKED
    elif destination.failure_count >= FAILURES_TO_CLOSE or destination.closed_until is not None:
        failures = max(1, destination.failure_count - FAILURES_TO_CLOSE + 1)
        seconds, code = min(ceiling_seconds(failures), MAX_OUTAGE_SECONDS), Reason.TRANSIENT
    else:
        return
    if counts or _SEVERITY.index(code) > _SEVERITY.index(Reason(destination.closed_code)):
        if destination.closed_code != code:
            destination.closed_at = now
        destination.closed_until = now + dt.timedelta(seconds=seconds)
        destination.closed_code = code
        destination.closed_reason, destination.closed_data = storable(result.message), to_json(result.message)


def _throttle_seconds(destination: Destination, result: Result, now: dt.datetime) -> float:
    """Return the seconds until the reset; no more than a period, in case the clocks differ."""
    longest = min(result.period_seconds or MAX_THROTTLE_SECONDS, MAX_THROTTLE_SECONDS)
    if result.reset_at is None or result.reset_at <= now.timestamp():
        wait = rate_limit.throttle_wait_seconds if rate_limit.is_short_limit(result, now) else ceiling_seconds
        return min(wait(destination.failure_count), longest)
    return min(result.reset_at - now.timestamp(), longest)


def _quota(results: Sequence[Result], now: dt.datetime) -> tuple[int, float] | None:
    """Return what is left of the newest period that the answers announce, and when it ends."""
    announced = [
        # No further off than a period, in case the clocks differ.
        (min(each.reset_at, now.timestamp() + (each.period_seconds or math.inf)), each.remaining)
        for each in results
        if each.remaining is not None and each.reset_at is not None and each.reset_at > now.timestamp()
        if not rate_limit.is_short_limit(each, now)
    ]
    if not announced:
        return None
    newest = max(reset_at for reset_at, _ in announced)
    return min(left for reset_at, left in announced if reset_at > newest - 1), newest


def _apply_quota(destination: Destination, quota: tuple[int, float] | None, in_flight: int) -> None:
    if quota is None:
        return
    left, resets_at = max(0, quota[0] - in_flight), dt.datetime.fromtimestamp(quota[1], dt.timezone.utc)
    known = destination.quota_resets_at
    is_same_period = known is not None and abs((known - resets_at).total_seconds()) < 1
    if left > SCARCE_QUOTA:
        if not is_same_period:
            destination.quota_left = destination.quota_resets_at = None
    elif not is_same_period or destination.quota_left is None:
        destination.quota_left, destination.quota_resets_at = left, resets_at
    else:
        destination.quota_left = min(destination.quota_left, left)
