"""``manage.py dfinery``: thin doors, a method per subcommand. What they take stands in ``arguments``."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from argparse import RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections
from django.utils.translation import override
from tqdm import tqdm

from ... import clock, custom_fields, delivery, django_q2, reconcile, registry, tasks
from ...conf import get_settings
from ...destinations import outbox_databases
from ...exceptions import NotRegistered
from ...explain import explain
from ...forgetting import forget
from ...patience import FAULTS, is_passing
from ...sandbox import Sandbox
from ...states import Action
from ...token_check import AGE, EVENT_NAME, check_token
from .. import arguments, choosing, erased, faults, printing, repairing, standing, tables

#: Between two drains of ``drain --forever`` when nothing was due.
IDLE_SECONDS = 1.0
#: The system checks stop and precede these alone: the others look at what is wrong, put it right, or read no mapping.
CHECKED = ("drain", "reconcile", "prune", "schedule")


class Command(BaseCommand):
    help = "Deliver events to DFINERY and look after them."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.update(epilog=arguments.EXIT_CODES, formatter_class=RawDescriptionHelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add_to(parser)

    def execute(self, *args: Any, **options: Any) -> str | None:
        if options["subcommand"] not in CHECKED:
            options["skip_checks"] = True
        with faults.told():
            return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['subcommand'].replace('-', '_')}")(**options)

    def _status(self, **options: Any) -> None:
        found = standing.stand()
        if options["json"]:
            text = json.dumps(standing.as_json(found), indent=2)
        else:
            width = standing.columns(self.stdout, shutil.get_terminal_size((100, 24)).columns)
            text = "\n".join(standing.lines(found, self.style, width))
        self.stdout.write(text)
        if found.health.needs_a_person:
            self.stdout.flush()
            raise SystemExit(faults.FAILED)

    def _drain(self, *, destination: str | None, budget: float | None, forever: bool, **options: Any) -> None:
        choosing.destinations(destination)
        with tasks.stop_asked_for() as should_stop:
            while not should_stop():
                total = self._drain_once(destination, budget, should_stop, forever)
                if total or not forever:
                    self.stdout.write(tables.summary(total))
                    self.stdout.flush()
                if not forever:
                    return
                if not total:
                    time.sleep(IDLE_SECONDS)

    def _drain_once(
        self, destination: str | None, budget: float | None, should_stop: Callable[[], bool], forever: bool
    ) -> Counter[str]:
        try:
            return delivery.drain(destination, budget_seconds=budget, should_stop=should_stop)
        except FAULTS as error:
            if not forever or not is_passing(error):
                raise
            self.stderr.write(f"The database can't be used, it is tried again: {faults.one_line(error)}")
            connections.close_all()
            return Counter()

    def _reconcile(self, *, definition: str | None, since: float | None, dry_run: bool, **options: Any) -> None:
        try:
            chosen = [registry.get(definition)] if definition else list(registry.definitions())
        except NotRegistered as error:
            raise CommandError(str(error), returncode=faults.WRONG_USE) from error
        longest = get_settings().MAX_AGE_HOURS
        if since is not None and since > longest:
            message = f"DFINERY processes nothing older than {longest:g} hours: --since {longest:g}h"
            raise CommandError(message, returncode=faults.WRONG_USE)
        moment = clock.now() - dt.timedelta(hours=since) if since else None
        for each in chosen:
            if reason := reconcile.obstacle(each):
                self.stdout.write(f"{each.name}: left out, {reason}.")
                continue
            with tqdm(desc=each.name, unit=" orders", leave=False, disable=None) as bar:
                if dry_run:
                    words, count = "would be captured", 0
                    for page in reconcile.missed(each, since=moment):
                        count += len(page)
                        bar.update(len(page))
                else:
                    words, count = "captured", reconcile.sweep(each, since=moment, progress=bar.update)
            self.stdout.write(f"{each.name}: {count} {words}.")

    def _resend(self, *, rebuild: bool, **options: Any) -> None:
        self._repair(Action.REBUILD if rebuild else Action.RESEND, options)

    def _cancel(self, **options: Any) -> None:
        self._repair(Action.CANCEL, options)

    def _repair(self, action: Action, options: dict[str, Any]) -> None:
        wishes = repairing.wishes(action, repairing.selections(options))
        if not wishes:
            self.stdout.write("No event is like that.")
            return
        self.stdout.write("\n".join(repairing.foretold(wishes)))
        self.stdout.flush()
        wishes = [each for each in wishes if each.forecast.done]
        if options["dry_run"] or not wishes:
            self.stdout.write("Nothing was done: --dry-run." if wishes else "Nothing to do.")
            return
        if options["interactive"]:
            repairing.confirm(action, wishes, is_all=options["all"])
        for each in wishes:
            self.stdout.write("\n".join(repairing.carry_out(each)))

    def _fields(self, *, form: str, **options: Any) -> None:
        listed = custom_fields.list_fields(outbox_databases())
        if form == "json":
            self.stdout.write(json.dumps([asdict(each) for each in listed], cls=DjangoJSONEncoder, indent=2))
        elif form == "csv":
            custom_fields.write_csv(listed, self.stdout)
        else:
            self.stdout.write("\n".join(tables.of_fields(listed)))

    def _preview(
        self, *, model: str, pk: str, definition: str | None, items: int, database: str | None, **options: Any
    ) -> None:
        watched = choosing.model(model)
        chosen = choosing.watching(watched, definition)
        for name, fault in registry.definition_faults().items():
            self.stderr.write(f"{name} is left out: {fault}")
        using = choosing.database(database, watched)
        instance = choosing.instance(watched, pk, using)
        try:
            explanations = [explain(each, instance, using=using, items=items) for each in chosen]
        except LookupError as error:
            raise CommandError(str(error), returncode=faults.WRONG_USE) from error
        if options["json"]:
            self.stdout.write(json.dumps([printing.as_json(each) for each in explanations], indent=2))
            return
        width = shutil.get_terminal_size((100, 24)).columns
        texts = ["\n".join(printing.lines(each, self.style, width)) for each in explanations]
        # At once: whoever reads the first lines of it only would break the pipe.
        self.stdout.write("\n\n".join([f"{watched._meta.label} {instance.pk} in database {using!r}", *texts]))

    def _schedule(self, *, remove: bool, **options: Any) -> None:
        if not apps.is_installed("django_q"):
            message = "django_q is not in INSTALLED_APPS: let what runs your WAKE run the schedule, too."
            raise CommandError(message, returncode=faults.WRONG_USE)
        if remove:
            self.stdout.write(f"{django_q2.remove_schedules()} schedules deleted. The next migrate makes them again.")
            return
        django_q2.ensure_schedules()
        for name, (task, minutes) in django_q2.schedules().items():
            self.stdout.write(f"{name}: {task}, every {minutes} min")

    def _prune(self, **options: Any) -> None:
        if get_settings().RETENTION_DAYS is None:
            self.stdout.write("DFINERY['RETENTION_DAYS'] is None: finished events are kept.")
        with tqdm(desc="prune", unit=" events", leave=False, disable=None) as bar:
            count = tasks.prune(progress=bar.update)
        self.stdout.write(f"{count} finished events deleted.")

    def _check_token(self, *, destination: str | None, **options: Any) -> None:
        aliases = choosing.destinations(destination)
        when = f"{clock.now() - AGE:%Y-%m-%d}"
        address = get_settings().BASE_URL
        self.stdout.write(f"Sent to {address}: an event {EVENT_NAME!r} of {when}, too old for DFINERY to keep.")
        answers = []
        for alias in aliases:
            found = check_token(alias)
            answers.append(found.is_accepted)
            paint = self.style.SUCCESS if found.is_accepted else self.style.ERROR
            with override("en"):
                self.stdout.write(
                    paint(found.text) + (f" {found.said}" if found.said else f" ({found.duration_ms} ms)")
                )
        if not all(answers):
            self.stdout.flush()
            raise SystemExit(faults.FAILED)

    def _forget(self, *, user_id: str, database: str | None, dry_run: bool, **options: Any) -> None:
        if database is not None and database not in connections:
            raise CommandError(f"{database!r} is no alias of DATABASES.", returncode=2)
        try:
            found = forget(user_id, using=database, dry_run=dry_run)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found), indent=2))
            return
        for line in erased.lines(found, hours=get_settings().MAX_AGE_HOURS, dry_run=dry_run):
            self.stdout.write(line)

    def _sandbox(
        self, *, host: str, port: int, token: list[str], rate_limit: int | None, store: str | None, **options: Any
    ) -> None:
        try:
            sandbox = Sandbox(host, port, tokens=token, rate_limit=rate_limit, store=store)
        except (OSError, ValueError) as error:
            message = f"The sandbox can't listen on {host}:{port}: {error}"
            raise CommandError(message, returncode=faults.WRONG_USE) from error
        try:
            self.stdout.write(f"Pretend DFINERY on {sandbox.url} (Ctrl-C ends it). Point the shop to it:")
            self.stdout.write(f'    DFINERY = {{"BASE_URL": "{sandbox.url}", …}}')
            self.stdout.flush()
            sandbox.serve_forever()
        except KeyboardInterrupt:
            pass
