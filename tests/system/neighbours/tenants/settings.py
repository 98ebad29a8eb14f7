"""A site whose tenants have a schema each, as docs/run/tenants.md has it; PostgreSQL alone has schemas."""

from __future__ import annotations

import os
from typing import Any

from tests.settings import *  # noqa: F403 - derived settings
from tests.support.doubles import PURCHASE

DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": os.environ.get("DATABASE_NAME", "dfinery") + "_tenants",
        "USER": os.environ.get("PGUSER", "postgres"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "PORT": os.environ.get("PGPORT", "5432"),
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "django_q", "tests.system.neighbours.tenants.customers"]
TENANT_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "dfinery_django", "tests.shop",
]  # fmt: skip
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.urls"
TENANT_MODEL, TENANT_DOMAIN_MODEL = "customers.Tenant", "customers.Domain"
Q_CLUSTER = {"name": "tenants", "orm": "default", "timeout": 60, "retry": 90, "workers": 1}
DFINERY = {
    "TOKENS": {"default": "test-token"},
    "BASE_URL": "http://127.0.0.1:9",
    "WAKE": "customers.dfinery.wake",
    "EVENTS": {"purchase": {**PURCHASE, "event_attributes": {**PURCHASE["event_attributes"], "remark": "note"}}},
}
