"""A django-oscar shop as oscar's documentation sets one up, and what ``docs/map/oscar.md`` says to add, unchanged."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import oscar
from oscar.defaults import *  # noqa: F403 - as oscar's documentation says

from tests.settings import (
    DATABASES as TEST_DATABASES,
    SECRET_KEY,  # noqa: F401 - read by Django
)

INSTALLED_APPS = [*oscar.INSTALLED_APPS, "sorl.thumbnail"]
for app in ("checkout", "partner", "shipping"):  # forked, as oscar calls it
    config = f"apps.{app}.apps.{app.capitalize()}Config"
    INSTALLED_APPS[INSTALLED_APPS.index(f"oscar.{config}")] = f"tests.system.oscar.{app}.apps.{app.capitalize()}Config"
MIGRATION_MODULES = {app: f"oscar.apps.{app}.migrations" for app in ("partner", "shipping")}
DATABASES = {"default": {**TEST_DATABASES["default"], "TEST": {"MIGRATE": False}}}  # its migrations take half a minute
SITE_ID = 1
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
ROOT_URLCONF = "tests.system.oscar.urls"
STATIC_URL = "/static/"
MEDIA_ROOT = tempfile.gettempdir()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TIME_ZONE = "Asia/Seoul"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]

OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_DEFAULT_CURRENCY = "KRW"
OSCAR_INITIAL_ORDER_STATUS = OSCAR_INITIAL_LINE_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = OSCAR_LINE_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": (),
    "Cancelled": (),
}
OSCAR_ORDER_STATUS_CASCADE = {"Being processed": "Being processed", "Cancelled": "Cancelled"}

PAGE = Path(__file__).parents[3] / "docs/map/oscar.md"
os.environ["DFINERY_API_TOKEN"] = "shop"
for block in re.findall(r"^```python\n(# settings\.py\n.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
    exec(block, globals())
DFINERY: dict[str, Any]
