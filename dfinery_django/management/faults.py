"""Faults that a command line may meet, as one line and an exit code instead of a traceback.

A mistake of ours, or of a site's own hook, keeps its traceback: it is what mends it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.core.management.base import CommandError, SystemCheckError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, ProgrammingError, connections, router

from ..exceptions import ConfigurationError
from ..overview import databases
from ..patience import TRANSIENT_ERRORS

FAILED, WRONG_USE = 1, 2
#: What a shell says of a command whose reader went away, or that was stopped by Ctrl-C.
READER_GONE, STOPPED = 141, 130


@contextmanager
def told() -> Iterator[None]:
    """
    :raises CommandError: instead of what a database, the setting or Ctrl-C raises
    """
    try:
        yield
        sys.stdout.flush()  # here rather than when Python ends, where nobody could answer for it
    except SystemCheckError as error:
        error.returncode = WRONG_USE
        raise
    except ConfigurationError as error:
        raise CommandError(one_line(error), returncode=WRONG_USE) from error
    except (*TRANSIENT_ERRORS, ProgrammingError) as error:
        raise of_database(error) from error
    except BrokenPipeError:
        _write_nowhere()
        sys.exit(READER_GONE)
    except KeyboardInterrupt as error:
        raise CommandError("Stopped.", returncode=STOPPED) from error


def one_line(error: BaseException) -> str:
    """What an error says, without line ends: drivers write several."""
    return " ".join(str(error).split()) or type(error).__name__


def of_database(error: BaseException) -> CommandError:
    """What is the matter with the database: tables are not there, or it can't be used."""
    try:
        missing = [(app, using) for app, using in _places() if not _has_tables(app, using)]
    except (DatabaseError, InterfaceError):
        missing = []
    if not missing:
        return CommandError(f"The database can't be used: {one_line(error)}", returncode=FAILED)
    [(app, using), *_] = missing
    option = "" if using == DEFAULT_DB_ALIAS else f" --database {using}"
    message = f"Tables of {app} are missing in database {using!r}. Run: manage.py migrate{option}"
    return CommandError(message, returncode=WRONG_USE)


def _places() -> Iterator[tuple[str, str]]:
    """Which app's tables should be in which database."""
    yield from (("dfinery_django", using) for using in databases())
    if apps.is_installed("django_q"):
        yield "django_q", router.db_for_write(next(apps.get_app_config("django_q").get_models()))


def _has_tables(app: str, using: str) -> bool:
    connection = connections[using]
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    tables = {model._meta.db_table for model in apps.get_app_config(app).get_models() if not model._meta.proxy}
    return tables <= set(connection.introspection.table_names())


def _write_nowhere() -> None:
    """What Python still holds for the closed pipe goes nowhere, when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
