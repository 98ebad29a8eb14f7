"""What log records of ours carry besides their words, for logs that machines read. Never payloads, never tokens.

Everything is told under the logger ``dfinery_django``; what happens to each single event under its child
``dfinery_django.events``, at INFO, so that a busy shop can silence that alone.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import DatabaseError, InterfaceError

from . import clock
from .exceptions import error_line

logger = logging.getLogger("dfinery_django")
events_logger = logging.getLogger("dfinery_django.events")

#: Attributes of the records: what they say.
LOG_FIELDS = {
    "dfinery_event_id": "the event's id, as DFINERY knows it",
    "dfinery_event_name": "its name",
    "dfinery_definition": "its definition; empty for `track()`",
    "dfinery_destination": "alias of `TOKENS`",
    "dfinery_status": "what became of the event: delivered, failed, expired, cancelled",
    "dfinery_reason_code": "why, in a word",
    "dfinery_outcome": "what came of the request: accepted, transient, throttled, rejected, blocked",
    "dfinery_attempt": "the number of the attempt",
    "dfinery_duration_ms": "how long the request took, or the drain",
    "dfinery_status_code": "the answer's HTTP status, if one came",
    "dfinery_result_code": "DFINERY's own code",
    "dfinery_count": "how many events it is about",
}


#: What strikes at every save is told so often by a process.
QUIET_SECONDS = 60.0
MAX_SUBJECTS = 1000

#: What was told, when, and how often it was not told since.
_last_logged: dict[Any, tuple[float, int]] = {}


def reset_rate_limit(**kwargs: Any) -> None:
    """Tell everything again: the setting has changed, or another test begins."""
    _last_logged.clear()


setting_changed.connect(reset_rate_limit, dispatch_uid="dfinery_django.logs")


def log_rate_limited(words: str, *names: Any, error: Exception) -> None:
    """Log an error that a shop's every request may meet: one a minute in each process, with those left out counted.

    All faults of the database are one subject, since unwritable tables are met at several places of one order. A fault
    of the database or of the setting is one line; an error of the site's own code has its traceback.
    """
    is_of_database = isinstance(error, (DatabaseError, InterfaceError))
    subject = "database" if is_of_database else (words, type(error), *names[:1])
    now = clock.monotonic()
    told_at, left_out = _last_logged.get(subject, (now - QUIET_SECONDS, 0))
    if now - told_at < QUIET_SECONDS:
        _last_logged[subject] = told_at, left_out + 1
        return
    if len(_last_logged) >= MAX_SUBJECTS:
        _last_logged.clear()
    _last_logged[subject] = now, 0
    more = f" ({left_out} more like it since the last such line)" if left_out else ""
    has_traceback = not is_of_database and not isinstance(error, ImproperlyConfigured)
    template = f"{words}: %s%s"  # by which those who collect errors tell them apart
    logger.error(template, *names, error_line(error), more, exc_info=error if has_traceback else None)


def log_extra(**facts: Any) -> dict[str, Any]:
    """``extra`` of a record: ``about(destination="default")`` is its attribute ``dfinery_destination``."""
    return {f"dfinery_{name}": value for name, value in facts.items()}
