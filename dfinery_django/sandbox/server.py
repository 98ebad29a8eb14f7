"""A local fake DFINERY: it responds as the vendor's page says, logs what arrives and shows it on a page.

It needs no configured Django, never stores or shows a token, and serves on loopback only: it shows customers' data
without a password.

The page states the responses and the ``X-Rate-Limit-*`` headers. The sandbox's own interpretation: an unknown token is
400/4001 and a missing or malformed ``Authorization`` header 401, judged before the limit, judged before the body; the
limit counts in fixed windows that end with the UTC minute. Wrong methods, unknown paths, large bodies: 405, 404, 413.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from . import http, pages
from .memory import ArrivalLog
from .rules import Arrival, ErrorResponse, judge

EVENTS_PATH, ARRIVAL_PATH = "/api/v1/events", "/arrivals/"
DOCUMENTED_RATE_LIMIT = 10_000_000  # events per minute: the Event API's default
MAX_ARMED = 10_000
GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
UNAUTHORIZED = ErrorResponse(401, None, None)
INVALID_TOKEN = ErrorResponse(400, 4001, "Invalid API Token Error.")
RATE_LIMITED = ErrorResponse(429, 4006, "API RateLimit exceeded.")


@dataclass(frozen=True)
class Fault:
    """One scripted response. Without ``result_code`` its body is ``message`` (a gateway's page) or empty.

    200 with 2000 means the ordinary response. ``accept``: a valid event is logged nevertheless, as if its response was
    lost on the way. ``drop``: the connection is closed without a response.
    """

    status: int
    result_code: int | None = None
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    accept: bool = False
    drop: bool = False


#: The faults by their names over HTTP. On the vendor's page, too, 500 has the text of 4001.
FAULTS: dict[str, Fault] = {
    "401": Fault(401),
    "4001": Fault(*INVALID_TOKEN),
    "4007": Fault(400, 4007, "Contains unsupported property value."),
    "429": Fault(*RATE_LIMITED),
    "500": Fault(500, 5001, "Invalid API Token Error."),
    "502": Fault(502, None, GATEWAY_PAGE.format("502 Bad Gateway")),
    "503": Fault(503, None, GATEWAY_PAGE.format("503 Service Temporarily Unavailable")),
    "drop": Fault(0, drop=True),
    "slow": Fault(200, 2000, accept=True, delay_seconds=12),  # most clients give up after ten
}


class Sandbox:
    """The fake server: ``with Sandbox() as sandbox: …`` and send to ``sandbox.url``.

    :ivar requests_seen: number of POST requests to the events path since the last clear, refused ones included
    :param tokens: the tokens to accept; without any, every token but ``invalid``
    :param rate_limit: events per minute and token
    :param store: a file (JSON lines) that keeps arrivals for the next run
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
        if not http.is_loopback(host):
            raise ValueError(f"{host} is not a loopback address: the sandbox shows customers' data without a password.")
        self.rate_limit = DOCUMENTED_RATE_LIMIT if rate_limit is None else rate_limit
        self.stopping = threading.Event()
        self._tokens, self._now, self._lock = frozenset(tokens), now, threading.RLock()
        self._log = ArrivalLog(store)
        self._reset()
        self._served = False
        self._server = http.Server((host, port), self.answer, self.stopping)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_address[1]}"

    def _reset(self) -> None:
        self._faults: deque[Fault] = deque()
        self._minute, self._counted = 0, Counter[str]()
        self.requests_seen, self._version = 0, secrets.token_hex(8)

    @property
    def arrivals(self) -> list[Arrival]:
        """Accepted events in order of arrival; a copy."""
        with self._lock:
            return list(self._log.arrivals)

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
        """Close the port and every open connection; requests in flight get no response."""
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
        """Delete everything: arrivals (also in the store), refusals, counts and armed faults."""
        with self._lock:
            self._log.forget(wipe=True)
            self._reset()

    def answer_next(self, *faults: Fault) -> None:
        """Script the next responses: each request to the events path uses one."""
        with self._lock:
            self._faults.extend(faults)

    # --- The events path

    def receive(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Respond to an event."""
        with self._lock:
            self.requests_seen += 1
            if request.raw is None:
                return self._refuse(ErrorResponse(413, None, None))
            fault = self._faults.popleft() if self._faults else None
        return self._judge(request) if fault is None else self._play(fault, request)

    def _judge(self, request: http.ReceivedRequest, remember: bool = True) -> http.SentResponse:
        token = re.fullmatch(r"Bearer ([!-~]+)", request.headers.get("Authorization") or "")
        with self._lock:
            if token is None:
                return self._refuse(UNAUTHORIZED)
            if token[1] not in self._tokens if self._tokens else token[1] == "invalid":
                return self._refuse(INVALID_TOKEN)
            left = self._count(token[1])
            if left < 0:
                return self._refuse(RATE_LIMITED, self._rate_headers(0))
            verdict = judge(request.raw or b"", self._now(), request.headers.get("Content-Type") or "")
            if isinstance(verdict, ErrorResponse):
                return self._refuse(verdict, self._rate_headers(left))
            if remember:
                self._log.keep(verdict)
            return http.api_response(200, 2000, None, {"event_id": verdict.event_id}, self._rate_headers(left))

    def _play(self, fault: Fault, request: http.ReceivedRequest) -> http.SentResponse:
        ordinary = (fault.status, fault.result_code) == (200, 2000)
        judged = self._judge(request, remember=fault.accept) if ordinary or fault.accept else http.SentResponse(0)
        self.stopping.wait(fault.delay_seconds)
        if ordinary and not fault.drop:
            return replace(judged, headers={**judged.headers, **fault.headers})
        knows_token = fault.result_code not in (None, INVALID_TOKEN.result_code)
        with self._lock:
            headers = self._rate_headers(0 if fault.status == 429 else self.rate_limit) if knows_token else {}
            refusal = ErrorResponse(fault.status, fault.result_code, "no answer" if fault.drop else fault.message)
            answer = self._refuse(refusal, {**headers, **fault.headers})
        return replace(answer, drop=fault.drop)

    def _refuse(self, refusal: ErrorResponse, headers: Mapping[str, str] | None = None) -> http.SentResponse:
        self._log.refuse(self._now(), refusal)
        return http.api_response(*refusal, None, headers or {})

    def _count(self, token: str) -> int:
        """Count this call of the token and return how many are left in this minute; negative beyond the limit."""
        minute = int(self._now() // 60)
        if minute != self._minute:
            self._minute, self._counted = minute, Counter()
        key = hashlib.sha256(token.encode()).hexdigest()  # the token itself is not kept
        self._counted[key] += 1
        return self.rate_limit - self._counted[key]

    def _rate_headers(self, left: int) -> dict[str, str]:
        reset = (int(self._now() // 60) + 1) * 60_000
        return {"X-Rate-Limit-Limit": "1m", "X-Rate-Limit-Remaining": str(left), "X-Rate-Limit-Reset": str(reset)}

    # --- The page and its controls

    def _snapshot(self, event_name: str | None = None) -> dict[str, Any]:
        log = self._log
        wanted = [each for each in log.arrivals if event_name in (None, each.event_name)]
        return {"count": len(wanted), "events": wanted, "drift": log.drift(), "refused": list(log.refused)}

    def list(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Respond with the arrivals as JSON."""
        with self._lock:
            snapshot = self._snapshot(dict(parse_qsl(request.query)).get("event_name"))
            snapshot["events"] = [self._log.describe(each) for each in snapshot["events"]]
        return http.json_response(200, snapshot)

    def show(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Respond with the list of arrivals."""
        with self._lock:
            log, armed = self._log, len(self._faults)
            version = f'"{self._version}.{self.requests_seen}.{len(log.arrivals)}.{log.refused_count}.{armed}"'
            if request.headers.get("If-None-Match") == version:
                return http.SentResponse(304)
            arrivals, times, refused = list(log.arrivals), log.times_arrived, list(log.refused)
            page: dict[str, Any] = {"requests_seen": self.requests_seen, "drift": log.drift()}
            page |= {"refused_count": log.refused_count, "armed": armed}
        # Searched without the lock: events arrive meanwhile.
        page |= pages.list_context(arrivals, times, pages.Search.of(request.query))
        page |= {"count": len(arrivals), "distinct": len(times), "faults": list(FAULTS)}
        page |= {"refused": refused[::-1], "refused_shown": len(refused)}
        page["unprocessed"] = sum(not each.processed for each in arrivals)
        return http.html_page("sandbox", page, version=version)

    def show_arrival(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Respond with the page of one arrival."""
        number = request.path.removeprefix(ARRIVAL_PATH)
        is_number = number.isascii() and number.isdigit() and len(number) < 9
        with self._lock:
            search = pages.Search.of(request.query)
            page = pages.arrival_context(self._log, int(number), search) if is_number else None
        return http.html_page("sandbox_arrival", page or {}, status=200 if page else 404)

    def ask_to_forget(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Respond with the question before everything is cleared."""
        with self._lock:
            page = {"count": len(self._log.arrivals), "store": str(self._log.store or "")}
        return http.html_page("sandbox_forget", page)

    def forget(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Clear everything."""
        self.clear()
        return http.acknowledge(request, {"cleared": True})

    def arm(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Arm a fault by its name."""
        try:
            raw = request.raw or b""
            wanted = dict(parse_qsl(raw.decode())) if http.is_form(request) else json.loads(raw)
            fault, times = FAULTS[str(wanted["fault"])], int(wanted.get("times", 1))
        except (AttributeError, KeyError, TypeError, ValueError):
            return http.json_response(400, {"error": f"Send fault (one of {', '.join(FAULTS)}) and times."})
        if not 1 <= times <= MAX_ARMED:
            return http.json_response(400, {"error": f"times must be between 1 and {MAX_ARMED}."})
        self.answer_next(*[fault] * times)
        return http.acknowledge(request, {"fault": wanted["fault"], "times": times})

    def answer(self, request: http.ReceivedRequest) -> http.SentResponse:
        """Answer one HTTP request."""
        methods = ROUTES.get(ARRIVAL_PATH if request.path.startswith(ARRIVAL_PATH) else request.path)
        if methods is None:
            return http.SentResponse(404)
        if request.method not in methods:
            return http.SentResponse(405, headers={"Allow": ", ".join(methods)})
        if request.path != EVENTS_PATH and not request.is_from_here():
            return http.json_response(403, {"error": "The page and its controls are for this machine only."})
        return methods[request.method](self, request)


ROUTES: dict[str, dict[str, Callable[[Sandbox, http.ReceivedRequest], http.SentResponse]]] = {
    EVENTS_PATH: {"POST": Sandbox.receive},
    "/": {"GET": Sandbox.show},
    "/events.json": {"GET": Sandbox.list, "DELETE": Sandbox.forget},
    ARRIVAL_PATH: {"GET": Sandbox.show_arrival},
    "/clear": {"GET": Sandbox.ask_to_forget, "POST": Sandbox.forget},
    "/faults": {"POST": Sandbox.arm},
}
