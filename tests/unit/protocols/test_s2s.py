"""The S2S Event API in literals: one golden request, every answer of the vendor's page, and what gateways say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from dfinery_django.enums import Outcome
from dfinery_django.protocols.base import Response
from dfinery_django.protocols.s2s import S2SEventAPI
from dfinery_django.tokens import Token

ACCEPTED, TRANSIENT, THROTTLED, REJECTED, BLOCKED = (
    Outcome.ACCEPTED,
    Outcome.TRANSIENT,
    Outcome.THROTTLED,
    Outcome.REJECTED,
    Outcome.BLOCKED,
)
API = S2SEventAPI(base_url="https://openapi.dfinery.io", token=Token("s3cr3t-t0ken"))
HTML = b"<html><head><title>Bad Gateway</title></head><body><h1>nginx</h1></body></html>"


def test_a_request_is_the_pages() -> None:
    """One stored payload becomes the page's POST, its body byte for byte what was stored."""
    payload = '{"event_attributes":{"order_sales":1e+22,"note":"홍\\u0000"},"user_attributes":{"user_id":"user1"}}'
    request = API.encode([payload])
    assert (request.method, request.url) == ("POST", "https://openapi.dfinery.io/api/v1/events")
    assert request.headers == {"Authorization": "Bearer s3cr3t-t0ken", "Content-Type": "application/json"}
    assert request.body == (
        b'{"event_attributes":{"order_sales":1e+22,"note":"\xed\x99\x8d\\u0000"},"user_attributes":{"user_id":"user1"}}'
    )


def test_the_address_is_put_together_with_one_slash() -> None:
    """A base URL with a slash at its end, or with a path, gives a clean address."""
    api = S2SEventAPI(base_url="http://127.0.0.1:8000/sandbox/", token=Token("t"))
    assert api.encode(["{}"]).url == "http://127.0.0.1:8000/sandbox/api/v1/events"


def test_the_token_shows_in_no_repr() -> None:
    """Neither the request nor the protocol shows the token when printed."""
    request = API.encode(["{}"])
    assert "s3cr3t" not in f"{request!r} {request} {API!r} {vars(API)}"


def test_each_event_has_a_request_of_its_own() -> None:
    """The API takes one event per request."""
    assert list(API.batches(["a", "b"])) == [("a",), ("b",)]


def test_two_payloads_in_one_request_are_a_mistake() -> None:
    """Encoding several payloads at once fails instead of dropping any."""
    with pytest.raises(ValueError, match="too many values"):
        API.encode(["{}", "{}"])


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        pytest.param(
            200,
            b'{\n"result_code": 2000,\n"result_msg": null,\n"result_data": {\n'
            b'"event_id": "0166a71c-caf4-462d-8201-9c30sd3fg54"\n}\n}',
            ACCEPTED, "2000", id="successful, though it echoes an id that nobody sent",
        ),
        pytest.param(401, b"", BLOCKED, "", id="1 no token, or authentication fails"),
        pytest.param(
            400, b'{"result_code": 4001, "result_msg": "Invalid API Token Error.", "result_data": null}',
            BLOCKED, "4001", id="2 invalid token",
        ),
        pytest.param(
            400, b'{"result_code": 4002, "result_msg": "Invalid request format.", "result_data": null}',
            REJECTED, "4002", id="3 incorrect request format",
        ),
        pytest.param(
            400, b'{"result_code": 4002, "result_msg": "Required parameters cannot be empty.", "result_data": null}',
            REJECTED, "4002", id="4 required values not filled",
        ),
        pytest.param(
            400, b'{"result_code": 4002, "result_msg": "{eventAttribute / eventItemAttribute / userAttribute} '
            b'contains unsupported value type.", "result_data": null}',
            REJECTED, "4002", id="5 data type not appropriate",
        ),
        pytest.param(
            429, b'{"result_code": 4006, "result_msg": "API RateLimit exceeded.", "result_data": null}',
            THROTTLED, "4006", id="6 rate limit exceeded",
        ),
        pytest.param(
            400, b'{"result_code": 4007, "result_msg": "Contains unsupported property {name or value}.", '
            b'"result_data": null}',
            REJECTED, "4007", id="7 unsupported property",
        ),
        pytest.param(
            400, b'{"result_code": 4002, "result_msg": "Invalid event datetime format.", "result_data": null}',
            REJECTED, "4002", id="8 type of event_datetime",
        ),
        pytest.param(
            500, b'{"result_code": 5001, "result_msg": "Invalid API Token Error.", "result_data": null}',
            TRANSIENT, "5001", id="9 internal server error, with the text of an invalid token",
        ),
    ],
)  # fmt: skip
def test_every_answer_of_the_page(status: int, body: bytes, outcome: Outcome, code: str) -> None:
    """Each answer that the vendor documents means what the page says, judged by status and code alone."""
    result = API.decode(Response(status, {"content-type": "application/json"}, body))
    assert (result.outcome, result.status_code, result.result_code) == (outcome, status, code)
    words = json.loads(body)["result_msg"] if body else None
    assert (words or "") in result.message


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        # gateways and proxies
        *[(status, body, TRANSIENT) for status in (500, 502, 503, 504, 520, 599) for body in (HTML, b"")],
        # a 200 that is no answer of the API
        (200, b"", TRANSIENT),
        (200, HTML, TRANSIENT),
        (200, b"OK", TRANSIENT),
        (200, b'{"result_code": 2000, "result_ms', TRANSIENT),
        (200, b'[{"result_code": 2000}]', TRANSIENT),
        (200, b"2000", TRANSIENT),
        (200, b"null", TRANSIENT),
        (200, b"{}", TRANSIENT),
        (200, b"\xff\xfe\x00", TRANSIENT),
        (200, b"[" * 100_000, TRANSIENT),
        (200, b'{"result_code": ' + b"9" * 5000 + b"}", TRANSIENT),
        # status and code that contradict each other
        (200, b'{"result_code": 2001}', TRANSIENT),
        (200, b'{"result_code": 4002}', TRANSIENT),
        (200, b'{"result_code": 5001}', TRANSIENT),
        (200, b'{"result_code": 4001}', BLOCKED),
        (200, b'{"result_code": 4006}', THROTTLED),
        (201, b'{"result_code": 2000}', TRANSIENT),
        (204, b"", TRANSIENT),
        (400, b'{"result_code": 2000}', TRANSIENT),
        (400, b'{"result_code": 4003}', TRANSIENT),
        (400, b'{"result_code": 5001, "result_msg": "Invalid API Token Error."}', TRANSIENT),
        (400, b'{"result_code": 4006}', THROTTLED),
        (400, b"", TRANSIENT),
        (500, b'{"result_code": 2000}', TRANSIENT),
        (500, b'{"result_code": 4001}', TRANSIENT),
        (500, b'{"result_code": 4002}', TRANSIENT),
        # statuses that speak without a body
        (408, b"", TRANSIENT),
        (408, b'{"result_code": 4002}', TRANSIENT),
        (413, HTML, REJECTED),
        (422, b"", REJECTED),
        (429, HTML, THROTTLED),
        (429, b'{"result_code": 2000}', THROTTLED),
        (401, b'{"result_code": 4001}', BLOCKED),
        *[(status, HTML, BLOCKED) for status in (401, 403, 404, 405)],
        *[(status, b"", BLOCKED) for status in (301, 302, 303, 307, 308)],
        (302, b'{"result_code": 2000}', BLOCKED),
    ],
)
def test_answers_that_no_page_mentions(status: int, body: bytes, outcome: Outcome) -> None:
    """Only 200 with 2000 is a delivery; what is unreadable or contradicts itself is tried again."""
    assert API.decode(Response(status, {}, body)).outcome is outcome


@pytest.mark.parametrize("code", ['"2000"', '"4002"', '"4006"', "true", "2000.0", "null", "[2000]", '{"a": 2000}'])
@pytest.mark.parametrize("status", [200, 400])
def test_a_code_that_is_no_whole_number_is_no_code(status: int, code: str) -> None:
    """A result_code as text, boolean, fraction or list is treated as absent."""
    result = API.decode(Response(status, {}, f'{{"result_code": {code}}}'.encode()))
    assert (result.outcome, result.result_code) == (TRANSIENT, "")


@pytest.mark.parametrize(
    ("event_id", "data"),
    [
        ("the page's own", {"event_id": "0166a71c-caf4-462d-8201-9c30sd3fg54"}),
        ("none", None),
        ("of another kind", {"event_id": 7}),
        ("a list", []),
    ],
)
def test_the_echoed_id_is_not_compared(event_id: str, data: Any) -> None:
    """An accepted event is accepted whatever id the answer echoes."""
    body = json.dumps({"result_code": 2000, "result_msg": "?", "result_data": data}).encode()
    result = API.decode(Response(200, {}, body))
    assert (result.outcome, result.message) == (ACCEPTED, "")


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, b'{"result_code": 4002, "result_msg": "Invalid request format."}',
         "DFINERY refuses this event. It said: HTTP 400, 4002: Invalid request format."),
        (400, b'{"result_code": 4001, "result_msg": "Invalid API Token Error."}',
         "DFINERY refuses us (the API token is not valid). It said: HTTP 400, 4001: Invalid API Token Error."),
        (401, b"", "DFINERY refuses us (the API token is missing or not accepted). It said: HTTP 401"),
        (403, b"", "DFINERY refuses us (the API token has no right to do this). It said: HTTP 403"),
        (404, HTML, "DFINERY refuses us (nothing takes events at this address: see BASE_URL). It said: HTTP 404"),
        (302, b"", "DFINERY refuses us (nothing takes events at this address: see BASE_URL). It said: HTTP 302"),
        (429, b'{"result_code": 4006}', "DFINERY's rate limit is used up. It said: HTTP 429, 4006"),
        (502, HTML, "DFINERY gave no proper answer; the event is retried. It said: HTTP 502"),
    ],
)  # fmt: skip
def test_a_message_says_what_is_wrong_and_what_was_said(status: int, body: bytes, sentence: str) -> None:
    """Whoever runs the shop reads one sentence with the cause and the far side's own words, and no HTML."""
    assert API.decode(Response(status, {}, body)).message == sentence


def test_a_long_message_is_cut() -> None:
    """An endless result_msg does not end up in the shop's database as a whole."""
    body = json.dumps({"result_code": 4002, "result_msg": "x" * 100_000}).encode()
    assert len(API.decode(Response(400, {}, body)).message) < 1200


@pytest.mark.parametrize(
    ("header", "reset_at"),
    [
        ("1685672905", 1685672905.0),
        ("1685672905000", 1685672905.0),
        ("1685672905250", 1685672905.25),
        ("1,685,672,905,000", 1685672905.0),
        (" 1685672905 ", 1685672905.0),
        *[(garbage, None) for garbage in ("", "soon", "nan", "inf", "-inf", "0", "-5", "1e400", "9" * 20, "0x10")],
        ("2026-01-01T00:00:00Z", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 429])
def test_the_reset_of_the_rate_limit(status: int, header: str, reset_at: float | None) -> None:
    """The reset is read in seconds or milliseconds, and nothing is made of what is neither."""
    body = b'{"result_code": 4006}'
    assert API.decode(Response(status, {"x-rate-limit-reset": header}, body)).reset_at == reset_at


def test_an_answer_without_the_header_tells_no_reset() -> None:
    """Without the header there is no reset."""
    assert API.decode(Response(429)).reset_at is None


@pytest.mark.parametrize(
    ("header", "remaining"),
    [
        ("0", 0),
        ("9999", 9999),
        ("99,999", 99_999),
        ("9,999,999", 9_999_999),
        (" 7 ", 7),
        *[(garbage, None) for garbage in ("", "-1", "1.5", "many", "nan", "0x10", "٣", "1e3", "9" * 12)],
    ],
)
@pytest.mark.parametrize("status", [200, 429])
def test_what_is_left_of_the_rate_limit(status: int, header: str, remaining: int | None) -> None:
    """How many requests are left is read with or without commas, and nothing is made of what is no whole number."""
    assert API.decode(Response(status, {"x-rate-limit-remaining": header})).remaining == remaining


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1s", 1),
        ("1m", 60),
        ("10m", 600),
        ("1H", 3600),
        ("1d", 86_400),
        ("1M", 30 * 86_400),
        ("1y", 365 * 86_400),
        (" 1m ", 60),
        *[(garbage, None) for garbage in ("", "m", "1", "1h", "1D", "1S", "0m", "-1m", "1.5m", "1 m", "m1", "٣m")],
        ("9" * 6 + "y", None),
        ("10000", None),
    ],
)
def test_the_period_of_the_rate_limit(header: str, seconds: float | None) -> None:
    """The limit is a period, whose unit's case matters: a minute is not a month."""
    assert API.decode(Response(200, {"x-rate-limit-limit": header})).period_seconds == seconds


def test_the_headers_of_the_documentation() -> None:
    """The documentation's own examples, as they are printed."""
    headers = {
        "x-rate-limit-limit": "1d",
        "x-rate-limit-remaining": "99,999",
        "x-rate-limit-reset": "1682640000000",
    }
    result = API.decode(Response(200, headers, b'{"result_code": 2000}'))
    assert (result.period_seconds, result.remaining, result.reset_at) == (86_400, 99_999, 1682640000.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
CODES = st.sampled_from([2000, 4001, 4002, 4006, 4007, 5001]) | JSON
ENVELOPES = st.builds(
    lambda code, words: json.dumps({"result_code": code, "result_msg": words}).encode(), code=CODES, words=JSON
)


@settings(deadline=None)  # a slow machine is no fault
@given(
    status=st.integers(100, 599),
    body=st.binary() | JSON.map(lambda content: json.dumps(content).encode()) | ENVELOPES,
    header=st.none() | st.text() | st.floats().map(str) | st.integers().map(str),
)
def test_decoding_never_raises(status: int, body: bytes, header: str | None) -> None:
    """Whatever comes back is an outcome, never an exception, and only 200 with 2000 is a delivery."""
    names = ("x-rate-limit-reset", "x-rate-limit-remaining", "x-rate-limit-limit")
    headers = {} if header is None else dict.fromkeys(names, header)
    result = API.decode(Response(status, headers, body))
    assert result.outcome in Outcome
    assert result.status_code == status
    if result.outcome is ACCEPTED:
        assert (status, result.result_code) == (200, "2000")
    else:
        assert f"HTTP {status}" in result.message


@pytest.mark.parametrize("words", ["\ud800", "a\x00b"])
def test_a_message_can_be_stored(words: str) -> None:
    """A message holds nothing that a database refuses."""
    body = json.dumps({"result_code": 4002, "result_msg": words}).encode()
    message = API.decode(Response(400, {}, body)).message
    message.encode()
    assert "\x00" not in message
