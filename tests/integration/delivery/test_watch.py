"""A drain that watches: orders find a drain asked for and ask for nothing, and none of their events is overlooked."""

from __future__ import annotations

import datetime as dt
import queue
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.utils import ConnectionDoesNotExist
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from dfinery_django import tasks, track
from dfinery_django.conf import get_settings
from dfinery_django.delivery import worker
from dfinery_django.delivery.worker import ADOPT_AFTER_SECONDS, drain
from dfinery_django.models import Destination, Event
from dfinery_django.outbox import wakeup
from dfinery_django.protocols.base import Request, Response
from dfinery_django.sandbox import Sandbox
from tests.settings import DATABASE
from tests.shop.models import Order, User
from tests.support.doubles import PURCHASE, FarSide, accepted
from tests.support.processes import DRAIN_FOREVER, Workers

pytestmark = pytest.mark.django_db(transaction=True)

server = pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite's test database is in this process' memory")
WAKE = "tests.integration.delivery.test_watch.note_wake"
#: Without items, for which building would wait.
EVENTS = {"purchase": {name: value for name, value in PURCHASE.items() if not name.startswith("item")}}
asked: queue.SimpleQueue[str] = queue.SimpleQueue()


def note_wake(destination: str) -> None:
    asked.put(destination)


def all_asked() -> list[str]:
    return [asked.get() for _ in range(asked.qsize())]


@pytest.fixture(autouse=True)
def _afresh(configured: Any) -> None:
    all_asked()
    wakeup.clear_seen_flags()
    configured(WAKE=WAKE, EVENTS=EVENTS)


def place(customer: Any = None) -> Order:
    wakeup.clear_seen_flags()
    with transaction.atomic():
        return Order.objects.create(status="paid", customer=customer or User.objects.create(username=str(time.time())))


def held(alias: str = "default") -> dt.datetime | None:
    return Destination.objects.filter(alias=alias).values_list("wake_requested_at", flat=True).first()


def until(question: Callable[[], Any], seconds: float = 30) -> Any:
    """Ask again until the answer is true."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return answer


@contextmanager
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def ending(step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return step(*arguments, **options)
    finally:
        connections.close_all()


def test_an_order_asks_for_nothing_and_arrives(far_side: FarSide) -> None:
    """The drain that watches finds it; at its end the flag is clear."""
    order: list[Order] = []

    def shop_goes_on() -> bool:
        if not order and held():
            order.append(place())
        return Event.objects.filter(status="delivered").exists()

    assert drain(send=far_side, watch_seconds=30, should_stop=shop_goes_on) == {"built": 1, "delivered": 1}
    assert all_asked() == []
    assert held() is None
    place()
    assert all_asked() == ["default"]


def test_an_order_that_comes_due_while_it_watches(far_side: FarSide) -> None:
    """What waits for SETTLE_SECONDS, or for a retry, is found as well."""

    def shop_goes_on() -> bool:
        if held() and not Event.objects.exists():
            track("x", user_id="u")
            Event.objects.update(due_at=timezone.now() + dt.timedelta(seconds=1))
        return Event.objects.filter(status="delivered").exists()

    assert drain(send=far_side, watch_seconds=30, should_stop=shop_goes_on) == {"delivered": 1}
    assert all_asked() == []


def test_the_flag_is_held_as_long_as_it_watches() -> None:
    """It is set again in time: no other drain adopts the destination, and it never counts as lost."""
    moments: list[dt.datetime] = []
    ages: list[float] = []

    def look() -> bool:
        if at := held():
            moments.append(at)
            ages.append((dt.datetime.now(dt.timezone.utc) - at).total_seconds())
        return len(set(moments)) == 3

    drain(watch_seconds=30, should_stop=look)
    assert len(set(moments)) == 3
    assert sorted(ages)[len(ages) // 2] < ADOPT_AFTER_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_without_something_to_do_it_ends(seconds: float) -> None:
    """After ``watch_seconds``; by default at once."""
    assert drain(watch_seconds=seconds) == {}
    assert held() is None


def test_a_slow_destination_hides_no_other(configured: Any) -> None:
    """While one is answered slowly, an order of the other is found by the same drain."""
    configured(WAKE=WAKE, TOKENS={"default": "a", "outlet": "b"})
    outlet_arrived = threading.Event()
    arrived: list[str] = []

    def send(request: Request) -> Response:
        alias = "outlet" if "Bearer b" in request.headers.values() else "default"
        if alias == "default":
            outlet_arrived.wait(20)
        arrived.append(alias)
        if alias == "outlet":
            outlet_arrived.set()
        return accepted()

    def shop_goes_on() -> bool:
        if held("outlet") and not Event.objects.exists():
            track("x", user_id="u")
        elif Event.objects.filter(status="sending").exists() and Event.objects.count() == 1:
            assert held("outlet"), "who commits now asks for nothing"
            track("x", user_id="u", destination="outlet")
        return Event.objects.filter(status="delivered").count() == 2

    drain(send=send, watch_seconds=40, should_stop=shop_goes_on)
    assert arrived == ["outlet", "default"]
    assert all_asked() == []
    assert (held("default"), held("outlet")) == (None, None)


def test_a_lost_database_ends_the_watch(far_side: FarSide) -> None:
    """Its flags could be held without anybody to look: so none is held."""
    Destination.objects.create(alias="default")
    flags: list[Any] = []

    def look() -> bool:
        flags.append(held())
        return len(flags) > 100

    run = worker._Drain(["nowhere", "default"], get_settings(), far_side, 40, look)
    with pytest.raises(ConnectionDoesNotExist):
        run.run(["default"], 0, 30)
    run.close()
    assert set(flags) == {None}
    assert len(flags) <= 100


def test_an_error_releases_the_flag(far_side: FarSide) -> None:
    """Whatever ends it: Ctrl-C, say."""

    def interrupt() -> bool:
        if held():
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        drain(send=far_side, watch_seconds=30, should_stop=interrupt)
    assert held() is None


@server
def test_the_flag_is_released_before_the_last_answers(configured: Any) -> None:
    """A drain that ends may wait for answers for long; who commits meanwhile asks for another one."""
    in_flight = threading.Event()
    flags: list[Any] = []

    def send(request: Request) -> Response:
        in_flight.set()
        until(lambda: held() is None)
        flags.append(held())
        connections.close_all()
        return accepted()

    def stop() -> bool:
        if held() and not Event.objects.exists():
            track("x", user_id="u")
        return in_flight.is_set()

    assert drain(send=send, watch_seconds=40, should_stop=stop) == {"delivered": 1}
    assert flags == [None]


def flags_set(run: Callable[[], Any]) -> int:
    """How often a drain has set the flag."""
    with CaptureQueriesContext(connection) as queries:
        run()
    clears = "wake_requested_at` = NULL" if connection.vendor == "mysql" else '"wake_requested_at" = NULL'
    written = [
        query["sql"] for query in queries if query["sql"].startswith("UPDATE") and "wake_requested" in query["sql"]
    ]
    return sum(clears not in sql for sql in written)


def test_who_watches(configured: Any, settings: Any, monkeypatch: Any) -> None:
    """The scheduled drain, by the setting; none that an order asked for, and none in a tenant's schema.

    So that at most one worker watches.
    """

    def drain_until_held(destination: str | None = None) -> None:
        tasks.drain(destination, should_stop=lambda: held() is not None)

    configured(WAKE=WAKE, WATCH_SECONDS=30)
    assert flags_set(drain_until_held) == 1
    assert flags_set(lambda: drain_until_held("default")) == 0
    settings.TENANT_APPS = ["dfinery_django"]
    assert flags_set(drain_until_held) == 0
    del settings.TENANT_APPS
    configured(WAKE=WAKE)
    assert flags_set(drain_until_held) == 0


def test_a_drain_in_the_request_does_not_watch(configured: Any) -> None:
    """A queue that runs the task at once, in the checkout."""
    configured(WAKE="tests.integration.delivery.test_watch.drain_all", WATCH_SECONDS=0.1)
    with CaptureQueriesContext(connection) as queries:
        track("x", user_id="u")
    assert ran == [True]
    assert not any(
        "UPDATE" in each["sql"] and "wake_requested_at" in each["sql"] for each in queries.captured_queries[-3:]
    )
    assert held() is None


def drain_all(destination: str) -> None:
    ran.append(True)
    tasks.drain()


ran: list[bool] = []


@server
def test_an_order_that_commits_after_the_watch(configured: Any, monkeypatch: Any) -> None:
    """It saw the flag while it was held and asked for nothing; whoever held it looks once more."""
    monkeypatch.setattr(wakeup, "TRUSTED_SECONDS", 3)
    configured(WAKE=WAKE, WATCH_SECONDS=0.5, EVENTS=EVENTS)
    Destination.objects.create(alias="default")
    with elsewhere() as threads:
        watching = threads.submit(ending, tasks.drain)
        until(held)
        with transaction.atomic():
            Order.objects.create(status="paid")
            until(lambda: threads.submit(ending, held).result() is None)
        if DATABASE == "postgresql":  # elsewhere the order looks after its commit, and asks
            assert asked.empty()
        assert watching.result() == {}
    assert all_asked() == ["default"]


@server
def test_a_watcher_that_was_killed(configured: Any) -> None:
    """Its flag hides events until it counts as lost, or until the scheduled drain looks."""
    with Sandbox() as sandbox, Workers() as workers:
        configured(WAKE=WAKE, WATCH_SECONDS=40, BASE_URL=sandbox.url, EVENTS={}, CONNECT_TIMEOUT=1, READ_TIMEOUT=1)
        process = workers.start(
            ("-c", "import django; django.setup(); from dfinery_django import tasks; tasks.drain()")
        )
        until(held)
        process.kill()
        process.wait()
        assert held()
        track("x", user_id="1")
        assert all_asked() == []
        Destination.objects.update(wake_requested_at=timezone.now() - wakeup.LOST_AFTER - dt.timedelta(seconds=1))
        wakeup.clear_seen_flags()
        track("x", user_id="2")
        assert all_asked() == ["default"]
        configured(WAKE=WAKE, BASE_URL=sandbox.url)
        assert tasks.drain() == {"delivered": 2}


@server
def test_a_service_watches_all_the_time(configured: Any) -> None:
    """``dfinery drain --forever``: orders ask for nothing. At its end the flag is clear, and it looks again."""
    queued = {"WAKE": "dfinery_django.tasks.wake", "EVENTS": {}}
    with Sandbox() as sandbox, Workers() as workers:
        configured(**queued, BASE_URL=sandbox.url)
        service = workers.start(DRAIN_FOREVER)
        for number in range(3):
            until(held)
            wakeup.clear_seen_flags()
            with transaction.atomic():
                track("x", user_id=str(number))
            until(lambda number=number: Event.objects.filter(status="delivered").count() == number + 1)
        until(held)
        wakeup.clear_seen_flags()
        OrmQ.objects.all().delete()
        with elsewhere() as threads, transaction.atomic():
            track("x", user_id="last")
            service.send_signal(signal.SIGTERM)
            until(lambda: threads.submit(ending, held).result() is None)
        _, errors = service.communicate(timeout=30)
        assert service.returncode == -signal.SIGTERM
        assert "Traceback" not in errors
    assert Event.objects.filter(status="delivered").count() + OrmQ.objects.count() == 4


@server
def test_a_service_ends_before_an_event_is_due(configured: Any) -> None:
    """Its order saw the flag and asked for nothing; the service asks for a drain in its place."""
    with Workers() as workers:
        configured(WAKE="dfinery_django.tasks.wake", EVENTS={})
        service = workers.start(DRAIN_FOREVER)
        until(held)
        with transaction.atomic():
            track("x", user_id="u")
            Event.objects.update(due_at=timezone.now() + dt.timedelta(seconds=5))
        OrmQ.objects.all().delete()
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=30)
    assert OrmQ.objects.get().task["args"] == ("default",)


class Hammered:
    """A shop, a queue with a worker, and a scheduled drain that begins and ends all the time."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.shop_is_open = threading.Event()
        self.shop_is_open.set()
        self.ends = threading.Event()

    def sell(self, orders: int) -> None:
        customer = User.objects.get()
        for _ in range(orders):
            with transaction.atomic():
                Order.objects.create(status="paid", customer=customer)
                time.sleep(self.draw.choice((0, 0, 0.05, 0.24, 0.3)))
            time.sleep(self.draw.uniform(0, 0.1))

    def watch(self) -> None:
        while self.shop_is_open.is_set():
            tasks.drain()
            time.sleep(self.draw.uniform(0, 0.2))

    def work(self) -> None:
        while not self.ends.is_set():
            try:
                tasks.drain(asked.get(timeout=0.1))
            except queue.Empty:
                pass


@server
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_order_is_overlooked(configured: Any, seed: int) -> None:
    """However sales and ends of watches meet, all events arrive without the scheduled drain's help at the end."""
    shop = Hammered(seed)
    User.objects.create(username="hong")
    Destination.objects.create(alias="default")
    with Sandbox() as sandbox, ThreadPoolExecutor(6) as threads:
        configured(WAKE=WAKE, WATCH_SECONDS=0.4, BASE_URL=sandbox.url, EVENTS=EVENTS)
        watcher = threads.submit(ending, shop.watch)
        selling = [threads.submit(ending, shop.sell, 25) for _ in range(3)]
        queue_worker = threads.submit(ending, shop.work)
        try:
            for each in selling:
                each.result()
            shop.shop_is_open.clear()
            watcher.result()
            until(lambda: Event.objects.filter(status="delivered").count() == 75, 20)
        finally:
            shop.shop_is_open.clear()
            shop.ends.set()
        queue_worker.result()
