"""Bulk actions on events (resend, rebuild, cancel): a forecast of the effect, and the work in chunks.

A bulk action is a row of ``Repair``. Every drain does a chunk of it between deliveries, so that no request and no task
runs out of time. A chunk and the progress are one transaction under the row's lock: no two workers do the same chunk,
and a worker that is killed leaves no chunk half done.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models import Case, CharField, Count, Max, Q, Value, When
from django.db.models.functions import Coalesce

from .. import clock
from ..conf import default_destination, get_settings
from ..db.retry import is_transient
from ..definitions import registry
from ..definitions.scope import ScopeError, in_scope
from ..definitions.source import existing_keys
from ..enums import ACTIONABLE, FINISHED, UNFINISHED, Action, ActionVerdict, EventStatus, Reason
from ..exceptions import NotRegistered, error_text
from ..models import DeliveryAttempt, Event, Repair
from ..models.queryset import EventQuerySet
from ..outbox.wakeup import clear_seen_flags, request_wake
from ..text.escape import storable
from .selection import Selection

logger = logging.getLogger("dfinery_django")

CHUNK = 500
#: A bulk action that changed more events than this does not keep their keys.
MAX_FOLLOWED_EVENTS = 1000
#: Time that a forecast spends on finding sources that are gone. If there are more events, it counts those it checked.
SOURCE_CHECK_SECONDS = 3.0

JudgedRow = tuple[int, str, str, str]  # primary key, verdict, definition, source key


def new_bulk_action(action: Action, selection: Selection, *, by: str, using: str) -> Repair:
    """Return an unsaved bulk action on the events as they are now."""
    seen = {"last_pk": _last_pk(Event, using), "last_attempt_pk": _last_pk(DeliveryAttempt, using)}
    bulk_action = Repair(action=action, selection=selection.to_json(), asked_by=by[:255], seen_at=clock.now(), **seen)
    bulk_action._state.db = using
    return bulk_action


def _last_pk(model: type[models.Model], using: str) -> int:
    return int(model._base_manager.using(using).aggregate(last=Max("pk"))["last"] or 0)


class Forecast:
    """The effect that a bulk action would have, in numbers of events."""

    def __init__(self, bulk_action: Repair, *, check_seconds: float = SOURCE_CHECK_SECONDS) -> None:
        judged = _with_verdict(bulk_action, clock.now())
        self.tally = Counter[str]()
        self.destinations: set[str] = set()  # of the events that would be changed
        self.checked_sources = 0  # events to rebuild whose source was looked up
        self._judged, self._is_rebuild = judged, bulk_action.action == Action.REBUILD
        # Not the plain column: SQLite would read the claim's whole index to sort the groups.
        alias = Coalesce("destination", Value(""))
        for verdict, destination, count in judged.order_by().values_list("verdict", alias).annotate(Count("pk")):
            self.tally[verdict] += count
            if verdict in ACTIONABLE:
                self.destinations.add(destination)
        if self._is_rebuild:
            self._check_sources(judged, clock.monotonic() + check_seconds)

    @property
    def total(self) -> int:
        return self.tally.total()

    @property
    def done(self) -> int:
        return sum(self.tally[verdict] for verdict in ACTIONABLE)

    def first_changed(self, limit: int) -> list[Event]:
        """Return the newest events that would be changed."""
        newest = self._judged.filter(verdict__in=ACTIONABLE).order_by("-pk")
        rows: list[JudgedRow] = list(newest.values_list("pk", "verdict", "definition", "source_pk")[:CHUNK])
        gone = _without_source(rows, self._judged.db) if self._is_rebuild else frozenset()
        pks = [pk for pk, *_ in rows if pk not in gone][:limit]
        return list(Event.objects.using(self._judged.db).filter(pk__in=pks).defer("payload").order_by("-pk"))

    def _check_sources(self, judged: EventQuerySet, until: float) -> None:
        reached = 0
        changed = judged.filter(verdict__in=ACTIONABLE)
        while clock.monotonic() < until and (page := _next_page(changed, reached)):
            reached = page[-1][0]
            self.checked_sources += len(page)
            gone = _without_source(page, judged.db)
            for verdict in [verdict for pk, verdict, _, _ in page if pk in gone]:
                self.tally[verdict] -= 1
                self.tally[ActionVerdict.SOURCE_GONE] += 1


def advance(using: str, *, pk: int | None = None) -> tuple[Repair, list[int]] | None:
    """Do one chunk of this bulk action, or of the oldest unfinished one that no other worker has locked.

    :returns: the bulk action after the chunk and the keys of the events that were changed; ``None`` if there is none
    """
    with transaction.atomic(using=using):
        skip_locked = connections[using].features.has_select_for_update_skip_locked
        waiting = Repair.objects.using(using).filter(finished_at=None).order_by("pk")
        waiting = waiting.filter(pk=pk) if pk else waiting
        bulk_action = waiting.select_for_update(skip_locked=skip_locked).first()
        if bulk_action is None:
            return None
        try:
            with transaction.atomic(using=using):
                done = _do_chunk(bulk_action)
        except Exception as error:
            if is_transient(error):
                raise
            logger.exception("Bulk action %s failed", bulk_action.pk)
            bulk_action.error, bulk_action.finished_at, done = storable(error_text(error)), clock.now(), []
        bulk_action.save(using=using, update_fields=["reached_pk", "tally", "changed_pks", "error", "finished_at"])
    if bulk_action.is_finished:
        details = (bulk_action.pk, bulk_action.action, bulk_action.asked_by, bulk_action.tally)
        logger.info("Bulk action %s (%s by %s) ended: %s", *details)
    return bulk_action, done


def changed_events(bulk_action: Repair) -> EventQuerySet | None:
    """Return the events that it changed, as they are now; ``None`` if they are too many to keep their keys."""
    if bulk_action.changed_pks is None:
        return None
    return Event.objects.using(_database(bulk_action)).filter(pk__in=bulk_action.changed_pks)


def stop(bulk_action: Repair) -> bool:
    """End a bulk action after the chunks that are done. Return false if it was finished before."""
    rows = Repair.objects.using(_database(bulk_action)).filter(pk=bulk_action.pk, finished_at=None)
    return bool(rows.update(finished_at=clock.now()))


def wake_all_on_commit(using: str) -> None:
    """Request drains after commit, for events that are due again and for unfinished bulk actions."""

    def wake_all() -> None:
        try:
            clear_seen_flags()  # the cached flag may be of a drain that only looks once more for events
            for alias in get_settings().TOKENS:
                request_wake(using, alias)
        except Exception:
            logger.exception("No drain could be requested; the next scheduled drain does the work")

    transaction.on_commit(wake_all, using=using)


def _database(bulk_action: Repair) -> str:
    return bulk_action._state.db or DEFAULT_DB_ALIAS


def _do_chunk(bulk_action: Repair) -> list[int]:
    now = clock.now()
    using = _database(bulk_action)
    rows = _next_page(_with_verdict(bulk_action, now), bulk_action.reached_pk)
    if not rows:
        bulk_action.finished_at = now
        return []
    gone = _without_source(rows, using) if bulk_action.action == Action.REBUILD else frozenset()
    verdicts = {pk: ActionVerdict.SOURCE_GONE if pk in gone else verdict for pk, verdict, _, _ in rows}
    wanted = [pk for pk, verdict in verdicts.items() if verdict in ACTIONABLE]
    done = list(_still_eligible(bulk_action, wanted, now).select_for_update().values_list("pk", flat=True))
    _apply(bulk_action, Event.objects.using(using).filter(pk__in=done), now)
    verdicts |= dict.fromkeys(set(wanted).difference(done), ActionVerdict.CHANGED)
    bulk_action.tally = dict(Counter(bulk_action.tally) + Counter(map(str, verdicts.values())))
    followed = [*(bulk_action.changed_pks or ()), *done]
    is_bounded = bulk_action.changed_pks is not None and len(followed) <= MAX_FOLLOWED_EVENTS
    bulk_action.changed_pks = followed if is_bounded else None
    bulk_action.reached_pk = rows[-1][0]
    if len(rows) < CHUNK:
        bulk_action.finished_at = now
    return done


def _apply(bulk_action: Repair, events: EventQuerySet, now: dt.datetime) -> None:
    if bulk_action.action == Action.RESEND:
        events.resend(now)
    elif bulk_action.action == Action.REBUILD:
        # Any destination with a token will do: its drain builds the events, and building sets the right destination.
        aliases = list(get_settings().TOKENS)
        fallback = default_destination() if default_destination() in aliases else aliases[0]
        events.exclude(destination__in=aliases).update(destination=fallback)
        events.rebuild(now, destination=fallback)
    else:
        events.cancel(now, by=bulk_action.asked_by)


def _next_page(judged: EventQuerySet, reached: int) -> list[JudgedRow]:
    following = judged.filter(pk__gt=reached).order_by("pk")
    return list(following.values_list("pk", "verdict", "definition", "source_pk")[:CHUNK])


def _with_verdict(bulk_action: Repair, now: dt.datetime) -> EventQuerySet:
    events = Event.objects.using(_database(bulk_action)).filter(pk__lte=bulk_action.last_pk)
    whens = [When(condition, then=Value(str(verdict))) for verdict, condition in _verdict_conditions(bulk_action, now)]
    verdict = Case(*whens, default=Value(str(ActionVerdict.READY)), output_field=CharField())
    judged: EventQuerySet = Selection.from_json(bulk_action.selection).narrow(events).annotate(verdict=verdict)
    return judged


def _verdict_conditions(bulk_action: Repair, now: dt.datetime) -> list[tuple[ActionVerdict, Q]]:
    """Return the condition of each verdict; the first that matches an event counts."""
    if bulk_action.action == Action.CANCEL:
        return [
            (ActionVerdict.FINISHED, Q(status__in=FINISHED)),
            (ActionVerdict.IN_FLIGHT, Q(status=EventStatus.SENDING, due_at__gt=now, lapse_count=0)),
            (ActionVerdict.UNSURE, Event.objects.using(_database(bulk_action)).may_have_arrived()),
        ]
    common = [
        (ActionVerdict.UNFINISHED, Q(status__in=UNFINISHED)),
        (ActionVerdict.CHANGED, _sent_since(bulk_action)),
        (ActionVerdict.FORGOTTEN, Q(reason_code=Reason.FORGOTTEN)),
        (ActionVerdict.TOO_OLD, Q(expires_at__lte=now)),
    ]
    if bulk_action.action == Action.RESEND:
        common.append((ActionVerdict.DROPPED, Q(payload="", status=EventStatus.DELIVERED)))
        common.append((ActionVerdict.NOT_BUILT, Q(payload="")))
        common.append((ActionVerdict.NO_DESTINATION, ~Q(destination__in=list(get_settings().TOKENS))))
    else:
        in_force = [definition.name for definition in registry.definitions()]
        common.append((ActionVerdict.NO_DEFINITION, ~Q(definition__in=in_force)))
    return [*common, (ActionVerdict.DELIVERED, Q(status=EventStatus.DELIVERED))]


def _still_eligible(bulk_action: Repair, pks: Iterable[int], now: dt.datetime) -> EventQuerySet:
    """Return the events that the action may still change: workers may have sent them since their verdict."""
    events = Event.objects.using(_database(bulk_action)).filter(pk__in=pks)
    if bulk_action.action == Action.CANCEL:
        return events.cancellable(now)
    return events.filter(~_sent_since(bulk_action), status__in=FINISHED)


def _sent_since(bulk_action: Repair) -> Q:
    # Compares keys of attempts: the clocks of the operator's and the workers' hosts may differ.
    since = DeliveryAttempt.objects.using(_database(bulk_action)).filter(pk__gt=bulk_action.last_attempt_pk)
    return Q(pk__in=since.values("event_id"))


def _without_source(rows: Iterable[JudgedRow], using: str) -> frozenset[int]:
    """Return the keys of events that can't be rebuilt only because their source is gone."""
    by_definition: dict[str, dict[int, str]] = defaultdict(dict)
    for pk, verdict, name, source_pk in rows:
        if verdict in ACTIONABLE:
            by_definition[name][pk] = source_pk
    gone: set[int] = set()
    for name, keys in by_definition.items():
        try:
            definition = registry.get(name)
            with in_scope(definition):
                present = existing_keys(definition, keys.values(), using)
        except NotRegistered:
            present = set()
        except ScopeError:
            present = set(keys.values())  # building fails with the reason
        gone.update(pk for pk, key in keys.items() if key not in present)
    return frozenset(gone)
