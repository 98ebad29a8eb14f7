"""A server on loopback: a thread for each connection. What it says is up to its subclass."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from typing import Any, TypeVar

L = TypeVar("L", bound="Listener")


class Listener(ABC):
    """
    :ivar connections: how many connections were made
    """

    def __init__(self, port: int = 0) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)

    def __enter__(self: L) -> L:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # A thread that waits in accept() would keep the port open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @abstractmethod
    def serve(self, connection: socket.socket, number: int) -> Any:
        """One connection, from its first byte to its end."""

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection, self.connections - 1), daemon=True).start()


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request without the blank line after it, and what has come of its body. Empty once it is gone."""
    text = b""
    while b"\r\n\r\n" not in text:
        if not (piece := connection.recv(65536)):
            return b"", b""
        text += piece
    head, _, rest = text.partition(b"\r\n\r\n")
    return head, rest
