"""Worker processes on the database of the running test, and a wire to it that can be cut."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

#: The task as django-q2 runs it.
DRAIN = ("-c", "import django; django.setup(); from dfinery_django import tasks; tasks.drain('default')")
DRAIN_FOREVER = ("-m", "django", "dfinery", "drain", "--forever")


def answer_calls(functions: dict[str, Any]) -> None:
    """Answer each line of standard input, a call as JSON, by a line with the result; what is printed goes elsewhere."""
    import django

    django.setup()
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        name, args, kwargs = json.loads(line)
        answers.write(json.dumps(functions[name](*args, **kwargs)) + "\n")
        answers.flush()


class Workers:
    """Processes that see the test's rows; the test sees what they have done when the block is left.

    On SQLite, where the test's database is in its own memory, they work on a copy in a file, which is read back.

    :param database: changes to ``DATABASES["default"]``
    :ivar path: on SQLite, the file
    """

    def __init__(self, **database: Any) -> None:
        self._database, self._started = database, list[subprocess.Popen[str]]()
        self.path = ""

    def __enter__(self) -> Workers:
        name = connection.settings_dict["NAME"]
        if connection.vendor == "sqlite":
            self._folder = tempfile.TemporaryDirectory()
            name = self.path = f"{self._folder.name}/copy.sqlite3"
            connection.ensure_connection()
            with sqlite3.connect(self.path) as copy:
                connection.connection.backup(copy)
            copy.close()
        self._database = {"NAME": name, **self._database}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
        if self.path:
            with sqlite3.connect(self.path) as copy:
                copy.backup(connection.connection)
            copy.close()
            self._folder.cleanup()

    def start(self, command: tuple[str, ...] = DRAIN) -> subprocess.Popen[str]:
        worker = {"WORKER_DATABASE": json.dumps(self._database), "WORKER_DFINERY": json.dumps(settings.DFINERY)}
        process = subprocess.Popen(
            [sys.executable, *command],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.support.worker_settings",
                "PYTHONUNBUFFERED": "1",
                **worker,
            },
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process


def ended(process: subprocess.Popen[str], seconds: float = 30) -> str:
    """What a process has written to stderr, once it has ended by itself, well."""
    _, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors
    return errors


class CutWire:
    """A proxy before the database server: ``cut()`` ends all connections and refuses new ones until ``mend()``."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []

    def __enter__(self) -> CutWire:
        self._listen()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cut()

    def cut(self) -> None:
        for end in (self._listener, *self._ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()
        self._ends.clear()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def cut_for(self, seconds: float) -> None:
        def cut_and_mend() -> None:
            self.cut()
            time.sleep(seconds)
            self.mend()

        threading.Thread(target=cut_and_mend, daemon=True).start()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._server)
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                note = partial(self.note, is_question=source is near)
                threading.Thread(target=_forward, args=(source, target, note), daemon=True).start()

    def note(self, *, is_question: bool) -> None:
        """Called before a piece is passed on, which the server is asked or answers."""


class CountingWire(CutWire):
    """A proxy before the database server that counts round trips, on one connection at a time."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.trips = 0
        self._is_asked = False

    def note(self, *, is_question: bool) -> None:
        self.trips += is_question and not self._is_asked  # a long question comes in several pieces
        self._is_asked = is_question


def _forward(source: socket.socket, target: socket.socket, note: Callable[[], None]) -> None:
    try:
        while piece := source.recv(65536):
            note()
            target.sendall(piece)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    # The thread of the other direction reads the end of it, and then both are closed.
    source.close()
