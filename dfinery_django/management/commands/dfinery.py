"""``manage.py dfinery``: thin doors, a method per subcommand."""

from __future__ import annotations

import datetime as dt
import time
from argparse import RawDescriptionHelpFormatter
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from ... import delivery, reconcile, registry, tasks
from ...conf import get_settings
from ...exceptions import NotRegistered
from ...sandbox import Sandbox

EXAMPLES = """
examples:
  manage.py dfinery sandbox --port 8089      a local pretend DFINERY; set "BASE_URL": "http://127.0.0.1:8089"
  manage.py dfinery drain                    deliver what is due, without any django-q2 cluster
  manage.py dfinery drain --forever          the same as a service of its own
  manage.py dfinery reconcile --dry-run      how many orders no signal told of
  manage.py dfinery schedule                 make django-q2's schedules again, should they be missing
  manage.py dfinery prune                    delete finished events older than RETENTION_DAYS
"""

#: Between two drains of ``drain --forever`` when nothing was due.
IDLE_SECONDS = 1.0


class Command(BaseCommand):
    help = "Deliver events to DFINERY and look after them."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.update(epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="subcommand")
        drain = subcommands.add_parser("drain", help="deliver what is due")
        drain.add_argument("--destination", help="alias of TOKENS; default: all")
        drain.add_argument("--budget", type=float, help="seconds until nothing more is claimed (DRAIN_SECONDS)")
        drain.add_argument("--forever", action="store_true", help="go on until it is stopped")
        reconcile = subcommands.add_parser("reconcile", help="capture what signals missed")
        reconcile.add_argument("--definition", help="default: all that can be reconciled")
        reconcile.add_argument("--since", type=hours, metavar="48h", help="how far back (MAX_AGE_HOURS)")
        reconcile.add_argument("--dry-run", action="store_true", help="only say what would be captured")
        subcommands.add_parser("schedule", help="make django-q2's schedules for this app")
        subcommands.add_parser("prune", help="delete finished events older than RETENTION_DAYS")
        sandbox = subcommands.add_parser("sandbox", help="a local pretend DFINERY, with a page of what arrived")
        sandbox.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
        sandbox.add_argument("--port", type=int, default=8089, help="default: %(default)s")
        sandbox.add_argument("--token", action="append", default=[], help="take only this token (repeatable)")
        sandbox.add_argument("--rate-limit", type=int, help="events per minute")
        sandbox.add_argument("--store", help="a file that remembers what arrived")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['subcommand']}")(**options)

    def _drain(self, *, destination: str | None, budget: float | None, forever: bool, **options: Any) -> None:
        aliases = [destination] if destination else list(get_settings().TOKENS)
        for alias in aliases:
            if alias not in get_settings().TOKENS:
                raise CommandError(f"{alias!r} is no alias of DFINERY['TOKENS'].", returncode=2)
        while True:
            total = self._drain_once(aliases, budget)
            if total or not forever:
                self.stdout.write(_summary(total))
            if not forever:
                return
            if not total:
                time.sleep(IDLE_SECONDS)

    def _drain_once(self, aliases: list[str], budget: float | None) -> Counter[str]:
        total: Counter[str] = Counter()
        for using in delivery.outbox_databases():
            for alias in aliases:
                total += delivery.drain(alias, using=using, budget_seconds=budget)
        return total

    def _reconcile(self, *, definition: str | None, since: float | None, dry_run: bool, **options: Any) -> None:
        try:
            chosen = [registry.get(definition)] if definition else list(registry.definitions())
        except NotRegistered as error:
            raise CommandError(str(error), returncode=2) from error
        moment = timezone.now() - dt.timedelta(hours=since) if since else None
        for each in chosen:
            reason = reconcile.obstacle(each)
            if reason:
                self.stdout.write(f"{each.name}: left out, {reason}.")
            elif dry_run:
                count = sum(len(page) for page in reconcile.missed(each, since=moment))
                self.stdout.write(f"{each.name}: {count} would be captured.")
            else:
                self.stdout.write(f"{each.name}: {reconcile.sweep(each, since=moment)} captured.")

    def _schedule(self, **options: Any) -> None:
        try:
            tasks.ensure_schedules()
        except DatabaseError as error:
            raise CommandError(
                f"django-q2's tables can't be written ({error}). Run manage.py migrate first."
            ) from error
        for name, (task, minutes) in tasks.schedules().items():
            self.stdout.write(f"{name}: {task}, every {minutes} min")

    def _prune(self, **options: Any) -> None:
        self.stdout.write(f"{tasks.prune()} finished events deleted.")

    def _sandbox(
        self, *, host: str, port: int, token: list[str], rate_limit: int | None, store: str | None, **options: Any
    ) -> None:
        try:
            sandbox = Sandbox(host, port, tokens=token, rate_limit=rate_limit, store=store)
        except (OSError, ValueError) as error:
            raise CommandError(f"The sandbox can't listen on {host}:{port}: {error}", returncode=2) from error
        try:
            self.stdout.write(f"Pretend DFINERY on {sandbox.url} (Ctrl-C ends it). Point the shop to it:")
            self.stdout.write(f'    DFINERY = {{"BASE_URL": "{sandbox.url}", …}}')
            sandbox.serve_forever()
        except KeyboardInterrupt:
            pass


def hours(text: str) -> float:
    """``48h`` or ``48`` as hours."""
    number = float(text.removesuffix("h"))
    if not number > 0:
        raise ValueError(text)
    return number


def _summary(total: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(total.items()) if count) or "Nothing was due."
