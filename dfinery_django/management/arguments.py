"""Parsers, argument types and options that several subcommands use. Nothing here reads the database."""

from __future__ import annotations

import argparse
import datetime as dt
import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import NoReturn
from uuid import UUID

from django.core.management.base import CommandParser

from .. import clock
from ..conf import did_you_mean, get_settings
from ..enums import EventStatus, Reason
from ..text.times import parse_moment
from .exit_codes import WRONG_USE, wrong_use

TIME_FORMATS = "2026-05-14, 2026-05-14T10:00, or 24h for 24 hours ago"


class OneLineParser(CommandParser):
    """A parser that reports wrong use in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2; raise ``CommandError`` under ``call_command``."""
        if not self.called_from_command_line:
            raise wrong_use(f"Error: {message}")
        exit_with_error(self, message)


def exit_with_error(parser: ArgumentParser, message: str) -> NoReturn:
    """Print one line to stderr and exit with code 2."""
    parser.exit(WRONG_USE, f"{parser.prog}: {message} (more: --help)\n")


def django_options() -> ArgumentParser:
    """Return a parser of Django's own options, which may then also follow the subcommand."""
    parent = ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for flag in ("--settings", "--pythonpath"):
        parent.add_argument(flag, help=argparse.SUPPRESS)
    parent.add_argument("-v", "--verbosity", type=int, choices=range(4), help=argparse.SUPPRESS)
    for flag in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parent.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    return parent


def add_event_filters(parser: ArgumentParser) -> None:
    """Add the filters of the admin, and the options of a change to many events."""
    parser.add_argument("event_ids", nargs="*", type=event_id_type, metavar="event_id", help="these events")
    statuses, reasons = EventStatus.values, [each for each in Reason.values if each]
    parser.add_argument("--status", choices=statuses, metavar="STATUS", help=f"one of {', '.join(statuses)}")
    parser.add_argument("--event", help="name of the event")
    parser.add_argument("--destination", help="alias of TOKENS")
    parser.add_argument("--reason", choices=reasons, metavar="REASON", help=f"one of {', '.join(reasons)}")
    parser.add_argument("--since", type=time_type, help=f"events that happened at this time or later: {TIME_FORMATS}")
    parser.add_argument("--until", type=time_type, help="events that happened before this time")
    parser.add_argument("--search", type=search_type, help="an order id, user id or event id; 2026-01* for a prefix")
    parser.add_argument("--all", action="store_true", help="all events, instead of a filter")
    parser.add_argument("--database", help="alias of DATABASES; default: all that have events")
    parser.add_argument("--dry-run", action="store_true", help="only print what would happen")
    parser.add_argument("--no-input", dest="interactive", action="store_false", help="don't ask for confirmation")


def choose(name: str | None, known: Iterable[str], problem: str) -> list[str]:
    """Return this name alone, or all known ones without a name; the problem is the error's text for an unknown one."""
    names = tuple(known)
    if name is not None and name not in names:
        raise wrong_use(f"{problem} {did_you_mean(name, names)}")
    return [name] if name else list(names)


def destinations_named(alias: str | None) -> list[str]:
    """Return this destination alone, or all of them without an alias."""
    return choose(alias, get_settings().TOKENS, f"{alias!r} is no alias of DFINERY['TOKENS'].")


def count_type(word: str) -> int:
    """Parse a whole number of at least 0."""
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise ArgumentTypeError(f"{word!r} is not a whole number of at least 0")
    return int(word)


def seconds_type(word: str) -> float:
    """Parse a number of seconds above 0."""
    return _positive_number(word, f"{word!r} is not a number of seconds above 0")


def hours_type(word: str) -> float:
    """Parse ``48h`` or ``48`` as hours."""
    return _positive_number(word.removesuffix("h"), f"{word!r} is not a number of hours above 0; write 48h")


def _positive_number(text: str, problem: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise ArgumentTypeError(problem)
    return number


def time_type(word: str) -> dt.datetime:
    """Parse a date, a time, or hours ago; a time without a time zone is in the site's."""
    try:
        if word.endswith("h"):
            return clock.now() - dt.timedelta(hours=hours_type(word))
        return parse_moment(word)
    except (ArgumentTypeError, ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{word!r} is not a time; write {TIME_FORMATS}") from error


def event_id_type(word: str) -> UUID:
    """Parse an event id, with or without hyphens, in either case."""
    try:
        return UUID(word)
    except ValueError as error:
        raise ArgumentTypeError(f"{word!r} is not an event id; --search takes order ids and user ids, too") from error


def search_type(word: str) -> str:
    """Strip a search term, and refuse one that no database takes."""
    if not word.strip() or "\x00" in word:
        raise ArgumentTypeError("the search term is empty")
    return word.strip()
