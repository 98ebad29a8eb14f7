"""The wait before an event's next attempt: exponential, clamped, with full jitter. Probes use its ceiling.

Full jitter (a uniform draw between zero and the ceiling) spreads the retries of a backlog best; see
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from collections.abc import Callable

BASE_SECONDS = 5.0
CAP_SECONDS = 30 * 60.0
#: 5 s * 2**9 is past the cap; a larger exponent would only overflow for an event tried thousands of times.
_MAX_DOUBLINGS = 9


def ceiling_seconds(failures: int) -> float:
    """Return the longest wait after that many failures in a row (1, 2, …): 5 s, 10 s, 20 s …, up to the cap."""
    return min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(max(failures - 1, 0), _MAX_DOUBLINGS))


def backoff_seconds(failures: int, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Return a random wait up to the ceiling; at least 0.1 s, so that no event is tried in a tight loop."""
    return max(0.1, draw(0.0, ceiling_seconds(failures)))
