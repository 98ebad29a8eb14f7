"""Settings of a shop without django_q, whose queue is Django's own tasks in its database."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import INSTALLED_APPS as ALL_APPS
from tests.support.doubles import dfinery

INSTALLED_APPS = [*(app for app in ALL_APPS if app != "django_q"), "django_tasks_db"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "dfinery"]}}
DFINERY = dfinery(
    BASE_URL=os.environ.get("FAR_SIDE", "http://127.0.0.1:9"),
    WAKE="dfinery_django.queues.django_tasks.wake",
    Q_OPTIONS=json.loads(os.environ.get("Q_OPTIONS", "{}")),
)
