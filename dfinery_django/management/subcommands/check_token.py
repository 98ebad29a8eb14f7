"""``manage.py dfinery check-token``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from django.utils.translation import override

from ... import clock
from ...conf import get_settings
from ..arguments import destinations_named
from ..exit_codes import FAILED
from ..terminal import INDENT
from .base import Subcommand

if TYPE_CHECKING:
    from ...delivery.token_check import TokenCheck


class CheckTokenCommand(Subcommand):
    help = "check whether DFINERY accepts the token, by one real request that leaves nothing behind"
    examples = ("check-token", "check-token --destination outlet")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--destination", help="alias of TOKENS; default: all, one request each")

    @override("en")
    def handle(self, *, destination: str | None, **options: Any) -> None:
        from ...delivery import token_check

        aliases = destinations_named(destination)
        event = f"an event {token_check.TEST_EVENT_NAME!r} of {clock.now() - token_check.AGE:%Y-%m-%d}"
        settings = get_settings()
        way = f", through the proxy {settings.endpoint.proxy}" if settings.endpoint.proxy else ""
        note = f"Sent to {settings.BASE_URL}{way}: {event}, too old for DFINERY to keep."
        are_accepted = True
        for alias in aliases:
            result = token_check.check_token(alias)
            are_accepted &= bool(result.is_accepted)
            if note and result.was_sent:
                self.stdout.write(note)
                note = ""
            accepted = self.style.SUCCESS if result.endpoint.is_dfinery else self.style.WARNING
            paint = accepted if result.is_accepted else self.style.ERROR
            self.stdout.write(f"{paint(result.text)} {result.answer or f'({result.duration_ms} ms)'}")
            if result.is_accepted is False:
                self.stdout.write(INDENT + _token_remedy(result))
        if not are_accepted:
            self.stdout.flush()
            raise SystemExit(FAILED)


def _token_remedy(refused: TokenCheck) -> str:
    token = "one that `dfinery sandbox --token` names" if refused.endpoint.kind == "sandbox" else "a valid token"
    return f"Set the environment variable that TOKENS reads to {token}, and restart the workers."
