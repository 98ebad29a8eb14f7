"""``manage.py dfinery drain``."""

from __future__ import annotations

import datetime as dt
import math
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db import connections
from django.db.models import Count, Min
from django.utils.translation import override

from ... import clock
from ...conf import get_settings
from ...db.retry import DATABASE_ERRORS, is_transient
from ...enums import EventStatus
from ...text.times import exact_span
from ..arguments import destinations_named, seconds_type
from ..exit_codes import one_line
from ..terminal import NO_BREAK_SPACE
from .base import Subcommand

#: How long each drain of ``--forever`` watches for new events. Then it says what it did, and reads the tokens anew.
WATCH_SECONDS = 5.0
#: The pause after a drain that failed, or had nothing to watch: the least from one drain to the next.
IDLE_SECONDS = 1.0


class DrainCommand(Subcommand):
    help = "deliver what is due"
    examples = ("drain", "drain --destination default --budget 20", "drain --forever")
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--destination", help="alias of TOKENS; default: all")
        parser.add_argument("--budget", type=seconds_type, help="seconds until it claims no more (DRAIN_SECONDS)")
        parser.add_argument("--forever", action="store_true", help="keep running until stopped")

    def handle(self, *, destination: str | None, budget: float | None, forever: bool, **options: Any) -> None:
        from ... import tasks
        from ...delivery import worker

        destinations_named(destination)
        with tasks.stop_requested() as should_stop:
            drain = partial(worker.drain, destination, budget_seconds=budget, should_stop=should_stop)
            if forever:
                try:
                    self._drain_forever(partial(drain, watch_seconds=WATCH_SECONDS), should_stop)
                finally:
                    tasks.request_follow_up(tasks.LINGER_SECONDS)
                return
            self._report(drain(), destination)

    def _drain_forever(self, drain: Callable[[], Counter[str]], should_stop: Callable[[], bool]) -> None:
        while not should_stop():
            began_at = clock.monotonic()
            if counts := self._drain_or_nothing(drain):
                self._write(counts)
            elif clock.monotonic() - began_at < IDLE_SECONDS and not should_stop():
                time.sleep(IDLE_SECONDS)

    def shows_warnings(self, options: dict[str, Any]) -> bool:
        return bool(options["forever"])

    def _report(self, counts: Counter[str], destination: str | None) -> None:
        """Write what a drain did, how many events still wait, and why."""
        aliases = [destination] if destination else list(get_settings().TOKENS)
        waiting, due_at = _waiting(aliases)
        with override("en"):
            reasons = list(_holdups(aliases)) if waiting else []
            words = _waiting_words(waiting, None if reasons else due_at)
        if waiting and not reasons:
            reasons = [_reason_of_one(aliases)]
        done = _counts_words(counts)
        self.stdout.write(done or f"Nothing was due. {words}".rstrip())
        for line in filter(None, (done and words, *reasons)):
            self.stdout.write(f"  {line}")

    def _write(self, counts: Counter[str]) -> None:
        self.stdout.write(_counts_words(counts))
        self.stdout.flush()

    def _drain_or_nothing(self, drain: Callable[[], Counter[str]]) -> Counter[str]:
        try:
            return drain()
        except DATABASE_ERRORS as error:
            if not is_transient(error):
                raise
            self.stderr.write(f"The database can't be used; retrying: {one_line(error)}")
            connections.close_all()
            return Counter()


def _counts_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()) if count)


def _waiting_words(count: int, due_at: dt.datetime | None) -> str:
    if not count:
        return ""
    words, subject = ("1 event waits", "it") if count == 1 else (f"{count} events wait", "the first")
    if due_at is None:
        return f"{words}."
    seconds = math.ceil((due_at - clock.now()).total_seconds())
    left = f"{seconds} s" if seconds < 60 else exact_span(dt.timedelta(seconds=seconds)).replace(NO_BREAK_SPACE, " ")
    return f"{words}; {subject} is due {f'in {left}' if seconds > 0 else 'now'}."


def _waiting(aliases: list[str]) -> tuple[int, dt.datetime | None]:
    """Return how many events are unfinished, and when the first of them is due."""
    from ...models import Event
    from ...outbox.databases import outbox_databases

    total, moments = 0, []
    for using in outbox_databases():
        found = Event.objects.using(using).unfinished().filter(destination__in=aliases)
        counted = found.aggregate(count=Count("pk"), due_at=Min("due_at"))
        total += counted["count"]
        moments += [counted["due_at"]] if counted["due_at"] else []
    return total, min(moments, default=None)


def _holdups(aliases: list[str]) -> Iterator[str]:
    """Yield what keeps the destinations from being sent to, the answer that is to blame, and the remedy."""
    from ...monitoring.holdups import find_holdups
    from ...monitoring.overview import look

    for each in find_holdups(look(with_schedules=False, with_events=False), aliases):
        yield from (each.text, each.said, each.remedy)


def _reason_of_one(aliases: list[str]) -> str:
    """Return the reason of one event that waits: of one that was sent, if there is any; empty if none has one."""
    from ...models import Event
    from ...outbox.databases import outbox_databases

    for status in (EventStatus.PENDING, EventStatus.CAPTURED):
        for using in outbox_databases():
            waiting = Event.objects.using(using).filter(destination__in=aliases, status=status)
            if reasons := list(filter(None, waiting.order_by("expires_at").values_list("reason", flat=True)[:20])):
                return str(reasons[0])
    return ""
