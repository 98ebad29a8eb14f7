"""Tokens: read at use, shown nowhere; one that can't be used holds up its deliveries, and nothing else."""

from __future__ import annotations

import io
import logging
import traceback
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from dfinery_django import ConfigurationError, capture, track
from dfinery_django.conf import get_settings
from dfinery_django.delivery.token_check import check_token
from dfinery_django.delivery.worker import drain
from dfinery_django.models import DeliveryAttempt, Destination, Event
from dfinery_django.tokens import Token
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide, dfinery

pytestmark = pytest.mark.django_db

SECRET = "s3cret-token"
UNUSABLE = [None, "", "  \n", "two words", "비밀", b"bytes", 7, ["x"], lambda: None, lambda: 1 / 0]


class SecretStr:
    """As pydantic has it."""

    def get_secret_value(self) -> str:
        return f"{SECRET}\n"

    def __repr__(self) -> str:
        return "SecretStr('**********')"


class Vault:
    """A secret that changes."""

    def __init__(self) -> None:
        self.tokens, self.asked = ["first", "second"], 0

    def __call__(self) -> str:
        self.asked += 1
        return self.tokens[0]


def sent_with(far_side: FarSide) -> list[str]:
    return [request.headers["Authorization"] for request in far_side.requests]


@pytest.mark.parametrize(
    "given",
    [
        SECRET,
        f"{SECRET}\n",
        f"\t{SECRET} \r\n",
        lambda: SECRET,
        lambda: f"{SECRET}\n",
        SecretStr(),
        Token(SECRET),
    ],
)
def test_ways_to_give_a_token(configured: Any, far_side: FarSide, given: Any) -> None:
    """A text, a callable, an object that reveals it; blanks around it are none of it."""
    configured(TOKENS={"default": given})
    track("visit", user_id="u1")
    drain("default", send=far_side)
    assert sent_with(far_side) == [f"Bearer {SECRET}"]
    assert SECRET not in f"{get_settings()}"


def test_it_is_read_at_use(configured: Any, far_side: FarSide) -> None:
    """Neither by capture nor by the overview; anew for each drain, so that a changed one needs no restart."""
    vault = Vault()
    configured(TOKENS={"default": vault})
    track("visit", user_id="u1")
    capture("purchase", Order.objects.create(status="pending"))
    assert vault.asked == 0
    drain("default", send=far_side)
    vault.tokens.pop(0)
    track("visit", user_id="u2")
    drain("default", send=far_side)
    assert sent_with(far_side) == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("token", UNUSABLE)
def test_one_that_can_not_be_used(configured: Any, far_side: FarSide, caplog: Any, token: Any) -> None:
    """Events are captured, built and kept; nothing is sent; one ERROR; once mended all goes out at once."""
    configured(TOKENS={"default": token}, SETTLE_SECONDS=0, READY_SECONDS=0)
    Order.objects.create(status="paid", number="1")
    track("visit", user_id="u1")
    for _ in range(2):
        drain("default", send=far_side)
    assert far_side.requests == []
    assert sorted(Event.objects.values_list("event_name", "status", "attempt_count")) == [
        ("purchase", "failed", 0),  # no customer: it was built
        ("visit", "pending", 0),
    ]
    assert "DFINERY['TOKENS']['default'] is" in Destination.objects.get().closed_reason
    stopped = [each for each in caplog.records if "Delivery to default is stopped" in each.getMessage()]
    assert [each.levelno for each in stopped] == [logging.ERROR]
    assert not DeliveryAttempt.objects.exists()
    with pytest.raises(ConfigurationError, match="default"):
        check_token("default", send=far_side)
    configured(TOKENS={"default": SECRET})
    drain("default", send=far_side)
    assert sent_with(far_side) == [f"Bearer {SECRET}"]


def test_the_others_go_on(configured: Any, far_side: FarSide) -> None:
    """One bad token among several costs its own destination only."""
    configured(TOKENS={"default": "", "brand": SECRET, 7: "x", "x" * 65: "y"})
    track("visit", user_id="u1")
    track("visit", user_id="u2", destination="brand")
    drain(send=far_side)
    assert sent_with(far_side) == [f"Bearer {SECRET}"]
    assert dict(Event.objects.values_list("destination", "status")) == {"default": "pending", "brand": "delivered"}


@pytest.mark.parametrize("tokens", [None, {}, "secret", ["secret"], {7: "x"}])
def test_without_any_all_waits(settings: Any, far_side: FarSide, tokens: Any) -> None:
    """A forgotten environment variable loses no event."""
    settings.DFINERY = dfinery(TOKENS=tokens)
    Order.objects.create(status="paid")
    track("visit", user_id="u1")
    assert set(Event.objects.values_list("destination", "status")) == {("default", "captured"), ("default", "pending")}
    drain(send=far_side)
    assert far_side.requests == []
    settings.DFINERY = dfinery()
    drain(send=far_side)
    assert len(far_side.requests) == 1


@pytest.mark.django_db(databases=["default", "other"])  # which "check" asks what they can
def test_no_page_or_command_shows_it(settings: Any) -> None:
    """Given as a callable, it is on no page of Django's own and in no output of its commands."""

    def token() -> str:
        return SECRET

    settings.DFINERY = dfinery(TOKENS={"default": token})
    shown = io.StringIO()
    call_command("diffsettings", all=True, stdout=shown)
    call_command("check", stdout=shown, stderr=shown)
    assert "TOKENS" in shown.getvalue()
    page = ""
    try:
        get_settings()
        raise ValueError(repr(get_settings().TOKENS))
    except ValueError as error:
        page = ExceptionReporter(
            RequestFactory().get("/"), type(error), error, error.__traceback__
        ).get_traceback_html()
    assert "TOKENS" in page
    assert SECRET not in shown.getvalue() + page


def test_a_faulty_secret_is_one_all_the_same(configured: Any) -> None:
    """No frame of the error that refuses it shows it, nor do the words of what it is read from."""

    def failing() -> str:
        raise LookupError(f"no {SECRET}")

    for given in (f"{SECRET} x", partial(failing)):
        configured(TOKENS={"default": given})
        with pytest.raises(ConfigurationError) as caught:
            get_settings().TOKENS["default"].reveal()
        told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert SECRET not in told.split("dfinery_django/tokens.py", 1)[1]


def test_a_secret_store_that_is_out_of_reach_fails_no_check(configured: Any) -> None:
    """Checks run in the build of an image, too; a callable that gives nothing usable is told."""
    from dfinery_django.checks import check_settings

    configured(TOKENS={"default": lambda: 1 / 0}, EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    assert check_settings() == []
    configured(TOKENS={"default": lambda: "a b"}, EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    assert [each.id for each in check_settings()] == ["dfinery.E003"]
