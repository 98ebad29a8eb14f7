"""Other queues than django-q2: the pages' own code delivers, and django_q may be left out."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox
from tests.support.doubles import is_ci
from tests.support.typed_docs import blocks_of
from tests.system.clusters.processes import eventually

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/run/queues.md"


def code_that_imports(package: str) -> str:
    (found,) = [block for block in blocks_of(PAGE, "python") if f"from {package} import" in block]
    return found


def settings_that_name(word: str) -> dict[str, Any]:
    names: dict[str, Any] = {"DFINERY": {}}
    exec(next(block for block in blocks_of(PAGE, "python") if word in block), names)
    return names


@pytest.fixture
def write_shop_tasks(monkeypatch: Any) -> Callable[[types.ModuleType], None]:
    """Lets a module be imported as ``shop.tasks``, for that is what the page calls it."""

    def write(module: types.ModuleType) -> None:
        package = types.ModuleType("shop")
        package.tasks = module  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "shop", package)
        monkeypatch.setitem(sys.modules, "shop.tasks", module)

    return write


@pytest.fixture(scope="module")
def celery_module() -> types.ModuleType:
    """The page's tasks; once, since Celery knows a shared task for ever."""
    if not is_ci():
        pytest.importorskip("celery")
    module = types.ModuleType("shop.tasks")
    exec(code_that_imports("celery"), vars(module))
    return module


@pytest.fixture
def celery_app(celery_module: types.ModuleType, write_shop_tasks: Any) -> Iterator[Any]:
    from celery import Celery

    write_shop_tasks(celery_module)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with Celery("shop", broker="memory://", set_as_current=True) as app:
        yield app
    root.level, root.handlers = level, handlers  # a worker sets up logging for itself


@pytest.fixture
def hangs_up(celery_module: types.ModuleType) -> Iterator[None]:
    """Closes what a worker's thread opened: Django keeps connections to a database in memory, and Python warns."""
    from celery.signals import task_postrun

    def hang_up(**kwargs: Any) -> None:
        for connection in connections.all(initialized_only=True):
            BaseDatabaseWrapper.close(connection)

    task_postrun.connect(hang_up)
    yield
    task_postrun.disconnect(hang_up)


# Celery has Django's checks run, and those of Django 6.1 ask each database what it can do.
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_celery_delivers(celery_app: Any, hangs_up: None, configured: Any, shop: Any) -> None:
    """With the page's tasks and WAKE a worker of Celery delivers a paid order."""
    from celery.contrib.testing.worker import start_worker

    with Sandbox() as sandbox:
        setting = settings_that_name("CELERY_BEAT_SCHEDULE")["DFINERY"]
        configured(BASE_URL=sandbox.url, **setting)
        order = shop.place(customer=shop.customer())
        with start_worker(celery_app, pool="solo", perform_ping_check=False):
            shop.pay(order)
            eventually(lambda: sandbox.arrivals)
        assert [arrival.event_name for arrival in sandbox.arrivals] == ["purchase"]
    assert Event.objects.get().status == "delivered"


@pytest.mark.django_db(transaction=True)
def test_celery_s_beat_runs_everything(celery_app: Any, configured: Any) -> None:
    """Each entry of the page's beat schedule names a task that is there and runs."""
    entries = settings_that_name("CELERY_BEAT_SCHEDULE")["CELERY_BEAT_SCHEDULE"]
    configured()
    for entry in entries.values():
        assert celery_app.tasks[entry["task"]].apply().successful()
    assert {entry["schedule"] for entry in entries.values()} == {60, 600, 86400}


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks since 6.0")
@pytest.mark.django_db(transaction=True)
def test_django_s_own_tasks_deliver(write_shop_tasks: Any, configured: Any, shop: Any, settings: Any) -> None:
    """With the page's task and WAKE the backend that Django ships delivers a paid order."""
    settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    module = types.ModuleType("shop.tasks")
    write_shop_tasks(module)
    exec(code_that_imports("django.tasks"), vars(module))
    with Sandbox() as sandbox:
        configured(BASE_URL=sandbox.url, **settings_that_name("WAKE")["DFINERY"])
        shop.pay(shop.place(customer=shop.customer()))
        assert [arrival.event_name for arrival in sandbox.arrivals] == ["purchase"]
    assert Event.objects.get().status == "delivered"


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
