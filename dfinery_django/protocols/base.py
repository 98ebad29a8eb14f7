"""The interface between payloads and the wire format of one API. No protocol does I/O: tests need only literals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from ..enums import Outcome
from ..tokens import Token

BatchItem = TypeVar("BatchItem")


@dataclass(frozen=True)
class Request:
    """One HTTP request. The headers contain the token, so they are left out of the repr."""

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
    """The meaning of an answer.

    :ivar status_code: HTTP status, ``None`` if no answer came
    :ivar result_code: the API's own code, as text
    :ivar message: a sentence for the operator, with the API's own message
    :ivar blames_token: true if the token is refused
    :ivar reset_at: epoch seconds at which the rate limit resets, if the answer says so
    :ivar remaining: the number of requests that the rate limit still allows until then
    :ivar period_seconds: the length of the rate limit's period
    :ivar answered_at: epoch seconds of the answer by the far side's clock
    """

    outcome: Outcome
    message: str = ""
    status_code: int | None = None
    result_code: str = ""
    blames_token: bool = False
    reset_at: float | None = None
    remaining: int | None = None
    period_seconds: float | None = None
    answered_at: float | None = None


class WireProtocol(ABC):
    """The base class for the protocol of one API. One object per destination; it must be thread-safe.

    :cvar label: the name of the API for people; without one the class's name is shown
    """

    label: ClassVar[str] = ""

    def __init__(self, *, base_url: str, token: Token) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token

    def batches(self, payloads: Sequence[BatchItem]) -> Iterator[Sequence[BatchItem]]:
        """Group the events that may share a request; by default each has its own."""
        for payload in payloads:
            yield (payload,)

    @abstractmethod
    def encode(self, batch: Sequence[str]) -> Request:
        """Turn stored payloads (canonical JSON text) into one request."""

    @abstractmethod
    def decode(self, response: Response) -> Result:
        """Return the meaning of an answer for the whole batch. Never raises, whatever the body is."""
