"""Checks of the environment: tenants, the time zone, leases, the files that are read."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator

from django.conf import settings as django_settings
from django.core.checks import CheckMessage

from ..conf import get_settings
from ..db import tenants
from ..definitions import registry
from ..outbox.reconcile import moment_lookup, recency_lookup
from . import message_of

#: The name under which OpenSSL finds a certificate in a directory.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


def check_tenants() -> Iterator[CheckMessage]:
    """Find an outbox outside of its tenants' schemas, and tenants whose events are never delivered."""
    hint = "See docs/run/tenants.md."
    watched = {each.model_class._meta.app_config.name: each.name for each in registry.definitions()}
    names = [name for app, name in watched.items() if tenants.is_per_tenant(app) and not tenants.is_shared(app)]
    if names and tenants.is_shared("dfinery_django") and not tenants.is_per_tenant("dfinery_django"):
        yield message_of(
            "E017",
            f"dfinery_django is in SHARED_APPS, but {', '.join(map(repr, names))} watch models of TENANT_APPS: events "
            "of all tenants would be in one table, and be built from the wrong tenant's rows.",
            f'Move "dfinery_django" to TENANT_APPS. {hint}',
        )
    settings = get_settings()
    if tenants.is_per_tenant("dfinery_django") and settings.WAKE.startswith("dfinery_django."):
        yield message_of(
            "E017",
            "dfinery_django is in TENANT_APPS, but WAKE names no tenant: the tenants' events would not be delivered.",
            f'"WAKE": the dotted path of a function that queues a drain for the current schema. {hint}',
        )


def check_time_zone() -> Iterator[CheckMessage]:
    """Name the zone in which moments of the shop's rows are read, where Django keeps none."""
    columns = {
        "event_datetime": [each.name for each in registry.definitions() if moment_lookup(each)],
        "reconcile_by": [each.name for each in registry.definitions() if each.reconcile_by and recency_lookup(each)],
    }
    dated = " and ".join(f"{key} of {', '.join(map(repr, names))}" for key, names in columns.items() if names)
    if dated and not django_settings.USE_TZ:
        yield message_of(
            "I002",
            f"USE_TZ is False: {dated} is read as the time of {django_settings.TIME_ZONE}.",
            "If your rows have the time of another zone, events get wrong times: set TIME_ZONE to it. If it is right: "
            'SILENCED_SYSTEM_CHECKS = ["dfinery.I002"].',
        )


def check_lease() -> Iterator[CheckMessage]:
    """Find a lease that a request may outlast."""
    settings = get_settings()
    needed = 2 * settings.request_seconds
    if needed > settings.LEASE_SECONDS:
        yield message_of(
            "W005",
            f"DFINERY['LEASE_SECONDS'] is {settings.LEASE_SECONDS:g}, less than twice CONNECT_TIMEOUT + READ_TIMEOUT.",
            f'"LEASE_SECONDS": {needed:g}, or smaller timeouts.',
        )


def check_watch() -> Iterator[CheckMessage]:
    """Find a drain that would end before it has watched for as long as it should."""
    settings = get_settings()
    longest = settings.beginning_seconds(settings.DRAIN_SECONDS)
    if longest < settings.WATCH_SECONDS:
        yield message_of(
            "W002",
            f"DFINERY['WATCH_SECONDS'] is {settings.WATCH_SECONDS:g}, but a drain of {settings.DRAIN_SECONDS:g} s "
            f"(DRAIN_SECONDS) watches for {longest:g} s at most.",
            f'"WATCH_SECONDS": {longest:g}, or "DRAIN_SECONDS": {settings.WATCH_SECONDS + settings.request_seconds:g}.',
        )


def check_ca_bundle() -> Iterator[CheckMessage]:
    """Find an unusable ``CA_BUNDLE``. Apart from ``problems``, since without the file only delivery stops."""
    settings = get_settings()
    path = os.fspath(settings.CA_BUNDLE)
    if settings.ENABLED and path and (fault := _ca_fault(path)):
        hint = '"CA_BUNDLE": the full path of a PEM file that the workers may read.'
        yield message_of("E004", f"DFINERY['CA_BUNDLE'] ({path!r}) {fault}.", hint)


def _ca_fault(path: str) -> str:
    try:
        if not os.path.isdir(path):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        elif not any(map(_HASHED_NAME.fullmatch, os.listdir(path))):
            return "is a directory without certificates that OpenSSL finds: run `openssl rehash` on it"
    except (OSError, ValueError) as error:  # of ssl, too
        return f"can't be read: {getattr(error, 'strerror', None) or error}"
    return ""
