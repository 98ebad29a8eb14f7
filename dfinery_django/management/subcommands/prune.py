"""``manage.py dfinery prune``."""

from __future__ import annotations

from typing import Any

from ...conf import get_settings
from ..terminal import progress_bar
from .base import Subcommand


class PruneCommand(Subcommand):
    help = "delete finished events older than RETENTION_DAYS"
    examples = ("prune",)
    requires_system_checks = "__all__"

    def handle(self, **options: Any) -> None:
        from ... import tasks

        if get_settings().RETENTION_DAYS is None:
            self.stdout.write("DFINERY['RETENTION_DAYS'] is None: finished events are kept.")
        with progress_bar("events", title="prune") as bar:
            count = tasks.prune(progress=bar.update)
        self.stdout.write(f"{count} finished events deleted.")
