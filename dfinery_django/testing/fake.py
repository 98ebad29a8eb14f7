"""``FakeDfinery``: answers our requests in place of DFINERY. No network, whatever ``BASE_URL`` is.

Built on ``responses``, which replaces our own adapter alone: other requests of the site are sent as before, and the
site's own use of ``responses`` is not disturbed.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import responses

from ..delivery.http_client import TimedOut

ADAPTER = "dfinery_django.delivery.http_client._Adapter.send"
ANY_URL = re.compile("")
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

_Reply = tuple[int, dict[str, str], str]


@dataclass(frozen=True)
class Attempt:
    """One received request.

    :ivar body: its JSON, decoded
    :ivar status_code: the status of the answer; ``None`` if the request timed out
    """

    url: str
    body: Any
    status_code: int | None


class FakeDfinery:
    """A double of DFINERY: ``with FakeDfinery() as fake: fake.throttle(); …``.

    Each call queues the answer to one request; without a queued answer a request is accepted. Queued answers that
    no request fetched raise an ``AssertionError`` at the end of the block.

    :ivar attempts: the received requests, in order
    """

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._script: deque[_Reply | Exception] = deque()
        self._lock = threading.Lock()  # requests come from several threads
        self._mock = responses.RequestsMock(assert_all_requests_are_fired=False, target=ADAPTER)

    @property
    def events(self) -> list[Any]:
        """The bodies of accepted requests, decoded, in order."""
        return [each.body for each in self.attempts if each.status_code == 200]

    def accept(self, *, times: int = 1) -> None:
        """Answer 200 and 2000: the event is delivered."""
        self.answer(200, 2000, times=times)

    def reject(self, code: int | str = 4002, message: str = "Invalid value.", *, times: int = 1) -> None:
        """Answer 400: the event fails. 4002: a format or value; 4007: an unsupported property."""
        self.answer(400, code, message, times=times)

    def throttle(self, *, reset_seconds: float = 60, times: int = 1) -> None:
        """Answer 429 and 4006: delivery to the destination is stopped until the limit resets in ``reset_seconds``."""
        resets_at = str(round((time.time() + reset_seconds) * 1000))
        headers = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": resets_at}
        self.answer(429, 4006, "Rate limit exceeded.", headers, times=times)

    def fail(self, status: int = 500, *, times: int = 1) -> None:
        """Answer 5xx and 5001: the event is retried after a pause."""
        self.answer(status, 5001, "Internal error.", times=times)

    def refuse_token(self, *, times: int = 1) -> None:
        """Answer 401 and 4001: delivery to the destination is stopped, its events wait."""
        self.answer(401, 4001, "Invalid token.", times=times)

    def time_out(self, *, times: int = 1) -> None:
        """Time out, without a wait: the event is retried after a pause."""
        self._script.extend(TimedOut("FakeDfinery timed out") for _ in range(times))

    def answer(
        self, status: int, code: int | str, message: str = "", headers: dict[str, str] | None = None, *, times: int = 1
    ) -> None:
        """Give any other answer."""
        body = json.dumps({"result_code": int(code), "result_msg": message})
        self._script.extend([(status, headers or {}, body)] * times)

    def __enter__(self) -> FakeDfinery:
        self._mock.start()
        for method in METHODS:
            self._mock.add_callback(method, ANY_URL, callback=self._respond, content_type="application/json")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._mock.stop()
        self._mock.reset()
        if self._script and kind is None:
            counts = f"{len(self._script)} queued answers were not used; {len(self.attempts)} requests came."
            remedy = "Was everything drained? An event that is retried is due only after its pause."
            raise AssertionError(f"{counts} {remedy}")

    def _respond(self, request: Any) -> _Reply | Exception:
        with self._lock:
            answer = self._script.popleft() if self._script else (200, {}, '{"result_code": 2000, "result_msg": null}')
            status = None if isinstance(answer, Exception) else answer[0]
            self.attempts.append(Attempt(request.url, json.loads(request.body), status))
        return answer
