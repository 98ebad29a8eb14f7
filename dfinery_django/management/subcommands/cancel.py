"""``manage.py dfinery cancel``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from ...enums import Action
from ..arguments import add_event_filters
from .base import Subcommand


class CancelCommand(Subcommand):
    help = "cancel unfinished events: they are never sent"
    examples = ("cancel --event purchase --since 2026-05-14T10:00 --dry-run", "cancel --destination outlet --no-input")

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_event_filters(parser)

    def handle(self, **options: Any) -> None:
        from ..bulk_actions import run_bulk_action

        run_bulk_action(Action.CANCEL, options, self.stdout)
