"""Checks of what the app runs in: the queue, its timeouts, the files that it reads."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage

from ..conf import did_you_mean, get_settings
from .messages import message_of

#: After its last answer a drain still writes what came, however the database fails.
DRAIN_TAIL_SECONDS = 6
#: How OpenSSL finds a certificate in a directory.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


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


def check_ca_bundle() -> Iterator[CheckMessage]:
    """Not a problem of the setting as such: without the file delivery is held, and capture goes on."""
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
