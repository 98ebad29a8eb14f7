"""A local pretend DFINERY: it answers as the vendor's page says, remembers what arrived and shows it on a page.

It must not import anything of ``dfinery_django`` but its own rules (``sandbox_rules``), needs no configured Django,
never stores or shows a token, and serves on loopback only: what it holds are customers' data, without a password.

The page states the answers and the ``X-Rate-Limit-*`` headers. This sandbox's own reading: a token it was not given is
400/4001 and a missing or malformed ``Authorization`` header 401, judged before the limit, judged before the body; the
limit counts in fixed windows that end with the UTC minute. Methods, paths and bodies it does not know are 405, 404, 413.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.template import Context, Engine

from .sandbox_rules import Arrival, Refusal, judge

__all__ = ["FAULTS", "Arrival", "Fault", "Sandbox"]

EVENTS_PATH = "/api/v1/events"
DOCUMENTED_RATE_LIMIT = 10_000_000  # events per minute: the Event API's default
MAX_BODY_BYTES = 5 * 1024 * 1024
DRAINED_BYTES = 64 * 1024 * 1024  # how much of a refused body is read, so that its sender sees the answer
SHOWN_ARRIVALS, KEPT_REFUSALS, MAX_ARMED = 200, 50, 10_000
INVALID_TOKEN = Refusal(400, 4001, "Invalid API Token Error.")
RATE_LIMITED = Refusal(429, 4006, "API RateLimit exceeded.")
UNAUTHORIZED = Refusal(401, None, None)
GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@dataclass(frozen=True)
class Fault:
    """One scripted answer. Without ``result_code`` the body is ``message`` itself (a gateway's page) or empty.

    :param delay_seconds: wait before the answer
    :param accept: remember a valid event nevertheless: its answer was lost on the way
    :param drop: close the connection without any answer
    """

    status: int
    result_code: int | None = None
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    accept: bool = False
    drop: bool = False


#: The faults that have a name over HTTP and on the page. 500 has the text of 4001 on the vendor's page, too.
FAULTS: dict[str, Fault] = {
    "401": Fault(401),
    "4001": Fault(400, 4001, "Invalid API Token Error."),
    "429": Fault(429, 4006, "API RateLimit exceeded."),
    "500": Fault(500, 5001, "Invalid API Token Error."),
    "502": Fault(502, None, GATEWAY_PAGE.format("502 Bad Gateway")),
    "503": Fault(503, None, GATEWAY_PAGE.format("503 Service Temporarily Unavailable")),
    "drop": Fault(0, drop=True),
    "slow": Fault(200, 2000, accept=True, delay_seconds=12),  # most clients give up after ten
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    dropped: bool = False


class Memory:
    """What arrived and what was refused; in a file as well, if there is one. Not safe without the sandbox's lock."""

    def __init__(self, store: str | os.PathLike[str] | None) -> None:
        self.arrivals: list[Arrival] = []
        self.refused: deque[dict[str, Any]] = deque(maxlen=KEPT_REFUSALS)
        self.requests_seen = self.refused_count = 0
        self.times_arrived: Counter[str] = Counter()
        self.types: dict[tuple[str, str], dict[str, str]] = {}  # (scope, console name): type: the id that brought it
        self.file = None if store is None else open(store, "a+", encoding="utf-8")  # noqa: SIM115
        for line in self._lines():
            self._know(Arrival.of(line["raw"], line["received_at"], tuple(line["warnings"])))

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self.file is None:
            return
        self.file.seek(0)
        line = "\n"
        for line in self.file:
            try:
                yield json.loads(line)
            except ValueError:  # the end of a run that was killed while it wrote
                continue
        if not line.endswith("\n"):
            self.file.write("\n")

    def _know(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self.times_arrived[arrival.event_id] += 1
        for found in arrival.properties():
            self.types.setdefault((found.scope, found.console_name), {}).setdefault(found.type, arrival.event_id)

    def keep(self, arrival: Arrival) -> None:
        if self.file is not None:
            line = {"received_at": arrival.received_at, "raw": arrival.raw, "warnings": arrival.warnings}
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        self._know(arrival)

    def refuse(self, at: float, status: int, result_code: int | None, message: str | None) -> None:
        self.refused_count += 1
        self.refused.append({"at": at, "status": status, "result_code": result_code, "message": message})

    def drift(self) -> list[dict[str, Any]]:
        """List the fields that came with more than one type, which the console would show as several fields."""
        return [
            {
                "scope": scope,
                "console_name": name,
                "types": [{"type": kind, "event_id": event_id} for kind, event_id in types.items()],
            }
            for (scope, name), types in self.types.items()
            if len(types) > 1
        ]
