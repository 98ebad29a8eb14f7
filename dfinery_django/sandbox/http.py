"""HTTP for the sandbox: sockets, requests and responses, without knowledge of events or rules.

Connections are kept alive; closing the server closes them all.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from django.template import Context, Engine

ACCEPTED_BYTES, DRAINED_BYTES = 5 * 1024 * 1024, 64 * 1024 * 1024  # read and dropped so that the sender sees the 413


@dataclass(frozen=True)
class ReceivedRequest:
    """One HTTP request; ``raw`` is None if the body was too large."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes | None

    def is_from_here(self) -> bool:
        """Return whether a program of this machine or the sandbox's own page sent it, not a foreign page."""
        host = self.headers.get("Host") or ""
        return is_loopback(re.sub(r":\d*$", "", host)) and self.headers.get("Origin") in (None, f"http://{host}")


@dataclass(frozen=True)
class SentResponse:
    """One HTTP response; ``drop`` closes the connection instead."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False


Responder = Callable[[ReceivedRequest], SentResponse]


def is_loopback(host: str) -> bool:
    """Return whether the host is a loopback address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_form(request: ReceivedRequest) -> bool:
    """Return whether the page's form sent it."""
    return (request.headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded")


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> SentResponse:
    """Return a response with a JSON body."""
    raw = json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace")  # escapes lone surrogates as JSON does
    return SentResponse(status, raw, {"Content-Type": "application/json", **(headers or {})})


def api_response(
    status: int, code: int | None, message: str | None, data: Any, headers: Mapping[str, str]
) -> SentResponse:
    """Wrap as the API does; a response without a code is that of a gateway."""
    if code is not None:
        return json_response(status, {"result_code": code, "result_msg": message, "result_data": data}, headers)
    kind = {"Content-Type": "text/html"} if message else {}
    return SentResponse(status, (message or "").encode(), {**kind, **headers})


def acknowledge(request: ReceivedRequest, result: dict[str, Any]) -> SentResponse:
    """Redirect a form back to the page; return JSON to others."""
    return SentResponse(303, headers={"Location": "/"}) if is_form(request) else json_response(200, result)


def numbers_as_text(value: Any) -> Any:
    """Turn numbers into text recursively: a template would localise them."""
    if isinstance(value, dict):
        return {key: numbers_as_text(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [numbers_as_text(each) for each in value]
    return value if isinstance(value, str) else json.dumps(value)


def html_page(template: str, page: dict[str, Any], *, version: str = "", status: int = 200) -> SentResponse:
    """Render a page; its policy allows only its own script and style."""
    nonce = secrets.token_urlsafe(16)
    engine = Engine(dirs=[str(Path(__file__).parent.parent / "templates")])
    context = Context(numbers_as_text({**page, "nonce": nonce, "version": version}))
    html = engine.get_template(f"dfinery_django/{template}.html").render(context)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'"
    policy += "; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
    headers |= {"ETag": version} if version else {}
    return SentResponse(status, html.encode(), headers)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A server with a thread per connection."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Responder, stopping: threading.Event) -> None:
        self.answer, self.stopping = answer, stopping
        self.connections: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        super().close_request(request)
        self.connections.discard(request)

    def close_connections(self) -> None:
        """Close every open connection, and wait up to two seconds for their threads."""
        for connection in self.connections.copy():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # already closed
                continue
        deadline = time.monotonic() + 2
        while self.connections and time.monotonic() < deadline:
            time.sleep(0.005)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that went away is normal
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version, server_version = "HTTP/1.1", "dfinery-sandbox"
    disable_nagle_algorithm, wbufsize = True, -1  # headers and body leave in one write
    server: Server

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        raw = self._body()
        answer = self.server.answer(ReceivedRequest(self.command, path, query, self.headers, raw))  # type: ignore[arg-type]
        if raw is None or answer.drop or self.server.stopping.is_set():
            self.close_connection = True
        if answer.drop or self.server.stopping.is_set():
            return
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Cache-Control": "no-store"}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body if self.command != "HEAD" else b"")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815

    def _body(self) -> bytes | None:
        """Read the body; ``None`` if it is too large or of unknown length, and then drop what comes within a limit."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            return None
        if int(length) <= ACCEPTED_BYTES:
            return self.rfile.read(int(length))
        left = min(int(length), DRAINED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)
        return None

    def handle_expect_100(self) -> bool:
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: the page shows the requests."""
