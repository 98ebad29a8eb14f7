"""The whole drain, with its real client, against a server that misbehaves on a real socket."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import time
import zlib
from functools import partialmethod
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from dfinery_django import track
from dfinery_django.delivery.test_guard import live_dfinery
from dfinery_django.delivery.worker import drain
from dfinery_django.models import DeliveryAttempt, Destination, Event
from tests.support.events import event, soon
from tests.support.misbehaving import (
    OK,
    Authority,
    Behaviour,
    Misbehaving,
    closes,
    envelope,
    goes_on,
    hangs,
    page,
    resets,
    says,
)

pytestmark = pytest.mark.django_db

HTML = b"<html><head><title>nginx</title></head><body><h1>Sorry</h1></body></html>"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"
GZIPPED = gzip.compress(envelope(2000))


#: For what takes too long. Whatever must arrive in time has the longer limits of ``pointed_at``.
SHORT: dict[str, Any] = {"CONNECT_TIMEOUT": 0.3, "READ_TIMEOUT": 0.3, "DRAIN_SECONDS": 4}


def state(stored: Event) -> tuple[str, str, int]:
    stored.refresh_from_db()
    return stored.status, stored.reason_code, stored.attempt_count


def code_of(stored: Event) -> str:
    """The code of the reason; of the first of two sentences, where the machine's environment asks for a hint."""
    code, params = json.loads(stored.reason_data)
    return str(params["first"][0] if code == "joined" else code)


#: Fault -> what the server does with the first request. It says nothing that could be believed.
NO_PROPER_ANSWER: dict[str, Behaviour] = {
    "closed without an answer": closes,
    "reset after it took the event": resets,
    "silent": hangs,
    "a body that drips": goes_on(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x", pause=0.1),
    "headers that drip": goes_on(b"HTTP/1.1 200 OK\r\n", b"X-Drip: x\r\n", pause=0.1),
    "a status line that drips": goes_on(b"HT", b"T", pause=0.1),
    "a truncated body": says(page("200 OK", envelope(2000))[:-5], close=True),
    "a truncated chunk": says(CHUNKED + b"64\r\n" + envelope(2000), close=True),
    "chunks without an end": says(CHUNKED + b"3\r\n{},\r\n", close=True),
    "a body without an end": goes_on(CHUNKED, b"1000\r\n" + b"x" * 0x1000 + b"\r\n"),
    "headers without an end": goes_on(b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n" * 50),
    "a line without an end": goes_on(b"HTTP/1.1 200 OK\r\nX-More: ", b"x" * 4096),
    "100 Continue without an end": goes_on(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
    "garbage": says(b"\x00\xff\xfe garbage \r\n\r\n" * 20, close=True),
    "another protocol": says(b"220 mail.example ESMTP\r\n", close=True),
    "a length that is none": says(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n{}", close=True),
    "what calls itself gzip": says(page("200 OK", envelope(2000), Content_Encoding="gzip"), close=True),
    "half of a gzip": says(page("200 OK", GZIPPED[: len(GZIPPED) // 2], Content_Encoding="gzip")),
    "a login page": says(page("200 OK", HTML, Content_Type="text/html")),
    "an empty answer": says(page("200 OK")),
    "no content": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "half of the JSON": says(page("200 OK", envelope(2000)[:-9])),
    "the code of another answer": says(page("200 OK", envelope(4002))),
    "a request time-out": says(page("408 Request Timeout"), close=True),
    "their own failure": says(page("500 Internal Server Error", envelope(5001, "Invalid API Token Error."))),
    "a bad gateway": says(page("502 Bad Gateway", HTML), close=True),
    "an unavailable service": says(page("503 Service Unavailable", HTML, Retry_After="1"), close=True),
    "a gateway's time-out": says(page("504 Gateway Time-out", HTML), close=True),
}


#: Fault -> the code of its reason, where no answer came, or none that can be read.
REASONS = {
    **dict.fromkeys(["closed without an answer", "reset after it took the event"], "cut_before_answer"),
    "silent": "answer_timed_out",
    **dict.fromkeys(["a body that drips", "headers that drip", "a status line that drips"], "answer_too_slow"),
    "100 Continue without an end": "answer_too_slow",
    **dict.fromkeys(["a truncated body", "a truncated chunk", "chunks without an end"], "answer_unreadable"),
    **dict.fromkeys(["headers without an end", "a line without an end"], "answer_unreadable"),
    **dict.fromkeys(["garbage", "another protocol", "what calls itself gzip"], "answer_unreadable"),
}


@pytest.mark.parametrize("fault", NO_PROPER_ANSWER)
def test_no_proper_answer(pointed_at: Any, fault: str) -> None:
    """It ends in time, the event waits, and the same bytes with the same id arrive when the server is well again."""
    with Misbehaving(NO_PROPER_ANSWER[fault]) as server:
        pointed_at(server.url, **SHORT)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        assert code_of(stored) == REASONS.get(fault, "answer_improper")
        attempt = DeliveryAttempt.objects.get()
        assert attempt.reason == stored.reason
        assert attempt.may_have_arrived
        assert bool(attempt.error) == (attempt.status_code is None), "the library's words are kept apart"
        assert len(server.asked) == 1, "no second request before its time"
        pointed_at(server.url)
        soon(10)
        drain("default")
        assert state(stored) == ("delivered", "", 2)
        first, second = server.asked
        assert first.body == second.body == stored.payload.encode()
        assert second.event_id == str(stored.event_id)
    assert list(DeliveryAttempt.objects.values_list("number", "outcome")) == [(1, "transient"), (2, "accepted")]


def in_two_pieces(connection: socket.socket, asked: Any) -> None:
    connection.sendall(OK[:50])
    time.sleep(0.1)
    connection.sendall(OK[50:])


#: Form -> an answer that says in its own way that the event was taken.
PROPER_ANSWERS: dict[str, Behaviour] = {
    "gzip": says(page("200 OK", GZIPPED, Content_Encoding="gzip")),
    "deflate": says(page("200 OK", zlib.compress(envelope(2000)), Content_Encoding="deflate")),
    "HTTP/1.0": says(b"HTTP/1.0 200 OK\r\n\r\n" + envelope(2000), close=True),
    "chunks": says(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in envelope(2000)) + b"0\r\n\r\n"),
    "after 100 Continue": says(b"HTTP/1.1 100 Continue\r\n\r\n" + OK),
    "in two pieces": in_two_pieces,
    "with 50 MB of blanks": goes_on(LONG + envelope(2000), b" " * 65536),
}  # fmt: skip


@pytest.mark.parametrize("form", PROPER_ANSWERS)
def test_every_form_of_a_proper_answer(pointed_at: Any, form: str) -> None:
    """An event that was taken is delivered, whatever the answer's form, and sent once."""
    with Misbehaving(PROPER_ANSWERS[form]) as server:
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("delivered", "", 1)
        assert len(server.asked) == 1


def test_refused_connections(pointed_at: Any) -> None:
    """Nobody listens: the event waits, and arrives at the same address once somebody does."""
    with Misbehaving() as gone:
        port = gone.port
    pointed_at(gone_url := f"http://127.0.0.1:{port}")
    stored = event()
    drain("default")
    assert state(stored) == ("pending", "transient", 1)
    assert stored.reason == f"Connection refused by 127.0.0.1:{port}: nothing was sent."
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.reason, attempt.may_have_arrived) == (stored.reason, False)
    assert "NewConnectionError" in attempt.error, "the library's words are kept apart"
    soon(10)
    with Misbehaving(port=port) as server:
        assert server.url == gone_url
        drain("default")
    assert state(stored) == ("delivered", "", 2)


def test_reset_before_the_server_took_the_event(pointed_at: Any) -> None:
    """The connection dies before anything was read: the event arrives once, at the second try."""
    with Misbehaving(doors=(resets,)) as server:
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        soon(10)
        drain("default")
        assert state(stored) == ("delivered", "", 2)
        assert len(server.asked) == 1


def test_a_name_that_no_dns_knows(pointed_at: Any) -> None:
    """The resolver fails: it passes by itself, nothing is blocked."""
    pointed_at("https://no-such-host.invalid")
    stored = event()
    with live_dfinery():
        drain("default")
    assert state(stored) == ("pending", "transient", 1)
    assert stored.reason == "The resolver (DNS) finds no address of no-such-host.invalid:443: nothing was sent."
    assert not DeliveryAttempt.objects.get().may_have_arrived
    with Misbehaving() as server:
        pointed_at(server.url)
        soon(10)
        drain("default")
    assert state(stored) == ("delivered", "", 2)


def test_a_server_that_takes_no_connection(pointed_at: Any) -> None:
    """The connect timeout ends the wait for a server whose queue of connections is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    crowd = [socket.socket() for _ in range(8)]
    try:
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        pointed_at(f"http://127.0.0.1:{listener.getsockname()[1]}", **SHORT)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        assert "within 0.3 s: nothing was sent." in stored.reason
        attempt = DeliveryAttempt.objects.get()
        assert "connect timeout=0.3" in attempt.error
        assert not attempt.may_have_arrived
    finally:
        for each in (*crowd, listener):
            each.close()


def large(length: int) -> Event:
    """An event that is larger than any of ours."""
    stored = track("coupon", user_id="u1", event_attributes={"note": "x"})
    assert stored is not None
    stored.payload = stored.payload.replace('"note":"x"', f'"note":"{"x" * length}"')
    stored.save(update_fields=["payload"])
    return stored


def test_a_server_that_reads_nothing(pointed_at: Any) -> None:
    """A body that is larger than all buffers on the way, and nobody takes it: that ends in time, too."""
    with Misbehaving(doors=(lambda connection: time.sleep(8),)) as server:
        pointed_at(server.url, **SHORT)
        stored = large(8_000_000)
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        pointed_at(server.url)
        soon(10)
        drain("default")
        assert state(stored) == ("delivered", "", 2)


def test_the_first_event_after_an_idle_hour(pointed_at: Any) -> None:
    """The server has closed the kept connection long ago: the event is sent once, over a new one, and succeeds."""
    with Misbehaving(says(OK), says(OK, close=True)) as server:
        pointed_at(server.url, CONCURRENCY=1)
        for number in range(3):
            stored = event(number)
            drain("default")
            assert state(stored) == ("delivered", "", 1)
            time.sleep(0.05)
        assert [asked.connection for asked in server.asked] == [0, 0, 1]


@pytest.mark.parametrize(
    "answer",
    [
        page("400 Bad Request", envelope(4002, "Invalid request format.")),
        page("400 Bad Request", envelope(4007, "Contains unsupported property name.")),
        page("413 Content Too Large", HTML),
    ],
    ids=["4002", "4007", "413"],
)
def test_a_refused_event_stands_in_nobodys_way(pointed_at: Any, answer: bytes) -> None:
    """One event is refused for good, with the far side's words; the others arrive."""

    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(answer if asked.user_id == "u3" else OK)

    with Misbehaving(then=behave) as server:
        pointed_at(server.url)
        events = [event(number) for number in range(6)]
        drain("default")
        assert state(events[3]) == ("failed", "rejected", 1)
        assert f"HTTP {answer[9:12].decode()}" in events[3].reason
        assert all(state(each) == ("delivered", "", 1) for each in events if each is not events[3])
        assert len(server.asked) == 6


def test_a_large_event_that_is_refused_before_it_is_read(pointed_at: Any) -> None:
    """A gateway says 413 when it sees the length and reads no further: the event fails, the others arrive."""

    def refuse(connection: socket.socket) -> None:
        while b"\r\n\r\n" not in connection.recv(65536, socket.MSG_PEEK):
            time.sleep(0.01)
        connection.sendall(page("413 Content Too Large", HTML, Connection="close"))
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.5)
        while connection.recv(65536):
            pass
        connection.close()

    with Misbehaving(doors=(refuse,)) as server:
        pointed_at(server.url, CONCURRENCY=1)
        stored = large(4_000_000)
        other = event(2)
        drain("default")
        assert state(stored) == ("failed", "rejected", 1)
        assert state(other) == ("delivered", "", 1)


REFUSALS = {
    "an invalid token": page("400 Bad Request", envelope(4001, "Invalid API Token Error.")),
    "no access": page("401 Unauthorized"),
    "no right": page("403 Forbidden", HTML),
    "a wrong address": page("404 Not Found", HTML),
    "a wrong method": page("405 Method Not Allowed", HTML),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_refuses_us_uses_nothing_up(pointed_at: Any, refusal: str) -> None:
    """However long a token or address is wrong, no event is used up; all arrive once it is right again."""
    with Misbehaving(then=says(REFUSALS[refusal])) as server:
        pointed_at(server.url)
        for number in range(20):
            event(number)
        for probes in range(4):
            drain("default")
            assert len(server.asked) <= 2 + probes, "what was on its way when it closed, then one probe each"
            soon(3600)
        assert set(Event.objects.values_list("status", "attempt_count", "reason_code")) <= {
            ("pending", 0, "blocked"),
            ("pending", 0, ""),
        }
        server.then = says(OK)
        assert drain("default")["delivered"] == 20
        delivered = server.asked[-20:]
        assert len({asked.event_id for asked in delivered}) == 20


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Moved"]
)
def test_a_redirect_carries_the_token_nowhere(pointed_at: Any, status: str) -> None:
    """Whoever the answer points to is never asked, and the events wait for the right address."""
    with Misbehaving() as elsewhere, Misbehaving() as server:
        server.then = says(page(status, Location=f"{elsewhere.url}/api/v1/events"))
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert elsewhere.connections == 0
        pointed_at(elsewhere.url)
        drain("default")
        assert state(stored) == ("delivered", "", 1)


def test_a_storm_of_429(pointed_at: Any) -> None:
    """Over the limit: what is on its way comes back, nothing more is sent before the reset, then everything arrives."""
    resets_at = 0.0

    def behave(connection: socket.socket, asked: Any) -> None:
        nonlocal resets_at
        resets_at = resets_at or time.time() + 1.5
        headers = {"X_Rate_Limit_Remaining": "0", "X_Rate_Limit_Reset": str(int(resets_at * 1000))}
        over = page("429 Too Many Requests", envelope(4006), X_Rate_Limit_Limit="1m", **headers)
        connection.sendall(over if time.time() < resets_at else OK)

    with Misbehaving(then=behave) as server:
        pointed_at(server.url, CONCURRENCY=4, DRAIN_SECONDS=10)
        for number in range(40):
            event(number)
        drain("default")
        asked = len(server.asked)
        assert asked <= 8
        assert set(Event.objects.values_list("status", flat=True)) == {"pending"}
        assert Destination.objects.get().closed_code == "throttled"
        assert drain("default", linger_seconds=5)["delivered"] == 40
        assert len(server.asked) == asked + 40


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "503 Unavailable", "504 Time-out"])
def test_an_outage_of_the_server(pointed_at: Any, status: str) -> None:
    """A handful of failures close the destination; one probe finds out that it is over; all arrive."""
    with Misbehaving(then=says(page(status, HTML), close=True)) as server:
        pointed_at(server.url)
        for number in range(50):
            event(number)
        drain("default")
        asked = len(server.asked)
        assert asked <= 8
        drain("default")
        assert len(server.asked) == asked
        server.then = says(OK)
        soon(61)
        drain("default")
        assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}
        assert len(server.asked) == asked + 50


@pytest.fixture(scope="module")
def authority(tmp_path_factory: Any) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def _trusting(authority: Authority, monkeypatch: Any) -> None:
    """The test's own authority instead of the public ones, by the one way that every version of requests knows."""
    trusting = partialmethod(HTTPAdapter.send, verify=str(authority.path))
    monkeypatch.setattr("dfinery_django.delivery.http_client._Adapter.send", trusting, raising=False)


CERTIFICATES = {
    "its own witness": ({"trusted": False}, "certificate_untrusted"),
    "expired": ({"days": -1}, "certificate_expired"),
    "for another host": ({"name": "DNS:openapi.dfinery.io"}, "certificate_of_another"),
}


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.usefixtures("_trusting")
def test_a_bad_certificate(pointed_at: Any, authority: Authority, certificate: str) -> None:
    """No byte of an event or token goes to a server that can't say who it is; all goes on when it can."""
    how, code = CERTIFICATES[certificate]
    with Misbehaving(tls=authority.certified(**how)) as server:  # type: ignore[arg-type]
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert code_of(stored) == code
        assert not DeliveryAttempt.objects.get().may_have_arrived
        server.tls = authority.certified()
        soon(31)
        drain("default")
        assert state(stored) == ("delivered", "", 1)
        assert len(server.asked) == 1


def after_hello(fault: Any) -> Any:
    """Once the client has begun its handshake."""

    def door(connection: socket.socket) -> None:
        connection.recv(65536)
        fault(connection)

    return door


@pytest.mark.usefixtures("_trusting")
@pytest.mark.parametrize("fault", [closes, resets, hangs], ids=["closed", "reset", "silent"])
def test_a_connection_that_dies_in_its_handshake(pointed_at: Any, authority: Authority, fault: Any) -> None:
    """A server that is just being restarted says nothing about its certificate: that passes by itself."""
    with Misbehaving(doors=(after_hello(fault),), tls=authority.certified()) as server:
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        soon(10)
        drain("default")
        assert state(stored) == ("delivered", "", 2)
        assert len(server.asked) == 1
