"""``manage.py dfinery drain``."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections

from ...db.retry import DATABASE_ERRORS, is_transient
from ..arguments import destinations_named, seconds_type
from ..exit_codes import one_line
from .base import Subcommand

#: The pause of ``--forever`` after a drain that found nothing due.
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
            while not should_stop():
                counts = self._drain_or_wait(drain) if forever else drain()
                if counts or not forever:
                    words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()) if count)
                    self.stdout.write(words or "Nothing was due.")
                    if not forever and counts.get("pending") and (reason := _why_pending(destination)):
                        self.stdout.write(f"  {reason}")
                    self.stdout.flush()
                if not forever:
                    return
                if not counts:
                    time.sleep(IDLE_SECONDS)

    def _drain_or_wait(self, drain: Callable[[], Counter[str]]) -> Counter[str]:
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
