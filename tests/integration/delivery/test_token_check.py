"""Does DFINERY take the token? Asked for real, of the sandbox, without leaving an event."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from dfinery_django.delivery.token_check import check_token
from dfinery_django.enums import Outcome
from dfinery_django.exceptions import ConfigurationError, TransportError
from dfinery_django.models import DeliveryAttempt, Destination, Event
from dfinery_django.sandbox import Sandbox
from dfinery_django.sandbox.server import Fault
from tests.support.doubles import FarSide, answer

DFINERY, MOCK = "https://openapi.dfinery.io", "https://mock.example:8443"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tokens=["right-token"], rate_limit=3) as running:
        yield running


def test_a_valid_token(configured: Any, sandbox: Sandbox) -> None:
    """It is taken, by the sandbox and not by DFINERY, and the event is one that DFINERY processes nothing of."""
    configured(BASE_URL=sandbox.url, TOKENS={"default": "right-token"})
    found = check_token("default")
    assert (found.is_accepted, found.outcome, found.answer) == (True, Outcome.ACCEPTED, "")
    host = sandbox.url.removeprefix("http://")
    words = f"The sandbox at {host} answered: it accepts the token of default. DFINERY was not asked."
    assert found.text == words
    (arrival,) = sandbox.arrivals
    assert not arrival.processed
    assert (arrival.event_name, arrival.user_id) == ("dfinery_django_test", "dfinery_django_test")
    assert all("hours" in warning for warning in arrival.warnings)  # nothing but its age is odd


def test_a_wrong_token(configured: Any, sandbox: Sandbox) -> None:
    """It is refused, in the server's own words, and shown nowhere."""
    configured(BASE_URL=sandbox.url, TOKENS={"default": "wrong-token"})
    found = check_token("default")
    assert (found.is_accepted, found.outcome) == (False, Outcome.BLOCKED)
    assert "it refuses the token of default." in found.text
    assert found.answer.startswith("HTTP 400: {")
    assert "4001" in found.answer
    assert "Invalid API Token Error." in found.answer
    assert "DFINERY" not in found.answer
    assert "wrong-token" not in repr(found)


def test_nobody_answers(configured: Any) -> None:
    """Nothing is said of the token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configured(BASE_URL=f"http://127.0.0.1:{port}")
    found = check_token("default")
    assert (found.is_accepted, found.outcome) == (None, Outcome.TRANSIENT)
    words = f"The sandbox at 127.0.0.1:{port} gives no proper answer, so the token of default can't be checked."
    assert found.text == words
    assert found.answer
    assert not found.was_sent


@pytest.mark.parametrize(("may_have_arrived", "was_sent"), [(True, True), (False, False)])
def test_it_is_known_if_something_was_sent(
    configured: Any, far_side: FarSide, may_have_arrived: bool, was_sent: bool
) -> None:
    """A request that was cut may have arrived; without a connection nothing was sent; what is answered was sent."""
    configured()
    far_side.always = TransportError("cut", may_have_arrived=may_have_arrived)
    assert check_token("default", send=far_side).was_sent is was_sent
    far_side.always = REFUSED
    assert check_token("default", send=far_side).was_sent


def test_the_rate_limit_is_used_up(configured: Any, sandbox: Sandbox) -> None:
    """Nothing is said of the token."""
    configured(BASE_URL=sandbox.url, TOKENS={"default": "right-token"})
    assert [check_token("default").is_accepted for _ in range(4)] == [True, True, True, None]
    assert check_token("default").outcome == Outcome.THROTTLED


def test_an_old_event_may_be_refused(configured: Any, sandbox: Sandbox) -> None:
    """How DFINERY answers events beyond 48 hours is not documented: a refusal of the event is none of the token."""
    configured(BASE_URL=sandbox.url, TOKENS={"default": "right-token"})
    sandbox.answer_next(Fault(400, 4002, "Invalid event datetime format."))
    found = check_token("default")
    assert (found.is_accepted, found.outcome) == (True, Outcome.REJECTED)
    assert "rejects only the old test event" in found.text
    assert "Invalid event datetime format." in found.answer


REFUSED = answer(400, 4001, "Invalid API Token Error.")
BY_SANDBOX = answer(200, 2000, server="dfinery-sandbox Python/3.12")


@pytest.mark.parametrize(
    ("url", "far", "words"),
    [
        (DFINERY, None, "DFINERY takes the API token of default."),
        (DFINERY, REFUSED, "DFINERY refuses the API token of default."),
        (DFINERY, answer(503), "The API token of default can't be checked: DFINERY gives no proper answer."),
        (DFINERY, BY_SANDBOX, "The sandbox at openapi.dfinery.io answered: it accepts the token of default. "),
        (MOCK, None, "mock.example:8443, which is not DFINERY's host, answered: it accepts the token of default. "),
        (MOCK, BY_SANDBOX, "The sandbox at mock.example:8443 answered: it accepts the token of default. "),
    ],
)
def test_only_dfinery_s_answer_is_called_dfinery_s(
    configured: Any, far_side: FarSide, url: str, far: Any, words: str
) -> None:
    """The host decides, and the header by which the sandbox names itself, whatever the host."""
    configured(BASE_URL=url)
    far_side.always = far
    found = check_token("default", send=far_side).text
    assert found.startswith(words)
    assert ("DFINERY was not asked." in found) == (not words.rstrip().startswith(("DFINERY", "The API")))


@pytest.mark.parametrize("far", [answer(404), answer(302), TransportError("TLS failed", is_local_fault=True)])
def test_a_wrong_address_is_not_the_token_s_fault(configured: Any, far_side: FarSide, far: Any) -> None:
    """404, a redirect, a certificate that is not trusted."""
    configured()
    far_side.always = far
    found = check_token("default", send=far_side)
    assert (found.is_accepted, found.outcome) == (None, Outcome.BLOCKED)
    assert "DFINERY['BASE_URL']" in found.text


def test_what_is_sent_is_a_whole_event_of_last_month(configured: Any, far_side: FarSide) -> None:
    """Every required value, so that only the token can be refused."""
    configured()
    check_token("default", send=far_side)
    (body,) = far_side.bodies
    assert set(body["event_attributes"]) == {"event_id", "event_name", "event_datetime"}
    days = (timezone.now().timestamp() - body["event_attributes"]["event_datetime"] / 1000) / 86400
    assert 29 < days < 31


@pytest.mark.django_db
def test_it_leaves_nothing_here(configured: Any, far_side: FarSide) -> None:
    """No event, no attempt, no destination closed by it."""
    configured()
    far_side.always = answer(401)
    check_token("default", send=far_side)
    assert [model.objects.count() for model in (Event, DeliveryAttempt, Destination)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "alias", "said"),
    [
        ({}, "outlet", "no token for 'outlet'"),
        ({"ENABLED": False}, "default", "switched off"),
        ({"TOKENS": {}}, "default", "TOKENS"),
        ({"PROTOCOL": "nowhere.Protocol"}, "default", "PROTOCOL"),
    ],
)
def test_what_can_t_be_asked(configured: Any, changes: Any, alias: str, said: str) -> None:
    """A local fault is an exception: nothing is sent."""
    configured(**changes)
    with pytest.raises(ConfigurationError, match=said):
        check_token(alias)
