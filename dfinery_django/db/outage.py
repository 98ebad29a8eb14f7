"""Messages for people if the database is down or not migrated. Those for pages never quote the error."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError
from django.utils.translation import gettext as _

from ..text.log_fields import log_rate_limited

RETRY_AFTER_SECONDS = 30  # the value of the ``Retry-After`` header

#: A table or a column is missing: codes of PostgreSQL, MariaDB and MySQL, messages of SQLite.
_SQLSTATES, _ERROR_NUMBERS = ("42P01", "42703", "3F000"), (1054, 1146)
_MESSAGES = ("no such table", "no such column", "has no column named")


def outage_message(error: BaseException) -> str:
    """Return the fault and the remedy, or an empty text for an error of the code."""
    if is_unmigrated(error):
        return _("Tables of this app are missing in the database, or are of another version: run manage.py migrate.")
    if isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return _("The database can't be used at the moment. Try again later.")
    return ""


def is_unmigrated(error: BaseException) -> bool:
    """Return whether a table or a column is missing."""
    cause: Any = error.__cause__  # the driver's error
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = error.args[0] if error.args else None
    return sqlstate in _SQLSTATES or number in _ERROR_NUMBERS or any(each in str(number) for each in _MESSAGES)


def log_failure(words: str, *names: Any, error: Exception) -> None:
    """Log an error that the shop must not see, once a minute per process; if a table is missing, with the remedy."""
    if isinstance(error, (DatabaseError, InterfaceError)) and is_unmigrated(error):
        words += "; a table or column is missing, run manage.py migrate"
    log_rate_limited(words, *names, error=error)
