"""``manage.py dfinery schedule``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps

from ... import django_q2
from ..exit_codes import wrong_use
from .base import Subcommand


class ScheduleCommand(Subcommand):
    help = "create django-q2's schedules for this app"
    examples = ("schedule", "schedule --remove")
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help="delete them, before the app is removed")

    def handle(self, *, remove: bool, **options: Any) -> None:
        if not apps.is_installed("django_q"):
            raise wrong_use("django_q is not in INSTALLED_APPS: schedule the tasks with the queue that runs your WAKE.")
        if remove:
            count = django_q2.remove_schedules()
            self.stdout.write(f"{count} schedules deleted. The next migrate creates them again.")
            return
        django_q2.ensure_schedules()
        for name, (task, minutes) in django_q2.schedules().items():
            self.stdout.write(f"{name}: {task}, every {minutes} min")
