"""Settings of a shop that leaves django_q out and has a WAKE of its own, which is here, too."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import INSTALLED_APPS as ALL_APPS
from tests.support.doubles import dfinery

INSTALLED_APPS = [app for app in ALL_APPS if app != "django_q"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DFINERY = dfinery(BASE_URL=os.environ.get("FAR_SIDE", "http://127.0.0.1:9"), WAKE="tests.support.without_django_q.wake")


def wake(destination: str) -> None:
    from dfinery_django import tasks

    tasks.drain(destination)
