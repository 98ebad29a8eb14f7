"""``manage.py dfinery forget``."""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.db import connections

from ...conf import get_settings
from ...enums import EventStatus
from ..exit_codes import wrong_use
from .base import Subcommand

if TYPE_CHECKING:
    from ...operations.forget import Forgotten


class ForgetCommand(Subcommand):
    help = "erase a person's events, payloads and attempts"
    examples = ("forget 4711 --dry-run", "forget 4711")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user_id", help="in full, and exactly as DFINERY got it")
        parser.add_argument("--database", help="alias of DATABASES; default: all that have events")
        parser.add_argument("--dry-run", action="store_true", help="only print what would be erased")
        parser.add_argument("--json", action="store_true", help="machine-readable output")

    def handle(self, *, user_id: str, database: str | None, dry_run: bool, **options: Any) -> None:
        from ...operations.forget import forget

        if database is not None and database not in connections:
            raise wrong_use(f"{database!r} is no alias of DATABASES.")
        try:
            erased = forget(user_id, using=database, dry_run=dry_run)
        except ValueError as error:
            raise wrong_use(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(erased), indent=2))
            return
        self.stdout.write("\n".join(_erasure_lines(erased, dry_run)))


def _erasure_lines(erased: Forgotten, dry_run: bool) -> Iterator[str]:
    """Yield what was or would be erased, without any id."""
    from ...operations.forget import MARGIN

    if not erased.total:
        yield "There is no event of this user_id. Write it exactly as DFINERY got it."
    else:
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(erased.events.items()))
        verb = "Would be erased" if dry_run else "Erased"
        yield f"{verb}: {_plural(erased.total, 'event')} ({statuses}), {_plural(erased.attempts, 'delivery attempt')}."
    if erased.traces:
        hours = (get_settings().max_age + MARGIN) / dt.timedelta(hours=1)
        yield f"Tombstones without any id, kept for {hours:g} h so that nothing is captured again: {erased.traces}."
    if erased.repairs or erased.log_entries:
        yield f"Ids erased from {erased.repairs} bulk actions and {erased.log_entries} entries of the admin's log."
    if in_flight := erased.events.get(EventStatus.SENDING, 0):
        yield f"In flight at that moment, and may still arrive: {in_flight}."
    if erased.events.get(EventStatus.DELIVERED, 0):
        yield "DFINERY itself keeps what was delivered: have it erased there, too."
    if erased.unread:
        cause = "their user can't be determined (their source is gone, or their mapping fails)"
        yield f"Skipped, because {cause}: {erased.unread}. They have no content."


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
