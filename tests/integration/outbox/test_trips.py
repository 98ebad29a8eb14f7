"""What a save pays: its round trips to the database, on the wire, beyond those of the same save without events."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.brokers import Broker
from django_q.models import OrmQ
from django_q.tasks import async_task

from dfinery_django import tasks
from dfinery_django.models import Destination, Event
from dfinery_django.outbox import wakeup
from dfinery_django.outbox.wake_setting import Wake
from tests.settings import DATABASE
from tests.shop.models import Order
from tests.support.doubles import dfinery, driver_options
from tests.support.processes import CountingWire

pytestmark = pytest.mark.django_db(transaction=True)

postgresql = pytest.mark.skipif(DATABASE != "postgresql", reason="the statements of PostgreSQL")
DJANGO_Q2, OWN = "dfinery_django.tasks.wake", "tests.integration.outbox.test_trips.own_wake"


def own_wake(destination: str) -> None:
    """A queue of the site's own."""
    asked.append(destination)


asked: list[str] = []
#: A queue in the shop's database that has no row to tell beforehand, as that of django-tasks-db.
WAKE_HERE = Wake(own_wake, lambda: "default")


class Elsewhere(Broker):
    """A broker that is not in the database, as Redis."""

    def enqueue(self, task: str) -> str:
        asked.append(task)
        return "1"


@pytest.fixture
def wire() -> Iterator[CountingWire]:
    given = connection.settings_dict
    place = {"HOST": given["HOST"], "PORT": given["PORT"]}
    with CountingWire(place["HOST"], int(place["PORT"])) as wire:
        given.update(HOST="127.0.0.1", PORT=str(wire.port))
        connection.close()
        connection.ensure_connection()
        yield wire
        connection.close()
        given.update(place)


@pytest.fixture(autouse=True)
def _afresh(configured: Any) -> None:
    asked.clear()
    wakeup.clear_seen_flags()
    configured(WAKE=DJANGO_Q2)


def flag(age_seconds: float | None) -> Callable[[], None]:
    """Sets the wake-up flag as of so long ago, or clears it; a drain in another process would."""

    def set_flag() -> None:
        at = None if age_seconds is None else timezone.now() - dt.timedelta(seconds=age_seconds)
        Destination.objects.update_or_create(alias="default", defaults={"wake_requested_at": at})

    return set_flag


def flag_is_set() -> bool:
    return Destination.objects.filter(wake_requested_at__isnull=False).exists()


QUIET, RAISED, LOST = flag(None), flag(1), flag(61)


def place() -> None:
    with transaction.atomic():
        Order.objects.create(status="paid")


def place_slowly() -> None:
    """A checkout that commits when what it saw of the flag is trusted no more."""
    with transaction.atomic():
        Order.objects.create(status="paid")
        time.sleep(wakeup.TRUSTED_SECONDS)


def place_in_autocommit() -> None:
    Order.objects.create(status="paid")


def pay() -> None:
    order = Order(pk=10**6, number="1", status="paid")
    with transaction.atomic():
        order.save(force_update=True)


def place_beside_a_drain() -> None:
    """A checkout that takes so long, and a drain has cleared the flag meanwhile."""
    with transaction.atomic():
        Order.objects.create(status="paid")
        time.sleep(wakeup.TRUSTED_SECONDS)
        # In the order's transaction here, since one connection is counted; the commit hook sees the same.
        Destination.objects.update(wake_requested_at=None)


def trips_of(wire: CountingWire, save: Callable[[], None]) -> int:
    before = wire.trips
    save()
    return wire.trips - before


def added(wire: CountingWire, configured: Any, save: Callable[[], None], before: Callable[[], None]) -> int:
    """The trips of a save that becomes an event, beyond those of one that does not."""
    setting = {"WAKE": DJANGO_Q2}
    found = []
    for events in ({}, dfinery()["EVENTS"]):
        configured(**setting, EVENTS=events)
        for _ in range(2):  # the first one may open something, or compile
            Order.objects.all().delete()
            Event.objects.all().delete()
            Order.objects.create(pk=10**6, number="1", status="pending")
            OrmQ.objects.all().delete()
            wakeup.clear_seen_flags()
            before()
            count = trips_of(wire, save)
        found.append(count)
    return found[1] - found[0]


@postgresql
@pytest.mark.parametrize(
    ("save", "before", "trips"),
    [
        (place, QUIET, 2),
        (place, RAISED, 1),
        (place, LOST, 2),
        (place_slowly, QUIET, 2),
        (place_slowly, RAISED, 2),
        (place_beside_a_drain, RAISED, 2),
        (place_in_autocommit, QUIET, 2),
        (place_in_autocommit, RAISED, 1),
        (pay, QUIET, 3),  # one for the state before the save
        (pay, RAISED, 2),
    ],
)
def test_an_order_and_its_wake_up(
    wire: CountingWire, configured: Any, save: Callable[[], None], before: Callable[[], None], trips: int
) -> None:
    """The event, and at most one statement more, which sets the flag and queues the task: both or neither."""
    assert added(wire, configured, save, before) == trips
    assert Event.objects.count() == 1
    assert flag_is_set()
    is_asked = before in (QUIET, LOST) or save is place_beside_a_drain
    assert OrmQ.objects.count() == is_asked


@postgresql
def test_a_task_in_the_same_transaction_pays_one(wire: CountingWire) -> None:
    """What ours is compared with."""

    def place_and_queue() -> None:
        with transaction.atomic():
            Order.objects.create(status="pending")
            async_task("tests.integration.outbox.test_trips.own_wake", "x")

    def place_alone() -> None:
        with transaction.atomic():
            Order.objects.create(status="pending")

    assert trips_of(wire, place_and_queue) - trips_of(wire, place_alone) == 1


@postgresql
@pytest.mark.parametrize("change", [{"WAKE": OWN}, {"Q_OPTIONS": {"broker": "elsewhere"}}], ids=["own", "broker"])
@pytest.mark.parametrize(("before", "trips"), [(QUIET, 2), (RAISED, 1), (LOST, 2)])
def test_a_queue_elsewhere(
    wire: CountingWire, configured: Any, change: dict[str, Any], before: Callable[[], None], trips: int
) -> None:
    """The flag is set by one statement, and the queue is asked after it, without a transaction."""
    if "Q_OPTIONS" in change:
        change = {"Q_OPTIONS": {"broker": Elsewhere()}}
    configured(**{"WAKE": DJANGO_Q2, **change})
    place()
    before()
    asked.clear()
    wakeup.clear_seen_flags()
    configured(**{"WAKE": DJANGO_Q2, **change}, EVENTS={})
    plain = trips_of(wire, place)
    configured(**{"WAKE": DJANGO_Q2, **change})
    assert trips_of(wire, place) - plain == trips
    assert len(asked) == trips - 1
    assert flag_is_set()
    assert not OrmQ.objects.exists()


@postgresql
def test_parameters_that_the_server_binds(configured: Any) -> None:
    """The statement of flag and task is the same; only the event's INSERT can't take the question along."""
    with driver_options(server_side_binding=True):
        QUIET()
        assert heads(place)[-3:] == ["COMMIT", "SELECT", "WITH"]
    assert (flag_is_set(), OrmQ.objects.get().task["args"]) == (True, ("default",))


def heads(save: Callable[[], None]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        save()
    return [query["sql"].split()[0] for query in queries.captured_queries]


def after_commit(save: Callable[[], None]) -> list[str]:
    found = heads(save)
    return found[found.index("COMMIT") + 1 :]


#: Without a statement that is a transaction of its own, and without an answer that comes with the INSERT.
TWO_STATEMENTS = ["SELECT", "BEGIN", "UPDATE", "INSERT", "COMMIT"]


@pytest.mark.sql("fast", "plain")
@pytest.mark.parametrize(("before", "found"), [(QUIET, TWO_STATEMENTS), (LOST, TWO_STATEMENTS), (RAISED, ["SELECT"])])
def test_elsewhere_nothing_was_added(request: Any, before: Callable[[], None], found: list[str]) -> None:
    """MariaDB, SQLite, and versions that were not tested: a look, and where no drain is asked for, one transaction."""
    if DATABASE == "postgresql" and request.node.callspec.params["_statements"] == "fast":
        pytest.skip("has statements of its own")
    before()
    assert after_commit(place) == found
    assert OrmQ.objects.count() == (before is not RAISED)
    assert flag_is_set()


@pytest.mark.sql("fast", "plain")
def test_the_first_event_of_all(configured: Any) -> None:
    """The destination has no row yet: it gets one, and the drain is asked for."""
    Destination.objects.all().delete()
    place()
    assert (flag_is_set(), OrmQ.objects.count()) == (True, 1)


@contextmanager
def wrapped() -> Iterator[None]:
    """As django-pghistory does: a statement before each one that writes."""

    def prepend(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        writes = sql.startswith(("INSERT", "UPDATE", "WITH"))
        return execute(f"SELECT set_config('x.y', '1', true); {sql}" if writes else sql, parameters, many, context)

    with connection.execute_wrapper(prepend):
        yield


@postgresql
def test_a_wrapper_that_is_there_at_the_commit_alone() -> None:
    """Its own count of rows is not taken for that of the flag: the task is queued as well."""
    QUIET()
    with ExitStack() as stack, transaction.atomic():
        Order.objects.create(status="paid")
        stack.enter_context(wrapped())
    assert (flag_is_set(), OrmQ.objects.count()) == (True, 1)


@postgresql
@pytest.mark.sql("fast", "plain")
@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("wake", ["django-q2", "here", "elsewhere"])
def test_a_drain_that_writes_the_row_meanwhile(isolation: str, wake: str, configured: Any, caplog: Any) -> None:
    """A snapshot older than the drain's write is refused by the database; the order asks once more."""
    QUIET()
    configured(WAKE={"django-q2": DJANGO_Q2, "here": f"{__name__}.WAKE_HERE", "elsewhere": OWN}[wake])
    is_writing, is_asking = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Destination.objects.update(quota_left=7)
            is_writing.set()
            is_asking.wait(20)
            time.sleep(0.2)  # the order's statement waits for the row
        connection.close()

    default = isolation.replace(" ", "\\ ")
    # Django's own option is for BEGIN alone, and the statement has none.
    with driver_options(options=f"-c default_transaction_isolation={default}"), ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            Order.objects.create(status="paid")
            written = elsewhere.submit(write)
            is_writing.wait(20)
            is_asking.set()
        written.result()
        assert (flag_is_set(), OrmQ.objects.count() + len(asked), Destination.objects.get().quota_left) == (True, 1, 7)
    assert "No drain could be requested" not in caplog.text


def test_many_idle_orders_queue_one_drain() -> None:
    """Each sees no flag, as those that commit at the same time do: the statement of the first one counts."""
    QUIET()
    for _ in range(3):
        wakeup.clear_seen_flags()
        wakeup.remember_flag("default", "default", (None,), time.monotonic())
        wakeup.request_wake("default", "default")
    assert OrmQ.objects.count() == 1


def test_the_queued_task_is_django_q2_s_own(configured: Any) -> None:
    """With its name, its cluster, its arguments and its time: as its broker would have stored it."""
    configured(WAKE=DJANGO_Q2, Q_OPTIONS={"cluster": "dfinery", "timeout": 99})
    QUIET()
    before = timezone.now()
    place()
    row = OrmQ.objects.get()
    wanted = {
        "name": "dfinery: drain default",
        "args": ("default",),
        "save": False,
        "timeout": 99,
        "cluster": "dfinery",
    }
    assert row.key == "dfinery"
    assert wanted.items() <= row.task.items()
    assert "broker" not in row.task
    assert before <= row.lock <= timezone.now()


@pytest.mark.parametrize("before", [QUIET, LOST, RAISED], ids=["quiet", "lost", "raised"])
def test_the_log_of_django_q2_claims_no_row_that_is_not_there(caplog: Any, before: Callable[[], None]) -> None:
    """It logs when the task is made, and whether the task is stored is seen later, by the statement itself."""
    before()
    with caplog.at_level("INFO", logger="django-q"):
        place_slowly()
    lines = [each.getMessage() for each in caplog.records if each.name == "django-q"]
    assert not any("None" in each for each in lines)
    assert all("unless a drain is queued already" in each for each in lines)


def test_a_queue_in_another_database_pays_one(configured: Any) -> None:
    """Where flag and task can't be one transaction, the task is one INSERT, on the connection that is there."""
    configured(WAKE=DJANGO_Q2)
    connection.ensure_connection()
    before = connection.connection
    assert heads(lambda: tasks.wake("default")) == ["INSERT"]
    assert connection.connection is before
    assert OrmQ.objects.get().task["func"] == "dfinery_django.tasks.drain"


@contextmanager
def no_queue() -> Iterator[None]:
    """The table of django-q2's queue is gone."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(OrmQ, "django_q_ormq", "elsewhere")
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(OrmQ, "elsewhere", "django_q_ormq")


@pytest.mark.sql("fast", "plain")
def test_a_task_that_can_t_be_stored(caplog: Any) -> None:
    """The order and its event stand, the flag is not set, and the next order asks again."""
    QUIET()
    with no_queue():
        place()
        place_in_autocommit()
        assert not flag_is_set()
    assert caplog.text.count("No drain could be requested") == 1, "once a minute"
    assert (Order.objects.count(), Event.objects.count()) == (2, 2)
    place()
    assert (flag_is_set(), OrmQ.objects.count()) == (True, 1)


def test_a_test_s_own_transaction_outlives_it() -> None:
    """In a TestCase commit hooks run inside a transaction: what fails there is undone alone."""
    QUIET()
    with no_queue(), transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            Order.objects.create(status="paid")
        assert (Order.objects.count(), Event.objects.count(), flag_is_set()) == (1, 1, False)
