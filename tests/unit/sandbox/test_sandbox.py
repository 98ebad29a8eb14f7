"""The sandbox: every documented answer, the faults, the memory and the page, over real HTTP."""

from __future__ import annotations

import copy
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from dfinery_django.sandbox import FAULTS, Fault, Sandbox

EVENT_ID = "0166a71c-caf4-462d-8201-9c30c40f2354"
NOON = 1_685_620_805.25  # 2023-06-01T12:00:05.25Z, five seconds into a UTC minute
BODY = {
    "event_attributes": {
        "event_id": EVENT_ID,
        "event_name": "purchase",
        "event_datetime": 1_685_620_800_000,
        "order_id": "123456789",
        "order_sales": 4000000.0,
        "delivery_charge": 0.0,
        "items": [{"product_id": "1", "quantity": 1, "sales": 9.5, "currency": "KRW", "product_ssd": "256g"}],
        "use_applepay": True,
        "points": 40,
    },
    "user_attributes": {"user_id": "user1", "user_name": "Hong Gil-dong", "age": "30"},
}
INVALID_FORMAT = {"result_code": 4002, "result_msg": "Invalid request format.", "result_data": None}
EMPTY = {"result_code": 4002, "result_msg": "Required parameters cannot be empty.", "result_data": None}
DATETIME = {"result_code": 4002, "result_msg": "Invalid event datetime format.", "result_data": None}
BAD_NAME = {"result_code": 4007, "result_msg": "Contains unsupported property name.", "result_data": None}
BAD_VALUE = {"result_code": 4007, "result_msg": "Contains unsupported property value.", "result_data": None}
EVENT_TYPE = {
    "result_code": 4002,
    "result_msg": "eventAttribute contains unsupported value type.",
    "result_data": None,
}
ITEM_TYPE = {
    "result_code": 4002,
    "result_msg": "eventItemAttribute contains unsupported value type.",
    "result_data": None,
}
USER_TYPE = {"result_code": 4002, "result_msg": "userAttribute contains unsupported value type.", "result_data": None}
LEFT_OUT = object()

Send = Callable[..., requests.Response]


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(now=lambda: NOON) as sandbox:
        yield sandbox


@pytest.fixture
def send(session: requests.Session, sandbox: Sandbox) -> Send:
    def post(body: Any = BODY, token: str = "t", to: Sandbox = sandbox, **headers: str) -> requests.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        return session.post(f"{to.url}/api/v1/events", data=raw, headers=headers, timeout=10)

    return post


def changed(scope: str = "event", **changes: Any) -> dict[str, Any]:
    """The accepted body with other attributes in one of its parts."""
    body: dict[str, Any] = copy.deepcopy(BODY)
    parts = {"event": body["event_attributes"], "user": body["user_attributes"]}
    part = parts[scope] if scope in parts else body["event_attributes"]["items"][0]
    part.update(changes)
    for name in [name for name, value in part.items() if value is LEFT_OUT]:
        del part[name]
    return body


def with_points(number: str) -> bytes:
    """The accepted body with a number Python would not write."""
    return json.dumps(BODY).replace('"points": 40', f'"points": {number}').encode()


# --- The documented answers


def test_an_event_is_accepted(send: Send, sandbox: Sandbox) -> None:
    """A good event is answered 200 with 2000 and its id, and remembered exactly as it came."""
    answer = send()
    assert answer.status_code == 200
    assert answer.json() == {"result_code": 2000, "result_msg": None, "result_data": {"event_id": EVENT_ID}}
    [arrival] = sandbox.arrivals
    assert (arrival.event_id, arrival.event_name, arrival.user_id) == (EVENT_ID, "purchase", "user1")
    assert (arrival.received_at, arrival.processed, arrival.warnings) == (NOON, True, ())
    assert (arrival.body, arrival.raw) == (BODY, json.dumps(BODY))


def test_the_headers_tell_the_rate_limit(send: Send) -> None:
    """Without a limit of its own the sandbox names the documented one, and the end of the UTC minute."""
    headers = send().headers
    assert headers["X-Rate-Limit-Limit"] == "1m"
    assert headers["X-Rate-Limit-Remaining"] == "9999999"
    assert headers["X-Rate-Limit-Reset"] == "1685620860000"


@pytest.mark.parametrize("authorization", [None, "", "t", "Bearer", "Bearer ", "Basic t", "Bearer a b"])
def test_no_authorization_is_401(session: requests.Session, sandbox: Sandbox, authorization: str | None) -> None:
    """A missing or malformed Authorization header is answered 401 with no body and no rate limit."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = session.post(f"{sandbox.url}/api/v1/events", json=BODY, headers=headers, timeout=10)
    assert (answer.status_code, answer.content) == (401, b"")
    assert "X-Rate-Limit-Limit" not in answer.headers
    assert sandbox.arrivals == []


def test_an_unknown_token_is_4001(send: Send, sandbox: Sandbox) -> None:
    """A token that is not among the given ones, or is "invalid" without given ones, is 400/4001."""
    with Sandbox(tokens=["right"]) as strict:
        for answer in (
            send(token="invalid"),
            send(token="wrong", to=strict),
            send(b"no json", token="wrong", to=strict),
        ):
            assert answer.status_code == 400
            assert answer.json() == {
                "result_code": 4001,
                "result_msg": "Invalid API Token Error.",
                "result_data": None,
            }
            assert "X-Rate-Limit-Limit" not in answer.headers
        assert send(token="right", to=strict).status_code == 200
        assert strict.requests_seen == 3


def test_beyond_the_rate_limit_is_429(send: Send) -> None:
    """Each token has its calls per UTC minute; beyond them 429/4006, before the body is looked at."""
    clock = [NOON]
    with Sandbox(rate_limit=2, now=lambda: clock[0]) as limited:
        answers = [send(to=limited), send({}, to=limited), send({}, to=limited)]
        assert [answer.status_code for answer in answers] == [200, 400, 429]
        assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].json() == {
            "result_code": 4006,
            "result_msg": "API RateLimit exceeded.",
            "result_data": None,
        }
        assert send(token="another", to=limited).status_code == 200
        clock[0] += 60
        assert send(to=limited).status_code == 200


REFUSED = {
    "no json": (b"{", INVALID_FORMAT),
    "nothing": (b"", INVALID_FORMAT),
    "not UTF-8": (b'{"\xff": 1}', INVALID_FORMAT),
    "too deep": (b"[" * 100_000, INVALID_FORMAT),
    "a list": ([BODY], INVALID_FORMAT),
    "no user part": ({"event_attributes": BODY["event_attributes"]}, INVALID_FORMAT),
    "a part that is a list": ({**BODY, "user_attributes": []}, INVALID_FORMAT),
    "items that are an object": (changed(items={}), INVALID_FORMAT),
    "items that are null": (changed(items=None), INVALID_FORMAT),
    "an item that is text": (changed(items=["x"]), INVALID_FORMAT),
    "NaN": (changed(points=float("nan")), INVALID_FORMAT),
    "infinity": (changed(points=float("inf")), INVALID_FORMAT),
    "beyond a Double": (with_points("1e999"), INVALID_FORMAT),
    "no event_id": (changed(event_id=LEFT_OUT), EMPTY),
    "an empty event_id": (changed(event_id=""), EMPTY),
    "no event_name": (changed(event_name=None), EMPTY),
    "no event_datetime": (changed(event_datetime=LEFT_OUT), EMPTY),
    "an empty event_datetime": (changed(event_datetime=""), EMPTY),
    "no user_id": (changed("user", user_id=LEFT_OUT), EMPTY),
    "an empty user_id": (changed("user", user_id=""), EMPTY),
    "event_datetime as text": (changed(event_datetime="1685620800000"), DATETIME),
    "event_datetime as Double": (changed(event_datetime=1685620800000.0), DATETIME),
    "event_datetime as Boolean": (changed(event_datetime=True), DATETIME),
    "null": (changed(order_id=None), EVENT_TYPE),
    "nested": (changed(custom={"a": 1}), EVENT_TYPE),
    "a list in the event": (changed(custom=[1]), EVENT_TYPE),
    "beyond 64 bits": (changed(points=2**63), EVENT_TYPE),
    "thousands of digits": (with_points("9" * 5000), EVENT_TYPE),
    "half a surrogate pair": (changed(custom="\ud800"), EVENT_TYPE),
    "null in an item": (changed("item", product_id=None), ITEM_TYPE),
    "a list in an item": (changed("item", custom=[]), ITEM_TYPE),
    "null at the user": (changed("user", user_name=None), USER_TYPE),
    "nested user_id": (changed("user", user_id={"a": 1}), USER_TYPE),
    "an empty name": (changed(**{"": 1}), BAD_NAME),
    "an empty name in an item": (changed("item", **{"": 1}), BAD_NAME),
    "order_sales without a point": (changed(order_sales=4000000), BAD_VALUE),
    "order_sales as text": (changed(order_sales="4000000.0"), BAD_VALUE),
    "delivery_charge as Long": (changed(delivery_charge=0), BAD_VALUE),
    "quantity with a point": (changed("item", quantity=1.0), BAD_VALUE),
    "quantity as Boolean": (changed("item", quantity=True), BAD_VALUE),
    "product_id as Long": (changed("item", product_id=1), BAD_VALUE),
    "age as Long": (changed("user", age=30), BAD_VALUE),
    "no UUID": (changed(event_id="0166a71c-caf4-462d-8201-9c30sd3fg54"), BAD_VALUE),
    "a UUID without hyphens": (changed(event_id=EVENT_ID.replace("-", "")), BAD_VALUE),
    "event_id as Long": (changed(event_id=7), BAD_VALUE),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_body_is_refused_as_documented(send: Send, sandbox: Sandbox, case: str) -> None:
    """Each kind of bad body earns its documented answer, leaves nothing, and is listed as refused."""
    body, expected = REFUSED[case]
    answer = send(body)
    assert (answer.status_code, answer.json()) == (400, expected)
    assert answer.headers["X-Rate-Limit-Limit"] == "1m"
    assert (sandbox.arrivals, sandbox.requests_seen) == ([], 1)


def test_what_the_service_casts_is_taken_with_a_warning(send: Send, sandbox: Sandbox) -> None:
    """user_id and event_name of another scalar type are cast to text, as the page says, and marked."""
    body = changed("user", user_id=7)
    body["event_attributes"]["event_name"] = True
    assert send(body).status_code == 200
    [arrival] = sandbox.arrivals
    assert (arrival.user_id, arrival.event_name) == ("7", "true")
    assert len(arrival.warnings) == 2
    assert ("user", None, "user_id", "abx:user_id", "String", "7") in arrival.properties()


def test_likely_mistakes_are_marked(send: Send, sandbox: Sandbox) -> None:
    """A wrong Content-Type, an unknown part, seconds for milliseconds and the future are taken with a warning."""
    send({**BODY, "extra": 1}, **{"Content-Type": "text/plain"})
    send(changed(event_datetime=1_685_620_800))
    send(changed(event_datetime=1_685_640_800_000))
    assert [len(arrival.warnings) for arrival in sandbox.arrivals] == [2, 1, 1]


def test_properties_have_console_names_and_types(send: Send, sandbox: Sandbox) -> None:
    """Predefined names get abx:, others and user_name c:, and the type is the JSON type."""
    send(changed(big=1e22))
    found = {(p.scope, p.item, p.console_name): (p.type, p.value) for p in sandbox.arrivals[0].properties()}
    assert found["event", None, "abx:order_sales"] == ("Double", 4000000.0)
    assert found["event", None, "abx:delivery_charge"] == ("Double", 0.0)
    assert found["event", None, "abx:event_datetime"] == ("Long", 1_685_620_800_000)
    assert found["event", None, "c:use_applepay"] == ("Boolean", True)
    assert found["event", None, "c:points"] == ("Long", 40)
    assert found["event", None, "c:big"] == ("Double", 1e22)
    assert found["item", 0, "abx:quantity"] == ("Long", 1)
    assert found["item", 0, "abx:currency"] == ("String", "KRW")
    assert found["item", 0, "c:product_ssd"] == ("String", "256g")
    assert found["user", None, "c:user_name"] == ("String", "Hong Gil-dong")
    assert found["user", None, "abx:age"] == ("String", "30")
    assert not any(name == "items" for _, _, name in found)


@pytest.mark.parametrize(("age_ms", "processed"), [(48 * 3_600_000, True), (48 * 3_600_000 + 1, False)])
def test_older_than_48_hours_is_never_processed(send: Send, sandbox: Sandbox, age_ms: int, processed: bool) -> None:
    """An event older than 48 hours on arrival is answered 200 and marked as not processed."""
    assert send(changed(event_datetime=round(NOON * 1000) - age_ms)).json()["result_code"] == 2000
    assert sandbox.arrivals[0].processed is processed


# --- HTTP


def test_other_methods_and_paths(session: requests.Session, sandbox: Sandbox) -> None:
    """Other methods on a path are 405, other paths 404, on a connection that stays usable."""
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        answer = session.request(method, f"{sandbox.url}/api/v1/events", data=b"body", timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    for path in ("/api/v1/events/", "/api/v2/events", "/../etc/passwd"):
        assert session.post(sandbox.url + path, data=b"body", timeout=10).status_code == 404
    assert sandbox.requests_seen == 0


def test_more_than_five_megabytes_is_413(send: Send, sandbox: Sandbox) -> None:
    """A body beyond 5 MB is answered 413."""
    assert send(changed(custom="x" * 5_300_000)).status_code == 413
    assert (sandbox.arrivals, sandbox.requests_seen) == ([], 1)
    assert send().status_code == 200


def test_a_connection_serves_many_requests(sandbox: Sandbox) -> None:
    """Two requests, sent at once over one connection, get two answers over it."""
    raw = json.dumps(BODY).encode()
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: {len(raw)}\r\n"
    request = head.encode() + b"Content-Type: application/json\r\n\r\n" + raw
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request * 2)
        seen = b""
        while seen.count(b"result_data") < 2:
            piece = connection.recv(4096)
            assert piece
            seen += piece
    assert seen.count(b"HTTP/1.1 200 OK") == 2


def test_a_stopped_sandbox_is_gone(send: Send) -> None:
    """stop() ends open connections too, and leaves the port to the next one."""
    with Sandbox(now=lambda: NOON) as first:
        assert send(to=first).status_code == 200
    with pytest.raises(requests.ConnectionError):
        send(to=first)
    port = int(first.url.rpartition(":")[2])
    with Sandbox(port=port) as second:
        assert send(to=second).status_code == 200
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=port)
    first.stop()


def test_only_loopback_is_served() -> None:
    """Another host than loopback is refused with the reason."""
    for host in ("0.0.0.0", "192.168.1.2", "example.com", ""):
        with pytest.raises(ValueError, match="customers' data"):
            Sandbox(host)


def test_many_at_once(sandbox: Sandbox) -> None:
    """32 senders with 20 events each, over kept connections, all arrive."""

    def sender(number: int) -> list[int]:
        with requests.Session() as session:
            session.trust_env = False
            return [
                session.post(
                    f"{sandbox.url}/api/v1/events",
                    json=changed("user", user_id=f"{number}-{turn}"),
                    headers={"Authorization": "Bearer t"},
                    timeout=30,
                ).status_code
                for turn in range(20)
            ]

    with ThreadPoolExecutor(32) as pool:
        assert {status for statuses in pool.map(sender, range(32)) for status in statuses} == {200}
    assert len({arrival.user_id for arrival in sandbox.arrivals}) == sandbox.requests_seen == 640


# --- Faults


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("401", 401, b""),
        ("4001", 400, b'{"result_code": 4001, "result_msg": "Invalid API Token Error.", "result_data": null}'),
        (
            "4007",
            400,
            b'{"result_code": 4007, "result_msg": "Contains unsupported property value.", "result_data": null}',
        ),
        ("429", 429, b'{"result_code": 4006, "result_msg": "API RateLimit exceeded.", "result_data": null}'),
        ("500", 500, b'{"result_code": 5001, "result_msg": "Invalid API Token Error.", "result_data": null}'),
    ],
)
def test_a_fault_is_answered_once(send: Send, sandbox: Sandbox, name: str, status: int, body: bytes) -> None:
    """A scripted answer is given to one request, which leaves nothing; the next one is ordinary."""
    sandbox.answer_next(FAULTS[name])
    answer = send()
    assert (answer.status_code, answer.content) == (status, body)
    assert sandbox.arrivals == []
    assert send().status_code == 200
    assert sandbox.requests_seen == 2


def test_gateway_pages(send: Send, sandbox: Sandbox) -> None:
    """502 and 503 are a gateway's HTML pages, not the API's JSON."""
    sandbox.answer_next(FAULTS["502"], FAULTS["503"])
    for status in (502, 503):
        answer = send()
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
        assert "X-Rate-Limit-Limit" not in answer.headers


def test_a_429_fault_says_when_to_come_back(send: Send, sandbox: Sandbox) -> None:
    """The 429 fault has the headers of a used-up minute, and a fault's own headers win."""
    sandbox.answer_next(FAULTS["429"], Fault(429, 4006, headers={"X-Rate-Limit-Reset": "5"}))
    headers = send().headers
    assert (headers["X-Rate-Limit-Remaining"], headers["X-Rate-Limit-Reset"]) == ("0", "1685620860000")
    assert send().headers["X-Rate-Limit-Reset"] == "5"


def test_a_dropped_connection(send: Send, sandbox: Sandbox) -> None:
    """drop closes the connection without a byte."""
    sandbox.answer_next(FAULTS["drop"])
    with pytest.raises(requests.ConnectionError):
        send()
    assert (sandbox.arrivals, sandbox.requests_seen) == ([], 1)


def test_an_answer_lost_on_its_way(send: Send, sandbox: Sandbox) -> None:
    """accept remembers a good event although its answer is lost, and no bad one."""
    sandbox.answer_next(Fault(0, drop=True, accept=True), Fault(502, accept=True), Fault(502, accept=True))
    with pytest.raises(requests.ConnectionError):
        send()
    assert [send().status_code, send({}).status_code] == [502, 502]
    assert len(sandbox.arrivals) == 2


def test_a_slow_answer(send: Send, sandbox: Sandbox) -> None:
    """A delayed fault with 200 and 2000 is the ordinary answer, later."""
    sandbox.answer_next(Fault(200, 2000, accept=True, delay_seconds=0.3), Fault(200, 2000, accept=True))
    started = time.monotonic()
    assert send().json()["result_data"] == {"event_id": EVENT_ID}
    assert time.monotonic() - started >= 0.3
    assert send({}).json() == INVALID_FORMAT
    assert len(sandbox.arrivals) == 1


def test_stopping_does_not_wait_for_a_slow_answer(send: Send) -> None:
    """stop() ends a delayed answer, which never comes."""
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        sandbox.answer_next(FAULTS["slow"])
        waiting = pool.submit(send, to=sandbox)
        while not sandbox.arrivals:
            time.sleep(0.01)
        sandbox.stop()
        with pytest.raises(requests.ConnectionError):
            waiting.result()


def test_faults_can_be_armed_over_http(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """POST /faults takes JSON and forms, and says what is wrong with others."""
    url = f"{sandbox.url}/faults"
    assert session.post(url, json={"fault": "500", "times": 2}, timeout=10).json() == {"fault": "500", "times": 2}
    form = session.post(url, data={"fault": "503", "times": "1"}, timeout=10, allow_redirects=False)
    assert (form.status_code, form.headers["Location"]) == (303, "/")
    for bad in ({}, [], {"fault": "nope"}, {"fault": "500", "times": 0}, {"fault": "500", "times": "x"}):
        assert session.post(url, json=bad, timeout=10).status_code == 400
    assert [send().status_code for _ in range(4)] == [500, 500, 503, 200]


# --- The memory and the page


def test_events_json(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """events.json lists arrivals with how often each id came, drift and refusals, and filters by name."""
    send()
    send()
    send(changed(event_name="sign_up", event_id=EVENT_ID.replace("0", "1")))
    send({})
    found = session.get(f"{sandbox.url}/events.json", timeout=10).json()
    assert found["count"] == 3
    assert [event["arrivals_of_id"] for event in found["events"]] == [2, 2, 1]
    assert found["events"][0]["body"] == BODY
    assert found["events"][0]["properties"][0] == {
        "scope": "event",
        "item": None,
        "name": "event_id",
        "console_name": "abx:event_id",
        "type": "String",
        "value": EVENT_ID,
    }
    assert found["drift"] == []
    assert [refused["result_code"] for refused in found["refused"]] == [4002]
    only = session.get(f"{sandbox.url}/events.json?event_name=sign_up", timeout=10).json()
    assert [only["count"], only["events"][0]["event_name"]] == [1, "sign_up"]


def test_a_field_with_two_types_is_drift(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """A field that comes with a second type is named with both types and the ids that brought them."""
    other = EVENT_ID.replace("0", "2")
    send(changed("item", trade_in_serial_num="12312313"))
    send(changed(event_id=other, items=[{"trade_in_serial_num": 12313131}]))
    assert session.get(f"{sandbox.url}/events.json", timeout=10).json()["drift"] == [
        {
            "scope": "item",
            "console_name": "c:trade_in_serial_num",
            "types": [{"type": "String", "event_id": EVENT_ID}, {"type": "Long", "event_id": other}],
        }
    ]
    assert "Fields with more than one type" in session.get(sandbox.url, timeout=10).text


def test_a_store_outlives_the_sandbox(send: Send, tmp_path: Path) -> None:
    """What was answered 200 is in the store, without the token, and known after a restart, even a torn one."""
    store = tmp_path / "arrived.jsonl"
    with Sandbox(store=store, now=lambda: NOON) as first:
        send(token="very-secret", to=first)
        send(changed(event_datetime=1_600_000_000_000), to=first)
        before = first.arrivals
    assert "very-secret" not in store.read_text()
    with store.open("a") as file:
        file.write('{"received_at": 1, "ra')
    for runs in (1, 2):
        with Sandbox(store=str(store), now=lambda: NOON + 400_000) as again:
            assert again.arrivals[: len(before)] == before
            send(to=again)
            assert len(again.arrivals) == len(before) + runs
    again.clear()
    assert (again.arrivals, store.read_text()) == ([], "")


@pytest.mark.parametrize("line", ["12", "null", '"text"', "{}", '{"raw": 1, "received_at": 2, "warnings": []}'])
def test_a_store_with_foreign_lines_is_read(tmp_path: Path, line: str) -> None:
    """A line the sandbox did not write is passed over and left in the file."""
    store = tmp_path / "arrived.jsonl"
    store.write_text(f"{line}\n")
    with Sandbox(store=store) as sandbox:
        assert sandbox.arrivals == []
    assert store.read_text() == f"{line}\n"


@pytest.mark.parametrize("extra", ['"\\ud800"', "[" * 600 + "]" * 600])
def test_an_undocumented_part_does_not_break_the_page(
    session: requests.Session, send: Send, sandbox: Sandbox, extra: str
) -> None:
    """What stands beside the two parts can be listed and shown, however odd it is."""
    assert send(f'{json.dumps(BODY)[:-1]}, "extra": {extra}}}'.encode()).status_code == 200
    listed = session.get(f"{sandbox.url}/events.json", timeout=10).json()
    assert listed["events"][0]["body"]["extra"] == json.loads(extra)
    assert session.get(sandbox.url, timeout=10).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/events.json"), ("POST", "/clear")])
def test_forgetting(session: requests.Session, send: Send, sandbox: Sandbox, method: str, path: str) -> None:
    """Clearing over HTTP forgets arrivals, refusals, counts and armed faults."""
    send()
    send({})
    sandbox.answer_next(FAULTS["500"])
    assert session.request(method, sandbox.url + path, timeout=10).status_code == 200
    assert (sandbox.arrivals, sandbox.requests_seen) == ([], 0)
    assert session.get(f"{sandbox.url}/events.json", timeout=10).json()["refused"] == []
    assert send().status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Host": "evil.example"}],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/clear"), ("POST", "/faults"), ("DELETE", "/events.json")),
        *(("GET", path) for path in ("/", "/events.json", "/arrivals/1", "/clear")),
    ],
)
def test_foreign_pages_are_kept_out(
    session: requests.Session, send: Send, sandbox: Sandbox, headers: dict[str, str], method: str, path: str
) -> None:
    """A foreign web page can neither read nor steer the sandbox, not by a rebound host name either."""
    send()
    answer = session.request(method, sandbox.url + path, headers=headers, json={"fault": "500"}, timeout=10)
    assert answer.status_code == 403
    assert len(sandbox.arrivals) == 1
    assert send().status_code == 200


def test_the_pages_escape_what_they_show(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """Nothing that a shop sends, that is refused or that is searched for becomes HTML, on list and arrival."""
    evil = "<script>alert('맥북')</script>"
    escaped = "&lt;script&gt;alert(&#x27;맥북&#x27;)&lt;/script&gt;"
    body = changed("item", product_name=evil)
    body["event_attributes"].update({"event_name": evil, "order_id": evil, evil: evil})
    body["user_attributes"]["user_id"] = evil
    assert send(body).status_code == 200
    assert send(body, **{"Content-Type": evil.encode()}).status_code == 200  # type: ignore[arg-type]
    sandbox.answer_next(Fault(500, 5001, evil))
    send()
    for path, times in (("/", 4), ("/arrivals/2", 7), (f"/?q={quote(evil)}&show={quote(evil)}", 5)):
        page = session.get(sandbox.url + path, timeout=10)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert page.text.count(escaped) >= times, path
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        without_ours = re.sub(r"<script nonce=.*?</script>", "", page.text, flags=re.DOTALL)
        assert not re.search(r"<script|<style(?! nonce=)|\son\w+=|\sstyle=|javascript:", without_ours)


def test_the_list_and_an_arrival_tell_what_came(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """The list has names, ids and problems, newest first; the page of one has its properties and its JSON; no token."""
    assert "Nothing has arrived yet" in session.get(sandbox.url, timeout=10).text
    send(token="very-secret")
    send(changed(event_datetime=1_600_000_000_000), token="very-secret")
    listed = session.get(sandbox.url, timeout=10).text
    for shown in ("1 to 2 of 2", "2023-06-01 12:00:05", "user1", "123456789", "arrived 2 times", "not processed"):
        assert shown in listed
    assert listed.index('href="/arrivals/2"') < listed.index('href="/arrivals/1"')
    page = session.get(f"{sandbox.url}/arrivals/2", timeout=10).text
    for shown in (
        "abx:order_sales", "4000000.0", "c:user_name", "arrived 2 times", "not processed", "&quot;points&quot;",
        "2020-09-13 12:26:40.000 UTC", 'Other arrivals of this event id <span class="quiet">(1)', "/arrivals/1",
    ):  # fmt: skip
        assert shown in page
    assert "very-secret" not in listed + page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("q=PURCH", [2, 1]),
        ("q=%20user-%EA%B9%80", [3]),
        ("q=A-77", [4]),
        (f"q={EVENT_ID}", [2, 1]),
        ("q=purchase&show=problems", [2, 1]),
        ("show=problems", [4, 3, 2, 1]),
        ("show=repeated", [2, 1]),
        ("show=unprocessed", [3]),
        ("show=warnings", [4]),
        ("q=nothing", []),
        ("show=no+such+filter&page=x&page=-1&q=%00%ff", []),
        ("page=99999999999999999999", [4, 3, 2, 1]),
        ("page=7", [4, 3, 2, 1]),
    ],
)
def test_arrivals_can_be_searched(
    session: requests.Session, send: Send, sandbox: Sandbox, query: str, found: list[int]
) -> None:
    """By parts of name, user, order and event id, and by problems, in the address; nonsense breaks nothing."""
    send()
    send()
    login = changed(event_name="login", event_id=EVENT_ID.replace("0", "1"), event_datetime=1_600_000_000_000)
    login["user_attributes"]["user_id"] = "user-김"
    send(login)
    send(changed(event_name="sign_up", event_id=EVENT_ID.replace("0", "2"), order_id="a-77"), **{"Content-Type": "x"})
    page = session.get(f"{sandbox.url}/?{query}", timeout=10)
    assert page.status_code == 200
    assert [int(number) for number in re.findall(r'data-number="(\d+)"', page.text)] == found
    if query == "q=A-77":
        assert 'name="q" value="A-77"' in page.text
        assert 'href="/arrivals/4?q=A-77"' in page.text
        assert 'href="/?q=A-77"' in session.get(f"{sandbox.url}/arrivals/4?q=A-77", timeout=10).text


def test_the_list_has_pages(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """Fifty arrivals each, with the way to newer and older ones, also of a search."""
    for number in range(103):
        send(changed(event_name="login" if number % 2 else "purchase"))
    first = session.get(sandbox.url, timeout=10).text
    assert ("1 to 50 of 103" in first, first.count("<li data-number="), "Newer" in first) == (True, 50, False)
    last = session.get(f"{sandbox.url}/?page=3", timeout=10).text
    assert ("101 to 103 of 103" in last, 'href="/?page=2"' in last, "Older" in last) == (True, True, False)
    found = session.get(f"{sandbox.url}/?q=login&page=2", timeout=10).text
    assert ("51 to 51 of 51 found among 103" in found, 'href="/?q=login"' in found) == (True, True)


@pytest.mark.parametrize("number", ["0", "2", "x", "", "-1", "1/2", "9" * 40, "%00", "%D9%A1"])
def test_an_arrival_that_is_not_there(session: requests.Session, send: Send, sandbox: Sandbox, number: str) -> None:
    """404 with a sentence and the way back."""
    send()
    page = session.get(f"{sandbox.url}/arrivals/{number}", timeout=10)
    assert (page.status_code, "There is no such arrival" in page.text, 'href="/"' in page.text) == (404, True, True)


def test_forgetting_is_asked_first(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """The button leads to a question, which says how much goes; only its answer deletes. Neither needs a script."""
    send()
    assert '<form method="get" action="/clear">' in session.get(sandbox.url, timeout=10).text
    asked = session.get(f"{sandbox.url}/clear", timeout=10).text
    assert "All events that arrived (1)" in asked
    assert '<form method="post" action="/clear">' in asked
    assert "<script" not in asked
    assert len(sandbox.arrivals) == 1
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = session.post(f"{sandbox.url}/clear", headers=form, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"], sandbox.arrivals) == (303, "/", [])


def test_the_page_is_sent_again_only_with_news(session: requests.Session, send: Send, sandbox: Sandbox) -> None:
    """A page that asks for news with its version is answered 304 until something happens."""
    version = session.get(sandbox.url, timeout=10).headers["ETag"]
    assert session.get(sandbox.url, headers={"If-None-Match": version}, timeout=10).status_code == 304
    send()
    assert session.get(sandbox.url, headers={"If-None-Match": version}, timeout=10).status_code == 200
