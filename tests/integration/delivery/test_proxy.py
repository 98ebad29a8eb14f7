"""The ways out that a network leaves: a proxy, an authority of one's own. Real sockets, real TLS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dfinery_django import checks, track
from dfinery_django.addresses import Proxy
from dfinery_django.conf import get_settings
from dfinery_django.delivery.circuit import fingerprint
from dfinery_django.delivery.http_client import CA_VARIABLES, PROXY_VARIABLES, Client
from dfinery_django.delivery.token_check import check_token
from dfinery_django.delivery.worker import drain
from dfinery_django.exceptions import RefusedInTests, TransportError
from dfinery_django.models import DeliveryAttempt, Destination, Event
from dfinery_django.protocols.base import Request
from tests.support.events import event, soon
from tests.support.misbehaving import Authority, Misbehaving, closes, says
from tests.support.proxy import LoopbackProxy

pytestmark = pytest.mark.django_db

CREDENTIALS = "shop:hidden-word"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: Any) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: Any) -> None:
    for name in (*PROXY_VARIABLES, *CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)


def state(stored: Event) -> tuple[str, str, int]:
    stored.refresh_from_db()
    return stored.status, stored.reason_code, stored.attempt_count


# ── a proxy ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("credentials", ["", CREDENTIALS, "가게:비밀번호", "shop:p:w"], ids=ascii)
def test_through_a_tunnel(pointed_at: Any, authority: Authority, credentials: str) -> None:
    """Over TLS the proxy gets CONNECT and who we are, the far side the event and the token, and neither the other's."""
    with LoopbackProxy(credentials) as proxy, Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url, PROXY=proxy.url, CA_BUNDLE=authority.path)
        events = [event(number) for number in range(5)]
        drain("default")
        assert {state(each) for each in events} == {("delivered", "", 1)}
        assert len(proxy.asked) == server.connections <= 2, "connections are kept"
        assert all(head.startswith(b"CONNECT 127.0.0.1:%d " % server.port) for head in proxy.asked)
    assert b"test-token" not in b"".join(proxy.asked)
    assert not [asked for asked in server.asked if b"Proxy-" in asked.head]


def test_through_a_proxy_to_this_machine(pointed_at: Any) -> None:
    """The sandbox has no TLS: the proxy passes the request on."""
    with LoopbackProxy(CREDENTIALS) as proxy, Misbehaving() as server:
        pointed_at(server.url, PROXY=proxy.url)
        stored = event()
        drain("default")
        assert state(stored) == ("delivered", "", 1)
        assert proxy.asked[0].startswith(f"POST {server.url}/api/v1/events ".encode())


def test_a_token_is_checked_through_the_proxy(pointed_at: Any, authority: Authority) -> None:
    """``dfinery check-token`` takes the way that deliveries take."""
    with LoopbackProxy() as proxy, Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url, PROXY=proxy.url, CA_BUNDLE=authority.path)
        assert check_token("default").is_accepted
        assert len(proxy.asked) == 1


#: Refusal of CONNECT -> what becomes of the destination's events.
REFUSALS = {
    "403 Forbidden": ("blocked", 0),
    "405 Method Not Allowed": ("blocked", 0),
    "302 Found": ("blocked", 0),
    "204 No Content": ("blocked", 0),
    "502 Bad Gateway": ("transient", 1),
    "503 Service Unavailable": ("transient", 1),
    "504 Gateway Time-out": ("transient", 1),
    "429 Too Many Requests": ("transient", 1),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_proxy_that_does_not_connect(pointed_at: Any, authority: Authority, refusal: str) -> None:
    """Its refusal blames the proxy, never the event or DFINERY; all goes on when it connects."""
    reason, attempts = REFUSALS[refusal]
    with LoopbackProxy(refusal=refusal) as proxy, Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url, PROXY=proxy.url, CA_BUNDLE=authority.path)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", reason, attempts)
        assert "proxy refuses" in stored.reason
        assert f"HTTP {refusal[:3]}, see DFINERY['PROXY']" in stored.reason
        assert server.connections == 0
        proxy.refusal = ""
        soon(60)
        drain("default")
        assert state(stored)[0] == "delivered"


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_a_proxy_that_asks_who_we_are(pointed_at: Any, authority: Authority, tls: bool) -> None:
    """407 stops the destination with words; the right password in PROXY is tried at once."""
    with LoopbackProxy(CREDENTIALS) as proxy, Misbehaving(tls=authority.certified() if tls else None) as server:
        pointed_at(server.url, PROXY=f"http://{proxy.address}", CA_BUNDLE=authority.path)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert "asks for another user and password: HTTP 407" in stored.reason
        pointed_at(server.url, PROXY=proxy.url, CA_BUNDLE=authority.path)
        drain("default")
        assert state(stored) == ("delivered", "", 1)


def test_a_proxy_that_is_not_there(pointed_at: Any) -> None:
    """Refused by the proxy's host: that passes, and the reason names the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pointed_at("https://127.0.0.1:9", PROXY=f"http://{CREDENTIALS}@127.0.0.1:{port}")
    stored = event()
    drain("default")
    assert state(stored) == ("pending", "transient", 1)
    assert f"The proxy http://127.0.0.1:{port} (DFINERY['PROXY']) gives no proper answer" in stored.reason
    assert f"Connection refused by 127.0.0.1:{port}" in stored.reason


@pytest.mark.parametrize(
    "answer", [says(b"220 mail.example hidden-word\r\n", close=True), closes], ids=["no HTTP", "closed"]
)
def test_what_is_no_proxy(pointed_at: Any, answer: Any) -> None:
    """Whatever answers there is not quoted: it may echo the password."""
    with Misbehaving(then=answer) as other:
        pointed_at("https://127.0.0.1:9", PROXY=f"http://{CREDENTIALS}@127.0.0.1:{other.port}")
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        assert "gives no proper answer" in stored.reason
        assert "hidden-word" not in stored.reason


def test_interim_answers_of_a_proxy(pointed_at: Any, authority: Authority) -> None:
    """A proxy may say that it goes on before it has connected."""
    early = b"HTTP/1.1 102 Processing\r\n\r\n" * 3
    with LoopbackProxy(early=early) as proxy, Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url, PROXY=proxy.url, CA_BUNDLE=authority.path)
        stored = event()
        drain("default")
        assert state(stored) == ("delivered", "", 1)


def test_a_bad_certificate_behind_a_proxy(pointed_at: Any, authority: Authority) -> None:
    """A proxy changes nothing about who is trusted."""
    with LoopbackProxy() as proxy, Misbehaving(tls=authority.certified(name="DNS:other.example")) as server:
        pointed_at(server.url, PROXY=proxy.url, CA_BUNDLE=authority.path)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert "TLS failed" in stored.reason
        assert server.asked == []


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_the_password_shows_itself_nowhere(pointed_at: Any, authority: Authority, tls: bool, caplog: Any) -> None:
    """Not in a log at any level, a row, a message: whatever a proxy or server echoes of it."""
    caplog.set_level("DEBUG")
    with LoopbackProxy("shop:other-word") as proxy, Misbehaving(tls=authority.certified() if tls else None) as server:
        wrong = f"http://{CREDENTIALS}@{proxy.address}"
        pointed_at(server.url, PROXY=wrong, CA_BUNDLE=authority.path)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        said = repr(checks.check_settings())
    told = repr([*Event.objects.values(), *DeliveryAttempt.objects.values(), *Destination.objects.values()])
    told += said + repr(get_settings()) + "".join(f"{each.getMessage()}{each.__dict__}" for each in caplog.records)
    for secret in get_settings().PROXY.secrets:
        assert secret not in told


def test_an_echo_of_the_password_is_masked() -> None:
    """A far side that tells what a proxy has forgotten to take out."""
    with LoopbackProxy(CREDENTIALS) as proxy:
        secret = proxy.url.split("@")[0].rpartition(":")[2]

        def echoes(connection: socket.socket, asked: Any) -> None:
            line = asked.head.partition(b"Proxy-Authorization: ")[2].partition(b"\r\n")[0]
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n%s" % (line, len(line), line)
            )

        with Misbehaving(then=echoes) as server:
            options = {"connections": 1, "connect_timeout": 1, "read_timeout": 1, "user_agent": "x"}
            client = Client(**options, proxy=Proxy(proxy.url))  # type: ignore[arg-type]
            response = client.send(Request(server.url, b"{}", {}))
            client.close()
    assert response.body == b"Basic ********"
    assert response.headers["x-echo"] == "Basic ********"
    assert secret not in repr(response)


@pytest.mark.parametrize("name", PROXY_VARIABLES)
def test_a_proxy_of_the_environment_is_hinted_at(pointed_at: Any, monkeypatch: Any, name: str) -> None:
    """It is not used; a connection that fails says so, without its value."""
    with LoopbackProxy() as proxy:
        monkeypatch.setenv(name, f"http://{CREDENTIALS}@{proxy.address}")
        pointed_at("http://127.0.0.1:9")
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "transient", 1)
        assert f"{name} is set" in stored.reason
        assert "DFINERY['PROXY']" in stored.reason
        assert "hidden-word" not in stored.reason
        assert proxy.asked == []


def test_no_hint_where_it_is_not_the_proxy(pointed_at: Any, monkeypatch: Any) -> None:
    """An answer came, or PROXY is set: whatever the environment says has nothing to do with it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with Misbehaving(closes) as server:
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored)[0] == "pending"
        assert "HTTPS_PROXY" not in stored.reason
    pointed_at("https://127.0.0.1:9", PROXY="http://127.0.0.1:9")
    soon(60)
    drain("default")
    stored.refresh_from_db()
    assert "The proxy http://127.0.0.1:9" in stored.reason
    assert "HTTPS_PROXY" not in stored.reason


def test_no_test_writes_through_a_live_proxy(pointed_at: Any) -> None:
    """While tests run nothing of ours goes to another machine, by whatever way."""
    pointed_at("https://127.0.0.1:9", PROXY="http://proxy.example:3128")
    event()
    drain("default")
    assert "Tests are running, so nothing is sent to proxy.example." in Event.objects.get().reason


# ── an authority of one's own ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hashed(authority: Authority, tmp_path: Path) -> Path:
    """A directory as OpenSSL wants it."""
    found = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(authority.path)], check=True, capture_output=True, text=True
    )
    (tmp_path / f"{found.stdout.strip()}.0").write_bytes(authority.path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("form", [str, Path], ids=["text", "Path"])
def test_an_authority_of_ones_own(pointed_at: Any, authority: Authority, form: Any) -> None:
    """With its certificate in CA_BUNDLE events arrive; without, not a byte of them leaves."""
    with Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert server.asked == []
        pointed_at(server.url, CA_BUNDLE=form(authority.path))
        drain("default")
        assert state(stored) == ("delivered", "", 1), "it is tried at once"


def test_a_directory_of_authorities(pointed_at: Any, authority: Authority, hashed: Path) -> None:
    """By the names that ``openssl rehash`` gives."""
    with Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url, CA_BUNDLE=hashed)
        assert not [each for each in checks.check_settings() if each.id == "dfinery.E004"]
        stored = event()
        drain("default")
        assert state(stored) == ("delivered", "", 1)


@pytest.mark.parametrize("certificate", [{"trusted": False}, {"days": -1}, {"name": "DNS:other.example"}], ids=str)
def test_verification_is_never_switched_off(pointed_at: Any, authority: Authority, certificate: Any) -> None:
    """CA_BUNDLE says who may sign, and nothing else: its own witness, expired, for another host."""
    with Misbehaving(tls=authority.certified(**certificate)) as server:
        pointed_at(server.url, CA_BUNDLE=authority.path)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert "CA_BUNDLE" in stored.reason
        assert server.asked == []


@pytest.mark.parametrize("name", CA_VARIABLES)
def test_authorities_of_the_environment_are_not_trusted(
    pointed_at: Any, authority: Authority, monkeypatch: Any, name: str
) -> None:
    """The reason says what to set instead."""
    monkeypatch.setenv(name, str(authority.path))
    with Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url)
        stored = event()
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert f"{name} is set" in stored.reason
        assert "DFINERY['CA_BUNDLE']" in stored.reason


@pytest.mark.parametrize("kind", ["missing", "empty", "no PEM", "a directory without hashes", "not readable"])
def test_a_bundle_that_can_not_be_read(pointed_at: Any, authority: Authority, tmp_path: Path, kind: str) -> None:
    """The check says so, events are captured and wait, no drain fails; once it can be read they arrive."""
    path = tmp_path / "bundle.pem"
    if kind == "a directory without hashes":
        path.mkdir()
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "no certificate")
    if kind == "not readable":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("root may read everything")
    with Misbehaving(tls=authority.certified()) as server:
        pointed_at(server.url, CA_BUNDLE=path)
        (found,) = [each for each in checks.check_settings() if each.id == "dfinery.E004"]
        assert "CA_BUNDLE" in found.msg
        stored = track("visit", user_id="u1")
        assert stored is not None
        drain("default")
        assert state(stored) == ("pending", "blocked", 0)
        assert "CA_BUNDLE" in stored.reason
        pointed_at(server.url, CA_BUNDLE=authority.path)
        drain("default")
        assert state(stored) == ("delivered", "", 1)


@pytest.mark.parametrize("path", [7, b"/etc/ssl/cert.pem", None, ["/etc"]])
def test_a_bundle_is_a_path(settings: Any, path: Any) -> None:
    """Anything else is a mistake in the setting."""
    settings.DFINERY = {"TOKENS": {"default": "x"}, "CA_BUNDLE": path}
    (found,) = checks.check_settings()
    assert (found.id, "not a path" in found.msg) == ("dfinery.E004", True)


def test_the_fingerprint_knows_the_way(configured: Any) -> None:
    """A destination that was refused is tried at once with another proxy, password or authority."""
    ways: list[dict[str, str]] = [
        {}, {"PROXY": "http://p:1"}, {"PROXY": "http://u:a@p:1"}, {"PROXY": "http://u:b@p:1"}, {"CA_BUNDLE": "/x"},
    ]  # fmt: skip
    found = set()
    for way in ways:
        configured(BASE_URL="https://x.example", **way)
        found.add(fingerprint("default", get_settings()))
    assert len(found) == len(ways)


def test_whether_it_can_have_arrived() -> None:
    """Where no connection was made nothing arrived; once it is being sent, nobody can know."""
    options: Any = {"connections": 1, "connect_timeout": 0.5, "read_timeout": 0.5, "user_agent": "x"}
    with pytest.raises(TransportError) as refused:
        Client(**options).send(Request("http://127.0.0.1:9/", b"{}", {}))
    assert not refused.value.may_have_arrived
    with Misbehaving(closes) as server, pytest.raises(TransportError) as closed:
        Client(**options).send(Request(server.url, b"{}", {}))
    assert closed.value.may_have_arrived
    with pytest.raises(RefusedInTests):
        Client(**options).send(Request("https://x.example", b"{}", {}))
