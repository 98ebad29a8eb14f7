"""HTTP: a Request -> a Response, or TransportError. The only file that imports ``requests``. No ORM, no retries.

One pooled session per thread pool; its connections are kept between requests. Nothing is taken from the
environment (proxies, netrc), no cookie is kept, no redirect followed: a redirect must not carry the token anywhere.
"""

from __future__ import annotations

import time
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .exceptions import TransportError
from .protocols.base import Request, Response

#: The answers of the API have about 100 bytes; a larger body is cut here and never read further.
MAX_BODY_BYTES = 64 * 1024
_CHUNK_BYTES = 8 * 1024


class Client:
    """Sends requests over pooled connections; safe to use from several threads.

    :param connections: how many connections are kept
    :param connect_timeout: seconds until a connection must stand
    :param read_timeout: seconds between two pieces of the answer; the whole exchange may take
        ``connect_timeout + read_timeout``
    """

    def __init__(self, *, connections: int, connect_timeout: float, read_timeout: float, user_agent: str) -> None:
        self._timeout = (connect_timeout, read_timeout)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections, pool_block=False)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def send(self, request: Request) -> Response:
        """One exchange.

        :raises TransportError: if no answer came; the message holds no header and no token
        """
        # Raised outside the except clause, so that no traceback leads to frames that hold the headers.
        failure: TransportError | None = None
        try:
            return self._exchange(request)
        except requests.exceptions.SSLError as error:
            failure = TransportError(f"TLS failed: {_words(error)}", is_local_fault=True)
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ):
            failure = TransportError(f"{request.url} is no usable address", is_local_fault=True)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = TransportError(f"{type(error).__name__}: {_words(error)}")
        raise failure

    def close(self) -> None:
        self._session.close()

    def _exchange(self, request: Request) -> Response:
        deadline = time.monotonic() + sum(self._timeout)
        with self._session.request(
            request.method,
            request.url,
            data=request.body,
            headers=dict(request.headers),
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as answer:
            body = _read(answer, deadline)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, headers, body)


def _read(answer: requests.Response, deadline: float) -> bytes:
    """The body up to the cap. The read timeout holds per piece; the deadline holds for all of them."""
    body = bytearray()
    # read1: what is there, not until the chunk is full, which a server that drips could draw out for hours.
    while len(body) < MAX_BODY_BYTES and (chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True)):
        body += chunk
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer came too slowly")
    return bytes(body[:MAX_BODY_BYTES])


def _words(error: Exception) -> str:
    return str(error)[:500]
