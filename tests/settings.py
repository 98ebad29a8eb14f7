"""Settings of the test suite. ``DATABASE`` chooses the server: sqlite (default), postgresql, mariadb.

``DATABASE_NAME``: for several runs on one server at once, each with databases of its own. ``USE_TZ=0``: naive moments.
"""

from __future__ import annotations

import datetime as dt
import os
from copy import deepcopy
from typing import Any

DATABASE = os.environ.get("DATABASE", "sqlite")
DATABASE_NAME = os.environ.get("DATABASE_NAME", "dfinery")

DATABASES: dict[str, dict[str, Any]] = {
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    },
    "postgresql": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE_NAME,
        "USER": os.environ.get("PGUSER", "postgres"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "PORT": os.environ.get("PGPORT", "5432"),
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": DATABASE_NAME,
        "USER": os.environ.get("MYSQL_USER", "root"),
        "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""),
        "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
        "PORT": os.environ.get("MYSQL_PORT", "3306"),
        "OPTIONS": {"charset": "utf8mb4"},
        "TEST": {"CHARSET": "utf8mb4"},
    },
}
#: "other": a second database, made only for the tests that ask for it (``databases=["default", "other"]``).
OTHER_NAME = ":memory:" if DATABASE == "sqlite" else f"{DATABASE_NAME}_other"
DATABASES = {"default": DATABASES[DATABASE], "other": {**deepcopy(DATABASES[DATABASE]), "NAME": OTHER_NAME}}

SECRET_KEY = "only for tests"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_q",
    "rest_framework",
    "dfinery_django",
    "tests.shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
AUTH_USER_MODEL = "shop.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = os.environ.get("USE_TZ", "1") == "1"
#: Of moments that tests write into the shop's columns.
SHOP_TZ = dt.timezone.utc if USE_TZ else None
TIME_ZONE = "Asia/Seoul"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

Q_CLUSTER = {"name": "tests", "orm": "default", "timeout": 60, "retry": 90, "workers": 1}
DFINERY = {"TOKENS": {"default": "test-token"}, "BASE_URL": "http://127.0.0.1:9"}
