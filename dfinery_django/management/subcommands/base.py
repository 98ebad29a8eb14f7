"""The base class of the subcommands."""

from __future__ import annotations

from typing import Any, Literal

from django.core.management.base import BaseCommand


class Subcommand(BaseCommand):
    """A subcommand of ``manage.py dfinery``, written like a command of Django: ``add_arguments`` and ``handle``.

    Every command line imports the modules of all subcommands, for their arguments. Import in ``handle`` what the app
    does not load when it starts.

    :cvar help: a line for the list of subcommands: lower case, without a full stop
    :cvar examples: what may be typed after ``manage.py dfinery``
    :cvar requires_system_checks: ``"__all__"`` to run Django's system checks first. Most do without: they look at what
        is wrong, fix it, or read no mapping.
    """

    examples: tuple[str, ...]
    requires_system_checks: list[str] | tuple[str, ...] | Literal["__all__"] = ()

    def shows_warnings(self, options: dict[str, Any]) -> bool:
        """Return whether warnings of the system checks are printed: at the start of a service, not each time by cron.

        Errors are printed in any case, and stop the command.
        """
        return False
