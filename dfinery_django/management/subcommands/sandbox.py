"""``manage.py dfinery sandbox``."""

from __future__ import annotations

import errno
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from typing import Any

from ..arguments import count_type
from ..exit_codes import wrong_use
from .base import Subcommand

HIGHEST_PORT = 65535


class SandboxCommand(Subcommand):
    help = "run a local pretend DFINERY, with a page of what arrived"
    examples = ("sandbox", "sandbox --port 8090 --token my-token")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
        parser.add_argument("--port", type=_port_type, default=8089, help="default: %(default)s; 0: any free port")
        parser.add_argument("--token", action="append", default=[], help="accept only this token (repeatable)")
        parser.add_argument("--rate-limit", type=count_type, help="events per minute")
        parser.add_argument("--store", help="a file to keep what arrived")

    def handle(
        self, *, host: str, port: int, token: list[str], rate_limit: int | None, store: str | None, **options: Any
    ) -> None:
        from ...sandbox import Sandbox

        try:
            sandbox = Sandbox(host, port, tokens=token, rate_limit=rate_limit, store=store)
        except (OSError, ValueError) as error:
            why = str(error)
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                other = port + 1 if port < HIGHEST_PORT else port - 1
                why = f"the port is in use. Take another one, e.g. --port {other}, and write it into BASE_URL too."
            raise wrong_use(f"The sandbox can't listen on {host}:{port}: {why}") from error
        with suppress(KeyboardInterrupt):
            self.stdout.write(f"Pretend DFINERY on {sandbox.url} (Ctrl-C ends it). Point the shop to it:")
            self.stdout.write(f'    DFINERY = {{"BASE_URL": "{sandbox.url}", …}}')
            self.stdout.flush()
            sandbox.serve_forever()


def _port_type(word: str) -> int:
    number = count_type(word)
    if number > HIGHEST_PORT:
        raise ArgumentTypeError(f"{word} is not a port: the highest is {HIGHEST_PORT}")
    return number
