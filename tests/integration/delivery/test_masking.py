"""An answer that echoes the token: it shows itself in no log, row, page or signal, in whatever form it comes back."""

from __future__ import annotations

import base64
import html
import json
import logging
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from hypothesis import given, settings, strategies as st

from dfinery_django import destination_blocked, destination_closed, event_failed
from dfinery_django.delivery.exchange import BODY_LENGTH
from dfinery_django.delivery.masking import masked, masked_text
from dfinery_django.delivery.token_check import check_token
from dfinery_django.delivery.worker import drain
from dfinery_django.exceptions import TransportError
from dfinery_django.models import DeliveryAttempt, Destination, Event
from dfinery_django.protocols.base import Response
from tests.support.doubles import FarSide, answer
from tests.support.events import event, soon
from tests.support.misbehaving import Misbehaving
from tests.support.staff import visitor

pytestmark = pytest.mark.django_db

#: All that base64 and JWT use, and what JSON, HTML and URLs escape.
TOKEN = "eyJhbGci/OiJI+UzI1=NiJ9.s3cret-t0ken_\"'<&>~\\0123456789"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as it was sent": lambda token: f"Bearer {token}",
    "JSON": json.dumps,
    "JSON in JSON": lambda token: json.dumps(json.dumps(token)),
    "JSON of PHP": lambda token: json.dumps(token).replace("/", "\\/"),
    "all as \\u": lambda token: "".join(f"\\u{ord(each):04X}" for each in token),
    "in a URL": lambda token: quote(token, safe=""),
    "in a URL in a URL": lambda token: quote(quote(token, safe=""), safe=""),
    "all as %": lambda token: "".join(f"%{ord(each):02x}" for each in token),
    "HTML": html.escape,
    "HTML of others": lambda token: html.escape(token).replace("&#x27;", "&apos;"),
    "all as &#": lambda token: "".join(f"&#{ord(each)};" for each in token),
    "other letters": str.upper,
    "base64": encoded,
    "base64 of the header": lambda token: encoded(f"Bearer {token}"),
    "base64 of a pair": lambda token: encoded(f"u:{token}"),
    "base64 for URLs": lambda token: base64.urlsafe_b64encode(f"ab{token}".encode()).decode().rstrip("="),
    "base64 in a URL": lambda token: quote(encoded(token), safe=""),
}


def leaks(text: str, token: str = TOKEN) -> bool:
    """Whether a part of the token, long enough to be of use, can be read in a text, or the whole in any form."""
    forms = {write(token) for write in FORMS.values()} | {json.dumps(token)[1:-1]}
    return any(form in text for form in forms) or any(token[at : at + 10] in text for at in range(len(token) - 9))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_echo_is_masked(form: str) -> None:
    """Raw, escaped for JSON, HTML or a URL, once or more, inside base64: stars stand in its place, the rest stays."""
    echo = FORMS[form](TOKEN)
    text = masked_text(f"not <{echo}>, sorry", TOKEN)
    assert not leaks(text)
    assert "********" in text
    assert text.startswith("not <")
    assert text.endswith(">, sorry")


@settings(deadline=None)  # a machine that is busy is no fault
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40), st.sampled_from(sorted(FORMS))
)
def test_every_token_is_masked(token: str, form: str) -> None:
    """Whatever characters it has."""
    assert "*" in masked_text(FORMS[form](token), token)
    assert masked(token.encode(), token) == b"********"


def test_what_is_no_echo_stays() -> None:
    """Half characters, other bytes and answers without it are left as they are; a short word is no secret."""
    for data in (b"", b'{"result_code": 2000}', b"\xff\xfe%&\\u0041\\", "선물 🎁".encode()):
        assert masked(data, TOKEN) == data
    assert masked_text("half \ud83d %41", TOKEN) == "half \ud83d %41"
    assert masked(b"2000", "2000") == b"2000"
    assert masked(b"x", "") == b"x"


@pytest.fixture
def told(configured: Any, caplog: Any) -> Any:
    """All that is told anywhere: logs at every level, tables, signals, admin and API."""
    configured(TOKENS={"default": TOKEN}, CONCURRENCY=1)
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []

    def hear(**kwargs: Any) -> None:
        heard.append(
            repr({name: vars(value) if hasattr(value, "__dict__") else value for name, value in kwargs.items()})
        )

    signals = (destination_blocked, destination_closed, event_failed)
    for signal in signals:
        signal.connect(hear, weak=False)

    def everything() -> dict[str, str]:
        browser = visitor("root", {})
        found = {
            "logs": "".join(f"{each.getMessage()} {each.exc_text} {each.__dict__}" for each in caplog.records),
            "signals": "".join(heard),
        }
        for model in apps.get_app_config("dfinery_django").get_models():
            if not model._meta.proxy:
                found[model.__name__] = repr(list(model._default_manager.values()))
        key = Event.objects.latest("pk").pk
        for url in ("event/", f"event/{key}/change/", "overview/", "destination/", "destination/default/change/"):
            answered = browser.get(f"/admin/dfinery_django/{url}", follow=True)
            assert answered.status_code == 200, url
            found[url] = html.unescape(answered.content.decode())
        event_id = Event.objects.latest("pk").event_id
        for url in ("events/", f"events/{event_id}/", "health/"):
            found[f"API {url}"] = browser.get(f"/dfinery/v1/{url}").content.decode()
        return found

    yield everything
    for signal in signals:
        signal.disconnect(hear)


ANSWERS: dict[str, Callable[[str], Response | Exception]] = {
    "a refusal's text": lambda echo: answer(400, 4002, f"bad: {echo}"),
    "a refused token": lambda echo: answer(401, 4001, f"Invalid token {echo}"),
    "another status": lambda echo: answer(404, 4000, echo),
    "the id that is echoed": lambda echo: Response(
        400, {}, json.dumps({"result_code": 4007, "result_data": {"event_id": echo}}).encode()
    ),
    "HTML": lambda echo: Response(403, {}, f"<pre>{echo}</pre>".encode()),
    "headers": lambda echo: Response(429, {"x-rate-limit-reset": echo, echo: "1"}, echo.encode()),
    "at the end of what is kept": lambda echo: Response(
        400,
        {},
        (b" " * (BODY_LENGTH - 20) + json.dumps({"result_code": 4002, "result_msg": "x" * 980 + echo}).encode()),
    ),
    "where what is kept is cut": lambda echo: Response(503, {}, b"x" * (BODY_LENGTH - len(echo) + 3) + echo.encode()),
    "an error's text": lambda echo: TransportError("x" * 480 + echo),
    "a fault's text": lambda echo: ValueError(f"Invalid header value {echo}"),
}


@pytest.mark.parametrize("place", ANSWERS)
@pytest.mark.parametrize("form", ["as it was sent", "in a URL", "base64"])
def test_an_echo_shows_itself_nowhere(told: Any, place: str, form: str) -> None:
    """Logs, event, attempt, destination, signals, admin and API: one place masks for all."""
    far_side = FarSide()
    far_side.always = ANSWERS[place](FORMS[form](TOKEN))
    event()
    drain("default", send=far_side)
    assert DeliveryAttempt.objects.count() == 1
    found = told()
    assert "event_id" in found["API events/"]
    assert "***" in found["DeliveryAttempt"] + found["Event"] or place == "at the end of what is kept"
    assert not [where for where, text in found.items() if leaks(text)]


def test_an_echo_in_what_is_no_header(told: Any, pointed_at: Any) -> None:
    """A line that is no header, or a status line that is none, as it comes from a real socket."""
    broken = f"HTTP/1.1 400 Bad\r\nthis is no header: {TOKEN}\r\n {TOKEN}\r\n{TOKEN}\r\n\r\n".encode()

    def behave(connection: socket.socket, asked: Any) -> None:
        connection.sendall(broken if len(server.asked) % 2 else f"{TOKEN * 20}\r\n\r\n".encode())
        connection.close()

    with Misbehaving(then=behave) as server:
        pointed_at(server.url, TOKENS={"default": TOKEN}, CONCURRENCY=1)
        for number in range(2):
            event(number)
            drain("default")
            soon(60)
        assert len(server.asked) >= 2
    assert not [where for where, text in told().items() if leaks(text)]


def test_an_echo_to_a_token_check(configured: Any) -> None:
    """``dfinery check-token`` prints what was said, word for word but for the token."""
    configured(TOKENS={"default": TOKEN})
    found = check_token("default", send=lambda request: answer(401, 4001, f"no: {request.headers['Authorization']}"))
    assert found.blames_token
    assert "no: Bearer ********" in found.answer
    assert not leaks(found.answer)


def test_masking_breaks_no_answer(configured: Any, far_side: FarSide) -> None:
    """What is echoed in an acceptance, or to a protocol of the site's own, is judged as before."""
    configured(TOKENS={"default": TOKEN})
    far_side.answers = [answer(200, 2000, f"welcome {TOKEN}"), answer(400, 4002, f"bad {TOKEN}")]
    events = [event(number) for number in range(2)]
    drain("default", send=far_side)
    for each, status in zip(events, ("delivered", "failed"), strict=True):
        each.refresh_from_db()
        assert each.status == status
    assert events[1].reason == "DFINERY refuses this event. It said: HTTP 400, 4002: bad ********"
    assert Destination.objects.get().closed_until is None
