"""A server on a real socket that treats each request as it is told: for what sandboxes and mocks can't do."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.listener import Listener, read_head

#: What a server does with one request. It may close the connection; else the next request is read from it.
Behaviour = Callable[[socket.socket, "Asked"], None]


@dataclass(frozen=True)
class Asked:
    """One request as it came, and over which connection (0, 1, …)."""

    head: bytes
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def token(self) -> str:
        return next(
            line.split()[-1].decode() for line in self.head.split(b"\r\n") if line.lower().startswith(b"authorization")
        )

    @property
    def event_id(self) -> str:
        return str(json.loads(self.body)["event_attributes"]["event_id"])

    @property
    def user_id(self) -> str:
        return str(json.loads(self.body)["user_attributes"]["user_id"])


def page(status: str, body: bytes = b"", version: str = "1.1", **headers: str) -> bytes:
    """An answer as bytes: ``page("503 Service Unavailable", b"<html>")``."""
    lines = [f"HTTP/{version} {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def envelope(code: int, message: str | None = None) -> bytes:
    return json.dumps({"result_code": code, "result_msg": message, "result_data": None}).encode()


OK = page("200 OK", envelope(2000))


def says(answer: bytes, *, close: bool = False, after: float = 0) -> Behaviour:
    """These bytes, after so many seconds."""

    def behave(connection: socket.socket, asked: Asked) -> None:
        time.sleep(after)
        connection.sendall(answer)
        if close:
            connection.close()

    return behave


accepts = says(OK)


def closes(connection: socket.socket, asked: Any = None) -> None:
    connection.close()


def resets(connection: socket.socket, asked: Any = None) -> None:
    """RST instead of FIN: what a server that dies, or a firewall, does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hangs(connection: socket.socket, asked: Any = None) -> None:
    """No answer, until the other side gives up."""
    connection.settimeout(300)
    while connection.recv(65536):
        pass
    connection.close()


def goes_on(start: bytes, more: bytes, pause: float = 0) -> Behaviour:
    """An answer without an end: a start, and then more and more, until the other side gives up."""

    def behave(connection: socket.socket, asked: Any = None) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(more)
            time.sleep(pause)

    return behave


class Misbehaving(Listener):
    """Treats each request with the next of ``behaviours``; when they have run out, with ``then``.

    :param doors: done to each connection before anything is read from it, as long as there are any
    :param tls: wraps each connection
    :ivar asked: the requests, in the order in which they came
    """

    def __init__(
        self,
        *behaviours: Behaviour,
        then: Behaviour = accepts,
        doors: tuple[Callable[[socket.socket], None], ...] = (),
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.behaviours, self.doors, self.then, self.tls = deque(behaviours), deque(doors), then, tls
        self.asked: list[Asked] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(port)

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def arrivals(self) -> Counter[str]:
        """How often each event came, by its id."""
        return Counter(each.event_id for each in self.asked)

    def wait_for(self, requests: int, seconds: float = 10) -> None:
        """Until so many requests have come."""
        until = time.monotonic() + seconds
        while len(self.asked) < requests:
            assert time.monotonic() < until, f"{len(self.asked)} requests came, not {requests}"
            time.sleep(0.01)

    def serve(self, connection: socket.socket, number: int) -> None:
        if self.doors:
            self.doors.popleft()(connection)
        if self.tls and connection.fileno() >= 0:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
        try:
            while connection.fileno() >= 0 and (asked := self._read(connection, number)):
                with self._lock:
                    self.asked.append(asked)
                    behave = self.behaviours.popleft() if self.behaviours else self.then
                behave(connection, asked)
        except OSError:  # the other side has gone
            pass
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)

    @staticmethod
    def _read(connection: socket.socket, number: int) -> Asked | None:
        head, body = read_head(connection)
        if not head:
            return None
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            if not (piece := connection.recv(65536)):
                return None
            body += piece
        return Asked(head, body, number)


class Authority:
    """A certificate authority of the test's own, by the ``openssl`` command.

    :ivar path: its certificate, for those who trust it
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.path = folder, folder / "authority.pem"
        # What strict verifiers ask of a certificate: Python's own since 3.13.
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        key = self._key("authority")
        self._openssl("req", "-x509", *key, *usage, "-days", "2", "-out", str(self.path), name="authority")

    def certified(self, name: str = "IP:127.0.0.1", *, days: int = 2, trusted: bool = True) -> ssl.SSLContext:
        """What a server shows: a certificate for a name that ends in so many days, its own witness if not trusted."""
        folder, extensions = self._folder, self._folder / "extensions"
        extensions.write_text(f"subjectAltName={name}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        self._openssl("req", "-new", *self._key("server"), "-out", str(folder / "request.pem"), name="server")
        ca = ("-CA", str(self.path), "-CAkey", str(folder / "authority.key"), "-CAcreateserial")
        signed = ca if trusted else ("-signkey", str(folder / "server.key"))
        self._openssl(
            *("x509", "-req", "-in", str(folder / "request.pem"), *signed, "-days", str(days)),
            *("-extfile", str(extensions), "-out", str(folder / "server.pem")),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        return context

    def _key(self, name: str) -> tuple[str, ...]:
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return (*kind, "-keyout", str(self._folder / f"{name}.key"))

    def _openssl(self, *arguments: str, name: str = "") -> None:
        subject = ("-subj", f"/CN={name}") if name else ()
        subprocess.run(["openssl", *arguments, *subject], check=True, capture_output=True, timeout=30)
