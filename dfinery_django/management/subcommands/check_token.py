"""``manage.py dfinery check-token``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import override

from ... import clock
from ...conf import get_settings
from ..arguments import destinations_named
from ..exit_codes import FAILED
from .base import Subcommand


class CheckTokenCommand(Subcommand):
    help = "check whether DFINERY accepts the token, by one real request that leaves nothing behind"
    examples = ("check-token", "check-token --destination outlet")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--destination", help="alias of TOKENS; default: all, one request each")

    def handle(self, *, destination: str | None, **options: Any) -> None:
        from ...delivery.token_check import AGE, TEST_EVENT_NAME

        aliases = destinations_named(destination)
        date = f"{clock.now() - AGE:%Y-%m-%d}"
        address = get_settings().BASE_URL
        self.stdout.write(f"Sent to {address}: an event {TEST_EVENT_NAME!r} of {date}, too old for DFINERY to keep.")
        results = [self._check(alias) for alias in aliases]
        if not all(results):
            self.stdout.flush()
            raise SystemExit(FAILED)

    @override("en")
    def _check(self, alias: str) -> bool:
        """Print what DFINERY answers, and return whether it accepts the token."""
        from ...delivery.token_check import check_token

        result = check_token(alias)
        paint = self.style.SUCCESS if result.is_accepted else self.style.ERROR
        self.stdout.write(
            paint(result.text) + (f" {result.answer}" if result.answer else f" ({result.duration_ms} ms)")
        )
        return bool(result.is_accepted)
