"""What is finished costs nothing: plans by index with tens of thousands of rows, and pruning beside writers."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from benchmarks.growth.filling import DAYS, analyze, fill_finished, fill_unfinished
from benchmarks.growth.questions import QUESTIONS, plans
from dfinery_django import track
from dfinery_django.enums import FINISHED, UNFINISHED, EventStatus
from dfinery_django.models import DeliveryAttempt, Event
from tests.settings import DATABASE

pytestmark = pytest.mark.django_db(transaction=True)

FINISHED_ROWS, WAITING_ROWS = 20_000, 250

#: What a plan says where it sorts, or reads a table from end to end.
SORTS = ("Using filesort", "Using temporary", "USE TEMP B-TREE", "Sort")
SCANS = ("Seq Scan", "type=ALL", "type=index,", "SCAN ", "SEARCH dfinery_django_event\n")  # the last: SQLite's MIN()


@pytest.fixture
def grown(configured: Any) -> None:
    """A shop's outbox after a while, its statistics up to date."""
    configured()
    if DATABASE == "postgresql":  # between tests rows are deleted; the planner counts the pages that they leave behind
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {Event._meta.db_table} CASCADE")
    fill_finished(0, FINISHED_ROWS, timezone.now(), FINISHED_ROWS)
    fill_unfinished(timezone.now(), WAITING_ROWS)
    analyze()


def test_no_question_reads_what_is_finished(grown: None) -> None:
    """All of them go by an index, and what a drain asks sorts nothing, on each database."""
    for name, steps in plans().items():
        text = "\n".join([*steps, ""])
        # The overview groups what waits and what finished within 48 hours, which takes a sort.
        unwanted = SCANS if name.startswith("overview") else (*SORTS, *SCANS)
        assert [word for word in unwanted if word in text] == [], f"{name}:\n{text}"
        if name.startswith(("claim", "has_due", "expire", "warn", "oldest")):
            assert "dfinery_event_claim" in text, f"{name}:\n{text}"
        if name.startswith(("prune", "overview")):
            assert "dfinery_event_finished" in text, f"{name}:\n{text}"
    assert len(QUESTIONS) == 12


def test_prune_takes_the_oldest_chunk(grown: None) -> None:
    """A chunk at a time, oldest first, with their attempts; what waits and what is younger stays."""
    before = timezone.now() - dt.timedelta(days=DAYS / 2)
    old = Event.objects.filter(finished_at__lt=before)
    oldest = set(old.order_by("finished_at").values_list("pk", flat=True)[:500])
    count = old.count()
    assert Event.objects.prune(before=before, limit=500) == 500
    assert old.count() == count - 500
    assert not Event.objects.filter(pk__in=oldest).exists()
    assert not DeliveryAttempt.objects.filter(event_id__in=oldest).exists()
    assert DeliveryAttempt.objects.count() == FINISHED_ROWS - 500
    assert Event.objects.filter(status__in=UNFINISHED).count() == WAITING_ROWS


def test_prune_leaves_what_is_sent_again(grown: None) -> None:
    """An event that an operator resends is not old any more."""
    before = timezone.now() - dt.timedelta(days=1)
    Event.objects.filter(status__in=FINISHED).update(expires_at=timezone.now() + dt.timedelta(hours=1))
    again = Event.objects.filter(finished_at__lt=before).order_by("finished_at")[:3]
    keys = [event.pk for event in again]
    assert Event.objects.filter(pk__in=keys).resend(timezone.now()) == 3
    Event.objects.prune(before=before, limit=500)
    assert Event.objects.filter(pk__in=keys, status=EventStatus.PENDING).count() == 3


def refuse_to_wait() -> None:
    """A second for a lock on rows ends as an error, on this connection."""
    with connection.cursor() as cursor:
        if DATABASE == "postgresql":
            cursor.execute("SET lock_timeout = '1s'")
        else:
            cursor.execute("SET innodb_lock_wait_timeout = 1")


@pytest.fixture
def another_connection() -> Iterator[list[int]]:
    """A till that captures and a worker that claims, all the while; how many rows each of their steps claimed.

    What waits for a lock fails; how long a step takes is the machine's business.
    """
    claimed: list[int] = []
    is_over = threading.Event()

    def write() -> None:
        try:
            refuse_to_wait()
            while not is_over.wait(0.005):
                assert track("coupon", user_id="till")
                now = timezone.now()
                ready = Event.objects.filter(destination="default", status=EventStatus.PENDING)
                claimed.append(len(ready.claim(limit=5, now=now, lease_seconds=60, into=EventStatus.SENDING)))
        except OperationalError as error:
            failed.append(error)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    failed: list[Exception] = []
    writer.start()
    yield claimed
    is_over.set()
    writer.join()
    assert failed == []


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer at a time")
def test_prune_does_not_block_writers(grown: None, another_connection: list[int]) -> None:
    """While chunks are deleted, orders are captured and events claimed as if nothing were going on."""
    before = timezone.now() - dt.timedelta(days=DAYS / 2)
    while Event.objects.prune(before=before, limit=500):
        pass
    assert not Event.objects.filter(finished_at__lt=before).exists()
    assert len(another_connection) > 1


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer at a time")
def test_a_chunk_that_is_not_committed_blocks_nobody(grown: None) -> None:
    """The locks of a prune lie on finished rows alone: captures and claims don't wait for its commit."""
    from django.db import transaction

    done: list[bool] = []

    def write() -> None:
        try:
            refuse_to_wait()
            assert track("coupon", user_id="till")
            ready = Event.objects.filter(destination="default", status=EventStatus.PENDING)
            assert ready.claim(limit=500, now=timezone.now(), lease_seconds=60, into=EventStatus.SENDING)
            Event.objects.filter(status=EventStatus.SENDING).update(status=EventStatus.DELIVERED, due_at=None)
            done.append(True)
        finally:
            connections.close_all()

    with transaction.atomic():
        Event.objects.prune(before=timezone.now(), limit=500)
        assert connection.in_atomic_block
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
    assert done
