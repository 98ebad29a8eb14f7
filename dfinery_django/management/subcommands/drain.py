"""``manage.py dfinery drain``."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections

from ... import clock
from ...db.retry import DATABASE_ERRORS, is_transient
from ..arguments import destinations_named, seconds_type
from ..exit_codes import one_line
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
            counts = drain()
            self._write(counts)
            if counts.get("pending") and (reason := _why_pending(destination)):
                self.stdout.write(f"  {reason}")

    def _drain_forever(self, drain: Callable[[], Counter[str]], should_stop: Callable[[], bool]) -> None:
        while not should_stop():
            began_at = clock.monotonic()
            if counts := self._drain_or_nothing(drain):
                self._write(counts)
            elif clock.monotonic() - began_at < IDLE_SECONDS and not should_stop():
                time.sleep(IDLE_SECONDS)

    def _write(self, counts: Counter[str]) -> None:
        words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()) if count)
        self.stdout.write(words or "Nothing was due.")
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


def _why_pending(destination: str | None) -> str:
    """Return the reason of one event that is pending; empty if none has one."""
    from ...conf import get_settings
    from ...enums import EventStatus
    from ...models import Event
    from ...outbox.databases import outbox_databases

    aliases = [destination] if destination else list(get_settings().TOKENS)
    for using in outbox_databases():
        waiting = Event.objects.using(using).filter(destination__in=aliases, status=EventStatus.PENDING)
        if reasons := list(filter(None, waiting.order_by("expires_at").values_list("reason", flat=True)[:20])):
            return str(reasons[0])
    return ""
