"""Other queues than django-q2: Celery, Django's own tasks, a function of the site's own; django_q may be left out."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.checks import messages, run_checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from dfinery_django import track
from dfinery_django.models import DeliveryAttempt, Event
from dfinery_django.monitoring.health import assess
from dfinery_django.monitoring.overview import look
from dfinery_django.sandbox import Sandbox
from tests.support.doubles import is_ci
from tests.system.clusters.processes import eventually

ROOT = Path(__file__).parents[2]
CELERY = "dfinery_django.queues.celery.wake"
DJANGO_TASKS = "dfinery_django.queues.django_tasks.wake"
#: What the documentation once had a shop copy.
COPIED = """
from celery import shared_task
from dfinery_django import tasks

@shared_task(ignore_result=True, name="copied.drain")
def drain(destination=None):
    tasks.drain(destination)

def wake(destination):
    drain.apply_async([destination], retry=False)
"""


def needs(package: str) -> None:
    """Skip the test on a machine that lacks the package; in CI it must be there."""
    if not is_ci():
        pytest.importorskip(package)


def found() -> list[tuple[str, str]]:
    told = run_checks(tags=["dfinery"])
    return [(str(each.id)[8:], f"{each.msg} {each.hint}") for each in told if each.level > messages.INFO]


@pytest.fixture
def celery_app() -> Iterator[Any]:
    """A shop's Celery app, whose broker is this process; ``conf`` can be changed until it is used."""
    needs("celery")
    from celery import Celery

    import_module("dfinery_django.queues.celery")
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with Celery("shop", broker="memory://", set_as_current=True) as app:
        yield app
    root.level, root.handlers = level, handlers  # a worker sets up logging for itself


@pytest.fixture
def hangs_up(celery_app: Any) -> Iterator[None]:
    """Closes what a worker's thread opened: Django keeps connections to a database in memory, and Python warns."""
    from celery.signals import task_postrun

    def hang_up(**kwargs: Any) -> None:
        for connection in connections.all(initialized_only=True):
            BaseDatabaseWrapper.close(connection)

    task_postrun.connect(hang_up)
    yield
    task_postrun.disconnect(hang_up)


@lru_cache
def copied_module() -> types.ModuleType:
    """One module for all tests, since Celery knows a shared task for ever."""
    module = types.ModuleType("copied")
    exec(COPIED, vars(module))
    return module


@pytest.fixture
def copied(monkeypatch: Any, celery_app: Any) -> str:
    monkeypatch.setitem(sys.modules, "copied", copied_module())
    return "copied.wake"


# Celery has Django's checks run, and those of Django 6.1 ask each database what it can do.
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize("is_copied", [False, True], ids=["shipped", "copied"])
def test_celery_delivers(
    celery_app: Any, hangs_up: None, copied: str, configured: Any, shop: Any, is_copied: bool
) -> None:
    """A worker of Celery delivers a paid order: with the shipped WAKE, and with what shops once copied."""
    from celery.contrib.testing.worker import start_worker

    with Sandbox() as sandbox:
        configured(BASE_URL=sandbox.url, WAKE=copied if is_copied else CELERY)
        order = shop.place(customer=shop.customer())
        with start_worker(celery_app, pool="solo", perform_ping_check=False):
            shop.pay(order)
            eventually(lambda: sandbox.arrivals)
        assert [arrival.event_name for arrival in sandbox.arrivals] == ["purchase"]
    assert Event.objects.get().status == "delivered"


@pytest.mark.django_db(transaction=True)
def test_celery_drops_what_no_worker_took(celery_app: Any, configured: Any) -> None:
    """Without a worker, each alias asks once a minute: the tasks must not pile up until one runs again."""
    configured(WAKE=CELERY)
    track("coupon", user_id="u")
    with celery_app.connection_for_read() as broker:
        headers = broker.SimpleQueue("celery").get_nowait().headers
    assert headers["task"] == "dfinery_django.queues.celery.drain"
    left = dt.datetime.fromisoformat(headers["expires"]) - dt.datetime.now(dt.timezone.utc)
    assert dt.timedelta(minutes=9) < left <= dt.timedelta(minutes=10)


@pytest.mark.django_db(transaction=True)
def test_celery_s_beat_runs_everything(celery_app: Any, configured: Any) -> None:
    """Each entry names a task that is there and runs, and drops runs that nobody takes."""
    from dfinery_django.queues.celery import beat_schedule

    configured()
    entries = beat_schedule()
    assert list(entries) == ["dfinery: drain", "dfinery: reconcile", "dfinery: prune"]
    for entry in entries.values():
        assert celery_app.tasks[entry["task"]].apply().successful()
        assert entry["options"] == {"expires": 600}
    assert [entries["dfinery: drain"]["schedule"], entries["dfinery: reconcile"]["schedule"]] == [60, 600]
    assert {str(each) for each in entries["dfinery: prune"]["schedule"].hour} == {"4"}


@pytest.mark.parametrize(("minutes", "seconds"), [(5, 300), (0, None), ("5", None), (None, None), (True, 60)])
def test_beat_reconciles_as_the_setting_says(celery_app: Any, minutes: Any, seconds: int | None) -> None:
    """0 minutes: never; a value that a check reports does not break the settings module."""
    from dfinery_django.queues.celery import beat_schedule

    entry = beat_schedule({"RECONCILE_MINUTES": minutes}).get("dfinery: reconcile")
    assert (entry and entry["schedule"]) == seconds


@pytest.mark.parametrize("setting", [None, {}, "TOKENS", ("TOKENS",)], ids=repr)
def test_a_setting_that_is_no_dict_leaves_beat_as_it_is(celery_app: Any, setting: Any) -> None:
    """The check of the setting reports it, which an error in the settings module would prevent."""
    from dfinery_django.queues.celery import beat_schedule

    assert beat_schedule(setting)["dfinery: reconcile"]["schedule"] == 600


class BrokerDown:
    """Closes each connection at once, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.count += 1
            client.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_checkout_tries_a_dead_broker_once(celery_app: Any, configured: Any, shop: Any, caplog: Any) -> None:
    """Celery itself would try again for six seconds. The order is saved; the next one does not ask within a minute."""
    broker = BrokerDown()
    try:
        celery_app.conf.broker_url = broker.url
        configured(WAKE=CELERY)
        customer = shop.customer()
        for _ in range(2):
            shop.pay(shop.place(customer=customer))
        assert broker.count == 1
    finally:
        broker.close()
    assert list(Event.objects.values_list("status", flat=True)) == ["captured"] * 2
    assert "No drain could be requested" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_celery_s_eager_drain_does_not_linger(celery_app: Any, configured: Any, shop: Any) -> None:
    """A checkout that runs the drain itself makes one attempt, and does not wait for the next one to be due."""
    celery_app.conf.task_always_eager = True
    configured(WAKE=CELERY)
    shop.pay(shop.place(customer=shop.customer()))
    assert DeliveryAttempt.objects.count() == 1


@pytest.mark.parametrize(
    ("conf", "number", "words"),
    [
        ({}, "", ""),
        ({"task_always_eager": True}, "W023", "Use it in tests only"),
        ({"broker_url": None}, "W018", "from .celery import app as celery_app"),
        ({"broker_url": "sqs://"}, "W019", "pip install"),
        ({"broker_url": "redsi://127.0.0.1"}, "W019", "redsi"),
        ({"task_time_limit": 30}, "W002", "CELERY_TASK_TIME_LIMIT = 52"),
        ({"task_time_limit": 60, "task_soft_time_limit": 50}, "W002", "50 s, but a drain may take 51 s"),
        ({"task_time_limit": 60}, "", ""),
    ],
    ids=str,
)
def test_the_check_of_celery(
    celery_app: Any, configured: Any, settings: Any, conf: Any, number: str, words: str
) -> None:
    """What keeps drains from running, or runs them in a checkout, is told; django-q2's settings are not looked at."""
    settings.Q_CLUSTER = {"timeout": 1, "sync": True}
    celery_app.conf.update(conf)
    configured(WAKE=CELERY, Q_OPTIONS={"cluster": "none"})
    assert [each for each, _ in found()] == [number] * bool(number)
    assert all(words in text for _, text in found())


STOPPED_WORKER = """
import os, time
from celery.signals import worker_shutting_down
from dfinery_django.queues.celery import is_stopping
assert not is_stopping()
child = os.fork()
if not child:
    while not is_stopping():
        time.sleep(0.01)
    os._exit(7)
worker_shutting_down.send(sender="worker", sig="TERM", how="Warm", exitcode=0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_of_celery_s_pool_sees_that_its_worker_stops() -> None:
    """A process that was forked before the worker was told to stop: its drain then ends early."""
    needs("celery")
    run = subprocess.run([sys.executable, "-c", STOPPED_WORKER], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert run.stdout == "7\n", run.stderr


@pytest.fixture
def immediate(settings: Any) -> None:
    """Django's default backend, which runs a task in the caller."""
    needs("django.tasks" if django.VERSION >= (6, 0) else "django_tasks")
    package = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
    settings.TASKS = {"default": {"BACKEND": f"{package}.backends.immediate.ImmediateBackend"}}


@pytest.mark.django_db(transaction=True)
def test_django_s_own_tasks_deliver(immediate: None, configured: Any, shop: Any) -> None:
    """With the shipped WAKE the backend that Django ships delivers a paid order."""
    with Sandbox() as sandbox:
        configured(BASE_URL=sandbox.url, WAKE=DJANGO_TASKS)
        shop.pay(shop.place(customer=shop.customer()))
        assert [arrival.event_name for arrival in sandbox.arrivals] == ["purchase"]
    assert Event.objects.get().status == "delivered"


@pytest.mark.django_db(transaction=True)
def test_an_immediate_drain_does_not_linger(immediate: None, configured: Any, shop: Any) -> None:
    """A checkout that runs the drain itself makes one attempt, and does not wait for the next one to be due."""
    configured(WAKE=DJANGO_TASKS)
    shop.pay(shop.place(customer=shop.customer()))
    assert DeliveryAttempt.objects.count() == 1


@pytest.mark.parametrize("name", ["drain", "reconcile", "prune"])
@pytest.mark.django_db(transaction=True)
def test_each_task_of_django_runs(immediate: None, configured: Any, name: str) -> None:
    """Under its public name, without an argument, with a result that any backend can store."""
    configured()
    result = getattr(import_module("dfinery_django.queues.django_tasks"), name).enqueue()
    assert result.task.module_path == f"dfinery_django.queues.django_tasks.{name}"
    assert (result.status, result.return_value) == ("SUCCESSFUL", None)


@pytest.mark.parametrize(
    ("backend", "options", "numbers", "words"),
    [
        ("immediate.ImmediateBackend", {}, ["W023"], "every checkout waits"),
        ("dummy.DummyBackend", {}, ["W023"], "runs no task"),
        ("dummy.DummyBackend", {"queue": "dfinery"}, ["W004", "W023"], "Did you mean 'queue_name'?"),
    ],
)
def test_the_check_of_django_s_tasks(
    immediate: None, configured: Any, settings: Any, backend: str, options: Any, numbers: Any, words: str
) -> None:
    """A backend that runs tasks in a checkout, or never, and options that tasks don't have."""
    package = settings.TASKS["default"]["BACKEND"].partition(".backends.")[0]
    settings.TASKS = {"default": {"BACKEND": f"{package}.backends.{backend}"}}
    configured(WAKE=DJANGO_TASKS, Q_OPTIONS=options)
    assert [each for each, _ in found()] == numbers
    assert words in found()[0][1]


def test_a_backend_whose_app_is_missing(immediate: None, configured: Any, settings: Any) -> None:
    """Django's tasks themselves check their backend only where they are an app; no task could be stored."""
    needs("django_tasks_db")
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    configured(WAKE=DJANGO_TASKS)
    ((number, text),) = found()
    assert number == "W019"
    assert "Insert 'django_tasks_db' in INSTALLED_APPS." in text


@pytest.mark.parametrize(
    ("wake", "package", "words"),
    [(CELERY, "celery", "pip install celery"), (DJANGO_TASKS, "django_tasks", 'pip install "django-tasks-db[compat]"')],
)
def test_a_queue_whose_package_is_missing(
    configured: Any, monkeypatch: Any, wake: str, package: str, words: str
) -> None:
    """The check says what to install."""
    if django.VERSION >= (6, 0) and package == "django_tasks":
        pytest.skip("Django has tasks itself")
    for name in (package, *(each for each in sys.modules if each.startswith(f"{package}."))):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, wake.rpartition(".")[0], raising=False)
    configured(WAKE=wake)
    ((number, text),) = found()
    assert number == "E012"
    assert words in text


@pytest.mark.django_db(transaction=True)
def test_no_worker_has_ever_run(celery_app: Any, immediate: None, configured: Any) -> None:
    """The overview names what each queue needs beside the web server."""

    def remedy() -> tuple[str, tuple[str, ...]]:
        finding = assess(look()).findings[0]
        return finding.remedy, finding.commands

    words = "Run these permanently, beside the web server:"
    configured(WAKE=CELERY)
    assert remedy() == (words, ("celery -A <your project> worker", "celery -A <your project> beat"))
    configured(WAKE=DJANGO_TASKS)
    assert remedy() == (words, ("python manage.py db_worker", "python manage.py dfinery schedule --loop"))
    configured(WAKE=DJANGO_TASKS, Q_OPTIONS={"queue_name": "dfinery", "priority": 5})
    assert remedy()[1][0] == "python manage.py db_worker --queue-name dfinery"


IN_THE_DATABASE = """
import json, django
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING", verbosity=0)
from django_tasks_db.models import DBTaskResult
from dfinery_django import track
from dfinery_django.models import Destination, Event
from dfinery_django.queues.django_tasks import wake
track("coupon", user_id="u")
track("coupon", user_id="u")
told = {"database": wake.queue_database(), "queued": list(DBTaskResult.objects.values_list("task_path", "queue_name"))}
call_command("db_worker", "--batch", "--no-startup-delay", "--queue-name", told["queued"][0][1], verbosity=0)
told["events"] = list(Event.objects.values_list("status", flat=True))
told["task"] = DBTaskResult.objects.get().status
with connection.schema_editor() as editor:
    editor.delete_model(DBTaskResult)
track("coupon", user_id="u")
told["flag"] = Destination.objects.get().wake_requested_at
print(json.dumps(told))
"""


@pytest.mark.db
@pytest.mark.parametrize("options", [{}, {"queue_name": "dfinery", "priority": 7}], ids=["default", "own"])
def test_tasks_in_the_shop_s_database(options: Any) -> None:
    """Two orders queue one task; a worker delivers both. A task that can't be queued leaves no wake-up flag behind."""
    needs("django_tasks_db")
    with Sandbox() as sandbox:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.support.with_django_tasks",
            "FAR_SIDE": sandbox.url,
            "Q_OPTIONS": json.dumps(options),
        }
        run = subprocess.run(
            [sys.executable, "-c", IN_THE_DATABASE], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "database": "default",
        "queued": [["dfinery_django.queues.django_tasks.drain", options.get("queue_name", "default")]],
        "events": ["delivered", "delivered"],
        "task": "SUCCESSFUL",
        "flag": None,
    }
    assert "No drain could be requested" in run.stderr


WITHOUT_DJANGO_Q = """
import json, sys, django
django.setup()
from django.core.management import CommandError, call_command
call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING", verbosity=0)
from dfinery_django import track
from dfinery_django.models import Event
track("coupon", user_id="u")
call_command("dfinery", "drain", verbosity=0)
try:
    call_command("dfinery", "schedule")
except CommandError as error:
    refusal = str(error)
print(json.dumps([Event.objects.get().status, refusal, "django_q.models" in sys.modules]))
"""


@pytest.mark.db
def test_django_q_may_be_left_out() -> None:
    """Without django_q in INSTALLED_APPS the app starts, migrates, checks and delivers through another WAKE."""
    with Sandbox() as sandbox:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.support.without_django_q",
            "FAR_SIDE": sandbox.url,
        }
        run = subprocess.run(
            [sys.executable, "-c", WITHOUT_DJANGO_Q], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        status, refusal, is_imported = json.loads(run.stdout.splitlines()[-1])
        assert (status, is_imported) == ("delivered", False)
        assert "INSTALLED_APPS" in refusal
        assert len(sandbox.arrivals) == 1
