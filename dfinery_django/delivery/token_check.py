"""The check of a destination's token: one real request that leaves nothing behind. No ORM, no retries.

Documented: a bad token returns 401 or 4001, and no event older than 48 hours is processed. So the test event is
complete and valid, but dated 30 days back: DFINERY has no reason to refuse it before it checks the token, and does not
process it. Not documented is the answer to an old event: 200, or a refusal that is not the token's.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from .. import clock
from ..addresses import Endpoint
from ..building.payload_reader import envelope
from ..conf import get_settings
from ..enums import Outcome
from ..exceptions import ConfigurationError
from ..models import Event
from ..protocols.base import Request, Response
from ..protocols.load import protocol_for
from ..schema import properties
from ..schema.payload import Payload
from ..text.endpoints import server_name
from .exchange import Exchange, Send, send_batch
from .http_client import Client, options_of, refuse_live_host

TEST_EVENT_NAME = "dfinery_django_test"
TEST_USER_ID = "dfinery_django_test"
#: Well beyond the 48 hours, in case DFINERY is lenient.
AGE = dt.timedelta(days=30)
#: The length to which an answer that is not DFINERY's is quoted.
QUOTED_LENGTH = 200
#: Our sandbox names itself in this header.
_SERVER_HEADER, _SANDBOX = "server", "dfinery-sandbox"


@dataclass(frozen=True)
class TokenCheck:
    """The result of a token check."""

    destination: str
    outcome: Outcome
    blames_token: bool
    answer: str  # of the server, word for word
    duration_ms: int
    endpoint: Endpoint  # the server that was asked
    was_sent: bool  # whether at least a part of the request was sent, so that it may have arrived

    @property
    def is_accepted(self) -> bool | None:
        """``None`` if the answer does not show it."""
        if self.outcome in (Outcome.ACCEPTED, Outcome.REJECTED):
            return True
        return False if self.outcome == Outcome.BLOCKED and self.blames_token else None

    @property
    def text(self) -> str:
        is_dfinery = self.endpoint.is_dfinery
        text = _dfinery_text if is_dfinery else _other_text
        server = "" if is_dfinery else server_name(self.endpoint)
        return text(self.outcome, self.blames_token) % {"destination": self.destination, "server": server}


def check_token(alias: str, *, send: Send | None = None) -> TokenCheck:
    """Send a test event. Waits for the network, so no transaction may be open.

    :param send: exchanges a request for a response; default: a new connection
    :raises ConfigurationError: if the settings are wrong, DFINERY is switched off, or the destination has no token
    """
    settings = get_settings()
    if not settings.ENABLED:
        raise ConfigurationError("DFINERY is switched off (ENABLED is False): nothing is sent.")
    if alias not in settings.TOKENS:
        raise ConfigurationError(f"DFINERY['TOKENS'] has no token for {alias!r}.")
    if fault := settings.TOKENS[alias].fault:
        raise ConfigurationError(f"DFINERY['TOKENS'][{alias!r}] is {fault}.")
    try:
        protocol = protocol_for(alias, settings)
    except ImportError as error:
        raise ConfigurationError(f"DFINERY['PROTOCOL'] can't be imported: {error}") from error
    if send is None:
        refuse_live_host(settings.BASE_URL)
    event = Event(event_name=TEST_EVENT_NAME, occurred_at=clock.now() - AGE)
    event.payload = Payload(envelope(event), {properties.USER_ID: TEST_USER_ID}).to_json()
    client = Client(connections=1, **options_of(settings))
    endpoint = settings.endpoint

    def send_and_look(request: Request) -> Response:
        nonlocal endpoint
        response = (send or client.send)(request)
        if response.headers.get(_SERVER_HEADER, "").startswith(_SANDBOX):
            endpoint = replace(endpoint, kind="sandbox")
        return response

    try:
        exchange = send_batch(protocol, send_and_look, [event])
    finally:
        client.close()
    result, answer = exchange.result, _answer_of(exchange, endpoint)
    was_sent = result.status_code is not None or exchange.may_have_arrived
    return TokenCheck(alias, result.outcome, result.blames_token, answer, exchange.duration_ms, endpoint, was_sent)


def _answer_of(exchange: Exchange, endpoint: Endpoint) -> str:
    """Return the answer in words. Those of the protocol name DFINERY, so another server's is quoted instead."""
    result = exchange.result
    if endpoint.is_dfinery or result.outcome == Outcome.ACCEPTED or result.status_code is None:
        return result.message
    return f"HTTP {result.status_code}: {exchange.body[:QUOTED_LENGTH]}".removesuffix(": ")


def _dfinery_text(outcome: Outcome, blames_token: bool) -> str:
    if outcome == Outcome.ACCEPTED:
        return _("DFINERY takes the API token of %(destination)s.")
    if outcome == Outcome.REJECTED:
        return _("DFINERY accepts the API token of %(destination)s, and rejects only the old test event.")
    if outcome == Outcome.THROTTLED:
        return _("DFINERY's rate limit for %(destination)s is used up: try again later.")
    if outcome == Outcome.BLOCKED and blames_token:
        return _("DFINERY refuses the API token of %(destination)s.")
    if outcome == Outcome.BLOCKED:
        return _("The API token of %(destination)s can't be checked: no API accepts events at DFINERY['BASE_URL'].")
    return _("The API token of %(destination)s can't be checked: DFINERY gives no proper answer.")


def _other_text(outcome: Outcome, blames_token: bool) -> str:
    """Return the same of a server that is not DFINERY's: its answer says nothing about DFINERY."""
    if outcome == Outcome.ACCEPTED:
        return _("%(server)s answered: it accepts the token of %(destination)s. DFINERY was not asked.")
    if outcome == Outcome.REJECTED:
        return _(
            "%(server)s answered: it accepts the token of %(destination)s, and rejects only the old test event. "
            "DFINERY was not asked."
        )
    if outcome == Outcome.THROTTLED:
        return _("%(server)s answered: the rate limit for %(destination)s is used up. DFINERY was not asked.")
    if outcome == Outcome.BLOCKED and blames_token:
        return _("%(server)s answered: it refuses the token of %(destination)s. DFINERY was not asked.")
    if outcome == Outcome.BLOCKED:
        return _(
            "%(server)s accepts no events at DFINERY['BASE_URL'], so the token of %(destination)s can't be checked."
        )
    return _("%(server)s gives no proper answer, so the token of %(destination)s can't be checked.")
