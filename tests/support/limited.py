"""A far side with a rate limit per second, counted by its own monotonic clock, in several manners."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

from dfinery_django.protocols.base import Request, Response
from tests.support.doubles import answer


class Limited:
    """A send function that takes so many requests per period and refuses the rest.

    :param kind: ``fixed`` windows, which begin with whole periods; ``sliding`` ones; a token ``bucket``
    :param headers: whether answers tell of the limit
    :param seconds: how long an answer takes
    """

    def __init__(
        self, limit: int, period: float = 1.0, *, kind: str = "fixed", headers: bool = False, seconds: float = 0.0
    ) -> None:
        self.limit, self.period, self.kind, self.headers, self.seconds = limit, period, kind, headers, seconds
        self.taken: deque[float] = deque()
        self.tokens, self.filled_at = float(limit), time.monotonic()
        self.accepted = self.refused = 0
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self.lock:
            left = self._left(time.monotonic())
            if left > 0:
                self.accepted += 1
                self.taken.append(time.monotonic())
                self.tokens -= 1
            else:
                self.refused += 1
            headers = self._headers(max(0, left - 1)) if self.headers else {}
        time.sleep(self.seconds)
        return answer(200, 2000, **headers) if left > 0 else answer(429, 4006, **headers)

    @property
    def share_refused(self) -> float:
        return self.refused / (self.accepted + self.refused)

    def _left(self, now: float) -> int:
        if self.kind == "bucket":
            self.tokens = min(self.limit, self.tokens + (now - self.filled_at) * self.limit / self.period)
            self.filled_at = now
            return int(self.tokens)
        began = now - self.period if self.kind == "sliding" else now // self.period * self.period
        while self.taken and self.taken[0] <= began:
            self.taken.popleft()
        return self.limit - len(self.taken)

    def _headers(self, left: int) -> dict[str, str]:
        resets_at = time.time() + self.period * (1 - time.monotonic() / self.period % 1)
        return {
            "X_Rate_Limit_Limit": f"{math.ceil(self.period)}s",
            "X_Rate_Limit_Remaining": str(left),
            "X_Rate_Limit_Reset": str(round(resets_at * 1000)),
        }
