"""Connections of urllib3's that read one answer to each request, with a deadline, and nothing that was not asked for.

No addresses, tokens or settings here; ``client`` sends over them.
"""

from __future__ import annotations

import enum
import http.client
import io
import socket
import ssl
import threading
from typing import Any

import urllib3

from . import clock

#: A connection that lay idle for longer is made anew; gateways keep idle ones for a minute or so.
REUSED_WITHIN_SECONDS = 15.0

#: So many interim answers (1xx) are read and dropped; nobody has that much to say in between.
MOST_INTERIM_ANSWERS = 100


class Stage(enum.Enum):
    """How far the exchange has come."""

    TO_PROXY = enum.auto()
    TO_DFINERY = enum.auto()
    SENDING = enum.auto()


class _NowSending(threading.local):
    """The exchange of this thread.

    :ivar deadline: ``clock.monotonic()`` at which it must be over
    :ivar status: the last status line that came, be it a proxy's
    """

    deadline = 0.0
    stage = Stage.SENDING
    status = 0


now_sending = _NowSending()


class _DeadlineReader(io.RawIOBase):
    """What a server sends, until the exchange's deadline: a server that drips must not hold a place for ever."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline, self._seconds = sock, deadline, sock.gettimeout()
        self._raw: Any = sock.makefile("rb", buffering=0)
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return 0
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError("the answer came too slowly")
        self._sock.settimeout(left if self._seconds is None else min(left, self._seconds))
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _AnswerFile(io.BufferedReader):
    """One answer as ``http.client`` reads it: in large pieces, of which the last may hold more than the answer.

    :param connection: is told if that is so
    """

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self._reader, self._connection = _DeadlineReader(sock, now_sending.deadline), connection
        super().__init__(self._reader)

    def close(self) -> None:
        if not self.closed:
            self._reader.is_over = True
            self._connection.holds_more |= bool(self.peek(1))
        super().close()


class _AnswerSocket:
    """A socket as ``http.client`` reads an answer from it: it only asks for a file."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self._sock, self._connection = sock, connection

    def makefile(self, mode: str) -> io.BufferedReader:
        return _AnswerFile(self._sock, self._connection)


class _Answer(http.client.HTTPResponse):
    """The final answer, its status line and headers with a deadline, too: ``requests`` knows timeouts per piece."""

    def _read_status(self) -> tuple[str, int, str]:
        """Read and drop interim answers, however many: ``http.client`` knows 100 alone (RFC 9110, 15.2)."""
        for _ in range(MOST_INTERIM_ANSWERS):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                now_sending.status = status
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"{MOST_INTERIM_ANSWERS} interim answers, and no end")

    def begin(self) -> None:
        super().begin()
        # urllib3 would log the lines that are no headers: others' words, with whatever they echo.
        self.msg.set_payload("")
        self.msg.defects.clear()


class Connection:
    """What our connections add: a deadline per answer, and no reuse where an answer may be another's.

    A connection that lay idle may have been forgotten by a gateway on the way, which then swallows what is sent. And
    one that holds a byte that nobody asked for would have it read as the answer to the next event.

    :ivar holds_more: whether more came than the answer
    """

    proxy: Any
    sock: Any
    holds_more = False
    _used_at = 0.0

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> _Answer:
        return _Answer(_AnswerSocket(sock, self), *args, **kwargs)  # type: ignore[arg-type]

    def connect(self) -> None:
        self.holds_more = False
        now_sending.stage = Stage.TO_PROXY if self.proxy else Stage.TO_DFINERY
        super().connect()  # type: ignore[misc]
        now_sending.stage = Stage.SENDING

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc]
        now_sending.stage = Stage.TO_DFINERY

    def getresponse(self) -> Any:
        self._used_at = clock.monotonic()
        return super().getresponse()  # type: ignore[misc]

    @property
    def is_connected(self) -> bool:
        is_fresh = clock.monotonic() - self._used_at < REUSED_WITHIN_SECONDS
        # TLS may have unwrapped more than was read; what still lies at the socket, super() looks for.
        pending = self.sock.pending() if isinstance(self.sock, ssl.SSLSocket) else 0
        return is_fresh and not self.holds_more and not pending and bool(super().is_connected)  # type: ignore[misc]


class _HTTPConnection(Connection, urllib3.connection.HTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(Connection, urllib3.connection.HTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
