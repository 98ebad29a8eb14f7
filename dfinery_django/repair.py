"""What an operator wants done to many events: what would happen, and doing it in chunks.

A wish is a row, ``Repair``. Whoever drains does a chunk of it between deliveries, so that no request and no task runs
out of time. A chunk and how far it came are one transaction under the row's lock: no two workers do the same chunk, and
one that is killed in the midst has done nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models import Case, CharField, Count, Max, Q, Value, When

from . import clock, registry
from .conf import default_destination, get_settings
from .display import storable
from .exceptions import NotRegistered, in_words
from .models import DeliveryAttempt, Event, Repair
from .patience import is_passing
from .queries import EventQuerySet
from .selection import Selection
from .sources import key_of, key_text
from .states import DONE, FINISHED, UNFINISHED, Action, EventStatus, Reason, Verdict
from .waking import clear_seen_flags, request_wake

logger = logging.getLogger("dfinery_django")

CHUNK = 500
#: For so long a forecast looks for sources that are gone; with more events than that, it says how many it looked at.
LOOK_SECONDS = 3.0

Row = tuple[int, str, str, str]  # key, verdict, definition, key of the source


def wish(action: Action, selection: Selection, *, by: str, using: str) -> Repair:
    """What somebody wants done to the events as they stand now; nothing is saved."""
    seen = {"last_pk": _last_pk(Event, using), "last_attempt_pk": _last_pk(DeliveryAttempt, using)}
    made = Repair(action=action, selection=selection.to_json(), asked_by=by[:255], seen_at=clock.now(), **seen)
    made._state.db = using
    return made


def _last_pk(model: type[models.Model], using: str) -> int:
    return int(model._base_manager.using(using).aggregate(last=Max("pk"))["last"] or 0)


class Forecast:
    """What a wish would do.

    :ivar tally: verdict -> number of events
    :ivar looked_at: how many of those that would be built anew were asked for their source
    """

    def __init__(self, repair: Repair, *, look_seconds: float = LOOK_SECONDS) -> None:
        judged = _judged(repair, clock.now())
        counts = judged.order_by().values_list("verdict").annotate(Count("pk"))
        self.tally: Counter[str] = Counter(dict(counts))
        self.looked_at = 0
        if repair.action == Action.REBUILD:
            self._look_for_sources(judged, clock.monotonic() + look_seconds)

    @property
    def total(self) -> int:
        return sum(self.tally.values())

    @property
    def done(self) -> int:
        """How many it would change."""
        return sum(self.tally[verdict] for verdict in DONE)

    def _look_for_sources(self, judged: EventQuerySet, until: float) -> None:
        reached = 0
        while clock.monotonic() < until:
            page: list[Row] = list(_page(judged.filter(verdict__in=DONE), reached))
            if not page:
                break
            reached = page[-1][0]
            self.looked_at += len(page)
            gone = _without_source(page, judged.db)
            for pk, verdict, _, _ in page:
                if pk in gone:
                    self.tally[verdict] -= 1
                    self.tally[Verdict.SOURCE_GONE] += 1


def advance(using: str, *, pk: int | None = None) -> tuple[Repair, list[int]] | None:
    """Do one chunk of a repair that is not finished.

    :param pk: of which one; default: the oldest that no other worker has in hand
    :returns: the repair as it stands now and the keys of the events that were changed; ``None`` if there is none
    """
    with transaction.atomic(using=using):
        skip_locked = connections[using].features.has_select_for_update_skip_locked
        waiting = Repair.objects.using(using).filter(finished_at=None).order_by("pk")
        waiting = waiting.filter(pk=pk) if pk else waiting
        repair = waiting.select_for_update(skip_locked=skip_locked).first()
        if repair is None:
            return None
        try:
            with transaction.atomic(using=using):
                done = _do_chunk(repair)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("Repair %s can't be done", repair.pk)
            repair.error, repair.finished_at, done = storable(in_words(error)), clock.now(), []
        repair.save(using=using, update_fields=["reached_pk", "tally", "error", "finished_at"])
    if repair.is_finished:
        logger.info("Repair %s (%s, asked by %s) ended: %s", repair.pk, repair.action, repair.asked_by, repair.tally)
    return repair, done


def stop(repair: Repair) -> bool:
    """Do no more of it; what is done stays done. False if it was finished before."""
    rows = Repair.objects.using(_database(repair)).filter(pk=repair.pk, finished_at=None)
    return bool(rows.update(finished_at=clock.now()))


def wake(using: str) -> None:
    """Ask for drains after commit: for what is due again, and for the rest of the repairs."""

    def wake_all() -> None:
        try:
            clear_seen_flags()  # a drain's second look is for events
            for alias in get_settings().TOKENS:
                request_wake(using, alias)
        except Exception:
            logger.exception("No drain could be asked for; the next scheduled one will do")

    transaction.on_commit(wake_all, using=using)


def _database(repair: Repair) -> str:
    return repair._state.db or DEFAULT_DB_ALIAS


def _do_chunk(repair: Repair) -> list[int]:
    now = clock.now()
    using = _database(repair)
    rows: list[Row] = list(_page(_judged(repair, now), repair.reached_pk))
    if not rows:
        repair.finished_at = now
        return []
    gone = _without_source(rows, using) if repair.action == Action.REBUILD else frozenset()
    verdicts = {pk: Verdict.SOURCE_GONE if pk in gone else verdict for pk, verdict, _, _ in rows}
    wanted = [pk for pk, verdict in verdicts.items() if verdict in DONE]
    held = _unchanged(repair, wanted, now).select_for_update()
    done = list(held.values_list("pk", flat=True))
    _act(repair, Event.objects.using(using).filter(pk__in=done), now)
    for pk in set(wanted).difference(done):
        verdicts[pk] = Verdict.CHANGED
    repair.tally = dict(Counter(repair.tally) + Counter(map(str, verdicts.values())))
    repair.reached_pk = rows[-1][0]
    if len(rows) < CHUNK:
        repair.finished_at = now
    return done


def _act(repair: Repair, events: EventQuerySet, now: dt.datetime) -> None:
    if repair.action == Action.RESEND:
        events.resend(now)
    elif repair.action == Action.REBUILD:
        # Whoever drains a destination builds its events, and building sets the right one.
        aliases = list(get_settings().TOKENS)
        somewhere = default_destination() if default_destination() in aliases else aliases[0]
        events.exclude(destination__in=aliases).update(destination=somewhere)
        events.rebuild(now, destination=somewhere)
    else:
        events.cancel(now, by=repair.asked_by)


def _page(judged: EventQuerySet, reached: int) -> Any:
    following = judged.filter(pk__gt=reached).order_by("pk")
    return following.values_list("pk", "verdict", "definition", "source_pk")[:CHUNK]


def _judged(repair: Repair, now: dt.datetime) -> EventQuerySet:
    """The selected events, each with its ``verdict``."""
    events = Event.objects.using(_database(repair)).filter(pk__lte=repair.last_pk)
    whens = [When(condition, then=Value(str(verdict))) for verdict, condition in _verdicts(repair, now)]
    verdict = Case(*whens, default=Value(str(Verdict.READY)), output_field=CharField())
    judged: EventQuerySet = Selection.from_json(repair.selection).narrow(events).annotate(verdict=verdict)
    return judged


def _verdicts(repair: Repair, now: dt.datetime) -> list[tuple[Verdict, Q]]:
    """What keeps an action from an event, or is worth saying of it; the first that holds counts."""
    if repair.action == Action.CANCEL:
        in_flight = Q(status=EventStatus.SENDING, due_at__gt=now, lapse_count=0)
        return [
            (Verdict.FINISHED, Q(status__in=FINISHED)),
            (Verdict.IN_FLIGHT, in_flight),
            (Verdict.UNSURE, Q(status=EventStatus.SENDING)),
        ]
    common = [
        (Verdict.UNFINISHED, Q(status__in=UNFINISHED)),
        (Verdict.CHANGED, _sent_since(repair)),
        (Verdict.FORGOTTEN, Q(reason_code=Reason.FORGOTTEN)),
        (Verdict.TOO_OLD, Q(expires_at__lte=now)),
    ]
    if repair.action == Action.RESEND:
        common.append((Verdict.DROPPED, Q(payload="", status=EventStatus.DELIVERED)))
        common.append((Verdict.NOT_BUILT, Q(payload="")))
        common.append((Verdict.NO_DESTINATION, ~Q(destination__in=list(get_settings().TOKENS))))
    else:
        in_force = [definition.name for definition in registry.definitions()]
        common.append((Verdict.NO_DEFINITION, ~Q(definition__in=in_force)))
    return [*common, (Verdict.DELIVERED, Q(status=EventStatus.DELIVERED))]


def _unchanged(repair: Repair, pks: Iterable[int], now: dt.datetime) -> EventQuerySet:
    """Those that still stand as they were judged, whatever else goes on: the guard of the change."""
    events = Event.objects.using(_database(repair)).filter(pk__in=pks)
    if repair.action == Action.CANCEL:
        return events.cancellable(now)
    return events.filter(~_sent_since(repair), status__in=FINISHED)


def _sent_since(repair: Repair) -> Q:
    """Match what has been sent since the operator looked.

    By the attempts' keys: the clocks of the operator's host and of the workers' may differ.
    """
    since = DeliveryAttempt.objects.using(_database(repair)).filter(pk__gt=repair.last_attempt_pk)
    return Q(pk__in=since.values("event_id"))


def _without_source(rows: Iterable[Row], using: str) -> frozenset[int]:
    """The keys of events that could be built anew but for their source, which is gone."""
    by_definition: dict[str, dict[int, str]] = defaultdict(dict)
    for pk, verdict, definition, source_pk in rows:
        if verdict in DONE:
            by_definition[definition][pk] = source_pk
    gone: set[int] = set()
    for name, keys in by_definition.items():
        present = _present(name, set(keys.values()), using)
        gone.update(pk for pk, key in keys.items() if key not in present)
    return frozenset(gone)


def _present(name: str, keys: Iterable[str], using: str) -> set[str]:
    """Which sources are there."""
    try:
        definition = registry.get(name)
    except NotRegistered:
        return set()
    valid = []
    for key in keys:
        try:
            valid.append(key_of(definition, key))
        except (ValidationError, ValueError, TypeError):  # the key's type has changed since
            continue
    rows = definition.model_class._base_manager.using(using).filter(pk__in=valid)
    return {key_text(definition, pk) for pk in rows.values_list("pk", flat=True)}
