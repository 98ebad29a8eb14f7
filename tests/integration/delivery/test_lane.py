"""The engine of the drain: places, budget, stopping, several at once, faults of the database, memory."""

from __future__ import annotations

import datetime as dt
import gc
import gzip
import signal
import socket
import sqlite3
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.connection import ConnectionDoesNotExist
from django_q.exceptions import TimeoutException
from django_q.timeout import TimeoutHandler

from dfinery_django import event_delivered, track
from dfinery_django.conf import get_settings
from dfinery_django.delivery import lane_store, worker
from dfinery_django.delivery.exchange import Exchange
from dfinery_django.delivery.lane import MAX_IN_FLIGHT
from dfinery_django.delivery.thread_pool import Job, SenderPool
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Outcome
from dfinery_django.models import DeliveryAttempt, Destination, Event
from dfinery_django.protocols.base import Request, Response, Result
from dfinery_django.protocols.s2s import S2SEventAPI
from tests.settings import DATABASE
from tests.support.doubles import FarSide, accepted, answer
from tests.support.events import event, soon
from tests.support.misbehaving import OK, Asked, Behaviour, Misbehaving, goes_on, hangs, page, says
from tests.support.processes import DRAIN_FOREVER, CutWire, Workers, ended
from tests.system.clusters.processes import eventually

T = TypeVar("T")

pytestmark = pytest.mark.django_db(transaction=True)

on_a_server = pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite is no server")


@pytest.fixture
def pointed_at(pointed_at: Any) -> Any:
    """More at once, and requests short enough to begin within a budget of seconds."""
    return partial(pointed_at, CONCURRENCY=4, CONNECT_TIMEOUT=0.3, READ_TIMEOUT=2)


def events(count: int, destination: str = "default") -> None:
    """So many events, the first with the user ``u0``."""
    for number in range(count):
        track("coupon", user_id=f"u{number}", destination=destination)


def states() -> Counter[tuple[str, int]]:
    return Counter(Event.objects.values_list("status", "attempt_count"))


def by_token(behaviours: dict[str, Behaviour]) -> Behaviour:
    return lambda connection, asked: behaviours[asked.token](connection, asked)


# Places.


def test_one_slow_answer_holds_up_one_place(pointed_at: Any) -> None:
    """All others are sent, and written down, while one answer is still awaited."""
    written, others_are_written, was_in_time = set(), threading.Event(), []

    def note(event: Event, **kwargs: object) -> None:
        written.add(event.user_id)
        if len(written) == 59:
            others_are_written.set()

    def slow_for_one(connection: socket.socket, asked: Asked) -> None:
        if asked.user_id == "u0":
            was_in_time.append(others_are_written.wait(20))
        connection.sendall(OK)

    with Misbehaving(then=slow_for_one) as server:
        pointed_at(server.url, READ_TIMEOUT=25, DRAIN_SECONDS=60)
        events(60)
        event_delivered.connect(note)
        drain("default")
        event_delivered.disconnect(note)
    assert states() == {("delivered", 1): 60}
    assert was_in_time == [True]


def test_claims_are_topped_up(far_side: FarSide, configured: Any) -> None:
    """A backlog is taken bit by bit: never more is claimed than half a second needs, let alone the most."""
    configured(CONCURRENCY=8)
    events(1)
    first = Event.objects.get()
    same = ("event_name", "destination", "status", "payload", "due_at", "occurred_at", "expires_at")
    rows = [Event(**{name: getattr(first, name) for name in same}) for _ in range(2 * MAX_IN_FLIGHT)]
    Event.objects.bulk_create(rows)
    claimed: list[int] = []

    def look() -> bool:
        claimed.append(Event.objects.filter(status="sending").count())
        return False

    def send(request: Request) -> Response:
        time.sleep(0.001)
        return far_side(request)

    assert drain("default", send=send, should_stop=look)["delivered"] == 2 * MAX_IN_FLIGHT + 1
    assert 16 <= max(claimed) <= MAX_IN_FLIGHT
    assert len(far_side.requests) == 2 * MAX_IN_FLIGHT + 1


def test_connections_are_kept_between_drains(pointed_at: Any) -> None:
    """One connection per place and process, however many drains it runs."""
    with Misbehaving() as server:
        pointed_at(server.url, CONCURRENCY=2)
        for _ in range(3):
            events(10)
            drain("default")
        assert len(server.asked) == 30
        assert server.connections <= 2


def test_results_are_written_in_bulk(far_side: FarSide, configured: Any) -> None:
    """A hundred deliveries are written down by far fewer than a hundred statements."""
    configured(CONCURRENCY=8)
    events(100)
    with CaptureQueriesContext(connection) as made:
        assert drain("default", send=far_side)["delivered"] == 100
    written = [each["sql"] for each in made if each["sql"].startswith("INSERT") and "deliveryattempt" in each["sql"]]
    assert 0 < len(written) < 50


# Time.


@pytest.mark.parametrize(
    "then", [hangs, goes_on(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n", pause=0.05)], ids=["silent", "drips"]
)
def test_the_budget_holds_against_a_server_that_hangs(pointed_at: Any, then: Behaviour) -> None:
    """The drain ends in time, and no event is left in anybody's hands."""
    with Misbehaving(then=then) as server:
        pointed_at(server.url, CONCURRENCY=2, CONNECT_TIMEOUT=0.2, READ_TIMEOUT=0.5, LEASE_SECONDS=60)
        events(60)
        drain("default", budget_seconds=1.6)
        assert len(server.asked) < 60, "all of them would take 20 s"
        assert Event.objects.filter(status="pending").count() == 60
        assert set(Event.objects.values_list("attempt_count", flat=True)) == {0, 1}


def test_the_budget_holds_against_too_much_work(pointed_at: Any) -> None:
    """What does not fit in is given back at once, and nothing of it counts as tried."""
    with Misbehaving(then=says(OK, after=0.1)) as server:
        pointed_at(server.url, CONCURRENCY=2, CONNECT_TIMEOUT=1, READ_TIMEOUT=2)
        events(200)
        drain("default", budget_seconds=4.5)
        sent = len(server.asked)
        assert 0 < sent < 200, "all of them would take 10 s"
        assert states() == {("delivered", 1): sent, ("pending", 0): 200 - sent}
        assert not Event.objects.filter(due_at__gt=timezone.now()).exists()


def test_a_request_that_no_timeout_ends(far_side: FarSide, configured: Any) -> None:
    """A resolver that hangs holds up one event, like any failure; when it comes back after all it holds up nothing."""
    configured(CONCURRENCY=2, CONNECT_TIMEOUT=0.1, READ_TIMEOUT=0.1)
    hanging, next_one = event(1), event(2)
    Event.objects.filter(pk=next_one.pk).update(due_at=timezone.now() + dt.timedelta(seconds=3))

    def send(request: Request) -> Response:
        if far_side(request) and len(far_side.requests) == 1:
            time.sleep(2.7)
            return answer(503)
        return accepted()

    assert drain("default", send=send, budget_seconds=8, linger_seconds=4)["delivered"] >= 1
    for stored in (hanging, next_one):
        stored.refresh_from_db()
    assert next_one.status == "delivered"
    assert "no end after" in hanging.attempts.get(number=1).error
    assert hanging.status in ("pending", "delivered")


def test_what_expires_first_goes_first(pointed_at: Any) -> None:
    """In a backlog that is larger than a claim the most urgent event is the first on the wire."""
    with Misbehaving() as server:
        pointed_at(server.url, CONCURRENCY=1)
        events(20)
        for number, pk in enumerate(Event.objects.order_by("-pk").values_list("pk", flat=True)):
            Event.objects.filter(pk=pk).update(expires_at=timezone.now() + dt.timedelta(hours=1 + number))
        drain("default")
        assert [asked.user_id for asked in server.asked] == [f"u{number}" for number in reversed(range(20))]


# Stopping.


def test_stopping_ends_what_is_under_way_and_gives_back_the_rest(pointed_at: Any) -> None:
    """Requests in flight are settled; what was claimed and not begun is due again at once, as if never touched."""
    with Misbehaving(then=says(OK, after=0.4)) as server:
        pointed_at(server.url)
        events(40)
        drain("default", should_stop=lambda: len(server.asked) >= 4)
        sent = len(server.asked)
        assert 4 <= sent <= 8
        assert states() == {("delivered", 1): sent, ("pending", 0): 40 - sent}
        assert not Event.objects.filter(due_at__gt=timezone.now()).exists()


def test_sigterm_ends_a_service_cleanly(pointed_at: Any) -> None:
    """``dfinery drain --forever`` settles what is in flight, gives back the rest, and then dies of the signal."""
    with Misbehaving(then=says(OK, after=0.4)) as server:
        pointed_at(server.url)
        events(40)
        with Workers() as workers:
            service = workers.start(DRAIN_FOREVER)
            server.wait_for(4, seconds=30)
            service.send_signal(signal.SIGTERM)
            _, errors = service.communicate(timeout=10)
        assert service.returncode == -signal.SIGTERM
        assert "Traceback" not in errors
        sent = len(server.asked)
        assert 4 <= sent < 40
        assert states() == {("delivered", 1): sent, ("pending", 0): 40 - sent}
        assert not Event.objects.filter(due_at__gt=timezone.now()).exists()


class InPairs(S2SEventAPI):
    """A protocol whose requests carry two events."""

    def batches(self, payloads: Sequence[T]) -> Iterator[Sequence[T]]:
        for start in range(0, len(payloads), 2):
            yield payloads[start : start + 2]

    def encode(self, batch: Sequence[str]) -> Request:
        return Request(self.base_url, "\n".join(batch).encode(), {})


def test_stopping_while_a_batch_is_halved(far_side: FarSide, configured: Any) -> None:
    """A batch of suspects that is refused as the drain ends is given back, not waited for."""
    configured(CONCURRENCY=1, PROTOCOL="tests.integration.delivery.test_lane.InPairs")
    events(2)
    Event.objects.update(lapse_count=5)
    far_side.always = answer(400, 4002)
    stopping = threading.Event()

    def send(request: Request) -> Response:
        stopping.set()
        time.sleep(0.5)
        return far_side(request)

    drain("default", send=send, should_stop=stopping.is_set)
    assert states() == {("pending", 0): 2}


def test_the_task_time_out_leaves_nothing_behind(pointed_at: Any) -> None:
    """django-q2 ends the task in its midst: its events go on when their lease is over, its threads are gone."""
    with Misbehaving(then=hangs) as server:
        pointed_at(server.url, READ_TIMEOUT=10)
        events(8)
        gc.disable()  # within hypothesis's callback of a collection the exception would be swallowed
        try:
            with pytest.raises(TimeoutException), TimeoutHandler(1):
                drain("default")
        finally:
            gc.enable()
        assert set(Event.objects.values_list("status", flat=True)) == {"sending"}
        server.then = says(OK)
        soon(61)
        assert drain("default")["delivered"] == 8
        assert set(Event.objects.values_list("attempt_count", flat=True)) == {2}
        assert set(server.arrivals.values()) <= {1, 2}


def test_no_thread_outlives_its_drain(far_side: FarSide, configured: Any) -> None:
    """However a drain ends, and however often, its threads end too."""
    configured(CONCURRENCY=4)

    def interrupted(**kwargs: object) -> None:
        raise TimeoutException

    for send, ends in ((far_side, False), (lambda request: answer(401), False), (far_side, True)):
        soon(3600)
        events(20)
        if ends:
            event_delivered.connect(interrupted)
        try:
            drain("default", send=send)
        except TimeoutException:
            pass
        finally:
            event_delivered.disconnect(interrupted)
    until = time.monotonic() + 20
    while any(thread.name.startswith("dfinery-") for thread in threading.enumerate()):
        assert time.monotonic() < until, threading.enumerate()
        time.sleep(0.01)


# Side by side.


def test_a_destination_that_hangs_starves_no_other(pointed_at: Any) -> None:
    """Both are in one drain: the healthy one's events arrive while the other one's places all wait."""
    came, all_came, was_in_time = [], threading.Event(), []

    def well(connection: socket.socket, asked: Asked) -> None:
        came.append(asked)
        if len(came) == 60:
            all_came.set()
        connection.sendall(OK)

    def slow(connection: socket.socket, asked: Asked) -> None:
        was_in_time.append(all_came.wait(20))
        connection.close()

    with Misbehaving(then=by_token({"slow": slow, "well": well})) as server:
        pointed_at(server.url, TOKENS={"slow": "slow", "well": "well"}, READ_TIMEOUT=25, DRAIN_SECONDS=60)
        events(20, "slow")
        events(60, "well")
        drain()
    assert Event.objects.filter(destination="well", status="delivered").count() == 60
    assert Event.objects.filter(destination="slow", status="pending").count() == 20
    assert was_in_time, "some of the others were under way"
    assert all(was_in_time), "all came before the first of the others was over"


def test_a_destination_whose_drain_waits_for_a_worker_is_taken_along(pointed_at: Any) -> None:
    """The only worker is busy with a slow destination: another one need not wait for its end."""
    with Misbehaving(then=by_token({"slow": says(OK, after=0.3), "well": says(OK)})) as server:
        pointed_at(server.url, TOKENS={"slow": "slow", "well": "well"}, CONCURRENCY=1)
        events(8, "slow")
        events(3, "well")
        Destination.objects.filter(alias="well").update(wake_requested_at=timezone.now() - dt.timedelta(seconds=3))
        drain("slow")
        assert Event.objects.filter(status="delivered").count() == 11
        order = [asked.token for asked in server.asked]
        assert order.index("well") < len(order) - 4, "before the slow one's last"
        assert Destination.objects.get(alias="well").wake_requested_at is None


def test_several_processes_send_each_event_once(pointed_at: Any) -> None:
    """The same task in four processes at once: they share the work, and nothing comes twice."""
    with Misbehaving(then=says(OK, after=0.005)) as server:
        pointed_at(server.url)
        events(300)
        with Workers() as workers:
            for process in [workers.start() for _ in range(4)]:
                assert "Traceback" not in ended(process)
        assert states() == {("delivered", 1): 300}
        assert len(server.arrivals) == 300
        assert set(server.arrivals.values()) == {1}
    assert DeliveryAttempt.objects.count() == 300


# Faults of the database.


@pytest.fixture
def other() -> Iterator[Any]:
    """Another connection to the test's database."""
    copy = connection.copy()
    copy.inc_thread_sharing()
    yield copy
    copy.close()


def execute(connection: Any, statement: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None


def backend() -> int:
    """The server's name for this test's connection."""
    asked = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}[DATABASE]
    return int(execute(connection, asked)[0])


def end_backends(other: Any) -> None:
    """End all connections to the test's database but this one."""
    if DATABASE == "postgresql":
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        execute(other, f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {mine}")
        return
    with other.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        for (number,) in cursor.fetchall():
            cursor.execute("KILL %s", [number])


def wait_until_blocked(other: Any, number: int) -> None:
    """Until this backend waits for a lock."""
    asked = {
        "postgresql": "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
        "mariadb": "SELECT 1 FROM information_schema.innodb_trx"
        " WHERE trx_mysql_thread_id = %s AND trx_state = 'LOCK WAIT'",
    }[DATABASE]
    until = time.monotonic() + 20
    while execute(other, asked, number) is None:
        assert time.monotonic() < until, "it waits for no lock"
        time.sleep(0.12)  # InnoDB looks anew only if nobody has asked for a tenth of a second


def said_again(caplog: Any) -> list[str]:
    return [each.message for each in caplog.records if each.message.startswith("The database failed")]


def all_arrived_once(server: Misbehaving, count: int) -> None:
    """However often the database failed; what nobody heard of being claimed is due again when its lease is over."""
    soon(61)
    drain("default")
    assert Counter(Event.objects.values_list("status", flat=True)) == {"delivered": count}
    assert len(server.arrivals) == count
    assert set(server.arrivals.values()) == {1}


@on_a_server
def test_connections_that_the_server_ends(pointed_at: Any, other: Any, caplog: Any) -> None:
    """The database is restarted in the midst of a drain, twice: no event is lost, and none is sent twice."""
    with Misbehaving() as server:

        def behave(connection: socket.socket, asked: Asked) -> None:
            if asked.user_id in ("u5", "u25"):
                end_backends(other)
            connection.sendall(OK)

        server.then = behave
        pointed_at(server.url)
        events(60)
        drain("default")
        assert said_again(caplog)
        all_arrived_once(server, 60)


def while_sending(far_side: FarSide, meanwhile: Callable[[], None]) -> Counter[str]:
    """Drain, and do something else at the same time from the first request on, which takes its time."""
    in_flight = threading.Event()

    def send(request: Request) -> Response:
        in_flight.set()
        time.sleep(0.3)
        return far_side(request)

    def wait_and_do() -> None:
        assert in_flight.wait(5)
        meanwhile()

    other_thread = threading.Thread(target=wait_and_do)
    other_thread.start()
    try:
        return drain("default", send=send)
    finally:
        other_thread.join(20)
        connection.close()  # with all that was set on it


@on_a_server
def test_a_deadlock(far_side: FarSide, configured: Any, other: Any, caplog: Any) -> None:
    """The database sacrifices what a drain writes to break a deadlock: it is written again, and not sent again."""
    configured(CONCURRENCY=1, PROTOCOL="tests.integration.delivery.test_lane.InPairs")
    events(2)
    first, last = Event.objects.order_by("pk").values_list("pk", flat=True)
    mine = backend()
    lock = "SELECT 1 FROM dfinery_django_event WHERE id = %s FOR UPDATE"

    def cross() -> None:
        other.set_autocommit(False)
        if DATABASE == "mariadb":  # who has changed least gives way
            execute(other, "INSERT INTO shop_category (name) SELECT 'x' FROM seq_1_to_1000")
        else:  # who looks first gives way; a drain looks after a second
            execute(other, "SET deadlock_timeout = '30s'")
        execute(other, lock, last)
        wait_until_blocked(other, mine)
        execute(other, lock, first)
        other.rollback()

    assert while_sending(far_side, cross) == {"delivered": 2}
    (line,) = said_again(caplog)
    assert "deadlock" in line.lower()
    assert len(far_side.requests) == 1


@pytest.mark.skipif(DATABASE != "postgresql", reason="only PostgreSQL is so strict")
def test_a_serialization_failure(far_side: FarSide, configured: Any, other: Any, caplog: Any) -> None:
    """A site that works in REPEATABLE READ: a row that somebody else has changed is written once more, not sent."""
    events(1)
    mine = backend()
    execute(connection, "SET default_transaction_isolation = 'repeatable read'")

    def change() -> None:
        other.set_autocommit(False)
        execute(other, "UPDATE dfinery_django_event SET order_id = 'o1'")
        wait_until_blocked(other, mine)
        other.commit()

    configured()
    assert while_sending(far_side, change) == {"delivered": 1}
    (line,) = said_again(caplog)
    assert "could not serialize" in line
    assert len(far_side.requests) == 1


@pytest.mark.skipif(DATABASE != "sqlite", reason="SQLite has one writer at a time")
def test_a_lock_of_sqlite(pointed_at: Any) -> None:
    """Somebody holds the only write lock for longer than the connection waits: nothing is lost or sent twice."""
    with Misbehaving(then=says(OK, after=0.1)) as server:
        pointed_at(server.url)
        events(40)
        with Workers(OPTIONS={"transaction_mode": "IMMEDIATE", "timeout": 0.1}) as workers:
            process = workers.start()
            server.wait_for(8, seconds=30)
            writer = sqlite3.connect(workers.path, isolation_level=None, timeout=10)
            writer.execute("BEGIN IMMEDIATE")
            time.sleep(1)
            writer.execute("COMMIT")
            writer.close()
            errors = ended(process)
        assert "The database failed; retrying: database is locked" in errors
        assert states() == {("delivered", 1): 40}
        assert set(server.arrivals.values()) == {1}


@pytest.fixture
def wire() -> Iterator[CutWire]:
    """A wire between this test and its database server."""
    direct = {key: connection.settings_dict[key] for key in ("HOST", "PORT")}
    with CutWire(direct["HOST"], int(direct["PORT"])) as wire:
        connection.close()
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(wire.port))
        yield wire
        connection.close()
        connection.settings_dict.update(direct)


@on_a_server
def test_an_outage_of_the_database_within_a_drain(pointed_at: Any, wire: CutWire, caplog: Any) -> None:
    """The database is away for a while in the midst of a drain: it waits, and then goes on where it was."""
    with Misbehaving() as server:

        def behave(connection: socket.socket, asked: Asked) -> None:
            if asked.user_id == "u9":
                wire.cut_for(1.5)
            connection.sendall(OK)

        server.then = behave
        pointed_at(server.url)
        events(60)
        drain("default")
        assert 1 <= len(said_again(caplog)) <= 3, "one line for each step that failed, however long it took"
        all_arrived_once(server, 60)


@on_a_server
def test_an_outage_of_the_database_that_outlasts_the_drain(pointed_at: Any, wire: CutWire, monkeypatch: Any) -> None:
    """The drain ends with the fault; what it had sent is sent again after its lease, with the same id; all arrive."""
    for module in (lane_store, worker):
        monkeypatch.setattr(module, "STOP_GRACE_SECONDS", 0.3)
    with Misbehaving() as server:

        def behave(connection: socket.socket, asked: Asked) -> None:
            if asked.user_id == "u9" and len(server.asked) < 60:
                wire.cut()
            connection.sendall(OK)

        server.then = behave
        pointed_at(server.url, READ_TIMEOUT=0.3)
        events(60)
        with pytest.raises(OperationalError):
            drain("default", budget_seconds=1.5)
        sent = len(server.asked)
        time.sleep(0.2)
        assert len(server.asked) == sent, "nothing is sent when nobody can write down what came of it"
        wire.mend()
        assert Event.objects.filter(status="delivered").count() < 60
        soon(61)
        server.then = says(OK)
        drain("default")
        assert set(Event.objects.values_list("status", flat=True)) == {"delivered"}
        assert len(server.arrivals) == 60
        assert max(server.arrivals.values()) <= 2


@on_a_server
def test_a_database_that_is_away_at_the_start(pointed_at: Any, wire: CutWire) -> None:
    """The task fails visibly, and the next one delivers."""
    with Misbehaving() as server:
        pointed_at(server.url)
        events(3)
        wire.cut()
        with pytest.raises(OperationalError):
            drain("default", budget_seconds=2)
        connection.close()
        wire.mend()
        assert drain("default")["delivered"] == 3


# Memory.


@pytest.mark.parametrize(
    "answer",
    [
        goes_on(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n", b"x" * 65536),
        goes_on(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        says(page("200 OK", gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip")),
    ],
    ids=["plain", "chunks", "gzip"],
)
def test_an_answer_of_50_mb_costs_no_50_mb(pointed_at: Any, answer: Behaviour) -> None:
    """It is cut and not read further, and it says nothing."""
    with Misbehaving(answer) as server:
        pointed_at(server.url)
        events(1)
        tracemalloc.start()
        try:
            drain("default")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert states() == {("pending", 1): 1}
        assert peak < 5_000_000
    assert len(DeliveryAttempt.objects.get().response_body) <= 2048


def test_memory_stays_flat(far_side: FarSide, configured: Any) -> None:
    """What a drain has delivered it forgets: the fourth costs no more than the second."""
    configured(CONCURRENCY=8)
    held = []
    tracemalloc.start()
    try:
        for _ in range(4):
            events(60)
            drain("default", send=lambda request: accepted())
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[3] - held[1] < 100_000, held


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_lost_costs_no_other(configured: Any, far_side: FarSide) -> None:
    """The events of the others arrive; the fault is raised when they have."""
    configured()
    assert track("x", user_id="1")
    run = worker._Drain(["nowhere", "default"], get_settings(), far_side, 5, lambda: False)
    with pytest.raises(ConnectionDoesNotExist):
        run.run(["default"], 0)
    run.close()
    assert Event.objects.get().status == "delivered"


def test_what_hung_takes_no_place_twice(monkeypatch: Any) -> None:
    """A request that was given up and comes back after all makes room: there are never more than CONCURRENCY."""
    monkeypatch.setattr("dfinery_django.delivery.thread_pool.GRACE_SECONDS", 0.0)
    hangs, under_way, most = threading.Event(), [], []

    def exchange(batch: Any) -> Any:
        if batch == ("hangs",):
            hangs.wait(5)
        else:
            under_way.append(batch)
            most.append(len(under_way))
            time.sleep(0.02)
            under_way.pop()
        return Exchange(batch, timezone.now(), 0, Result(Outcome.ACCEPTED))

    landed: SimpleQueue[Any] = SimpleQueue()
    senders = SenderPool(2, exchange, lambda job, made: landed.put(job), 0.05)
    for _ in range(2):
        senders.submit(Job(("hangs",), float("inf")))  # type: ignore[arg-type]
    eventually(lambda: all(job.began_at for job in senders.in_flight))
    time.sleep(0.1)
    assert len(senders.abandon_overdue()) == 2
    hangs.set()
    for _ in range(20):
        senders.submit(Job(("quick",), float("inf")))  # type: ignore[arg-type]
    for _ in range(20):
        senders.finish(landed.get(timeout=5))
    senders.close()
    assert max(most) <= 2
