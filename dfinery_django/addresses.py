"""Validation of addresses with the HTTP client's own parser (urllib3's), so that a check and a request agree.

Stricter than that parser: it refuses what can't be connected to, and what two parsers read as two hosts.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from urllib3.util import Url

from .tokens import read_secret

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DFINERY_HOSTS = frozenset({"openapi.dfinery.io", "openapi.dfinery.ai"})

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_LONGEST_NAME = 253


def parse_address(url: object) -> Url:
    """Split an http(s) address into its parts.

    :raises ValueError: with a text that continues "The URL ..." and quotes no part of it: it may hold a password
    """
    # Here, since it brings all of urllib3: web processes whose address is the default one send nothing.
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    if not isinstance(url, str):
        raise ValueError("is not a URL")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("has a blank, line end, backslash or invisible character in it")
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise ValueError("is not a URL: its host or port can't be read") from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ValueError("is not an http(s) URL with a host")
    if "%" in _authority(url).rpartition("@")[2]:
        raise ValueError("has a host with a percent sign in it")
    if parts.port == 0:
        raise ValueError("has the port 0, which nobody can listen to")
    if fault := _host_fault(host_of(parts)):
        raise ValueError(f"has an invalid host: {fault}")
    return parts


def host_of(parts: Url) -> str:
    """Return the host without the brackets of IPv6."""
    return (parts.host or "").strip("[]")


def _authority(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2])[0]


def base_url_fault(url: Any) -> str:
    """Return the fault of a ``BASE_URL``, or an empty text."""
    try:
        parts = parse_address(url)
    except ValueError as error:
        return str(error)
    if "@" in _authority(url) or parts.query is not None or parts.fragment is not None:
        return "carries more than scheme, host, port and path"
    if parts.scheme == "http" and host_of(parts) not in LOOPBACK_HOSTS:
        return f"sends the token in clear text to {host_of(parts)}"
    return ""


def _host_fault(host: str) -> str:
    if ":" in host:
        return "" if _is_ip(host) and "%" not in host else "it is no IPv6 address"
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        return "a name has parts of 1 to 63 letters, digits and hyphens, 253 characters in all"
    # Some resolvers read 2130706433, 127.1 and 0x7f.1 as an address, others as a name.
    if re.match(r"\d+$|0x", labels[-1]) and not _is_ip(host):
        return "an IPv4 address has four numbers"
    return ""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Proxy:
    """The setting ``PROXY``: an address whose user and password appear in no repr, log line or traceback.

    :param value: a text, or a callable that returns one; empty for no proxy
    """

    __slots__ = ("_url",)

    def __init__(self, value: object = "") -> None:
        self._url: object = read_secret(value)

    def __bool__(self) -> bool:
        return self._url != ""

    @property
    def is_text(self) -> bool:
        return isinstance(self._url, str)

    @property
    def fault(self) -> str:
        """The fault of the address, or an empty text."""
        if not self:
            return ""
        try:
            parts = parse_address(self._url)
        except ValueError as error:
            return str(error)
        if parts.scheme != "http" or parts.path not in (None, "", "/") or parts.query or parts.fragment:
            return "is not of the form http://host:port or http://user:password@host:port"
        return ""

    @property
    def host(self) -> str:
        return host_of(parse_address(self._url))

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        parts = parse_address(self._url)
        return f"http://{parts.host}" + (f":{parts.port}" if parts.port else "")

    @property
    def headers(self) -> dict[str, str]:
        """The headers that authenticate us at the proxy."""
        return {"Proxy-Authorization": f"Basic {self._credentials()}"} if self._credentials() else {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts to mask wherever they are echoed."""
        return tuple(filter(None, (unquote(self._password()), self._password(), self._credentials())))

    def _password(self) -> str:
        return (parse_address(self._url).auth or "").partition(":")[2] if self else ""

    def _credentials(self) -> str:
        auth = (parse_address(self._url).auth or "") if self else ""
        return base64.b64encode(unquote(auth).encode()).decode()

    def __repr__(self) -> str:
        return repr("" if not self else "********" if self.fault else self.address)

    def __eq__(self, other: object) -> bool:
        return bool(self._url == (other._url if isinstance(other, Proxy) else other))

    def __hash__(self) -> int:
        return hash(self._url)

    def __reduce__(self) -> Any:
        raise TypeError("A Proxy is not pickled: it may hold a password.")


NO_PROXY = Proxy()


@dataclass(frozen=True)
class Endpoint:
    """The server that events are sent to, and the proxy on the way.

    :ivar host: with the port, unless it is the default one
    :ivar kind: ``sandbox`` for a server on this machine; ``other`` for any host but DFINERY's
    :ivar proxy: host and port; empty without a proxy
    """

    host: str
    kind: Literal["dfinery", "sandbox", "other"]
    proxy: str = ""

    @property
    def is_dfinery(self) -> bool:
        return self.kind == "dfinery"


def endpoint_of(base_url: str, proxy: Proxy = NO_PROXY) -> Endpoint:
    """Return the endpoint of a ``BASE_URL`` and a ``PROXY`` without faults."""
    parts = urlsplit(base_url)
    name = (parts.hostname or "").removesuffix(".")
    port = parts.port if parts.port != {"https": 443, "http": 80}.get(parts.scheme) else None
    host = f"[{name}]" if ":" in name else name
    kind: Literal["dfinery", "sandbox", "other"] = "other"
    if name in DFINERY_HOSTS:
        kind = "dfinery"
    elif name in LOOPBACK_HOSTS:
        kind = "sandbox"
    return Endpoint(f"{host}:{port}" if port else host, kind, proxy.address.removeprefix("http://") if proxy else "")
