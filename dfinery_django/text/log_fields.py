"""The extra fields of our log records, and a rate limit for errors. Never payloads, never tokens.

The logger is ``dfinery_django``. Its child ``dfinery_django.events`` has one INFO record per event, so that a busy shop
can silence it alone.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import DatabaseError, InterfaceError

from .. import clock
from ..exceptions import error_line

logger = logging.getLogger("dfinery_django")
events_logger = logging.getLogger("dfinery_django.events")

#: A process logs the same error once in this time.
QUIET_SECONDS = 60.0
MAX_SUBJECTS = 1000

#: Subject -> (time of the last record, errors suppressed since).
_last_logged: dict[Any, tuple[float, int]] = {}


def reset_rate_limit(**kwargs: Any) -> None:
    """Log every error again: the setting has changed, or another test begins."""
    _last_logged.clear()


setting_changed.connect(reset_rate_limit, dispatch_uid="dfinery_django.text.log_fields")


def log_rate_limited(words: str, *names: Any, error: Exception) -> None:
    """Log an error that may occur in every request: once a minute per process, with the number of suppressed ones.

    All database errors are one subject, since one order meets unwritable tables at several places. Errors of the
    database or the setting are one line; an error of the site's own code has its traceback.
    """
    is_of_database = isinstance(error, (DatabaseError, InterfaceError))
    subject = "database" if is_of_database else (words, type(error), *names[:1])
    now = clock.monotonic()
    logged_at, suppressed = _last_logged.get(subject, (now - QUIET_SECONDS, 0))
    if now - logged_at < QUIET_SECONDS:
        _last_logged[subject] = logged_at, suppressed + 1
        return
    if len(_last_logged) >= MAX_SUBJECTS:
        _last_logged.clear()
    _last_logged[subject] = now, 0
    more = f" ({suppressed} more like it since the last such line)" if suppressed else ""
    has_traceback = not is_of_database and not isinstance(error, ImproperlyConfigured)
    template = f"{words}: %s%s"  # error trackers group records by their template
    logger.error(template, *names, error_line(error), more, exc_info=error if has_traceback else None)


def log_extra(**facts: Any) -> dict[str, Any]:
    """Return the ``extra`` of a record: ``log_extra(destination="default")`` sets ``dfinery_destination``."""
    return {f"dfinery_{name}": value for name, value in facts.items()}


def event_extra(event: Any, **facts: Any) -> dict[str, Any]:
    """Return the ``extra`` of a record about an event."""
    names = ("event_name", "definition", "destination")
    return log_extra(event_id=str(event.event_id), **{name: getattr(event, name) for name in names}, **facts)
