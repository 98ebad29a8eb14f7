"""A proxy on loopback: CONNECT, and plain requests passed on. It remembers what it was asked, and may refuse."""

from __future__ import annotations

import base64
import select
import socket
from urllib.parse import urlsplit

from tests.support.listener import Listener, read_head


class LoopbackProxy(Listener):
    """
    :param credentials: ``user:password`` that it asks for
    :param refusal: status line that it answers CONNECT with, instead of connecting
    :param early: what it sends before its answer
    :ivar asked: the heads of the requests
    """

    def __init__(self, credentials: str = "", refusal: str = "", early: bytes = b"") -> None:
        self.credentials, self.refusal, self.early = credentials, refusal, early
        self.asked: list[bytes] = []
        super().__init__()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.credentials}{'@' if self.credentials else ''}{self.address}"

    def serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                head, rest = read_head(connection)
                if not head:
                    return
                self.asked.append(head)
                method, target, _ = head.split(b"\r\n")[0].decode().split()
                connection.sendall(self.early)
                wanted = f"Basic {base64.b64encode(self.credentials.encode()).decode()}"
                if self.credentials and f"Proxy-Authorization: {wanted}".encode() not in head:
                    echo = head.partition(b"Proxy-Authorization: ")[2].partition(b"\r\n")[0].decode()
                    self._say(connection, f"407 Proxy Authentication Required, not {echo}")
                elif self.refusal:
                    self._say(connection, self.refusal)
                elif method == "CONNECT":
                    self._pass_on(connection, target, b"", b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    parts = urlsplit(target)
                    head = head.replace(target.encode(), parts.path.encode(), 1)
                    self._pass_on(connection, parts.netloc, head + b"\r\n\r\n" + rest)
            except OSError:
                pass

    @staticmethod
    def _say(connection: socket.socket, status: str) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    @staticmethod
    def _pass_on(connection: socket.socket, target: str, first: bytes, answer: bytes = b"") -> None:
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5) as upstream:
            connection.sendall(answer)
            upstream.sendall(first)
            while True:
                for readable in select.select([connection, upstream], [], [])[0]:
                    piece = readable.recv(65536)
                    if not piece:
                        return
                    (upstream if readable is connection else connection).sendall(piece)
