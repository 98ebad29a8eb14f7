"""Exit codes, and errors as one line with an exit code instead of a traceback.

A bug of this package or of a site's own hook keeps its traceback: it is needed to fix the bug.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django import db
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
    from ..monitoring.overview import databases
    from ..outbox.databases import lacking_tables, migrate_command

    try:
        app, using = next(lacking_tables(databases()), ("", ""))
    except DATABASE_ERRORS:
        app = ""
    if not app:
        return CommandError(f"The database can't be used: {one_line(error)}", returncode=FAILED)
    return wrong_use(f"Tables of {app} are missing in database {using!r}. Run: {migrate_command(using)}")


def _discard_stdout() -> None:
    """Discard what Python has buffered for the closed pipe and would write at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
