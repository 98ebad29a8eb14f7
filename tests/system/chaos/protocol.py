"""The S2S Event API, with a header that tells the server which process sends, and what it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dfinery_django.protocols.base import Request
from dfinery_django.protocols.s2s import S2SEventAPI

SENDER_HEADER = "X-Chaos-Sender"


class Signed(S2SEventAPI):
    def encode(self, batch: Sequence[str]) -> Request:
        request = super().encode(batch)
        return Request(
            request.url,
            request.body,
            {**request.headers, SENDER_HEADER: f"{os.getpid()} {os.environ['CHAOS_PROGRAM']}"},
        )
