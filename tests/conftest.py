"""Fixtures of all tests, and what makes them quick."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.test import TransactionTestCase

from tests.support.doubles import FarSide, Shop, dfinery

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # Started with "&" by a script: processes that tests start would inherit that Ctrl-C is not heard.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# CI draws the same examples each time: what a new draw finds belongs to whoever runs the tests at home.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

#: What needs packages and settings of its own (``pytest tests/system/oscar``), or a browser.
collect_ignore = [f"system/{each}" for each in ("browser", "neighbours", "oscar", "package", "schema")]

#: Whoever requests one of these uses a database, also by way of a fixture of ours.
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


def pytest_configure(config: pytest.Config) -> None:
    """Hand tests to whichever process is free; ``-n`` alone would leave some behind a slow one."""
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "worksteal"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Escape half characters in captured logs: xdist sends reports as UTF-8, and would end the run."""
    report: Any = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Let ``-n auto`` start one process more than there are cores, since the slow tests mostly wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests: one process works them off while the others take the rest."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Leave thousands of items and modules, which stay to the end, out of what the garbage collector looks at."""
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses a database, so that the rest need not run once per database.

    A test that opens a database of its own, or starts a process that uses one, has the mark ``db`` in its module.
    """
    fixtures = getattr(item, "fixturenames", ())
    test_class = getattr(item, "cls", None)
    is_case = isinstance(test_class, type) and issubclass(test_class, TransactionTestCase)
    if item.get_closest_marker("django_db") or is_case or not DATABASE_FIXTURES.isdisjoint(fixtures):
        item.add_marker("db")


@pytest.fixture(autouse=True, scope="session")
def _quick_flush() -> None:
    """Between tests tables are emptied, but for content types and permissions, which are the same in each test.

    To make those again, as ``flush`` does, takes longer than most tests. PostgreSQL's tables are emptied by DELETE:
    TRUNCATE makes and syncs a file for each of them.
    """
    from django.core.management.commands import flush
    from django.utils import timezone
    from django_q.models import Schedule

    from dfinery_django import django_q2
    from dfinery_django.building import custom_fields
    from dfinery_django.outbox import wakeup

    kept = {"django_content_type", "auth_permission"}
    known: dict[str, list[str]] = {}
    schedules: dict[str, list[Any]] = {}

    def tables_of(connection: Any) -> list[str]:
        name = connection.settings_dict["NAME"]
        if name not in known:  # MariaDB takes longer to name its tables than to empty them
            found = connection.introspection.django_table_names(only_existing=True, include_views=False)
            known[name] = [table for table in found if table not in kept]
        return known[name]

    def sql_flush(style: Any, connection: Any, *, reset_sequences: bool, allow_cascade: bool) -> list[str]:
        tables = tables_of(connection)
        if connection.vendor == "postgresql" and not reset_sequences:
            return ["; ".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables)]
        options = {"reset_sequences": reset_sequences, "allow_cascade": allow_cascade}
        statements: list[str] = connection.ops.sql_flush(style, tables, **options)
        return statements

    def emit_ours(verbosity: int, interactive: bool, db: str, **kwargs: Any) -> None:
        if db not in schedules:
            django_q2.schedule_after_migrate(using=db)
            schedules[db] = list(Schedule.objects.using(db))
        else:
            for each in schedules[db]:
                each.pk, each.next_run = None, timezone.now()
            Schedule.objects.using(db).bulk_create(schedules[db])
        custom_fields.clear_known_fields()
        wakeup.clear_seen_flags()

    flush.sql_flush = sql_flush
    flush.emit_post_migrate_signal = emit_ours


@pytest.fixture(autouse=True, scope="session")
def _long_waits() -> None:
    """A retry waits as long as it may. By luck, on a busy machine, it would come while the same drain still runs."""
    from dfinery_django.backoff import ceiling_seconds
    from dfinery_django.delivery import exchange

    exchange.backoff_seconds = ceiling_seconds


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if mark := metafunc.definition.get_closest_marker("sql"):
        metafunc.parametrize("_statements", mark.args, indirect=True)


@pytest.fixture(autouse=True)
def _statements(request: Any, monkeypatch: Any) -> Iterator[None]:
    """The statements of a checkout as on an untested Django, for tests that ask for it by the mark "sql"."""
    if getattr(request, "param", "fast") == "fast":
        yield
        return
    from dfinery_django.db import sql

    monkeypatch.setattr(sql, "TESTED_DJANGO", frozenset())
    sql._twin.cache_clear()
    yield
    sql._twin.cache_clear()


@pytest.fixture(autouse=True)
def _no_known_fields() -> None:
    """The ledger is read afresh: each test has one of its own."""
    from dfinery_django.building.custom_fields import clear_known_fields

    clear_known_fields()


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    """What a process tells once a minute is told to each test."""
    from dfinery_django.text.log_fields import reset_rate_limit

    reset_rate_limit()


@pytest.fixture
def configured(settings: Any) -> Callable[..., None]:
    """Sets DFINERY: ``configured(EVENTS={…})``."""

    def configure(**changes: Any) -> None:
        settings.DFINERY = dfinery(**changes)

    return configure


@pytest.fixture
def far_side() -> FarSide:
    return FarSide()


@pytest.fixture
def shop(configured: Callable[..., None]) -> Shop:
    configured()
    return Shop()
