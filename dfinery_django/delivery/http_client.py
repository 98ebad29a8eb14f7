"""The HTTP client: sends a Request, returns a Response or raises TransportError. No ORM, no retries.

The only file that imports ``requests``. Prepared requests go directly to one pooled adapter: half the work of a
``requests.Session``, whose features are not wanted here. Nothing is read from the environment (proxies, authorities,
netrc), no cookie is kept, no redirect is followed: a redirect must not carry the token elsewhere.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from .. import __version__, clock
from ..addresses import NO_PROXY, Proxy
from ..conf import Settings
from ..exceptions import TransportError
from ..protocols.base import Request, Response
from ..text.reasons import ReasonText
from .connections import POOLS, AnswerTooSlow, Stage, current_exchange
from .masking import masked_response
from .network_faults import certificate_reason, error_chain, place_of, unanswered_reason, unsent_reason
from .test_guard import refuse_in_tests

#: The API's responses have about 100 bytes; a larger body is cut here and not read further.
MAX_BODY_BYTES = 64 * 1024
_CHUNK_BYTES = 8 * 1024

#: The environment variables of other programs. We use settings, and an error message names a variable that is set.
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

#: What is raised where an answer takes too long; ``FakeDfinery`` raises it, too.
TimedOut = requests.exceptions.ReadTimeout
_NO_ADDRESS = (InvalidURL, InvalidSchema, MissingSchema, urllib3.exceptions.LocationValueError)


class _Adapter(HTTPAdapter):
    def __init__(self, *args: Any, proxy: Proxy, **kwargs: Any) -> None:
        self._proxy = proxy
        super().__init__(*args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return self._proxy.headers

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Build a response with the few attributes that are read; no cookies."""
        response = requests.Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        response.request, response.url = req, str(req.url)
        return response


class Client:
    """An HTTP client with pooled connections; thread-safe.

    :param connections: how many are kept
    :param read_timeout: seconds between two pieces of the response; an exchange takes no longer than both timeouts
    :param ca_bundle: PEM file, or directory made by ``openssl rehash``: the authorities to trust instead of public ones
    """

    def __init__(
        self,
        *,
        connections: int,
        connect_timeout: float,
        read_timeout: float,
        user_agent: str,
        proxy: Proxy = NO_PROXY,
        ca_bundle: str = "",
    ) -> None:
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._seconds = connect_timeout + read_timeout
        self._timeout = urllib3.Timeout(total=self._seconds, connect=connect_timeout, read=read_timeout)
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._proxy, self._secrets, self._ca_bundle = proxy, proxy.secrets, ca_bundle
        self._send_options: dict[str, Any] = {"proxies": {"all": proxy.address}} if proxy else {}
        self._send_options |= {"verify": ca_bundle} if ca_bundle else {}
        self._adapter = _Adapter(pool_connections=4, pool_maxsize=connections, pool_block=False, proxy=proxy)

    def send(self, request: Request) -> Response:
        """Send a request and return its response.

        :raises TransportError: if no answer came; the message has no header and no token, unless the server echoed it
        """
        for url in (request.url, self._proxy.address) if self._proxy else (request.url,):
            refuse_live_host(url)
        answer: Response | TransportError
        try:
            answer = self._exchange(request)
        except (OSError, urllib3.exceptions.HTTPError) as error:  # those of requests are OSErrors
            answer = self._failure(error, request.url)
        # Raised outside of any except clause, so that no traceback leads to frames that have the headers.
        if isinstance(answer, TransportError):
            raise answer
        if answer.status_code == requests.codes.proxy_authentication_required:
            raise _refused_by_proxy(answer.status_code)
        return answer

    def close(self) -> None:
        self._adapter.close()

    def _exchange(self, request: Request) -> Response:
        current_exchange.deadline = deadline = clock.monotonic() + self._seconds
        current_exchange.stage, current_exchange.status = Stage.SENDING, 0
        prepared = _prepared_request(request.method, request.url).copy()
        prepared.headers.update({**self._headers, **request.headers, "Content-Length": str(len(request.body))})
        prepared.body = request.body
        # Without a session no redirect is followed, and no cookie is kept.
        with self._adapter.send(prepared, stream=True, timeout=self._timeout, **self._send_options) as answer:  # type: ignore[arg-type]
            body = _read_body(answer, deadline)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return masked_response(Response(answer.status_code, headers, body), *self._secrets)

    def _failure(self, error: Exception, url: str) -> TransportError:
        words = f"{type(error).__name__}: {error}"
        if isinstance(error, _NO_ADDRESS):
            return _unsent(words, ReasonText("no_address", url=url), is_local_fault=True)
        if not isinstance(error, (requests.exceptions.RequestException, urllib3.exceptions.HTTPError)):
            return _unsent(words, ReasonText("ca_bundle_unreadable"), is_local_fault=True)
        if current_exchange.stage is Stage.TO_PROXY:
            return self._proxy_failure(error)
        # A connection that was just cut, as in a restart, proves nothing about the certificate.
        is_cut = any(isinstance(each, ssl.SSLEOFError) for each in error_chain(error))
        is_local_fault = isinstance(error, requests.exceptions.SSLError) and not is_cut
        place = place_of(url)
        if current_exchange.stage.is_sent:
            reason = self._unanswered_reason(error, place)
            return TransportError(words, reason=reason, is_local_fault=is_local_fault)
        if is_local_fault:
            return _unsent(words, self._with_authority_hint(certificate_reason(error, place)), is_local_fault=True)
        return _unsent(words, self._with_proxy_hint(unsent_reason(error, place, self._connect_timeout)))

    def _unanswered_reason(self, error: Exception, place: str) -> ReasonText:
        times = {"read_seconds": self._read_timeout, "total_seconds": self._seconds}
        is_timeout = isinstance(error, TimedOut)
        return unanswered_reason(error, place, current_exchange.stage, is_timeout=is_timeout, **times)

    def _proxy_failure(self, error: Exception) -> TransportError:
        """Describe a failure of the proxy. Its own text is left out: it may echo the password."""
        if current_exchange.status not in (0, requests.codes.ok):
            return _refused_by_proxy(current_exchange.status)
        address = self._proxy.address
        why = unsent_reason(error, place_of(address), self._connect_timeout)
        reason = ReasonText("proxy_silent", proxy=address, why=why)
        return _unsent(f"{type(error).__name__}. {reason}", reason)

    def _with_authority_hint(self, reason: ReasonText) -> ReasonText:
        if self._ca_bundle:
            return ReasonText("joined", first=reason, then=ReasonText("ca_bundle_decides"))
        if named := _first_set(CA_VARIABLES):
            return ReasonText("joined", first=reason, then=ReasonText("ca_variable_unused", variable=named))
        return reason

    def _with_proxy_hint(self, reason: ReasonText) -> ReasonText:
        named = "" if self._proxy else _first_set(PROXY_VARIABLES)
        hint = named and ReasonText("proxy_variable_unused", variable=named)
        return ReasonText("joined", first=reason, then=hint) if hint else reason


def refuse_live_host(url: str) -> None:
    """Raise ``RefusedInTests`` for a real host while tests run, unless something answers in its place."""
    # "responses" replaces send(), so that no connection is made: there is nothing to refuse.
    if _Adapter.send.__module__ == HTTPAdapter.__module__:
        refuse_in_tests(url)


@lru_cache(maxsize=16)
def _prepared_request(method: str, url: str) -> requests.PreparedRequest:
    """Return a request without headers and body, so that the address is checked once."""
    prepared = requests.PreparedRequest()
    prepared.prepare(method=method, url=url)
    return prepared


def _read_body(answer: requests.Response, deadline: float) -> bytes:
    """Read the body up to the cap. The read timeout applies per piece, the deadline to the whole."""
    body = bytearray()
    # read1: returns what has come, instead of waiting for a full chunk, which a slow server could delay for hours.
    while len(body) < MAX_BODY_BYTES and (chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True)):
        body += chunk
        if clock.monotonic() > deadline:
            raise TimedOut("the answer came too slowly") from AnswerTooSlow()
    return bytes(body[:MAX_BODY_BYTES])


def _refused_by_proxy(status: int) -> TransportError:
    is_login = status == requests.codes.proxy_authentication_required
    reason = ReasonText("proxy_login" if is_login else "proxy_refuses", status=str(status))
    passes = status >= 500 or status in (requests.codes.request_timeout, requests.codes.too_many_requests)
    return _unsent(str(reason), reason, is_local_fault=not passes)


def _unsent(words: str, reason: ReasonText, *, is_local_fault: bool = False) -> TransportError:
    """Return the error of a request of which nothing was sent."""
    return TransportError(words, reason=reason, is_local_fault=is_local_fault, may_have_arrived=False)


def _first_set(variables: Sequence[str]) -> str:
    """Return the name of the first variable that is set. Its value is not shown: it may contain a password."""
    return next((name for name in variables if os.environ.get(name)), "")


@lru_cache(maxsize=4)
def shared_client(**options: Any) -> Client:
    """Return the process's client for these options, kept between drains with its connections."""
    return Client(**options)


def options_of(settings: Settings) -> dict[str, Any]:
    """Return the options that the settings give to every client."""
    return {
        "user_agent": f"dfinery-django/{__version__}",
        "connect_timeout": settings.CONNECT_TIMEOUT,
        "read_timeout": settings.READ_TIMEOUT,
        "proxy": settings.PROXY,
        "ca_bundle": os.fspath(settings.CA_BUNDLE),
    }


if hasattr(os, "register_at_fork"):
    # A forked child must not write into the sockets of its parent.
    os.register_at_fork(after_in_child=shared_client.cache_clear)
