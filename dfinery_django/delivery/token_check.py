"""The check of a destination's token: one real request that leaves nothing behind. No ORM, no retries.

Documented: a bad token returns 401 or 4001, and no event older than 48 hours is processed. So the test event is
complete and valid, but dated 30 days back: DFINERY has no reason to refuse it before it checks the token, and does not
process it. Not documented is the answer to an old event: 200, or a refusal that is not the token's.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _

from .. import clock
from ..building.payload_reader import envelope
from ..conf import get_settings
from ..enums import Outcome
from ..exceptions import ConfigurationError
from ..models import Event
from ..protocols.load import protocol_for
from ..schema import properties
from ..schema.payload import Payload
from .exchange import Send, send_batch
from .http_client import Client, options_of, refuse_live_host

TEST_EVENT_NAME = "dfinery_django_test"
TEST_USER_ID = "dfinery_django_test"
#: Well beyond the 48 hours, in case DFINERY is lenient.
AGE = dt.timedelta(days=30)


@dataclass(frozen=True)
class TokenCheck:
    """The result of a token check."""

    destination: str
    outcome: Outcome
    blames_token: bool
    answer: str  # of DFINERY, word for word
    duration_ms: int

    @property
    def is_accepted(self) -> bool | None:
        """``None`` if the answer does not show it."""
        return _judgement(self.outcome, self.blames_token)[0]

    @property
    def text(self) -> str:
        return _judgement(self.outcome, self.blames_token)[1] % {"destination": self.destination}


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
    try:
        exchange = send_batch(protocol, send or client.send, [event])
    finally:
        client.close()
    result = exchange.result
    return TokenCheck(alias, result.outcome, result.blames_token, result.message, exchange.duration_ms)


def _judgement(outcome: Outcome, blames_token: bool) -> tuple[bool | None, str]:
    if outcome == Outcome.ACCEPTED:
        return True, _("DFINERY takes the API token of %(destination)s.")
    if outcome == Outcome.REJECTED:
        return True, _("DFINERY accepts the API token of %(destination)s, and rejects only the old test event.")
    if outcome == Outcome.THROTTLED:
        return None, _("DFINERY's rate limit for %(destination)s is used up: try again later.")
    if outcome == Outcome.BLOCKED and blames_token:
        return False, _("DFINERY refuses the API token of %(destination)s.")
    if outcome == Outcome.BLOCKED:
        return None, _(
            "The API token of %(destination)s can't be checked: no API accepts events at DFINERY['BASE_URL']."
        )
    return None, _("The API token of %(destination)s can't be checked: DFINERY gives no proper answer.")
