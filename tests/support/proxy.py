"""A proxy on loopback: CONNECT, and plain requests passed on. It remembers what it was asked, and may refuse."""

from __future__ import annotations

import base64
import select
import socket
import threading
from urllib.parse import urlsplit


class LoopbackProxy:
    """
    :param credentials: ``user:password`` that it asks for
    :param refusal: status line that it answers CONNECT with, instead of connecting
    :param early: what it sends before its answer
    :ivar asked: the heads of the requests
    """

    def __init__(self, credentials: str = "", refusal: str = "", early: bytes = b"") -> None:
        self.credentials, self.refusal, self.early = credentials, refusal, early
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def __enter__(self) -> LoopbackProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.credentials}{'@' if self.credentials else ''}{self.address}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                head, rest = self._read(connection)
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
                    self._pass_on(
                        connection, parts.netloc, head.replace(target.encode(), parts.path.encode(), 1) + rest
                    )
            except OSError:
                pass

    def _read(self, connection: socket.socket) -> tuple[bytes, bytes]:
        text = b""
        while b"\r\n\r\n" not in text:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError("gone")
            text += piece
        head, _, rest = text.partition(b"\r\n\r\n")
        self.asked.append(head)
        return head + b"\r\n\r\n", rest

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
