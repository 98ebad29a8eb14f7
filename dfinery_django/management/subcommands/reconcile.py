"""``manage.py dfinery reconcile``."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ... import clock
from ...conf import get_settings
from ...definitions import registry
from ...definitions.definition import EventDefinition
from ...definitions.scope import ScopeError
from ...exceptions import NotRegistered
from ...outbox import reconcile
from ..arguments import hours_type
from ..exit_codes import wrong_use
from ..terminal import progress_bar
from .base import Subcommand


class ReconcileCommand(Subcommand):
    help = "capture what signals missed"
    examples = ("reconcile --dry-run", "reconcile --since 6h")
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--definition", help="default: all that can be reconciled")
        parser.add_argument("--since", type=hours_type, metavar="48h", help="how far back (MAX_AGE_HOURS)")
        parser.add_argument("--dry-run", action="store_true", help="only count what would be captured")

    def handle(self, *, definition: str | None, since: float | None, dry_run: bool, **options: Any) -> None:
        try:
            definitions = [registry.get(definition)] if definition else list(registry.definitions())
        except NotRegistered as error:
            raise wrong_use(str(error)) from error
        longest = get_settings().MAX_AGE_HOURS
        if since is not None and since > longest:
            raise wrong_use(f"DFINERY processes nothing older than {longest:g} hours: --since {longest:g}h")
        start = clock.now() - dt.timedelta(hours=since) if since else None
        try:
            for each in definitions:
                self.stdout.write(f"{each.name}: {_result(each, start, dry_run)}.")
        except ScopeError as error:
            raise CommandError(str(error)) from error


def _result(definition: EventDefinition, start: dt.datetime | None, dry_run: bool) -> str:
    if reason := reconcile.obstacle(definition):
        return f"skipped, {reason}"
    if dry_run:
        return f"{_count_missed(definition, start)} would be captured"
    with progress_bar("orders", title=definition.name) as bar:
        return f"{reconcile.sweep(definition, since=start, progress=bar.update)} captured"


def _count_missed(definition: EventDefinition, start: dt.datetime | None) -> int:
    count = 0
    with progress_bar("orders", title=definition.name) as bar:
        for page in reconcile.missed(definition, since=start):
            count += len(page)
            bar.update(len(page))
    return count
