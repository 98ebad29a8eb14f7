"""What ``manage.py dfinery`` takes: its subcommands, their options and help. Reads no settings and no database."""

from __future__ import annotations

import argparse
import datetime as dt
import math
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from typing import NoReturn
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from .. import clock
from ..states import EventStatus, Reason

EXIT_CODES = """
exit codes:
  0  done, or all is well
  1  a person is needed (status), the token is not taken (check-token), or something failed: a database, for example
  2  what was typed, or the DFINERY setting, is wrong, or migrate was not run: nothing was done
"""
MOMENT = "2026-05-14, 2026-05-14T10:00 or 24h: so long ago"


class OneLineParser(CommandParser):
    """A subcommand's parser: wrong use ends with one line, not with the whole usage."""

    def error(self, message: str) -> NoReturn:
        if not self.called_from_command_line:
            raise CommandError(f"Error: {message}", returncode=2)
        refuse(self, message)


def refuse(parser: ArgumentParser, message: str) -> NoReturn:
    """One line, exit code 2."""
    parser.exit(2, f"{parser.prog}: {message} (more: --help)\n")


def add_to(parser: CommandParser) -> None:
    """All subcommands. Those of ``SUBCOMMANDS`` without a ``define`` take no options."""
    if parser.called_from_command_line:
        parser.error = partial(refuse, parser)  # type: ignore[method-assign]
    subcommands = parser.add_subparsers(
        dest="subcommand", required=True, metavar="subcommand", parser_class=OneLineParser
    )
    for name, (words, define, examples) in SUBCOMMANDS.items():
        lines = "".join(f"\n  manage.py dfinery {each}" for each in examples)
        made = subcommands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
            epilog=f"examples:{lines}",
            parents=[_of_django()],  # type: ignore[list-item]
            formatter_class=RawDescriptionHelpFormatter,
        )
        define(made)


def _of_django() -> ArgumentParser:
    """Django's own options, so that they may also stand behind the subcommand's name."""
    parent = ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for flags in (("--settings",), ("--pythonpath",)):
        parent.add_argument(*flags, help=argparse.SUPPRESS)
    parent.add_argument("-v", "--verbosity", type=int, choices=range(4), help=argparse.SUPPRESS)
    for flag in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parent.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    return parent


def _nothing(parser: ArgumentParser) -> None:
    """No options."""


def _status(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def _drain(parser: ArgumentParser) -> None:
    parser.add_argument("--destination", help="alias of TOKENS; default: all")
    parser.add_argument("--budget", type=seconds, help="seconds until nothing more is claimed (DRAIN_SECONDS)")
    parser.add_argument("--forever", action="store_true", help="go on until it is stopped")


def _reconcile(parser: ArgumentParser) -> None:
    parser.add_argument("--definition", help="default: all that can be reconciled")
    parser.add_argument("--since", type=hours, metavar="48h", help="how far back (MAX_AGE_HOURS)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be captured")


def _resend(parser: ArgumentParser) -> None:
    parser.add_argument("--rebuild", action="store_true", help="build them anew, after a mapping was mended")
    _selection(parser)


def _selection(parser: ArgumentParser) -> None:
    """The filters of the admin, and what is asked before many events are changed."""
    parser.add_argument("event_ids", nargs="*", type=event_id, metavar="event_id", help="these events")
    parser.add_argument("--status", choices=EventStatus.values, metavar="STATUS", help=_one_of(EventStatus.values))
    parser.add_argument("--event", help="name of the event")
    parser.add_argument("--destination", help="alias of TOKENS")
    reasons = [each for each in Reason.values if each]
    parser.add_argument("--reason", choices=reasons, metavar="REASON", help=_one_of(reasons))
    parser.add_argument("--since", type=moment, help=f"what happened from then on: {MOMENT}")
    parser.add_argument("--until", type=moment, help="what happened before then")
    parser.add_argument("--search", type=text, help="an order id, user id or event id; 2026-01*: whatever begins so")
    parser.add_argument("--all", action="store_true", help="all events there are, instead of a filter")
    parser.add_argument("--database", help="alias of DATABASES; default: all that hold events")
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--no-input", dest="interactive", action="store_false", help="don't ask first")


def _one_of(words: list[str]) -> str:
    return "one of " + ", ".join(words)


def _preview(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="app.Model")
    parser.add_argument("pk", help="key of the object")
    parser.add_argument("--definition", help="default: all that watch the model")
    parser.add_argument("--items", type=count, default=3, help="of how many items to show the fields (%(default)s)")
    parser.add_argument("--database", help="alias of DATABASES; default: where the model is written")
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def _fields(parser: ArgumentParser) -> None:
    forms = ("table", "csv", "json")
    parser.add_argument("--format", dest="form", choices=forms, default="table", help="default: %(default)s")


def _forget(parser: ArgumentParser) -> None:
    parser.add_argument("user_id", help="whole, and exactly as DFINERY was told it")
    parser.add_argument("--database", help="alias of DATABASES; default: all that hold events")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def _sandbox(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=port, default=8089, help="default: %(default)s; 0: any that is free")
    parser.add_argument("--token", action="append", default=[], help="take only this token (repeatable)")
    parser.add_argument("--rate-limit", type=count, help="events per minute")
    parser.add_argument("--store", help="a file that remembers what arrived")


def _schedule(parser: ArgumentParser) -> None:
    parser.add_argument("--remove", action="store_true", help="delete them: the app is to be taken out")


def _check_token(parser: ArgumentParser) -> None:
    parser.add_argument("--destination", help="alias of TOKENS; default: all, one request each")


#: Name -> what it does, its options, examples.
SUBCOMMANDS: dict[str, tuple[str, Callable[[ArgumentParser], None], tuple[str, ...]]] = {
    "status": ("is all well, what waits, and what to do", _status, ("status", "status --json")),
    "drain": ("deliver what is due", _drain, ("drain", "drain --destination default --budget 20", "drain --forever")),
    "reconcile": ("capture what signals missed", _reconcile, ("reconcile --dry-run", "reconcile --since 6h")),
    "resend": (
        "send finished events again, with the same event_id",
        _resend,
        (
            "resend 7f0c52a4-3c19-4d5b-9a83-0a2f3a1c9f10",
            "resend --status failed --since 24h --dry-run",
            "resend --status failed --reason mapping --rebuild",
        ),
    ),
    "cancel": (
        "take events off the way: they are never sent",
        _selection,
        ("cancel --event purchase --since 2026-05-14T10:00 --dry-run", "cancel --destination outlet --no-input"),
    ),
    "preview": (
        "what an object would become, and why; stores nothing",
        _preview,
        ("preview shop.Order 42", "preview shop.Order 42 --definition purchase --json"),
    ),
    "fields": (
        "custom events and fields: what to register in DFINERY's console",
        _fields,
        ("fields", "fields --format csv > fields.csv"),
    ),
    "prune": ("delete finished events older than RETENTION_DAYS", _nothing, ("prune",)),
    "forget": (
        "erase a person's events, payloads and attempts",
        _forget,
        ("forget 4711 --dry-run", "forget 4711"),
    ),
    "schedule": ("make django-q2's schedules for this app", _schedule, ("schedule", "schedule --remove")),
    "sandbox": (
        "a local pretend DFINERY, with a page of what arrived",
        _sandbox,
        ("sandbox", "sandbox --port 8090 --token my-token"),
    ),
    "check-token": (
        "does DFINERY take the token: one real request, of which nothing remains",
        _check_token,
        ("check-token", "check-token --destination outlet"),
    ),
}


def count(word: str) -> int:
    """A whole number of at least 0."""
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise ArgumentTypeError(f"{word!r} is no whole number of at least 0")
    return int(word)


def port(word: str) -> int:
    """A port of TCP."""
    number = count(word)
    if number > 65535:
        raise ArgumentTypeError(f"{word} is no port: they end at 65535")
    return number


def seconds(word: str) -> float:
    """A number above 0."""
    number = _number(word)
    if number is None:
        raise ArgumentTypeError(f"{word!r} is no number of seconds above 0")
    return number


def hours(word: str) -> float:
    """``48h`` or ``48`` as hours."""
    number = _number(word.removesuffix("h"))
    if number is None:
        raise ArgumentTypeError(f"{word!r} is no number of hours above 0; write 48h")
    return number


def _number(word: str) -> float | None:
    """A number above 0."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def moment(word: str) -> dt.datetime:
    """A day, a time, or so many hours ago; what has no time zone is read in the site's."""
    try:
        if word.endswith("h"):
            return clock.now() - dt.timedelta(hours=hours(word))
        # Python 3.10 does not know the Z.
        found = dt.datetime.fromisoformat(word[:-1] + "+00:00" if word.endswith(("Z", "z")) else word)
        aware = found if timezone.is_aware(found) else timezone.make_aware(found)
        return aware.astimezone(dt.timezone.utc)
    except (ArgumentTypeError, ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{word!r} is no time; write {MOMENT}") from error


def event_id(word: str) -> UUID:
    """An event's id, however it is typed."""
    try:
        return UUID(word)
    except ValueError as error:
        raise ArgumentTypeError(f"{word!r} is no event id; --search takes order ids and user ids, too") from error


def text(word: str) -> str:
    """A text that databases take."""
    if not word.strip() or "\x00" in word:
        raise ArgumentTypeError("there is nothing to search for")
    return word.strip()
