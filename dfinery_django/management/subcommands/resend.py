"""``manage.py dfinery resend``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from ...enums import Action
from ..arguments import add_event_filters
from .base import Subcommand


class ResendCommand(Subcommand):
    help = "send finished events again, with the same event_id"
    examples = (
        "resend 7f0c52a4-3c19-4d5b-9a83-0a2f3a1c9f10",
        "resend --status failed --since 24h --dry-run",
        "resend --status failed --reason mapping --rebuild",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="rebuild the content, after a mapping was fixed")
        add_event_filters(parser)

    def handle(self, *, rebuild: bool, **options: Any) -> None:
        from ..bulk_actions import run_bulk_action

        run_bulk_action(Action.REBUILD if rebuild else Action.RESEND, options, self.stdout)
