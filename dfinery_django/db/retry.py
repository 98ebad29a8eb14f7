"""Retries after transient database errors, and bulk writes that isolate the rows which the database refuses.

A transient error is the server's or the connection's: an outage, a deadlock, a lock. All others come from the statement
or its values, and a retry can't help. The server's codes tell them apart. The classes of the errors don't: for MySQL's
drivers and SQLite nearly everything is an ``OperationalError``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections, transaction
from django.db.transaction import TransactionManagementError

from .. import clock

T = TypeVar("T")

logger = logging.getLogger("dfinery_django")

DATABASE_ERRORS = (DatabaseError, InterfaceError)  # all errors that Django raises for a database
#: Those that count as transient if they have no code: the server did not answer, or its driver is not known here.
#: PostgreSQL raises ``InternalError`` after a failover: the server has become read-only.
TRANSIENT_ERRORS = (OperationalError, InterfaceError, InternalError)
SHORTEST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
STOP_GRACE_SECONDS = 5.0  # a worker that was asked to stop retries for so long
#: The most text in one statement: a server may take no more than 1 MB at once, and quoting makes it longer.
STATEMENT_BYTES = 500_000

#: SQLSTATEs of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_SQLSTATES = {
    *("25006", "25P03", "25P04"),  # read-only after a failover; the server ended a transaction that took too long
    *("40000", "40001", "40003", "40P01"),  # rolled back: serialization, unknown completion, deadlock
    *("53000", "53100", "53200", "53300", "53400"),  # disk full, out of memory, too many connections
    *("55006", "55P03"),  # in use, lock not available
    *("57000", "57014", "57P01", "57P02", "57P03", "57P05"),  # cancelled, shut down, crashed, starting up, idle
    *("58000", "58030"),  # errors of the system, I/O
}  # fmt: skip
#: Codes of MySQL and MariaDB: https://mariadb.com/kb/en/mariadb-error-code-reference/
_TRANSIENT_NUMBERS = {
    *(1020, 1180, 1205, 1206, 1213, 1412, 1613, 1614, 1615, 1637, 3058, 3101, 3572),  # locks, deadlocks, rolled back
    *(1015, 1021, 1030, 1037, 1038, 1041, 1114, 1135),  # files, disk full, out of memory, no thread
    *(1040, 1047, 1129, 1203, 1226, 4031),  # too many connections, a node of a cluster is not ready, idle too long
    *(1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927),  # shutdown, connection aborted or killed
    *(1317, 1969, 3024),  # interrupted, time-outs
    *(1223, 1290, 1792, 1836),  # read-only: a backup, or after a failover
}  # fmt: skip
#: Codes of MySQL's client library, all about connections; 2020 is a packet that is too large.
_CLIENT_NUMBERS = set(range(2000, 3000)) - {2020}
#: Another transaction was faster, and the server says so at once: a serialization failure, a deadlock, a changed row.
_CONFLICT_CODES = {"40001", "40P01", 1020, 1213}
_READ_ONLY_CODES = {"25006", 1290, 1792, 1836}
#: Result codes of SQLite, https://www.sqlite.org/rescode.html: busy, locked, no memory, read-only, interrupted, I/O,
#: full, can't open, locking protocol, schema changed. Python 3.10 has only the messages.
_SQLITE_RESULTS = {5, 6, 7, 8, 9, 10, 13, 14, 15, 17}
_SQLITE_MESSAGES = (
    "is locked", "out of memory", "readonly database", "interrupted", "disk I/O error", "disk is full",
    "unable to open database file", "locking protocol", "schema has changed",
)  # fmt: skip
#: The server closed the connection, possibly because a packet was too large.
_HUNG_UP_NUMBERS = {2006, 2013, 2055}


def is_transient(error: BaseException) -> bool:
    """Return whether an error is a database's that may not recur in a retry."""
    if not isinstance(error, DATABASE_ERRORS):
        return False
    code, raised = _error_code(error), error.__cause__ or error  # the driver's, which Django's wraps
    if isinstance(code, str):
        return code in _TRANSIENT_SQLSTATES or code.startswith("08")  # connection exceptions
    if type(raised).__module__.startswith("sqlite3"):
        return code in _SQLITE_RESULTS if code else any(message in str(raised) for message in _SQLITE_MESSAGES)
    if code:
        return code in _TRANSIENT_NUMBERS or code in _CLIENT_NUMBERS
    return isinstance(error, TRANSIENT_ERRORS)


def is_conflict(error: BaseException) -> bool:
    """Return whether another transaction was faster: a retry helps, and whoever asks has waited for no lock."""
    return isinstance(error, DATABASE_ERRORS) and _error_code(error) in _CONFLICT_CODES


def _error_code(error: BaseException) -> str | int | None:
    """Return the server's code of an error: a SQLSTATE, or a number."""
    raised: Any = error.__cause__ or error
    state = getattr(raised, "sqlstate", None) or getattr(raised, "pgcode", None)
    if isinstance(state, str):
        return state
    if result := getattr(raised, "sqlite_errorcode", None):
        return int(result) & 0xFF  # an extended code has the plain one in its last byte
    is_numbered = raised is error or type(raised).__module__.startswith(("MySQLdb", "pymysql", "mysql"))
    number = raised.args[0] if raised.args and is_numbered else None
    return number if type(number) is int else None


def retry(step: Callable[[], T], *, using: str, until: float, should_stop: Callable[[], bool] = lambda: False) -> T:
    """Run a step, and retry it after transient database errors.

    :param step: safe to repeat, even if it was done and only the answer was lost
    :param until: ``clock.monotonic()`` after which an error is raised
    :param should_stop: once true, retries end ``STOP_GRACE_SECONDS`` after the beginning
    :raises DatabaseError, InterfaceError: if it is not transient, time is up, or a transaction is open: it has ended
    """
    pause, began_at = SHORTEST_PAUSE_SECONDS, clock.monotonic()
    while True:
        try:
            return step()
        except DATABASE_ERRORS as error:
            connection = connections[using]
            ends_at = min(until, began_at + STOP_GRACE_SECONDS) if should_stop() else until
            if not is_transient(error) or connection.in_atomic_block or clock.monotonic() + pause > ends_at:
                raise
            if pause == SHORTEST_PAUSE_SECONDS:
                logger.warning("The database failed; retrying: %s", str(error).strip())
            if isinstance(error, InternalError) or _error_code(error) in _READ_ONLY_CODES:
                connection.close()  # usable, but read-only: after a failover another server is the primary
            connection.close_if_unusable_or_obsolete()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def statement_batches(rows: Sequence[T], weigh: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Yield the rows in order, as many together as fit into one statement; ``weigh`` returns a row's bytes of text."""
    start = weight = 0
    for end, row in enumerate(rows):
        weight += weigh(row)
        if weight > STATEMENT_BYTES and end > start:
            yield rows[start:end]
            start, weight = end, weigh(row)
    if start < len(rows):
        yield rows[start:]


def write_bisecting(
    rows: Sequence[T], write: Callable[[Sequence[T]], object], *, using: str, weigh: Callable[[T], int]
) -> list[tuple[T, Exception]]:
    """Write rows in bulk, and halve each refused batch until only the faulty rows are left out.

    :param write: writes these rows, all or none; safe to repeat
    :returns: the refused rows, each with its error
    :raises DatabaseError, InterfaceError: if an error is transient
    """
    refused: list[tuple[T, Exception]] = []
    batches = list(statement_batches(rows, weigh))[::-1]
    while batches:
        batch = batches.pop()
        error = _refusal(batch, write, using, weigh)
        if error and len(batch) == 1:
            refused.append((batch[0], error))
        elif error:
            half = len(batch) // 2
            batches += [batch[half:], batch[:half]]
    return refused


def _refusal(
    rows: Sequence[T], write: Callable[[Sequence[T]], object], using: str, weigh: Callable[[T], int]
) -> Exception | None:
    """Write rows; return the error for which the database refuses them. An open transaction is left as it was.

    Drivers raise ``ValueError`` for lone surrogates and U+0000, ``OverflowError`` for numbers.
    """
    connection = connections[using]
    try:
        with transaction.atomic(using=using) if connection.in_atomic_block else nullcontext():
            write(rows)
    except TransactionManagementError:
        raise  # the surrounding transaction failed before
    except (*DATABASE_ERRORS, ValueError, TypeError, OverflowError) as error:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # MySQL closes it after a packet that is too large
        if is_transient(error) and not _is_too_large(sum(map(weigh, rows)), error, using):
            raise
        return error
    return None


def _is_too_large(weight: int, error: Exception, using: str) -> bool:
    """Return whether MySQL closed the connection for a packet that is too large, which it does not always report."""
    connection = connections[using]
    if connection.vendor != "mysql" or _error_code(error) not in _HUNG_UP_NUMBERS or connection.in_atomic_block:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        return 2 * weight >= int(cursor.fetchone()[0])  # quoting may double a text's length
