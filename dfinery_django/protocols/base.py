"""The seam between neutral payloads and one API's words. No I/O here or in any protocol: tested with literals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..states import Outcome
from ..tokens import Token

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One HTTP request. The headers carry the token, so they show in no repr."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True)
class Response:
    """One HTTP answer: header names in lower case, the body up to the client's cap."""

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Result:
    """What an answer means.

    :ivar status_code: HTTP status, ``None`` if no answer came
    :ivar result_code: the API's own code, as text
    :ivar message: a sentence for whoever runs the shop, with the far side's own words
    :ivar blames_token: whether it is the token that is refused
    :ivar reset_at: epoch seconds at which the rate limit resets, if the answer says so
    :ivar remaining: how many requests it still allows until then
    :ivar period_seconds: how long its period is
    """

    outcome: Outcome
    message: str = ""
    status_code: int | None = None
    result_code: str = ""
    blames_token: bool = False
    reset_at: float | None = None
    remaining: int | None = None
    period_seconds: float | None = None


class WireProtocol(ABC):
    """One API. Made per destination; must be safe to use from several threads."""

    def __init__(self, *, base_url: str, token: Token) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token

    def batches(self, payloads: Sequence[T]) -> Iterator[Sequence[T]]:
        """Which events may share a request; here each stands alone."""
        for payload in payloads:
            yield (payload,)

    @abstractmethod
    def encode(self, batch: Sequence[str]) -> Request:
        """Stored payloads (canonical JSON text) -> one request."""

    @abstractmethod
    def decode(self, response: Response) -> Result:
        """An answer -> what it means for the whole batch. Never raises, whatever the body."""
