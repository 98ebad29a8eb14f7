"""Settings of the benchmarks; the environment names database, server and number of connections."""

from __future__ import annotations

import os

from tests.settings import DATABASES, Q_CLUSTER

DATABASES = {"default": {**DATABASES["default"], "NAME": os.environ.get("BENCHMARK_NAME", "dfinery_benchmark")}}
if os.environ.get("DATABASE", "sqlite") == "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

SECRET_KEY = "only for benchmarks"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_q", "rest_framework", "tests.shop"]
if not os.environ.get("BENCHMARK_WITHOUT_US"):
    INSTALLED_APPS.append("dfinery_django")
AUTH_USER_MODEL = "shop.User"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

Q_CLUSTER = {
    **Q_CLUSTER,
    "name": "benchmark",
    "workers": int(os.environ.get("BENCHMARK_WORKERS", "1")),
    "poll": 0.2,
    "save_limit": -1,
    "log_level": "CRITICAL",
}
PURCHASE = {
    "model": "shop.Order",
    "when": {"status": "paid"},
    "event_attributes": {"order_id": "number", "order_sales": "total"},
    "items": "lines",
    "item_attributes": {"product_id": "product.sku", "quantity": "quantity", "price": "unit_price"},
    "user": "customer",
}
DFINERY = {
    "TOKENS": {"default": "benchmark-token"},
    "BASE_URL": os.environ.get("BENCHMARK_URL", "http://127.0.0.1:9"),
    "CONCURRENCY": int(os.environ.get("BENCHMARK_CONNECTIONS", "32")),
    "DRAIN_SECONDS": 45,
    "EVENTS": {"purchase": PURCHASE},
}
LOGGING = {"version": 1, "disable_existing_loggers": True, "root": {"level": "CRITICAL"}}
