"""Exit codes, and errors as one line with an exit code instead of a traceback.

A bug of this package or of a site's own hook keeps its traceback: it is needed to fix the bug.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django import db
from django.apps import apps
from django.core.management.base import CommandError, SystemCheckError

from ..db.retry import DATABASE_ERRORS
from ..exceptions import ConfigurationError

FAILED, WRONG_USE = 1, 2
#: A shell's codes for a command that was stopped by Ctrl-C, or whose reader closed the pipe.
STOPPED, READER_GONE = 130, 141
EXIT_CODES = """
exit codes:
  0  done, or all is well
  1  a person is needed (status), the token is not accepted (check-token), or something failed, such as a database
  2  the command line or the DFINERY setting is wrong, or migrate was not run: nothing was done
"""
#: Errors of a server, a connection or missing tables. Their classes decide, not whether a retry would help: a wrong
#: password is worth one line, too.
_ONE_LINE_ERRORS = (db.OperationalError, db.InterfaceError, db.InternalError, db.ProgrammingError)


def wrong_use(message: str) -> CommandError:
    """Return the error of a command line or a setting that is wrong."""
    return CommandError(message, returncode=WRONG_USE)


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Turn errors of a database, the setting or Ctrl-C into a ``CommandError`` of one line with an exit code."""
    try:
        yield
        sys.stdout.flush()  # at its exit Python could only print the error
    except SystemCheckError as error:
        error.returncode = WRONG_USE
        raise
    except ConfigurationError as error:
        raise wrong_use(one_line(error)) from error
    except _ONE_LINE_ERRORS as error:
        raise _database_command_error(error) from error
    except BrokenPipeError:
        _discard_stdout()
        sys.exit(READER_GONE)
    except KeyboardInterrupt as error:
        raise CommandError("Stopped.", returncode=STOPPED) from error


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, which drivers use."""
    return " ".join(str(error).split()) or type(error).__name__


def _database_command_error(error: BaseException) -> CommandError:
    try:
        missing = [(app, using) for app, using in _apps_by_database() if not _has_tables(app, using)]
    except DATABASE_ERRORS:
        missing = []
    if not missing:
        return CommandError(f"The database can't be used: {one_line(error)}", returncode=FAILED)
    [(app, using), *_] = missing
    option = "" if using == db.DEFAULT_DB_ALIAS else f" --database {using}"
    return wrong_use(f"Tables of {app} are missing in database {using!r}. Run: manage.py migrate{option}")


def _apps_by_database() -> Iterator[tuple[str, str]]:
    from ..monitoring.overview import databases

    yield from (("dfinery_django", using) for using in databases())
    if apps.is_installed("django_q"):
        yield "django_q", db.router.db_for_write(next(apps.get_app_config("django_q").get_models()))


def _has_tables(app: str, using: str) -> bool:
    connection = db.connections[using]
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    tables = {model._meta.db_table for model in apps.get_app_config(app).get_models() if not model._meta.proxy}
    return tables <= set(connection.introspection.table_names())


def _discard_stdout() -> None:
    """Discard what Python has buffered for the closed pipe and would write at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
