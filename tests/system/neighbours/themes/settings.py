"""A shop whose admin wears the theme that the environment names."""

from __future__ import annotations

import os

from tests import settings as base
from tests.settings import *  # noqa: F403 - derived settings

#: Theme -> apps before Django's admin, apps after it.
THEMES: dict[str, tuple[list[str], list[str]]] = {
    "stock": ([], []),
    "unfold": (["unfold", "unfold.contrib.filters"], []),
    "jazzmin": (["jazzmin"], []),
    "baton": (["baton"], ["baton.autodiscover"]),
    "grappelli": (["grappelli"], []),
    "admin_interface": (["admin_interface", "colorfield"], []),
}
THEME = os.environ.get("THEME", "stock")

BEFORE, AFTER = THEMES[THEME]
INSTALLED_APPS = [*BEFORE, *base.INSTALLED_APPS, *AFTER]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "TEST": {"MIGRATE": False}}}
MIDDLEWARE = [*base.MIDDLEWARE]
MIDDLEWARE.insert(1, "django.middleware.locale.LocaleMiddleware")
DFINERY = {**base.DFINERY, "WAKE": "tests.support.doubles.no_wake", "EVENTS": {"purchase": {"model": "shop.Order"}}}
ROOT_URLCONF = "tests.system.neighbours.themes.urls"
BATON = {"SITE_TITLE": "Shop"}
