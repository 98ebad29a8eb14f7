"""SQLite as Django ships it: a transaction begins to write when it first does, and there is one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, connection, connections, transaction

from dfinery_django import track
from dfinery_django.models import Event
from tests.settings import DATABASE
from tests.shop.models import Order, User
from tests.support.doubles import PURCHASE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.sql("fast", "plain"),
    pytest.mark.skipif(DATABASE != "sqlite", reason="SQLite's transactions alone may begin as readers"),
]

#: The alias that leads to a copy of the test's database in a file, while a test lasts.
FILED = "other"


@pytest.fixture
def path(tmp_path: Path, shop: Any) -> Iterator[Path]:
    """A shop's database in a file, which Django opens with the options that it has by itself."""
    target = tmp_path / "shop.sqlite3"
    with sqlite3.connect(target) as copy:
        connection.connection.backup(copy)
    copy.close()
    filed: Any = connections[FILED]
    given, in_memory = {**filed.settings_dict}, filed.connection
    filed.connection = None
    filed.settings_dict |= {"NAME": str(target), "OPTIONS": {"timeout": 10}}
    yield target
    filed.close()
    filed.settings_dict |= given
    filed.connection = in_memory


@contextmanager
def another_process_writes(path: Path, seconds: float = 0.5) -> Iterator[None]:
    """It holds the write lock when the block begins, and commits a little later."""
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO shop_category (name) VALUES ('by another process')")

    def commit() -> None:
        time.sleep(seconds)
        writer.execute("COMMIT")

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        writer.close()


def has_agreed(order: Any, user: Any) -> bool:
    return User.objects.using(FILED).exists() or True


def captured() -> list[str]:
    return list(Event.objects.using(FILED).order_by("pk").values_list("event_name", flat=True))


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("changes", [{}, {"when": {"status": "paid", "lines__isnull": True}}, {"consent": has_agreed}])
def test_our_look_makes_no_error_of_a_wait(configured: Any, path: Path, journal: str, changes: Any) -> None:
    """A save that would wait for another writer's end waits with us, too, and its event is there."""
    configured(EVENTS={"purchase": PURCHASE | changes})
    connections[FILED].cursor().execute(f"PRAGMA journal_mode = {journal}")
    order = Order.objects.using(FILED).create(number="1")
    with another_process_writes(path), transaction.atomic(using=FILED):
        order.status = "paid"
        order.save()
    assert captured() == ["purchase"]


def test_a_deletion_waits_as_well(configured: Any, path: Path) -> None:
    """What is about to go is read before the shop's DELETE, in the transaction that delete() opens."""
    configured(EVENTS={"gone": PURCHASE | {"when": "deleted", "user": None, "user_attributes": {"user_id": "pk"}}})
    order = Order.objects.using(FILED).create(number="1")
    with another_process_writes(path):
        order.delete()
    assert captured() == ["gone"]


def test_track_waits_as_well(path: Path) -> None:
    """Its memory of custom fields is read before its INSERT."""
    with another_process_writes(path), transaction.atomic(using=FILED):
        assert track("coupon", user_id="u1", event_attributes={"own": 1}, using=FILED) is not None


def test_a_shop_that_reads_first_fares_as_without_us(configured: Any, path: Path) -> None:
    """Where its own read has begun the transaction nothing of ours can help, nor make it worse."""
    configured(EVENTS={"purchase": PURCHASE})
    order = Order.objects.using(FILED).create(number="1")
    with transaction.atomic(using=FILED):
        again = Order.objects.using(FILED).get(pk=order.pk)
        again.status = "paid"
        again.save()
    assert captured() == ["purchase"]
    with pytest.raises(OperationalError, match="locked"), another_process_writes(path), transaction.atomic(using=FILED):
        Order.objects.using(FILED).get(pk=order.pk).save()


@pytest.mark.sql("fast")
def test_no_statement_is_added_where_transactions_begin_as_writers(
    configured: Any, django_assert_num_queries: Any
) -> None:
    """With ``transaction_mode`` IMMEDIATE there is nothing to take."""
    configured(EVENTS={"purchase": PURCHASE})
    order = Order.objects.create(number="1")
    order.status = "paid"
    with transaction.atomic(), django_assert_num_queries(3):
        order.save()


@pytest.mark.parametrize(
    ("options", "is_warned"),
    [
        ({}, True),
        ({"timeout": 7, "transaction_mode": "deferred"}, True),
        ({"transaction_mode": "IMMEDIATE"}, False),
        ({"transaction_mode": "EXCLUSIVE"}, False),
    ],
    ids=str,
)
def test_the_check_gives_the_line_to_write(settings: Any, path: Path, options: Any, is_warned: bool) -> None:
    """W008 for a file whose transactions may begin as readers; other options stay as they are."""
    settings.DATABASE_ROUTERS = [InFile()]
    connections[FILED].settings_dict["OPTIONS"] = options
    hints = [each.hint for each in run_checks(tags=["dfinery"]) if each.id == "dfinery.W008"]
    line = 'DATABASES["other"]["OPTIONS"] = {"timeout": %s, "transaction_mode": "IMMEDIATE"}'
    expected = eval((line % options.get("timeout", 20)).partition(" = ")[2])
    assert [eval(str(hint).partition(" = ")[2]) for hint in hints] == [expected] * is_warned
    assert all(str(hint).startswith('DATABASES["other"]["OPTIONS"] = ') for hint in hints)


class InFile:
    """All is in the file."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return FILED

    db_for_write = db_for_read


def test_a_database_in_memory_is_not_warned_of(shop: Any) -> None:
    """It has one process."""
    assert [each for each in run_checks(tags=["dfinery"]) if each.id == "dfinery.W008"] == []
