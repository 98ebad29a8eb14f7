"""The client against real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dfinery_django import TransportError
from dfinery_django.client import MAX_BODY_BYTES, Client
from dfinery_django.protocols.base import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Rate-Limit-Limit: 1m\r\n\r\n{}"


@contextmanager
def server(*answers: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that treats each connection with the next answer; yields its URL and what it was sent."""
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                received.append(read_request(connection))
                try:
                    answer(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", received
    finally:
        listener.close()


def read_request(connection: socket.socket) -> bytes:
    """One request, or nothing of one (a TLS handshake is no request)."""
    text = b""
    while not text.endswith(b'{"a":1}') and (piece := connection.recv(65536)):
        text += piece
        if not text.startswith(b"POST"):
            break
    return text


def says(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def drips(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(connections=2, connect_timeout=0.3, read_timeout=0.3, user_agent="dfinery-django/test")
    yield client
    client.close()


def request_to(url: str) -> Request:
    return Request(url, b'{"a":1}', {"Authorization": "Bearer secret-token", "Content-Type": "application/json"})


def test_it_sends_what_it_is_given(client: Client) -> None:
    """Method, headers and the exact body; the answer's header names in lower case."""
    with server(says(OK)) as (url, received):
        response = client.send(request_to(url))
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1")
    assert b"Authorization: Bearer secret-token" in head
    assert b"User-Agent: dfinery-django/test" in head
    assert body == b'{"a":1}'
    assert (response.status_code, response.body, response.headers["x-rate-limit-limit"]) == (200, b"{}", "1m")


def test_a_connection_is_kept(client: Client) -> None:
    """The second request needs no new connection."""

    def twice(connection: socket.socket) -> None:
        connection.sendall(OK)
        read_request(connection)
        connection.sendall(OK)

    with server(twice) as (url, received):
        assert [client.send(request_to(url)).status_code for _ in range(2)] == [200, 200]
    assert len(received) == 1


def test_a_redirect_is_not_followed(client: Client) -> None:
    """The token goes to nobody else."""
    with server(says(OK)) as (elsewhere, stolen):
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
        with server(says(moved)) as (url, _):
            assert client.send(request_to(url)).status_code == 302
    assert stolen == []


def test_no_cookie_is_kept(client: Client) -> None:
    """Requests don't depend on each other."""
    cookie = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n")
    with server(says(cookie), says(OK)) as (url, received):
        client.send(request_to(url))
        client.send(request_to(url))
    assert b"Cookie" not in received[1]


def test_the_environment_is_not_trusted(client: Client, monkeypatch: Any) -> None:
    """No proxy and no netrc comes between us and DFINERY."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with server(says(OK)) as (url, _):
        assert client.send(request_to(url)).status_code == 200


def test_a_long_answer_is_cut(client: Client) -> None:
    """A 50 MB answer costs no 50 MB."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"
    with server(says(head + b"x" * 1_000_000)) as (url, _):
        assert len(client.send(request_to(url)).body) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    "answer",
    [
        says(b""),
        says(b"garbage\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        lambda connection: time.sleep(1),
        drips,
    ],
    ids=["closed", "garbage", "truncated", "silent", "drips"],
)
def test_what_is_no_answer(client: Client, answer: Any) -> None:
    """Closed, unreadable, cut off, late, or too slow as a whole: TransportError, in time."""
    started = time.monotonic()
    with server(answer) as (url, _), pytest.raises(TransportError) as caught:
        client.send(request_to(url))
    assert time.monotonic() - started < 2
    assert not caught.value.is_local_fault


def test_refused(client: Client) -> None:
    """Nobody listens there: passes by itself."""
    with pytest.raises(TransportError) as caught:
        client.send(request_to("http://127.0.0.1:9/"))
    assert not caught.value.is_local_fault
    assert "secret-token" not in str(caught.value)


def test_tls_failure_is_not_the_events_fault(client: Client) -> None:
    """A server without TLS behind https: the destination is blocked, nothing is used up."""
    with server(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as (url, _), pytest.raises(TransportError) as caught:
        client.send(request_to(url.replace("http:", "https:")))
    assert caught.value.is_local_fault


def test_no_frame_of_the_error_holds_the_token(client: Client) -> None:
    """An error reporter that records locals finds no token in the frames of a TransportError."""
    import traceback

    with pytest.raises(TransportError) as caught:
        client.send(request_to("http://127.0.0.1:9/"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Bearer secret-token" not in shown.replace(repr(request_to("").headers), "")
