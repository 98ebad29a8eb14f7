"""Settings of these tests' processes, for code of each version: with nothing that 1.0.0 does not know."""

from __future__ import annotations

import os

from tests.settings import DATABASE, DATABASES

DATABASES["default"]["NAME"] = os.environ["UPGRADE_DATABASE"]
del DATABASES["other"]
if DATABASE == "sqlite":
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL"

SECRET_KEY = "only for tests"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_q",
    "dfinery_django",
    "tests.system.upgrade.store",
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
ROOT_URLCONF = "tests.system.upgrade.urls"
STATIC_URL = "/static/"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
TIME_ZONE = "Asia/Seoul"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

Q_CLUSTER = {"name": "upgrade", "orm": "default", "timeout": 60, "retry": 90, "workers": 1}
DFINERY = {
    "TOKENS": {alias: f"token of {alias}".replace(" ", "-") for alias in ("default", "paused", "closed")},
    "BASE_URL": os.environ.get("UPGRADE_URL", "http://127.0.0.1:9"),
    "CONCURRENCY": 2,
    "WAKE": "tests.system.upgrade.site.no_wake",
    "EVENTS": {
        "purchase": {
            "model": "store.Order",
            "when": {"status": "paid"},
            "event_datetime": "paid_at",
            "event_attributes": {"order_id": "number", "order_sales": "total", "memo": "note"},
            "items": "lines",
            "item_attributes": {"product_id": "sku", "product_name": "name", "quantity": "quantity", "price": "price"},
            "user": "customer",
        }
    },
}
