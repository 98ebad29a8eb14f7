"""Addresses: what no client can use is refused at check, and what is taken leads the client where it says."""

from __future__ import annotations

import pickle
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings as drawing, strategies as st
from urllib3.util import parse_url

from dfinery_django import ConfigurationError
from dfinery_django.addresses import Proxy, base_url_fault, endpoint_of
from dfinery_django.conf import get_settings, masked_setting, problems
from dfinery_django.delivery.http_client import _prepared_request

GOOD = {"TOKENS": {"default": "secret-token-1"}}

NO_ADDRESS = [
    "", " ", "https://", "https:///x", "https:openapi.dfinery.io", "//openapi.dfinery.io", "ftp://x.example",
    "javascript:x", "https://x.example:99999", "https://x.example:abc", "https://x.example:0", "https://x.example:-1", "https://x.example:\uff18",
    "https://x.example:80:80", "https://x.example\n", "https://x.example ", " https://x.example", "https://x.exa mple",
    "https://x.example/\r\nX-Evil: 1", "https://x.example\x00", "https://x.example\t", "https://x.example/\u200b",
    "https://x.example\u202e", "https://x.example\xa0", "https://a..b", "https://.x.example", "https://x.example..", "https://.",
    f"https://{'a' * 64}.example", f"https://{'a.' * 127}example", "https://-x.example", "https://x-.example",
    r"https://x.example\@evil.example", r"https:\\x.example", r"https://x.example\evil", "https://x.example\\",
    "https://user@x.example", "https://user:pw@x.example", "https://@x.example", "https://x.example@", "https://:pw@x.example",
    "http://127.0.0.1@evil.example", "http://localhost.evil.example", "http://evil.example#127.0.0.1", "http://localhost.",
    "http://2130706433", "https://2130706433", "https://127.1", "https://0x7f.1", "https://1.2.3.4.5", "https://256.1.1.1",
    "https://[::1", "https://::1", "https://[::g]", "https://[fe80::1%25eth0]", "https://[::1]evil", "http://[::2]",
    "https://x%2eexample", "https://x.example%00", "https://*.example", "https://x,y.example", "https://x.example|", "https://x.example?",
    "https://x.example#", "https://x.example/p?q=1", "https://쇼핑 .kr", "https://\ud83d.kr", "https://x.example;y", "http://1.1.1.1",
    None, 7, b"https://x.example", ["https://x.example"],
]  # fmt: skip


@pytest.mark.parametrize("url", NO_ADDRESS, ids=ascii)
def test_what_is_no_address(settings: Any, url: Any) -> None:
    """A BASE_URL that no connection can be made to, or that may be read as two hosts, is one mistake with words."""
    settings.DFINERY = {**GOOD, "BASE_URL": url}
    (problem,) = problems(masked_setting())
    assert problem.id == "E005"
    assert "BASE_URL" in problem.message
    with pytest.raises(ConfigurationError):
        get_settings()


ADDRESSES = {
    "https://openapi.dfinery.io": "openapi.dfinery.io",
    "https://openapi.dfinery.io/": "openapi.dfinery.io",
    "HTTPS://OpenAPI.dfinery.io:8443/base/v2": "openapi.dfinery.io",
    "https://openapi.dfinery.io.": "openapi.dfinery.io.",
    "https://dfinery_mock:8443": "dfinery_mock",
    "https://10.0.0.8": "10.0.0.8",
    "https://[2001:db8::1]:8443": "2001:db8::1",
    "https://쇼핑.kr": "쇼핑.kr".encode("idna").decode(),
    "http://localhost:8089": "localhost",
    "http://127.0.0.1:8089": "127.0.0.1",
    "http://[::1]:8089": "::1",
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_what_is_an_address(settings: Any, url: str) -> None:
    """The check takes it, and the client goes there."""
    assert not base_url_fault(url)
    settings.DFINERY = {**GOOD, "BASE_URL": url}
    assert url == get_settings().BASE_URL
    assert urlsplit(str(_prepared_request("POST", f"{url}/api").url)).hostname == ADDRESSES[url]


@pytest.mark.parametrize(
    ("url", "host", "kind"),
    [
        ("https://openapi.dfinery.io", "openapi.dfinery.io", "dfinery"),
        ("HTTPS://OpenAPI.dfinery.io:443/base", "openapi.dfinery.io", "dfinery"),
        ("https://openapi.dfinery.io.:8443", "openapi.dfinery.io:8443", "dfinery"),
        ("https://openapi.dfinery.ai", "openapi.dfinery.ai", "dfinery"),
        ("https://openapi.dfinery.io.example", "openapi.dfinery.io.example", "other"),
        ("https://dfinery.io", "dfinery.io", "other"),
        ("https://openapi.d\u0456nery.io", "openapi.d\u0456nery.io", "other"),
        ("https://10.0.0.8:80", "10.0.0.8:80", "other"),
        ("http://127.0.0.1:8089", "127.0.0.1:8089", "sandbox"),
        ("http://localhost", "localhost", "sandbox"),
        ("http://[::1]:8089", "[::1]:8089", "sandbox"),
    ],
)
def test_where_events_go(url: str, host: str, kind: str) -> None:
    """DFINERY's hosts are known; a server on this machine is a sandbox; the port is named where it is not usual."""
    endpoint = endpoint_of(url)
    assert (endpoint.host, endpoint.kind, endpoint.proxy) == (host, kind, "")


def test_an_endpoint_names_its_proxy_without_the_password() -> None:
    """Host and port only."""
    endpoint = endpoint_of("https://openapi.dfinery.io", Proxy("http://shop:secret@proxy.example:3128"))
    assert (endpoint.kind, endpoint.proxy) == ("dfinery", "proxy.example:3128")
    assert "secret" not in repr(endpoint)


@drawing(deadline=None)  # a machine that is busy is no fault
@given(st.text(st.sampled_from("ab1.-_:/\\@?#[]%2e\n\t 가０"), max_size=14))
def test_check_and_client_read_one_host(rest: str) -> None:
    """Whatever is taken, both parsers that the client uses find the same host and port in it."""
    url = f"https://{rest}"
    if base_url_fault(url):
        return
    prepared = str(_prepared_request.__wrapped__("POST", url).url)
    by_urllib3, by_requests = parse_url(prepared), urlsplit(prepared)
    assert (by_urllib3.host or "").strip("[]") == by_requests.hostname
    assert by_urllib3.port == by_requests.port != 0
    assert by_urllib3.host == parse_url(url).host


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy.example:3128", "https://proxy.example:3128", "socks5://proxy.example", "http://", "http://p:0", "http://p:99999",
        "http://p:3128\n", "http://p:3128/path", "http://p:3128?x=1", "http://a..b:3128", r"http://p\@evil:3128",
        "http://user:hidden-pass/word@p:3128", "http://user:hidden pass@p:3128", " ",
    ],
)  # fmt: skip
def test_what_is_no_proxy(settings: Any, proxy: str) -> None:
    """A malformed PROXY is one mistake, and none of it is quoted, since it may hold a password."""
    settings.DFINERY = {**GOOD, "PROXY": proxy}
    (problem,) = problems(masked_setting())
    assert (problem.id, "PROXY" in problem.message) == ("E005", True)
    assert "hidden" not in f"{problem} {masked_setting()}"


@pytest.mark.parametrize("proxy", [None, 7, b"http://p:3128", ["http://p:3128"], lambda: None, lambda: 1 / 0])
def test_a_proxy_is_a_text(settings: Any, proxy: Any) -> None:
    """Or a callable that returns one; what it raises is no traceback in every save."""
    settings.DFINERY = {**GOOD, "PROXY": proxy}
    (problem,) = problems(masked_setting())
    assert (problem.id, "PROXY" in problem.message) == ("E004", True)


@pytest.mark.parametrize("given_as", [lambda url: url, lambda url: lambda: url], ids=["text", "callable"])
def test_a_proxy_shows_no_password(settings: Any, given_as: Any) -> None:
    """It has its address in its repr, and nothing of who we are to it."""
    settings.DFINERY = {**GOOD, "PROXY": given_as("http://shop:p%40ss-word-1@proxy.example:3128")}
    proxy = get_settings().PROXY
    assert (proxy.address, proxy.host) == ("http://proxy.example:3128", "proxy.example")
    assert proxy.headers == {"Proxy-Authorization": "Basic c2hvcDpwQHNzLXdvcmQtMQ=="}
    shown = f"{proxy} {proxy!r} {get_settings()!r} {masked_setting()}"
    assert "http://proxy.example:3128" in shown
    assert not [secret for secret in proxy.secrets if secret in shown]
    with pytest.raises(TypeError):
        pickle.dumps(proxy)
    assert (
        proxy == Proxy("http://shop:p%40ss-word-1@proxy.example:3128") != Proxy("http://shop:other@proxy.example:3128")
    )


def test_no_proxy_is_none(settings: Any) -> None:
    """The default, written out or not."""
    settings.DFINERY = {**GOOD, "PROXY": ""}
    assert not get_settings().PROXY
    assert (get_settings().PROXY.secrets, get_settings().PROXY.headers) == ((), {})


def test_a_proxy_gets_no_token_in_clear_text(settings: Any) -> None:
    """A request over http shows the proxy its token: that is for proxies of this machine."""
    settings.DFINERY = {**GOOD, "BASE_URL": "http://127.0.0.1:8089", "PROXY": "http://proxy.example:3128"}
    (problem,) = problems(masked_setting())
    assert (problem.id, "clear text" in problem.message) == ("E005", True)
    settings.DFINERY = {**GOOD, "BASE_URL": "http://127.0.0.1:8089", "PROXY": "http://localhost:3128"}
    assert problems(masked_setting()) == []
