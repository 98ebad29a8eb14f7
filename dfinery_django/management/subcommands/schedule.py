"""``manage.py dfinery schedule``."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import close_old_connections

from ... import clock, django_q2
from ...conf import get_settings
from ...db.outage import log_failure
from ..exit_codes import wrong_use
from .base import Subcommand

#: How often the loop looks whether an action is due, or it should end.
LOOK_SECONDS = 1.0


class ScheduleCommand(Subcommand):
    help = "create django-q2's schedules for this app, or take their place"
    examples = ("schedule", "schedule --remove", "schedule --loop")
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument("--remove", action="store_true", help="delete them, before the app is removed")
        ways.add_argument(
            "--loop", action="store_true", help="for queues without schedules: run what is due until stopped"
        )

    def shows_warnings(self, options: dict[str, Any]) -> bool:
        return bool(options["loop"])

    def handle(self, *, remove: bool, loop: bool, **options: Any) -> None:
        if loop:
            self._loop()
        elif not apps.is_installed("django_q"):
            raise wrong_use(
                "django_q is not in INSTALLED_APPS. Run manage.py dfinery schedule --loop beside the web server, or "
                "schedule the tasks with the queue that runs your WAKE."
            )
        elif remove:
            count = django_q2.remove_schedules()
            self.stdout.write(f"{count} schedules deleted. The next migrate creates them again.")
        else:
            django_q2.ensure_schedules()
            for name, (task, minutes) in django_q2.schedules().items():
                self.stdout.write(f"{name}: {task}, every {minutes} min")

    def _loop(self) -> None:
        """Run what is due in this process, one action at a time. What is overdue for longest comes first."""
        from ... import tasks

        actions = _actions()
        due_at = dict.fromkeys(actions, clock.monotonic())
        with tasks.stop_requested() as should_stop:
            while not should_stop():
                name, now = min(due_at, key=due_at.__getitem__), clock.monotonic()
                if due_at[name] > now:
                    time.sleep(min(LOOK_SECONDS, due_at[name] - now))
                    continue
                action, minutes = actions[name]
                due_at[name] = now + minutes * 60
                self._run(name, action)

    def _run(self, name: str, action: Callable[[], Any]) -> None:
        close_old_connections()  # those that an error has broken, too
        try:
            result = action()
        except Exception as error:  # noqa: BLE001 - the next action, and the next time, must not suffer
            log_failure("The %s failed; it runs again when it is due", name, error=error)
        else:
            counts = result.items() if isinstance(result, dict) else (("deleted", result),)
            words = ", ".join(f"{count} {what}" for what, count in sorted(counts) if count)
            if words:
                self.stdout.write(f"{name}: {words}")
        self.stdout.flush()


def _actions() -> dict[str, tuple[Callable[[], Any], int]]:
    """Return name -> (task, minutes between its runs)."""
    from ... import tasks

    minutes = get_settings().RECONCILE_MINUTES
    reconciling = {"reconcile": (tasks.reconcile, minutes)} if minutes else {}
    return {"drain": (tasks.drain, 1), **reconciling, "prune": (tasks.prune, 24 * 60)}
