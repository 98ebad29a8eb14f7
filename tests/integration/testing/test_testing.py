"""What a site's own tests are given: captured_events(), FakeDfinery, and no word to a live host."""

from __future__ import annotations

import ast
import datetime as dt
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from django.conf import settings
from django.db import connection, transaction
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

import dfinery_django.testing
from dfinery_django import capture, track
from dfinery_django.conf import Settings
from dfinery_django.delivery.http_client import Client
from dfinery_django.delivery.token_check import check_token
from dfinery_django.delivery.worker import drain
from dfinery_django.models import CustomField, Destination, Event
from dfinery_django.protocols.base import Request
from dfinery_django.testing import FakeDfinery, RefusedInTests, captured_events, live_dfinery, no_capture
from tests.shop.models import Line, Order
from tests.support.doubles import PURCHASE, Shop, dfinery

pytest_plugins = ["dfinery_django.testing.fixtures"]

ROOT = Path(__file__).parents[3]
LIVE = Settings.BASE_URL


def purchase_of(order: Order, customer: Any) -> dict[str, Any]:
    return {"order_id": order.number, "user_id": str(customer.pk)}


# ── captured_events ────────────────────────────────────────────────────────────────────────────────────────────────


class InTestCase(TestCase):
    """Django's own TestCase: no transaction ever commits."""

    @override_settings(DFINERY=dfinery(WAKE="dfinery_django.tasks.wake"))
    def test_what_would_be_sent(self) -> None:
        """Event, definition, destination and content, though on_commit never runs."""
        shop = Shop()
        customer = shop.customer()
        with captured_events() as events:
            order = shop.place(customer=customer)
            assert len(events) == 0
            shop.pay(order)
            assert len(events) == 1, "it may be looked at inside, too"
        event = events.only("purchase")
        assert (event.event_name, event.definition, event.destination) == ("purchase", "purchase", "default")
        assert event.error == ""
        assert event.payload["event_attributes"]["order_sales"] == 4000000.0
        assert event.payload["event_attributes"]["items"][0]["product_id"] == "123456789"
        assert event.payload["user_attributes"] == {"user_id": str(customer.pk)}
        assert event.body == event.payload, "the S2S Event API takes the content as it is"

    @override_settings(DFINERY=dfinery(WAKE="dfinery_django.tasks.wake"))
    def test_callbacks_that_run_reach_no_queue(self) -> None:
        """captureOnCommitCallbacks(execute=True) asks for no drain inside."""
        with captured_events() as events, self.captureOnCommitCallbacks(execute=True):
            Order.objects.create(status="paid", customer=Shop().customer())
        assert len(events) == 1
        assert not OrmQ.objects.exists()

    @override_settings(DFINERY=dfinery(WAKE="dfinery_django.tasks.wake"))
    def test_callbacks_that_run_later_reach_the_queue(self) -> None:
        """After the block all is as it was."""
        with captured_events():
            pass
        with self.captureOnCommitCallbacks(execute=True):
            track("x", user_id="u")
        assert OrmQ.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("build", ["worker", "commit"])
def test_in_a_test_that_commits(configured: Any, shop: Shop, build: str) -> None:
    """transaction=True: no queue, no drain, the same content, whichever way it is built."""
    configured(WAKE="dfinery_django.tasks.wake", BUILD=build)
    customer = shop.customer()
    with captured_events() as events:
        order = shop.place(customer=customer, status="paid", lines=2)
    assert len(events.only("purchase").payload["event_attributes"]["items"]) == 2
    assert events[0].source == f"shop.Order {order.pk}"
    assert not OrmQ.objects.exists()


@pytest.mark.django_db
def test_the_fixture_holds_for_the_whole_test(captured_events: Any, shop: Shop) -> None:
    """As a pytest fixture: the same list, with the database it needs."""
    order = shop.place(status="paid", customer=shop.customer())
    assert captured_events.only("purchase").payload["event_attributes"]["order_id"] == order.number


def test_the_fixture_asks_for_the_database_itself(captured_events: Any, configured: Any) -> None:
    """No mark is needed."""
    configured()
    track("x", user_id="u")
    assert [event.event_name for event in captured_events] == ["x"]


@pytest.mark.django_db
def test_payloads_are_built_when_they_are_looked_at(shop: Shop) -> None:
    """Lines that are written after the order count; looking stores nothing."""
    with captured_events() as events:
        order = Order.objects.create(number="7", status="paid", customer=shop.customer())
        assert events.only("purchase").payload["event_attributes"]["items"] == []
        Line.objects.create(order=order, product=shop.product(), unit_price=1)
        assert len(events.only("purchase").payload["event_attributes"]["items"]) == 1
        Line.objects.create(order=order, product=shop.product(), unit_price=2)
    assert len(events.only("purchase").payload["event_attributes"]["items"]) == 2
    assert set(Event.objects.values_list("status", "payload")) == {("captured", "")}
    assert not CustomField.objects.exists()


@pytest.mark.django_db
def test_what_can_t_be_built_says_why(configured: Any, shop: Shop) -> None:
    """``error`` has the words of the admin; the content can't be had; only() fails with them."""
    attributes = {**PURCHASE["item_attributes"], "quantity": "product.name"}
    configured(EVENTS={"purchase": {**PURCHASE, "item_attributes": attributes}})
    with captured_events() as events:
        shop.place(status="paid", customer=shop.customer())
    (event,) = events
    assert event.error.startswith("items[0].quantity: a str is not a Long")
    for look in (lambda: event.payload, lambda: event.body, lambda: events.only("purchase")):
        with pytest.raises(AssertionError, match=r"purchase of shop.Order \d+ would not be sent. items\[0\].quantity"):
            look()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"event_attributes": {"order_id": "broken"}}, "'broken' raised ZeroDivisionError"),
        ({"user": "customer"}, "user_attributes.user_id: it is empty"),
        ({"event_datetime": "paid_at"}, "DFINERY processes nothing older than 48 h"),
        ({"destination": lambda order: "brand_b"}, "There is no token for 'brand_b'"),
    ],
)
def test_every_way_not_to_be_sent_is_an_error(configured: Any, shop: Shop, changes: Any, words: str) -> None:
    """A bug of the mapping, nobody to name, too old, no token."""
    configured(EVENTS={"purchase": {**PURCHASE, "user_attributes": {"user_id": "number"}, "user": None, **changes}})
    if "user" in changes:
        configured(EVENTS={"purchase": PURCHASE})
    with captured_events() as events:
        shop.place(status="paid", paid_at=timezone.now() - dt.timedelta(days=3))
    assert words in events[0].error


@pytest.mark.django_db
def test_what_is_skipped_and_what_is_rolled_back_is_not_there(configured: Any, shop: Shop) -> None:
    """A guest whom the definition skips, an order that never was, an event of before."""
    configured(EVENTS={"purchase": {**PURCHASE, "guests": "skip"}})
    track("before", user_id="u")
    with captured_events() as events:
        shop.place(status="paid")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            shop.place(status="paid", customer=shop.customer())
            raise ZeroDivisionError
    assert events == []
    events.none()


@pytest.mark.django_db
def test_track_and_capture_and_deletions_are_there(configured: Any, shop: Shop) -> None:
    """Whatever way an event comes, in the order in which they came."""
    gone = {"model": "shop.Order", "when": "deleted", "user_attributes": {"user_id": "number"}}
    configured(EVENTS={"purchase": PURCHASE, "gone": gone})
    order = shop.place(status="paid", customer=shop.customer())
    Event.objects.all().delete()
    with captured_events() as events:
        track("coupon", user_id="u", event_attributes={"coupon_id": "W15"})
        capture("purchase", order)
        Line.objects.all().delete()
        number = order.number
        order.delete()
    assert [event.event_name for event in events] == ["coupon", "purchase", "gone"]
    assert events.only("coupon").payload["event_attributes"]["coupon_id"] == "W15"
    assert "was deleted before the event was built" in events[1].error
    assert events.only("gone").payload["user_attributes"] == {"user_id": number}
    assert events.named("gone") == events[2:]


@pytest.mark.django_db
def test_blocks_may_be_nested(configured: Any) -> None:
    """Each has what is captured within it; the inner one's end asks for no drain."""
    configured(WAKE="tests.integration.testing.test_testing.broken_wake")
    with captured_events() as outer:
        track("a", user_id="u")
        with captured_events() as inner:
            track("b", user_id="u")
        track("c", user_id="u")
    track("d", user_id="u")
    assert [event.event_name for event in inner] == ["b"]
    assert [event.event_name for event in outer] == ["a", "b", "c"]


def broken_wake(destination: str) -> None:
    raise AssertionError("a drain was asked for")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's test database is in one thread's memory")
def test_other_threads_are_seen(configured: Any) -> None:
    """What a live server's thread captures is there, and asks for no drain either."""
    configured(WAKE="dfinery_django.tasks.wake")

    def serve() -> None:
        track("x", user_id="u")
        connection.close()

    with captured_events() as events:
        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()
    assert len(events) == 1
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_several_databases(configured: Any, settings: Any) -> None:
    """Events of every database that holds some are there."""
    settings.DATABASE_ROUTERS = ["tests.integration.testing.test_testing.OrdersElsewhere"]
    configured()
    with captured_events() as events:
        Order.objects.create(status="paid")
        track("x", user_id="u")
    assert {event.event_name for event in events} == {"purchase", "x"}


@pytest.mark.django_db
def test_a_database_that_the_test_does_not_have(configured: Any, settings: Any) -> None:
    """It is left out: nothing can be captured there."""
    settings.DATABASE_ROUTERS = ["tests.integration.testing.test_testing.OrdersElsewhere"]
    configured()
    with captured_events() as events:
        track("x", user_id="u")
    assert len(events) == 1


class OrdersElsewhere:
    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "other" if model is Order else None


def failure(events: Any, name: str) -> str:
    with pytest.raises(AssertionError) as caught:
        events.only(name)
    return str(caught.value)


@pytest.mark.django_db
def test_only_says_what_was_captured_and_why_others_were_not(configured: Any, shop: Shop) -> None:
    """The condition beside what the row has, and the events that are there."""
    with captured_events() as events:
        order = shop.place(customer=shop.customer())
        track("coupon", user_id="u")
    assert failure(events, "purchase").splitlines() == [
        "No event is named 'purchase'.",
        "Captured:",
        "  coupon",
        f"purchase: did not fire for shop.Order {order.pk}: status is 'pending', wanted 'paid'.",
    ]


@pytest.mark.django_db
def test_only_says_that_nothing_was_saved(shop: Shop) -> None:
    """update() sends no signal, which is what many stumble over."""
    order = shop.place(customer=shop.customer())
    with captured_events() as events:
        Order.objects.filter(pk=order.pk).update(status="paid")
    words = failure(events, "purchase")
    assert "Nothing was captured." in words
    assert "no shop.Order was saved (update() and bulk_create() send no signals)" in words


@pytest.mark.django_db
def test_only_says_that_there_is_an_event_already(shop: Shop) -> None:
    """What was captured before the block is not captured again."""
    order = shop.place(status="paid", customer=shop.customer())
    with captured_events() as events:
        order.save()
    assert "did not fire for shop.Order" in failure(events, "purchase")
    assert "Status of its event: captured" in failure(events, "purchase")


@pytest.mark.django_db
def test_only_knows_names_and_signals(configured: Any, shop: Shop) -> None:
    """A misspelt name; a definition that listens to a signal; one that is not in force; several events of a name."""
    login = {"model": "shop.User", "signal": ("django.contrib.auth.signals.user_logged_in", "user")}
    wrong = {"model": "shop.Nothing"}
    configured(EVENTS={"purchase": PURCHASE, "login": login, "wrong": wrong})
    with captured_events() as events:
        for number in range(2):
            shop.place(status="paid", customer=shop.customer(f"c{number}"))
    assert "Did you mean 'purchase'?" in failure(events, "purchse")
    assert "listens to django.contrib.auth.signals.user_logged_in" in failure(events, "login")
    assert "wrong: it is disabled" in failure(events, "wrong")
    assert failure(events, "purchase").startswith("2 events are named 'purchase', not one.")
    with pytest.raises(AssertionError, match="2 events were captured"):
        events.none("purchase")
    with pytest.raises(IndexError, match="There is no event 7"):
        events[7]
    assert re.fullmatch(r"<captured events: purchase of shop.Order \d+; purchase of shop.Order \d+>", repr(events))


@pytest.mark.django_db
def test_switched_off_it_is_empty_and_says_why(configured: Any, shop: Shop) -> None:
    """ENABLED=False: nothing would be sent, and only() says that."""
    configured(ENABLED=False)
    with captured_events() as events:
        shop.place(status="paid", customer=shop.customer())
    assert events == []
    assert "DFINERY['ENABLED'] is False" in failure(events, "purchase")


@pytest.mark.django_db
def test_an_error_in_the_block_is_the_one_that_is_seen(shop: Shop) -> None:
    """Even where it has ended the transaction, so that nothing can be asked any more."""
    with pytest.raises(ZeroDivisionError), transaction.atomic(), captured_events():
        transaction.set_rollback(True)
        raise ZeroDivisionError


# ── no word to a live host ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def live(configured: Any) -> None:
    """The setting of a site whose tests have its production's token."""
    configured(BASE_URL=LIVE)


@pytest.fixture
def nobody_connects(monkeypatch: Any) -> list[Any]:
    """Attempts to reach the network: a test of tests must not find out the hard way."""
    made: list[Any] = []

    def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return made


@pytest.mark.django_db
def test_a_drain_refuses_a_live_host(live: None, nobody_connects: list[Any]) -> None:
    """A local fault that the test sees, with what to do; the event is as it was."""
    track("x", user_id="u")
    with pytest.raises(RefusedInTests, match=r"openapi\.dfinery\.io.*captured_events.*FakeDfinery.*ENABLED.*live_dfin"):
        drain()
    assert nobody_connects == []
    event = Event.objects.get()
    assert (event.status, event.attempt_count) == ("pending", 0)
    with pytest.raises(RefusedInTests):
        check_token("default")
    assert nobody_connects == []


def test_the_client_itself_refuses(nobody_connects: list[Any]) -> None:
    """Whoever calls it."""
    client = Client(connections=1, connect_timeout=1, read_timeout=1, user_agent="t")
    with pytest.raises(RefusedInTests):
        client.send(Request(f"{LIVE}/api/v1/events", b"{}", {}))
    assert nobody_connects == []


@pytest.mark.django_db
def test_live_dfinery_lets_it_pass(live: None, nobody_connects: list[Any]) -> None:
    """Told otherwise, it tries the real host, and only within the block."""
    track("x", user_id="u")
    with live_dfinery():
        drain()
    assert [host for host, _ in nobody_connects] == ["openapi.dfinery.io"]
    with pytest.raises(RefusedInTests):
        drain()


PROBE = """
import sys
from dfinery_django.delivery.test_guard import are_tests_running, refuse_in_tests
if "runner" in sys.argv:
    import django
    django.setup()
    from django.test.utils import setup_test_environment, teardown_test_environment
    setup_test_environment()
    assert are_tests_running()
    teardown_test_environment()
if "mail" in sys.argv:
    from django.core import mail
    mail.outbox = []
assert not are_tests_running()
refuse_in_tests("https://openapi.dfinery.io")
"""


@pytest.mark.parametrize("words", [[], ["runner"], ["mail"]])
def test_outside_of_tests_nothing_is_refused(words: list[str]) -> None:
    """Not in production, not after a test run, not with mails kept in memory; Django's own runner is noticed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# ── FakeDfinery ────────────────────────────────────────────────────────────────────────────────────────────────────


def later(seconds: float = 3600) -> None:
    """Move every wait that far into the past."""
    now = timezone.now()
    Event.objects.exclude(due_at=None).update(due_at=now)
    Destination.objects.exclude(closed_until=None).update(closed_until=now, quota_left=None)


@pytest.mark.django_db
def test_a_story_without_network(live: None, shop: Shop, configured: Any, nobody_connects: list[Any]) -> None:
    """From order to arrival at the real address, and nothing leaves the process."""
    configured(BASE_URL=LIVE)
    order = shop.place(status="paid", customer=shop.customer())
    with FakeDfinery() as fake:
        assert drain()["delivered"] == 1
    assert [event["event_attributes"]["order_id"] for event in fake.events] == [order.number]
    assert fake.attempts[0].url == f"{LIVE}/api/v1/events"
    assert nobody_connects == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        (lambda fake: fake.accept(), "delivered", ""),
        (lambda fake: fake.reject("4007", "unsupported"), "failed", "rejected"),
        (lambda fake: fake.throttle(reset_seconds=30), "pending", "throttled"),
        (lambda fake: fake.fail(503), "pending", "transient"),
        (lambda fake: fake.refuse_token(), "pending", "blocked"),
        (lambda fake: fake.time_out(), "pending", "transient"),
        (lambda fake: fake.answer(413, 0), "failed", "rejected"),
    ],
)
def test_each_answer_leads_where_dfinery_s_would(
    live: None, fake_dfinery: Any, script: Any, status: str, reason: str
) -> None:
    """An answer is scripted, and the next one is accepted again."""
    track("x", user_id="u")
    script(fake_dfinery)
    drain()
    event = Event.objects.get()
    assert (event.status, event.reason_code) == (status, reason)
    if status == "pending":
        assert fake_dfinery.events == []
        later()
        drain()
        assert Event.objects.get().status == "delivered"
        assert len(fake_dfinery.attempts) == 2
        assert fake_dfinery.attempts[0].body == fake_dfinery.events[0], "the same event, sent again"


@pytest.mark.django_db
def test_answers_that_nobody_asked_for_fail_the_test(live: None) -> None:
    """Else a test that sends nothing would pass; an error of the test itself is not hidden."""
    never = "2 queued answers were not used; 0 requests came"
    with pytest.raises(AssertionError, match=never), FakeDfinery() as fake:
        fake.fail(times=2)
    with pytest.raises(ZeroDivisionError), FakeDfinery() as fake:
        fake.fail()
        raise ZeroDivisionError
    with pytest.raises(RefusedInTests):
        drain()


@pytest.mark.django_db
def test_other_requests_of_the_site_are_not_touched(live: None) -> None:
    """A site's own responses go on working around it and within."""
    with responses.RequestsMock() as own:
        own.get("https://payments.example/", body="paid")
        with FakeDfinery() as fake:
            track("x", user_id="u")
            drain()
            assert requests.get("https://payments.example/", timeout=1).text == "paid"
    assert len(fake.events) == 1


@pytest.mark.django_db
def test_a_site_s_own_responses_will_do(live: None, nobody_connects: list[Any]) -> None:
    """What stands between us and the network is let through, too."""
    track("x", user_id="u")
    with responses.RequestsMock() as own:
        own.post(f"{LIVE}/api/v1/events", json={"result_code": 2000, "result_msg": None})
        assert drain() == {"delivered": 1}
    assert nobody_connects == []


# ── the page ───────────────────────────────────────────────────────────────────────────────────────────────────────


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/map/testing.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.django_db
def test_the_page_s_tests_run(configured: Any) -> None:
    """Each test function of docs/map/testing.md passes in the test shop as it is printed; the first has ten lines."""
    found = [block for block in blocks() if "\ndef test_" in block]
    assert len(found) >= 3
    lines = [line for line in found[0].splitlines() if line and not line.startswith(("#", "from", "import"))]
    assert len(lines) <= 10
    for block in found:
        configured(BASE_URL=LIVE)
        names: dict[str, Any] = {}
        exec(block.replace("from shop.models", "from tests.shop.models"), names)
        for node in ast.parse(block).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                with transaction.atomic():
                    if "captured_events" in {argument.arg for argument in node.args.args}:
                        with captured_events() as events:
                            names[node.name](events)
                    else:
                        names[node.name](*(None for _ in node.args.args))
                    transaction.set_rollback(True)


def test_what_it_exports_exists() -> None:
    """Every name of __all__ can be imported; another one is an AttributeError."""
    assert all(getattr(dfinery_django.testing, name) for name in dfinery_django.testing.__all__)
    with pytest.raises(AttributeError):
        dfinery_django.testing.no_such_name  # noqa: B018


def pay_in_one_statement() -> None:
    order = Order.objects.create(number="A-3")
    order.status = "paid"
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        order.save()
    assert len(queries) == 1
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_no_capture_leaves_counts_alone(shop: Shop) -> None:
    """As a block, and as a decorator; afterwards all is captured again."""
    with no_capture():
        pay_in_one_statement()
    no_capture()(pay_in_one_statement)()
    Order.objects.create(status="paid")
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_no_capture_as_a_fixture(shop: Shop, no_capture: None) -> None:
    """Around the whole test."""
    pay_in_one_statement()


@no_capture()
class NoCaptureInTestCase(TestCase):
    """As Django's own test cases are decorated."""

    def test_a_whole_class(self) -> None:
        """The setting stays as it is, but for the switch."""
        assert settings.DFINERY["TOKENS"]
        pay_in_one_statement()


@pytest.mark.parametrize("module", ["dfinery_django.testing", "dfinery_django.testing.fixtures"])
def test_it_can_be_imported_before_django_is_set_up(module: str) -> None:
    """conftest.py may be read before settings are there; responses is not needed until it is used."""
    code = f"import sys, {module}; assert not {{'responses', 'dfinery_django.models'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
