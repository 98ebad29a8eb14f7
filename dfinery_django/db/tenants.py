"""Support for tenants with one schema each (django-tenants): the apps in a schema, and the schema in force."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.db import connections


def database_and_schema(using: str) -> tuple[str, str | None]:
    """Return the database and the schema in force, the key for all that a process caches of rows."""
    return using, getattr(connections[using], "schema_name", None)


def is_shared(app: str) -> bool:
    """Return whether an app has tables in the schema that all tenants share."""
    return app in _app_names("SHARED_APPS")


def is_per_tenant(app: str) -> bool:
    """Return whether each tenant has tables of this app."""
    return app in _app_names("TENANT_APPS")


def _app_names(setting: str) -> set[str]:
    listed: Any = getattr(django_settings, setting, None) or ()
    return {AppConfig.create(entry).name for entry in listed}
