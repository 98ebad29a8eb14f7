"""The client against real sockets."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dfinery_django import TransportError
from dfinery_django.delivery.http_client import MAX_BODY_BYTES, Client
from dfinery_django.delivery.test_guard import live_dfinery
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
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drips_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Drip: x\r\n")
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
        lambda connection: connection.recv(1),  # until the other side gives up
        drips,
        drips_headers,
    ],
    ids=["closed", "garbage", "truncated", "silent", "drips", "drips-headers"],
)
def test_what_is_no_answer(client: Client, answer: Any) -> None:
    """Closed, unreadable, cut off, late, or too slow as a whole: TransportError. Three of them have no end else."""
    with server(answer) as (url, _), pytest.raises(TransportError) as caught:
        client.send(request_to(url))
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


def test_a_connection_closed_while_idle_costs_nothing(client: Client) -> None:
    """A server may close between two requests: the next one goes out over a new connection, once."""

    def once(connection: socket.socket) -> None:
        connection.sendall(OK)  # says keep-alive, and closes

    with server(once, once) as (url, received):
        client.send(request_to(url))
        time.sleep(0.1)
        assert client.send(request_to(url)).status_code == 200
    assert len(received) == 2


def test_an_idle_connection_is_not_trusted(client: Client, monkeypatch: Any) -> None:
    """After a pause a gateway may have forgotten it without a word, and would swallow what is sent."""
    monkeypatch.setattr("dfinery_django.delivery.connections.REUSE_WITHIN_SECONDS", 0.05)

    def waits(connection: socket.socket) -> None:
        connection.sendall(OK)
        connection.settimeout(0.4)
        try:
            assert connection.recv(1) == b""
        except TimeoutError:
            pass

    with server(waits, says(OK)) as (url, received):
        client.send(request_to(url))
        time.sleep(0.1)
        assert client.send(request_to(url)).status_code == 200
    assert len(received) == 2


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n" + gzip.compress(b"{}"), b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
    ids=["http-1.0", "chunked", "gzip", "no-content"],
)
def test_every_form_of_answer(client: Client, answer: bytes, body: bytes) -> None:
    """Old, chunked, compressed and empty answers are read."""
    with server(says(answer)) as (url, _):
        assert client.send(request_to(url)).body == body


def test_a_host_that_is_not_there(client: Client) -> None:
    """A name that no DNS knows: passes by itself."""
    with live_dfinery(), pytest.raises(TransportError) as caught:
        client.send(request_to("http://no-such-host.invalid/"))
    assert not caught.value.is_local_fault


def test_a_server_that_takes_no_connection(client: Client) -> None:
    """A full backlog: the connect timeout ends it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    crowd = []
    try:
        for _ in range(8):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
            crowd.append(each)
        time.sleep(0.1)
        with pytest.raises(TransportError, match=r"connect timeout=0\.3") as caught:
            client.send(request_to(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        assert not caught.value.is_local_fault
    finally:
        for each in (*crowd, listener):
            each.close()


def test_a_forked_child_has_connections_of_its_own() -> None:
    """Two processes that write into one socket would mix their requests."""
    script = """
import os
from dfinery_django.delivery.http_client import shared_client
wanted = dict(connections=1, connect_timeout=1, read_timeout=1, user_agent="x")
shared = shared_client(**wanted)
assert shared_client(**wanted) is shared
child = os.fork()
if child == 0:
    os._exit(0 if shared_client(**wanted) is not shared else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def test_the_responses_library_sees_what_is_sent(client: Client) -> None:
    """A site's tests may put ``responses`` between us and the network."""
    import responses

    with responses.RequestsMock() as mock:
        mock.post("http://dfinery.test/api", json={"result_code": 2000}, headers={"X-Rate-Limit-Limit": "1m"})
        response = client.send(request_to("http://dfinery.test/api"))
        assert mock.calls[0].request.body == b'{"a":1}'
    assert (response.status_code, response.body) == (200, b'{"result_code": 2000}')
    assert response.headers["x-rate-limit-limit"] == "1m"
