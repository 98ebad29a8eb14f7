"""HTTP: a Request -> a Response, or TransportError. The only file that imports ``requests``. No ORM, no retries.

Prepared requests go straight through one pooled adapter: half the work of a ``requests.Session``, which would only add
what is not wanted here. Nothing is taken from the environment (proxies, netrc), no cookie is kept, no redirect
followed: a redirect must not carry the token anywhere.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
from functools import lru_cache
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from . import clock
from .exceptions import TransportError
from .loopback import refuse_in_tests
from .protocols.base import Request, Response

#: The answers of the API have about 100 bytes; a larger body is cut here and never read further.
MAX_BODY_BYTES = 64 * 1024
_CHUNK_BYTES = 8 * 1024


#: A connection that lay idle for longer is made anew; gateways keep idle ones for a minute or so.
REUSED_WITHIN_SECONDS = 15.0

_now_sending = threading.local()


class _DeadlineReader(io.RawIOBase):
    """What a server sends, until the exchange's deadline: a server that drips must not hold a place for ever."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline, self._seconds = sock, deadline, sock.gettimeout()
        self._raw: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
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


class _DeadlineSocket:
    """A socket as ``http.client`` reads an answer from it: it only asks for a file."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock, self._deadline))


class _Answer(http.client.HTTPResponse):
    """An answer whose status line and headers have a deadline, too; ``requests`` knows timeouts per piece only."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_DeadlineSocket(sock, _now_sending.deadline), *args, **kwargs)  # type: ignore[arg-type]


class _Connection:
    """What our connections add: a deadline per answer, and no reuse after a pause.

    A connection that lay idle may have been forgotten by a gateway on the way, which then swallows what is sent.
    """

    response_class = _Answer
    _used_at = 0.0

    def getresponse(self) -> Any:
        self._used_at = clock.monotonic()
        return super().getresponse()  # type: ignore[misc]

    @property
    def is_connected(self) -> bool:
        is_fresh = clock.monotonic() - self._used_at < REUSED_WITHIN_SECONDS
        return is_fresh and bool(super().is_connected)  # type: ignore[misc]


class _HTTPConnection(_Connection, urllib3.connection.HTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_Connection, urllib3.connection.HTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The little that is read of an answer; no cookies."""
        response = requests.Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        response.request, response.url = req, str(req.url)
        return response


class Client:
    """Sends requests over pooled connections; safe to use from several threads.

    :param connections: how many connections are kept
    :param connect_timeout: seconds until a connection must stand
    :param read_timeout: seconds between two pieces of the answer; the whole exchange may take
        ``connect_timeout + read_timeout``
    """

    def __init__(self, *, connections: int, connect_timeout: float, read_timeout: float, user_agent: str) -> None:
        self._seconds = connect_timeout + read_timeout
        self._timeout = urllib3.Timeout(total=self._seconds, connect=connect_timeout, read=read_timeout)
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._adapter = _Adapter(pool_connections=4, pool_maxsize=connections, pool_block=False)

    def send(self, request: Request) -> Response:
        """One exchange.

        :raises TransportError: if no answer came; the message holds no header and no token
        :raises RefusedInTests: if tests run, and the host is not this machine
        """
        refuse_live_host(request.url)
        # Raised outside the except clause, so that no traceback leads to frames that hold the headers.
        failure: TransportError | None = None
        try:
            return self._exchange(request)
        except requests.exceptions.SSLError as error:
            failure = TransportError(f"TLS failed: {_words(error)}", is_local_fault=not _hung_up(error))
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ):
            failure = TransportError(f"{request.url} is no usable address", is_local_fault=True)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = TransportError(f"{type(error).__name__}: {_words(error)}")
        raise failure

    def close(self) -> None:
        self._adapter.close()

    def _exchange(self, request: Request) -> Response:
        deadline = _now_sending.deadline = clock.monotonic() + self._seconds
        prepared = _addressed(request.method, request.url).copy()
        prepared.headers.update(self._headers)
        prepared.headers.update(request.headers)
        prepared.headers["Content-Length"] = str(len(request.body))
        prepared.body = request.body
        # Without a session nothing follows a redirect, and nothing keeps a cookie.
        with self._adapter.send(prepared, stream=True, timeout=self._timeout) as answer:  # type: ignore[arg-type]
            body = _read(answer, deadline)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, headers, body)


def refuse_live_host(url: str) -> None:
    """
    :raises RefusedInTests: if tests run, the host is not this machine, and nothing answers in its place
    """
    # "responses" replaces it, so that no connection is made: there is nothing to refuse.
    if _Adapter.send.__module__ == HTTPAdapter.__module__:
        refuse_in_tests(url)


@lru_cache(maxsize=16)
def _addressed(method: str, url: str) -> requests.PreparedRequest:
    """A request without headers and body: checking the address is done once."""
    prepared = requests.PreparedRequest()
    prepared.prepare(method=method, url=url)
    return prepared


def _read(answer: requests.Response, deadline: float) -> bytes:
    """The body up to the cap. The read timeout holds per piece; the deadline holds for all of them."""
    body = bytearray()
    # read1: what is there, not until the chunk is full, which a server that drips could draw out for hours.
    while len(body) < MAX_BODY_BYTES and (chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True)):
        body += chunk
        if clock.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer came too slowly")
    return bytes(body[:MAX_BODY_BYTES])


def _hung_up(error: BaseException | None) -> bool:
    """Whether the other side just went, as in a restart: that says nothing about its certificate."""
    while error is not None and not isinstance(error, ssl.SSLEOFError):
        error = error.__context__
    return error is not None


def _words(error: Exception) -> str:
    return str(error)[:500]


@lru_cache(maxsize=4)
def shared_client(*, connections: int, connect_timeout: float, read_timeout: float, user_agent: str) -> Client:
    """One per process, kept between drains with its connections."""
    return Client(
        connections=connections, connect_timeout=connect_timeout, read_timeout=read_timeout, user_agent=user_agent
    )


if hasattr(os, "register_at_fork"):
    # A forked child must not write into the sockets of its parent.
    os.register_at_fork(after_in_child=shared_client.cache_clear)
