"""Settings of the chaos run: short times, so that a lease lapses while somebody watches.

The environment says which database, queue and server: ``DATABASE``, ``CHAOS_DATABASE``, ``CHAOS_QUEUE``, ``CHAOS_URL``;
and by how many seconds the clock of this process is wrong: ``CHAOS_CLOCK``.
"""

from __future__ import annotations

import datetime as dt
import os

from django.utils import timezone

from dfinery_django import Value
from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import DATABASE, DATABASES, INSTALLED_APPS
from tests.support.doubles import PURCHASE
from tests.system.chaos.plan import REMARK

DATABASES["default"]["NAME"] = os.environ["CHAOS_DATABASE"]
del DATABASES["other"]  # not made here, and Django 6.1's checks ask every database
if DATABASE == "sqlite":
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"

if off_by := float(os.environ.get("CHAOS_CLOCK", "0")):
    _right_now = timezone.now
    timezone.now = lambda: _right_now() + dt.timedelta(seconds=off_by)

LEASE_SECONDS = 6
READ_TIMEOUT = 1.5

DFINERY = {
    "TOKENS": {"default": "chaos-token"},
    "BASE_URL": os.environ.get("CHAOS_URL", "http://127.0.0.1:9"),
    "PROTOCOL": "tests.system.chaos.protocol.Signed",
    "EVENTS": {
        "purchase": {
            **PURCHASE,
            "event_datetime": lambda order: order.paid_at or timezone.now(),
            "event_attributes": {**PURCHASE["event_attributes"], "remark": Value(REMARK)},
        }
    },
    "CONCURRENCY": 8,
    "CONNECT_TIMEOUT": 1,
    "READ_TIMEOUT": READ_TIMEOUT,
    "LEASE_SECONDS": LEASE_SECONDS,
    "DRAIN_SECONDS": 15,
    "WATCH_SECONDS": 5,
}
Q_CLUSTER = {
    "name": "chaos", "orm": "default", "workers": 2, "timeout": 25, "retry": 40, "poll": 0.2, "guard_cycle": 0.5,
}  # fmt: skip

QUEUE = os.environ["CHAOS_QUEUE"]
CELERY_APP = "tests.system.chaos.celery_app"
#: Of all keys in Redis: no two runs share a queue.
KEY_PREFIX = f"{os.path.basename(os.environ['CHAOS_DATABASE'])}:"
if QUEUE == "django-tasks":
    DFINERY["WAKE"] = "dfinery_django.queues.django_tasks.wake"
    INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
if QUEUE == "celery":
    from dfinery_django.queues.celery import beat_schedule

    DFINERY["WAKE"] = "dfinery_django.queues.celery.wake"
    CELERY_BROKER_URL = f"redis://{os.environ.get('REDIS_HOST', '127.0.0.1')}:{os.environ.get('REDIS_PORT', '6379')}/0"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": KEY_PREFIX}
    CELERY_BEAT_SCHEDULE = beat_schedule(DFINERY)
    CELERY_BEAT_SCHEDULE["dfinery: drain"]["schedule"] = 2
    import tests.system.chaos.celery_app  # noqa: F401 - as a shop's __init__.py does
