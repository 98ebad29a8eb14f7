"""urllib3 connections that read one response per request, with a deadline, and reuse no connection with extra bytes.

No addresses, tokens or settings here; ``http_client`` sends over them.
"""

from __future__ import annotations

import enum
import http.client
import io
import socket
import ssl
import threading
from types import SimpleNamespace
from typing import Any

import urllib3

from .. import clock

#: A connection that was idle for longer is replaced; gateways drop idle ones after a minute or so.
REUSE_WITHIN_SECONDS = 15.0

#: The most interim responses (1xx) that are read and dropped; no honest server sends that many.
MAX_INTERIM_RESPONSES = 100


class Stage(enum.Enum):
    TO_PROXY = enum.auto()
    TO_DFINERY = enum.auto()
    SENDING = enum.auto()
    WAITING = enum.auto()  # for the answer

    @property
    def is_sent(self) -> bool:
        """``True`` if a part of the request may have been sent."""
        return self in (Stage.SENDING, Stage.WAITING)


class AnswerTooSlow(TimeoutError):
    """The deadline of an exchange is over, however often a piece of the answer came."""


class _CurrentExchange(threading.local):
    deadline = 0.0  # ``clock.monotonic()`` at which it must end
    stage = Stage.SENDING
    status = 0  # of the last response, a proxy's included


current_exchange = _CurrentExchange()


class _DeadlineReader(io.RawIOBase):
    """A raw stream from the server that ends at the exchange's deadline: a slow server must not occupy a thread."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline, self._seconds = sock, deadline, sock.gettimeout()
        self._raw = sock.makefile("rb", buffering=0)
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return 0
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise AnswerTooSlow("the answer came too slowly")
        self._sock.settimeout(left if self._seconds is None else min(left, self._seconds))
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            if clock.monotonic() < self._deadline:
                raise
            raise AnswerTooSlow("the answer came too slowly") from None

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _ResponseFile(io.BufferedReader):
    """One response as ``http.client`` reads it: in large pieces, of which the last may exceed the response."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self._reader, self._connection = _DeadlineReader(sock, current_exchange.deadline), connection
        super().__init__(self._reader)

    def close(self) -> None:
        if not self.closed:
            self._reader.is_over = True
            self._connection.has_extra_bytes |= bool(self.peek(1))
        super().close()


class _FinalResponse(http.client.HTTPResponse):
    """A final response. Its deadline includes status line and headers: ``requests`` has timeouts per piece only."""

    def _read_status(self) -> tuple[str, int, str]:
        """Read and drop interim responses: ``http.client`` handles 100 only (RFC 9110, 15.2)."""
        for _ in range(MAX_INTERIM_RESPONSES):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                current_exchange.status = status
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"{MAX_INTERIM_RESPONSES} interim answers, and no end")

    def begin(self) -> None:
        super().begin()
        # urllib3 would log lines that are not headers: foreign text that may echo the token.
        self.msg.set_payload("")
        self.msg.defects.clear()


class Connection:
    """A mixin that adds a deadline per response, and prevents reuse where a response may belong to another request.

    A gateway may have dropped a connection that was idle, and would swallow the next request. A byte beyond a response
    would be read as the response to the next event.
    """

    proxy: Any
    sock: Any
    has_extra_bytes = False  # beyond the response
    _used_at = 0.0

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> _FinalResponse:
        # ``http.client`` uses no other part of a socket to read a response.
        readable = SimpleNamespace(makefile=lambda mode: _ResponseFile(sock, self))
        return _FinalResponse(readable, *args, **kwargs)  # type: ignore[arg-type]

    def connect(self) -> None:
        self.has_extra_bytes = False
        current_exchange.stage = Stage.TO_PROXY if self.proxy else Stage.TO_DFINERY
        super().connect()  # type: ignore[misc]
        current_exchange.stage = Stage.SENDING

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc]
        current_exchange.stage = Stage.TO_DFINERY

    def getresponse(self) -> Any:
        self._used_at = clock.monotonic()
        current_exchange.stage = Stage.WAITING
        return super().getresponse()  # type: ignore[misc]

    @property
    def is_connected(self) -> bool:
        is_fresh = clock.monotonic() - self._used_at < REUSE_WITHIN_SECONDS
        # TLS may have decrypted more than was read; super() checks the socket itself.
        pending = self.sock.pending() if isinstance(self.sock, ssl.SSLSocket) else 0
        return is_fresh and not self.has_extra_bytes and not pending and bool(super().is_connected)  # type: ignore[misc]


class _HTTPPool(urllib3.HTTPConnectionPool):
    class ConnectionCls(Connection, urllib3.connection.HTTPConnection): ...  # type: ignore[misc]


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    class ConnectionCls(Connection, urllib3.connection.HTTPSConnection): ...  # type: ignore[misc]


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
