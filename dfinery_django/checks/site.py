"""Checks of what the app runs in: the queue, its timeouts, the databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage
from django.db import DatabaseError, InterfaceError, connections, router

from .. import charsets
from ..conf import did_you_mean, get_settings
from ..models import Event
from .messages import message_of

#: After its last answer a drain still writes what came, however the database fails.
DRAIN_TAIL_SECONDS = 6


def check_queue() -> Iterator[CheckMessage]:
    settings = get_settings()
    if not apps.is_installed("django_q"):
        if settings.WAKE == type(settings).WAKE:
            yield message_of("W003", "django_q is not in INSTALLED_APPS.", 'INSTALLED_APPS += ["django_q", …]')
        return
    cluster = getattr(django_settings, "Q_CLUSTER", {})
    named, known = settings.Q_OPTIONS.get("cluster"), (*cluster.get("ALT_CLUSTERS", ()), cluster.get("name", "default"))
    if cluster.get("ALT_CLUSTERS") and named and named not in known:
        hint = did_you_mean(named, known)
        yield message_of("W004", f"DFINERY['Q_OPTIONS'] names the cluster {named!r}, which nobody runs.", hint)
    place, timeout = _drain_timeout(cluster, settings.Q_OPTIONS)
    request = settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT
    # Nothing is begun in the last seconds of a drain, as far as it has that many.
    needed = settings.DRAIN_SECONDS + max(0, request - settings.DRAIN_SECONDS / 2) + DRAIN_TAIL_SECONDS
    if timeout and timeout < needed:
        yield message_of(
            "W002",
            f"{place} is {timeout} s, but a drain may take {needed:g} s.",
            f'"timeout": {needed + 1:g} and a larger "retry", or a smaller DFINERY["DRAIN_SECONDS"].',
        )


def _drain_timeout(cluster: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, Any]:
    """Where it is said when django-q2 stops a drain, and what: the task's own, its cluster's, that of all clusters."""
    if "timeout" in options:
        return "DFINERY['Q_OPTIONS']['timeout']", options["timeout"]
    name = options.get("cluster")
    own = (cluster.get("ALT_CLUSTERS") or {}).get(name)
    if isinstance(own, Mapping) and "timeout" in own:
        return f"Q_CLUSTER['ALT_CLUSTERS'][{name!r}]['timeout']", own["timeout"]
    return "Q_CLUSTER['timeout']", cluster.get("timeout")


def check_lease() -> Iterator[CheckMessage]:
    settings = get_settings()
    needed = 2 * (settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT)
    if needed > settings.LEASE_SECONDS:
        yield message_of(
            "W005",
            f"DFINERY['LEASE_SECONDS'] is {settings.LEASE_SECONDS:g}, less than twice CONNECT_TIMEOUT + READ_TIMEOUT.",
            f'"LEASE_SECONDS": {needed:g}, or smaller timeouts.',
        )


def check_texts(alias: str) -> Iterator[CheckMessage]:
    if not router.allow_migrate_model(alias, Event):
        return
    try:
        found = list(
            charsets.faults(connections[alias], charsets.tables_of(apps.get_app_config("dfinery_django").get_models()))
        )
    except (DatabaseError, InterfaceError):
        return  # whoever needs that database says so
    for fault, hint in found:
        message = f"The database {alias!r} {fault}: an event with a text that this can't hold fails."
        yield message_of("W009", message, hint)
