"""Checks of the environment: the queue, its timeouts, the databases, the files that are read."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage
from django.db import connections, router

from ..conf import did_you_mean, get_settings
from ..db import charsets, tenants
from ..db.retry import DATABASE_ERRORS
from ..definitions import registry
from ..models import Event
from ..outbox.databases import outbox_databases
from . import message_of

#: Seconds in which a drain may still record results after its last answer, retries included.
DRAIN_TAIL_SECONDS = 6
#: The name under which OpenSSL finds a certificate in a directory.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


def check_queue() -> Iterator[CheckMessage]:
    """Check django-q2's configuration."""
    settings = get_settings()
    if not apps.is_installed("django_q"):
        if settings.WAKE == type(settings).WAKE:
            yield message_of("W003", "django_q is not in INSTALLED_APPS.", 'INSTALLED_APPS += ["django_q", …]')
        return
    cluster = getattr(django_settings, "Q_CLUSTER", {})
    named, known = settings.Q_OPTIONS.get("cluster"), (*cluster.get("ALT_CLUSTERS", ()), cluster.get("name", "default"))
    if cluster.get("ALT_CLUSTERS") and named and named not in known:
        hint = did_you_mean(named, known)
        yield message_of("W004", f"DFINERY['Q_OPTIONS'] names the cluster {named!r}, which is not configured.", hint)
    place, timeout = _drain_timeout(cluster, settings.Q_OPTIONS)
    request = settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT
    # A drain begins no request in its last seconds, or in its second half if that is shorter.
    needed = settings.DRAIN_SECONDS + max(0, request - settings.DRAIN_SECONDS / 2) + DRAIN_TAIL_SECONDS
    if timeout and timeout < needed:
        yield message_of(
            "W002", f"{place} is {timeout} s, but a drain may take {needed:g} s.",
            f'"timeout": {needed + 1:g} and a larger "retry", or a smaller DFINERY["DRAIN_SECONDS"].',
        )  # fmt: skip
    else:
        yield from _check_retry(cluster, settings.Q_OPTIONS, needed)
    yield from _check_sync(cluster, settings.Q_OPTIONS)


def _check_retry(cluster: Mapping[str, Any], options: Mapping[str, Any], needed: float) -> Iterator[CheckMessage]:
    retry = _cluster_settings(cluster, options).get("retry", cluster.get("retry", 60))
    if isinstance(retry, (int, float)) and retry < needed:
        yield message_of(
            "W014",
            f"Q_CLUSTER['retry'] is {retry:g} s, but a drain may take {needed:g} s: a second worker would be given it.",
            f'"retry": {needed + 30:g} and a smaller "timeout", or a smaller DFINERY["DRAIN_SECONDS"].',
        )


def _check_sync(cluster: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if _cluster_settings(cluster, options).get("sync", cluster.get("sync")) or options.get("sync"):
        yield message_of(
            "W015",
            "django-q2's 'sync' is on: every checkout waits until its event is delivered, or the request times out.",
            'Use "sync" in tests only, and run manage.py qcluster. Where no worker can run, see docs/run/queues.md.',
        )


def _cluster_settings(cluster: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the cluster that ``Q_OPTIONS`` names."""
    found = (cluster.get("ALT_CLUSTERS") or {}).get(options.get("cluster"))
    return found if isinstance(found, Mapping) else {}


def _drain_timeout(cluster: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the place and value of the timeout for a drain: the task's, else its cluster's, else the default."""
    if "timeout" in options:
        return "DFINERY['Q_OPTIONS']['timeout']", options["timeout"]
    own = _cluster_settings(cluster, options)
    if "timeout" in own:
        return f"Q_CLUSTER['ALT_CLUSTERS'][{options.get('cluster')!r}]['timeout']", own["timeout"]
    return "Q_CLUSTER['timeout']", cluster.get("timeout")


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
    if tenants.is_per_tenant("dfinery_django") and settings.WAKE == type(settings).WAKE:
        yield message_of(
            "E017",
            "dfinery_django is in TENANT_APPS, but WAKE names no tenant: the tenants' events would not be delivered.",
            f'"WAKE": the dotted path of a function that queues a drain for the current schema. {hint}',
        )


def check_lease() -> Iterator[CheckMessage]:
    """Find a lease that a request may outlast."""
    settings = get_settings()
    needed = 2 * (settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT)
    if needed > settings.LEASE_SECONDS:
        yield message_of(
            "W005",
            f"DFINERY['LEASE_SECONDS'] is {settings.LEASE_SECONDS:g}, less than twice CONNECT_TIMEOUT + READ_TIMEOUT.",
            f'"LEASE_SECONDS": {needed:g}, or smaller timeouts.',
        )


def check_sqlite() -> Iterator[CheckMessage]:
    """Find SQLite databases whose transactions begin as readers."""
    for using in outbox_databases() if get_settings().ENABLED else ():
        connection: Any = connections[using]
        if connection.vendor != "sqlite" or connection.is_in_memory_db():
            continue
        options = connection.settings_dict.get("OPTIONS") or {}
        if str(options.get("transaction_mode") or "DEFERRED").upper() == "DEFERRED":
            wanted = {**options, "transaction_mode": "IMMEDIATE", "timeout": options.get("timeout", 20)}
            yield message_of(
                "W008",
                f"The database {using!r} is SQLite, whose transactions begin as readers: a save that follows a read, "
                'and a worker, may fail at once with "database is locked", instead of waiting for the other writer.',
                f'DATABASES[{using!r}]["OPTIONS"] = {wanted!r}'.replace("'", '"'),
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


def check_texts(alias: str) -> Iterator[CheckMessage]:
    """Find columns that can't store every text."""
    if not router.allow_migrate_model(alias, Event):
        return
    tables = charsets.tables_of(apps.get_app_config("dfinery_django").get_models())
    try:
        found = list(charsets.charset_faults(connections[alias], tables))
    except DATABASE_ERRORS:
        return  # the command reports it if it needs that database
    for fault, hint in found:
        message = f"The database {alias!r} {fault}: an event with a text that it can't store fails."
        yield message_of("W009", message, hint)
