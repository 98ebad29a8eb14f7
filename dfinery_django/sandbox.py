"""A local pretend DFINERY: it answers as the vendor's page says, remembers what arrived and shows it on a page.

It must not import anything of ``dfinery_django`` but its own rules (``sandbox_rules``), needs no configured Django,
never stores or shows a token, and serves on loopback only: what it holds are customers' data, without a password.

The page states the answers and the ``X-Rate-Limit-*`` headers. This sandbox's own reading: a token it was not given is
400/4001 and a missing or malformed ``Authorization`` header 401, judged before the limit, judged before the body; the
limit counts in fixed windows that end with the UTC minute. Methods, paths and bodies it can't take are 405, 404, 413.
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
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from django.template import Context, Engine

from .sandbox_rules import Arrival, Memory, Refusal, judge

__all__ = ["FAULTS", "Arrival", "Fault", "Sandbox"]

EVENTS_PATH = "/api/v1/events"
DOCUMENTED_RATE_LIMIT = 10_000_000  # events per minute: the Event API's default
MAX_BODY_BYTES, DRAINED_BYTES = 5 * 1024 * 1024, 64 * 1024 * 1024  # the rest is read so that its sender sees the 413
SHOWN_ARRIVALS, MAX_ARMED = 200, 10_000
GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
UNAUTHORIZED = Refusal(401, None, None)
INVALID_TOKEN = Refusal(400, 4001, "Invalid API Token Error.")
RATE_LIMITED = Refusal(429, 4006, "API RateLimit exceeded.")


@dataclass(frozen=True)
class Fault:
    """One scripted answer. Without ``result_code`` its body is ``message`` itself (a gateway's page) or empty.

    200 with 2000 means the ordinary answer. ``accept``: a valid event is remembered nevertheless, its answer was lost
    on the way. ``drop``: the connection is closed without any answer.
    """

    status: int
    result_code: int | None = None
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    accept: bool = False
    drop: bool = False


#: The faults that have a name over HTTP. 500 carries the text of 4001 on the vendor's page, too.
FAULTS: dict[str, Fault] = {
    "401": Fault(401),
    "4001": Fault(*INVALID_TOKEN),
    "429": Fault(*RATE_LIMITED),
    "500": Fault(500, 5001, "Invalid API Token Error."),
    "502": Fault(502, None, GATEWAY_PAGE.format("502 Bad Gateway")),
    "503": Fault(503, None, GATEWAY_PAGE.format("503 Service Temporarily Unavailable")),
    "drop": Fault(0, drop=True),
    "slow": Fault(200, 2000, accept=True, delay_seconds=12),  # most clients give up after ten
}


@dataclass(frozen=True)
class Ask:
    """One HTTP request; ``raw`` is None if the body was too large."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes | None

    def is_from_here(self) -> bool:
        """Tell the machine's own programs and this very page from a foreign page in the browser."""
        host = self.headers.get("Host") or ""
        return is_loopback(re.sub(r":\d*$", "", host)) and self.headers.get("Origin") in (None, f"http://{host}")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False


class Sandbox:
    """The pretend server: ``with Sandbox() as sandbox: …`` and send to ``sandbox.url``.

    :param tokens: the tokens to take; without any, every token but ``invalid``
    :param rate_limit: events per minute and token
    :param store: a file (JSON lines) that remembers what arrived, for the next run
    :param now: the clock, in epoch seconds
    :raises ValueError: if ``host`` is not a loopback address
    :raises OSError: if the port is taken or the store can't be written
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tokens: Collection[str] = (),
        rate_limit: int | None = None,
        store: str | os.PathLike[str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not is_loopback(host):
            raise ValueError(f"{host} is no loopback address: the sandbox shows customers' data to whoever asks.")
        self.rate_limit = DOCUMENTED_RATE_LIMIT if rate_limit is None else rate_limit
        self.stopping = threading.Event()
        self._tokens, self._now, self._lock = frozenset(tokens), now, threading.RLock()
        self._memory = Memory(store)
        self._reset()
        self._served = False
        self._server = _Server((host, port), self)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_address[1]}"

    def _reset(self) -> None:
        self._faults: deque[Fault] = deque()
        self._minute, self._counted = 0, Counter[str]()
        self._requests_seen, self._version = 0, secrets.token_hex(8)

    @property
    def arrivals(self) -> list[Arrival]:
        """What was accepted, in order of arrival; a copy."""
        with self._lock:
            return list(self._memory.arrivals)

    @property
    def requests_seen(self) -> int:
        """Every POST to the events path since the last clear, refused ones included."""
        return self._requests_seen

    def start(self) -> Sandbox:
        """Serve in a thread of its own, which ends with the process."""
        self._served = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="dfinery-sandbox", daemon=True).start()
        return self

    def serve_forever(self) -> None:
        """Serve in this thread, until ``stop()`` from another one or an exception such as Ctrl-C."""
        self._served = True
        try:
            self._server.serve_forever(0.1)
        finally:
            self.stop()

    def stop(self) -> None:
        """Close the port and every open connection; what is on its way gets no answer."""
        self.stopping.set()
        if self._served:
            self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def clear(self) -> None:
        """Forget all: arrivals (also in the store), refusals, counts and armed faults."""
        with self._lock:
            self._memory.forget(wipe=True)
            self._reset()

    def answer_next(self, *faults: Fault) -> None:
        """Script the next answers: each request to the events path uses up one."""
        with self._lock:
            self._faults.extend(faults)

    # --- The events path

    def receive(self, ask: Ask) -> Answer:
        with self._lock:
            self._requests_seen += 1
            if ask.raw is None:
                return self._refuse(Refusal(413, None, None))
            fault = self._faults.popleft() if self._faults else None
        return self._judge(ask) if fault is None else self._play(fault, ask)

    def _judge(self, ask: Ask, remember: bool = True) -> Answer:
        token = re.fullmatch(r"Bearer ([!-~]+)", ask.headers.get("Authorization") or "")
        with self._lock:
            if token is None:
                return self._refuse(UNAUTHORIZED)
            if token[1] not in self._tokens if self._tokens else token[1] == "invalid":
                return self._refuse(INVALID_TOKEN)
            left = self._count(token[1])
            if left < 0:
                return self._refuse(RATE_LIMITED, self._rate_headers(0))
            verdict = judge(ask.raw or b"", self._now(), ask.headers.get("Content-Type") or "")
            if isinstance(verdict, Refusal):
                return self._refuse(verdict, self._rate_headers(left))
            if remember:
                self._memory.keep(verdict)
            return enveloped(200, 2000, None, {"event_id": verdict.event_id}, self._rate_headers(left))

    def _play(self, fault: Fault, ask: Ask) -> Answer:
        ordinary = (fault.status, fault.result_code) == (200, 2000)
        judged = self._judge(ask, remember=fault.accept) if ordinary or fault.accept else Answer(0)
        self.stopping.wait(fault.delay_seconds)
        if ordinary and not fault.drop:
            return replace(judged, headers={**judged.headers, **fault.headers})
        knows_token = fault.result_code not in (None, INVALID_TOKEN.result_code)
        with self._lock:
            headers = self._rate_headers(0 if fault.status == 429 else self.rate_limit) if knows_token else {}
            refusal = Refusal(fault.status, fault.result_code, "no answer" if fault.drop else fault.message)
            answer = self._refuse(refusal, {**headers, **fault.headers})
        return replace(answer, drop=fault.drop)

    def _refuse(self, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Answer:
        self._memory.refuse(self._now(), refusal)
        return enveloped(*refusal, None, headers or {})

    def _count(self, token: str) -> int:
        """Count this call of the token and say how many are left in this minute; negative beyond the limit."""
        minute = int(self._now() // 60)
        if minute != self._minute:
            self._minute, self._counted = minute, Counter()
        key = hashlib.sha256(token.encode()).hexdigest()  # the token itself is kept nowhere
        self._counted[key] += 1
        return self.rate_limit - self._counted[key]

    def _rate_headers(self, left: int) -> dict[str, str]:
        reset = (int(self._now() // 60) + 1) * 60_000
        return {"X-Rate-Limit-Limit": "1m", "X-Rate-Limit-Remaining": str(left), "X-Rate-Limit-Reset": str(reset)}

    # --- The page and its controls

    def _snapshot(self, event_name: str | None = None) -> dict[str, Any]:
        memory = self._memory
        wanted = [each for each in memory.arrivals if event_name in (None, each.event_name)]
        return {"count": len(wanted), "events": wanted, "drift": memory.drift(), "refused": list(memory.refused)}

    def list(self, ask: Ask) -> Answer:
        with self._lock:
            found = self._snapshot(dict(parse_qsl(ask.query)).get("event_name"))
            found["events"] = [self._memory.shown(each) for each in found["events"]]
        return as_json(200, found)

    def show(self, ask: Ask) -> Answer:
        with self._lock:
            memory, faults = self._memory, len(self._faults)
            version = f'"{self._version}.{self._requests_seen}.{len(memory.arrivals)}.{memory.refused_count}.{faults}"'
            if ask.headers.get("If-None-Match") == version:
                return Answer(304)
            page = {
                **self._snapshot(),
                "requests_seen": self._requests_seen,
                "armed": faults,
                "distinct": len(memory.times_arrived),
                "unprocessed": sum(not each.processed for each in memory.arrivals),
                "refused_count": memory.refused_count,
            }
            newest = list(enumerate(page["events"], 1))[: -SHOWN_ARRIVALS - 1 : -1]
            page["events"] = [{"number": number, **memory.shown(each)} for number, each in newest]
            page |= {"shown": len(newest), "refused_shown": len(page["refused"])}
        nonce = secrets.token_urlsafe(16)
        page |= {"refused": page["refused"][::-1], "faults": list(FAULTS), "nonce": nonce, "version": version}
        return rendered(page, nonce, version)

    def forget(self, ask: Ask) -> Answer:
        self.clear()
        return done(ask, {"cleared": True})

    def arm(self, ask: Ask) -> Answer:
        try:
            wanted = dict(parse_qsl((ask.raw or b"").decode())) if is_form(ask) else json.loads(ask.raw or b"")
            fault, times = FAULTS[str(wanted["fault"])], int(wanted.get("times", 1))
        except (AttributeError, KeyError, TypeError, ValueError):
            return as_json(400, {"error": f"Send fault (one of {', '.join(FAULTS)}) and times."})
        if not 1 <= times <= MAX_ARMED:
            return as_json(400, {"error": f"times must be between 1 and {MAX_ARMED}."})
        self.answer_next(*[fault] * times)
        return done(ask, {"fault": wanted["fault"], "times": times})

    def answer(self, ask: Ask) -> Answer:
        """Answer one HTTP request."""
        methods = ROUTES.get(ask.path)
        if methods is None:
            return Answer(404)
        if ask.method not in methods:
            return Answer(405, headers={"Allow": ", ".join(methods)})
        if ask.path != EVENTS_PATH and not ask.is_from_here():
            return as_json(403, {"error": "The page and its controls answer to this machine only."})
        return methods[ask.method](self, ask)


ROUTES: dict[str, dict[str, Callable[[Sandbox, Ask], Answer]]] = {
    EVENTS_PATH: {"POST": Sandbox.receive},
    "/": {"GET": Sandbox.show},
    "/events.json": {"GET": Sandbox.list, "DELETE": Sandbox.forget},
    "/clear": {"POST": Sandbox.forget},
    "/faults": {"POST": Sandbox.arm},
}


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_form(ask: Ask) -> bool:
    return (ask.headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded")


def as_json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    text = json.dumps(body, ensure_ascii=False)
    return Answer(status, text.encode(), {"Content-Type": "application/json", **(headers or {})})


def enveloped(status: int, code: int | None, message: str | None, found: Any, headers: Mapping[str, str]) -> Answer:
    """Wrap as the API does; an answer without a code is no answer of the API's own, but a gateway's."""
    if code is not None:
        return as_json(status, {"result_code": code, "result_msg": message, "result_data": found}, headers)
    return Answer(status, (message or "").encode(), {**({"Content-Type": "text/html"} if message else {}), **headers})


def done(ask: Ask, said: dict[str, Any]) -> Answer:
    return Answer(303, headers={"Location": "/"}) if is_form(ask) else as_json(200, said)


def as_text(value: Any) -> Any:
    """Turn numbers into text all the way down: a template would write them in the site's locale."""
    if isinstance(value, dict):
        return {key: as_text(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_text(each) for each in value]
    return value if isinstance(value, str) else json.dumps(value)


def rendered(page: dict[str, Any], nonce: str, version: str) -> Answer:
    engine = Engine(dirs=[str(Path(__file__).parent / "templates")])
    html = engine.get_template("dfinery_django/sandbox.html").render(Context(as_text(page)))
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'"
    policy += "; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy, "ETag": version}
    return Answer(200, html.encode(), headers)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
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
        """End every open connection, and wait a moment for the threads that held them."""
        for connection in self.connections.copy():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was faster
                continue
        deadline = time.monotonic() + 2
        while self.connections and time.monotonic() < deadline:
            time.sleep(0.005)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that went away is no news
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version, server_version = "HTTP/1.1", "dfinery-sandbox"
    disable_nagle_algorithm, wbufsize = True, -1  # headers and body leave in one write
    server: _Server

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        raw = self._body()
        answer = self.server.sandbox.answer(Ask(self.command, path, query, self.headers, raw))  # type: ignore[arg-type]
        if raw is None or answer.drop or self.server.sandbox.stopping.is_set():
            self.close_connection = True
        if answer.drop or self.server.sandbox.stopping.is_set():
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
        """Read the body; one that is too large or of unknown length is read away, as far as that makes sense."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            return None
        if int(length) <= MAX_BODY_BYTES:
            return self.rfile.read(int(length))
        left = min(int(length), DRAINED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)
        return None

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent: the page shows what came."""
