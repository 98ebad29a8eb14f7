"""Each event ends as its own answer says, whatever else a server sends over a connection. Real sockets, TLS too."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from dfinery_django.delivery.worker import drain
from dfinery_django.models import DeliveryAttempt, Event
from tests.support.events import event, soon
from tests.support.misbehaving import OK, Authority, Behaviour, Misbehaving, closes, envelope, page, says

pytestmark = pytest.mark.django_db

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
REFUSED = page("400 Bad Request", envelope(4002, "Invalid request format."))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: Any) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["plain", "TLS"])
def serve(request: Any, configured: Any) -> Callable[..., Misbehaving]:
    """A server with these behaviours, and a shop that is pointed to it, which sends one event at a time."""

    def make(*behaviours: Behaviour, **options: Any) -> Misbehaving:
        changes: dict[str, Any] = {}
        if request.param == "TLS":
            authority = request.getfixturevalue("authority")
            options["tls"], changes = authority.certified(), {"CA_BUNDLE": authority.path}
        server = Misbehaving(*behaviours, **options)
        configured(BASE_URL=server.url, CONCURRENCY=1, CONNECT_TIMEOUT=2, READ_TIMEOUT=2, DRAIN_SECONDS=20, **changes)
        return server

    return make


def own(asked: Any) -> bytes:
    """Every other event is refused."""
    return REFUSED if int(asked.user_id[1:]) % 2 else OK


def says_its_own(connection: socket.socket, asked: Any) -> None:
    connection.sendall(own(asked))


def statuses(events: list[Event]) -> list[str]:
    found = dict(Event.objects.values_list("pk", "status"))
    return [found[each.pk] for each in events]


OWN = ["delivered", "failed"]

#: What comes before the answer, and how long after it the answer comes.
INTERIM = {
    "103, the answer with it": (EARLY_HINTS, 0),
    "103, 20 ms": (EARLY_HINTS, 0.02),
    "103, 300 ms": (EARLY_HINTS, 0.3),
    "102": (PROCESSING, 0.02),
    "100": (b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "several": (PROCESSING * 3 + EARLY_HINTS * 2, 0.02),
    "one that has no name": (b"HTTP/1.1 199 Whatever\r\nContent-Length: 9\r\n\r\n", 0.02),
}


@pytest.mark.parametrize("interim", INTERIM)
def test_interim_answers_are_no_answers(serve: Any, interim: str) -> None:
    """However many come, and whenever the final one follows, an event ends as that one says (RFC 9110, 15.2)."""
    before, pause = INTERIM[interim]

    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(before if pause else before + own(asked))
        time.sleep(pause)
        if pause:
            connection.sendall(own(asked))

    with serve(then=behave) as server:
        events = [event(number) for number in range(6)]
        drain("default")
        assert statuses(events) == OWN * 3
        assert server.connections == 1, "an interim answer is no fault"


@pytest.mark.parametrize("after", [closes, lambda connection, asked: time.sleep(5)], ids=["closed", "silent"])
def test_interim_answers_and_nothing_more(serve: Any, after: Behaviour) -> None:
    """Nobody said that the event was taken: it waits, and arrives."""

    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(PROCESSING + EARLY_HINTS)
        after(connection, asked)

    with serve(behave):
        stored = event(0)
        drain("default")
        stored.refresh_from_db()
        assert (stored.status, stored.reason_code) == ("pending", "transient")
        soon(10)
        drain("default")
        assert statuses([stored]) == ["delivered"]


def test_interim_answers_without_an_end(serve: Any) -> None:
    """A server that only ever says that it goes on holds a place no longer than any other."""

    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(PROCESSING * 5000)
        connection.sendall(OK)

    with serve(behave):
        stored = event(0)
        drain("default")
        stored.refresh_from_db()
        assert "is not HTTP" in stored.reason
        assert "interim answers" in DeliveryAttempt.objects.get().error
        soon(10)
        drain("default")
        assert statuses([stored]) == ["delivered"]


def then_more(more: bytes, pause: float) -> Behaviour:
    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(own(asked) if pause else own(asked) + more)
        time.sleep(pause)
        if pause:
            connection.sendall(more)

    return behave


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
    len(envelope(2000)),
    envelope(2000),
)

#: Answer -> what it says of its event. Each comes with bytes that nobody asked for.
TOO_MUCH = {
    "a second answer": (OK + OK, "delivered"),
    "a second answer that refuses": (OK + REFUSED, "delivered"),
    "a refusal, and an answer that accepts": (REFUSED + OK, "failed"),
    "a late interim answer": (OK + PROCESSING, "delivered"),
    "a line end": (REFUSED + b"\r\n", "failed"),
    "chunks and more": (CHUNKED + OK, "delivered"),
    "no content, and content": (b"HTTP/1.1 204 No Content\r\n\r\n" + OK, "pending"),
    "a length that is too short": (OK.replace(b"Content-Length: ", b"Content-Length: 1\r\nX-Was: "), "pending"),
    "a second answer of 100 KB": (OK + page("200 OK", b" " * 100_000 + envelope(2000)), "delivered"),
}


@pytest.mark.parametrize("answer", TOO_MUCH)
def test_what_nobody_asked_for_is_no_answer_to_the_next_event(serve: Any, answer: str) -> None:
    """A connection that holds a byte too many is never used again."""
    said, expected = TOO_MUCH[answer]
    with serve(says(said), says(REFUSED), says(said), says(OK)) as server:
        events = [event(number) for number in range(4)]
        drain("default")
        assert statuses(events) == [expected, "failed", expected, "delivered"]
        assert [asked.connection for asked in server.asked] == [0, 1, 1, 2]


@pytest.mark.parametrize("more", [OK, REFUSED, PROCESSING, b"\r\n"], ids=["accepts", "refuses", "interim", "line end"])
def test_what_comes_while_nothing_is_asked(serve: Any, more: bytes) -> None:
    """A late byte makes a connection unfit as well, however good its answer was."""
    with serve(then_more(more, 0.05), then_more(more, 0.05), then=says_its_own) as server:
        events = []
        for number in range(4):
            events.append(event(number))
            drain("default")
            time.sleep(0.2)
        assert statuses(events) == OWN * 2
        assert [asked.connection for asked in server.asked] == [0, 1, 2, 2]


KEPT = b"Connection: keep-alive\r\n"
FORMS = {
    "HTTP/1.0": lambda own: own.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/1.0, kept": lambda own: own.replace(b"HTTP/1.1 ", b"HTTP/1.0 ").replace(b"\r\n", b"\r\n" + KEPT, 1),
    "closes": lambda own: own.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
    "kept": lambda own: own,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_many_events_over_kept_connections(serve: Any, form: str) -> None:
    """Whether a connection is kept or not, each event has its own answer."""

    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(FORMS[form](own(asked)))
        if b"kept" not in form.encode():
            connection.close()

    with serve(then=behave) as server:
        events = [event(number) for number in range(30)]
        drain("default")
        assert statuses(events) == OWN * 15
        assert server.connections == (1 if "kept" in form else 30)


def test_a_body_that_is_shorter_than_its_length(serve: Any) -> None:
    """A truncated acceptance is none."""
    with serve(says(OK.replace(b"Content-Length: ", b"Content-Length: 1"), close=True)):
        stored = event(0)
        drain("default")
        assert statuses([stored]) == ["pending"]
        assert "IncompleteRead" in DeliveryAttempt.objects.get().error
