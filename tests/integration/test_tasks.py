"""What django-q2 runs, and how it is asked."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from dfinery_django import django_q2, tasks, track
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox
from tests.shop.models import Order
from tests.support.doubles import FarSide

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queued(configured: Any) -> None:
    configured(WAKE="dfinery_django.tasks.wake")


def test_a_commit_queues_one_drain(queued: None) -> None:
    """At most one drain waits per destination; its arguments are texts."""
    with transaction.atomic():
        Order.objects.create(status="paid")
        assert not OrmQ.objects.exists()
    Order.objects.create(status="paid")
    (queue_row,) = OrmQ.objects.all()
    assert queue_row.task["func"] == "dfinery_django.tasks.drain"
    assert queue_row.task["args"] == ("default",)


def test_q_options_choose_the_cluster(configured: Any) -> None:
    """Deliveries can have a cluster of their own."""
    configured(WAKE="dfinery_django.tasks.wake", Q_OPTIONS={"cluster": "dfinery"})
    Order.objects.create(status="paid")
    assert OrmQ.objects.get().key == "dfinery"
    django_q2.ensure_schedules()
    assert set(Schedule.objects.values_list("cluster", flat=True)) == {"dfinery"}


def test_schedules_are_made_by_migrate_once() -> None:
    """post_migrate makes them, repeating changes nothing, missing ones come back."""
    call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0)
    names = set(Schedule.objects.values_list("name", "func"))
    assert names == {(f"dfinery: {task}", f"dfinery_django.tasks.{task}") for task in ("drain", "reconcile", "prune")}
    Schedule.objects.all().delete()
    django_q2.ensure_schedules()
    assert Schedule.objects.count() == 3


def test_reconcile_is_scheduled_as_the_setting_says(configured: Any) -> None:
    """0 minutes: never, and an older schedule goes."""
    configured(RECONCILE_MINUTES=5)
    django_q2.ensure_schedules()
    assert Schedule.objects.get(name="dfinery: reconcile").minutes == 5
    configured(RECONCILE_MINUTES=0)
    django_q2.ensure_schedules()
    assert not Schedule.objects.filter(name="dfinery: reconcile").exists()


def test_migrating_without_django_q_tables_is_no_error(caplog: Any) -> None:
    """Only a warning that says what to run."""
    with connection.schema_editor() as editor:
        editor.delete_model(Schedule)
    try:
        django_q2.schedule_after_migrate(using="default")
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Schedule)
    assert "No schedules were made" in caplog.text


def test_schedules_go_with_the_tables() -> None:
    """ "migrate dfinery_django zero" leaves none behind, whatever migrates afterwards; coming back brings them back."""
    django_q2.ensure_schedules()
    call_command("migrate", "dfinery_django", "zero", verbosity=0)
    try:
        assert not Schedule.objects.exists()
        call_command("migrate", "django_q", verbosity=0)
        assert not Schedule.objects.exists()
    finally:
        call_command("migrate", verbosity=0)
    assert Schedule.objects.count() == 3


@pytest.mark.parametrize("task", ["drain", "reconcile", "prune"])
def test_a_task_without_its_app_ends_quietly(task: str) -> None:
    """A schedule that outlived the app kills no worker: importing the task works, and it says what to delete."""
    source = (
        "import django, logging, pydoc; from django.conf import settings; logging.basicConfig(); "
        "settings.configure(INSTALLED_APPS=['django_q'], Q_CLUSTER={'orm': 'default'}, SECRET_KEY='x');"
        f"django.setup(); print('ended with', pydoc.locate('dfinery_django.tasks.{task}')())"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ended with")
    assert "not in INSTALLED_APPS" in done.stderr


@pytest.mark.parametrize(("task", "minutes"), [("drain", 1), ("reconcile", 10), ("prune", 24 * 60)])
def test_runs_that_were_missed_are_not_caught_up(task: str, minutes: int) -> None:
    """After a night without a cluster a task runs once, not once for each time it was missed."""
    django_q2.ensure_schedules()
    Schedule.objects.update(next_run=timezone.now() - dt.timedelta(days=3))
    Schedule.objects.create(name="somebody else's", func=f"dfinery_django.tasks.{task}", next_run=timezone.now())
    began_at = timezone.now()
    getattr(tasks, task)()
    named = Schedule.objects.get(name=f"dfinery: {task}")
    assert named.next_run >= began_at + dt.timedelta(minutes=minutes)
    assert Schedule.objects.filter(name__startswith="dfinery: ", next_run__lt=began_at).count() == 2
    assert Schedule.objects.get(name="somebody else's").next_run <= began_at
    soon = timezone.now() + dt.timedelta(seconds=20)
    Schedule.objects.update(next_run=soon)
    getattr(tasks, task)()
    assert set(Schedule.objects.values_list("next_run", flat=True)) == {soon}


def test_the_scheduled_drain_serves_every_destination(configured: Any) -> None:
    """One task drains them all, side by side."""
    with Sandbox(tokens=["a", "b"]) as sandbox:
        configured(TOKENS={"default": "a", "brand_b": "b"}, BASE_URL=sandbox.url)
        track("x", user_id="1")
        track("x", user_id="2", destination="brand_b")
        assert tasks.drain() == {"delivered": 2}


def test_sigterm_waits_for_the_drain(configured: Any) -> None:
    """What is under way ends; the signal takes effect afterwards, as it would have."""
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        with tasks.stop_requested() as should_stop:
            assert not should_stop()
            os.kill(os.getpid(), signal.SIGTERM)
            assert should_stop()
            assert caught == []
        assert caught == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_prune_keeps_the_retention(configured: Any, far_side: FarSide) -> None:
    """RETENTION_DAYS=None keeps everything; what DFINERY would still process stays in any case, or reconcile would
    capture its source again.
    """
    configured(RETENTION_DAYS=None)
    assert tasks.prune() == 0
    configured(RETENTION_DAYS=0.0000001)
    track("x", user_id="u")
    drain("default", send=far_side)
    Event.objects.update(finished_at=timezone.now() - dt.timedelta(seconds=1))
    assert tasks.prune() == 0
    Event.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert tasks.prune() == 1
    assert not Event.objects.exists()
