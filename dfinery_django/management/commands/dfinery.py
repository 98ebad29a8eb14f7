"""``manage.py dfinery``: parse the command line and run the subcommand."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from functools import partial
from io import StringIO
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, OutputWrapper
from django.utils.module_loading import import_string

from ..arguments import OneLineParser, django_options, exit_with_error
from ..exit_codes import EXIT_CODES, errors_as_exit_codes
from ..subcommands.base import Subcommand

#: In the order of the help. ``check-token`` is ``management.subcommands.check_token.CheckTokenCommand``.
SUBCOMMANDS = (
    "init", "status", "drain", "reconcile", "resend", "cancel", "preview", "fields", "prune", "forget", "schedule",
    "sandbox", "check-token",
)  # fmt: skip


def load_subcommand(name: str) -> Subcommand:
    """Import a subcommand and return an instance of it."""
    path = f"dfinery_django.management.subcommands.{name.replace('-', '_')}.{name.title().replace('-', '')}Command"
    subcommand: type[Subcommand] = import_string(path)
    return subcommand()


class Command(BaseCommand):
    help = "Deliver events to DFINERY and look after them."
    _shows_warnings = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.update(epilog=EXIT_CODES, formatter_class=RawDescriptionHelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        if parser.called_from_command_line:
            parser.error = partial(exit_with_error, parser)  # type: ignore[method-assign]
        subparsers = parser.add_subparsers(
            dest="subcommand", required=True, metavar="subcommand", parser_class=OneLineParser
        )
        for name in SUBCOMMANDS:
            subcommand = load_subcommand(name)
            examples = "".join(f"\n  manage.py dfinery {each}" for each in subcommand.examples)
            subparser = subparsers.add_parser(
                name,
                help=subcommand.help,
                description=f"{subcommand.help[0].upper()}{subcommand.help[1:]}.",
                epilog=f"examples:{examples}",
                parents=[django_options()],  # type: ignore[list-item]
                formatter_class=RawDescriptionHelpFormatter,
            )
            subcommand.add_arguments(subparser)

    def execute(self, *args: Any, **options: Any) -> str | None:
        subcommand = load_subcommand(options["subcommand"])
        if not subcommand.requires_system_checks:
            options["skip_checks"] = True
        self._shows_warnings = subcommand.shows_warnings(options)
        with errors_as_exit_codes():
            return super().execute(*args, **options)

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Run the system checks. An error raises with all that was found; what is less may be left to ``check``."""
        stderr = self.stderr
        if not self._shows_warnings:
            self.stderr = OutputWrapper(StringIO())
        try:
            super().check(*args, **kwargs)
        finally:
            self.stderr = stderr

    def handle(self, *args: Any, **options: Any) -> None:
        subcommand = load_subcommand(options["subcommand"])
        subcommand.stdout, subcommand.stderr, subcommand.style = self.stdout, self.stderr, self.style
        subcommand.handle(**options)
