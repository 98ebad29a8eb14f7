"""Checks of the queue. django-q2: its broker, its timeouts, how it runs drains. Others: what their ``Wake`` knows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage
from django.db import connections
from django.utils.module_loading import import_string

from ..conf import did_you_mean, get_settings
from ..outbox.wake_setting import Wake, wake_named
from . import message_of

#: Keys of ``Q_CLUSTER`` that name a broker, in the order in which django-q2 looks at them -> module and package of the
#: client. The database needs none, and ``broker_class`` names its own.
_CLIENTS = {
    "broker_class": ("", ""),
    "iron_mq": ("iron_mq", "iron-mq"),
    "sqs": ("boto3", "boto3"),
    "orm": ("", ""),
    "mongo": ("pymongo", "pymongo"),
    "django_redis": ("django_redis", "django-redis"),
    "redis": ("redis", "redis"),
}


def check_wake() -> Iterator[CheckMessage]:
    """Find a ``WAKE`` that can be imported, and not be called with an alias."""
    try:
        wake = import_string(get_settings().WAKE)
    except Exception:  # noqa: BLE001 - another message says so
        return
    if fault := _wake_fault(wake.request if isinstance(wake, Wake) else wake):
        hint = "def wake(destination): …, which asks your queue for dfinery_django.tasks.drain(destination)."
        yield message_of("E012", f"DFINERY['WAKE'] {fault}.", hint)


def _wake_fault(wake: Any) -> str:
    if not callable(wake):
        return f"is {wake!r}, which is not callable"
    if inspect.iscoroutinefunction(wake) or inspect.iscoroutinefunction(type(wake).__call__):
        return "is async, and is called without an event loop"
    try:
        parameters = inspect.signature(wake).replace(return_annotation=inspect.Signature.empty)
    except (TypeError, ValueError):  # it has none that can be read
        return ""
    try:
        parameters.bind("default")
    except TypeError:
        return f"is called with an alias of TOKENS, and takes {parameters}"
    return ""


def check_queue() -> Iterator[CheckMessage]:
    """Check the queue that ``WAKE`` names, and django-q2 unless that is another one of ours."""
    settings = get_settings()
    try:
        problems = [*wake_named(settings.WAKE).problems()]
    except Exception:  # noqa: BLE001 - of the site's own module; E012 says so
        problems = []
    yield from (message_of(each.id, each.message, each.hint) for each in problems)
    if not settings.WAKE.startswith("dfinery_django.queues."):
        yield from _check_django_q()


def _check_django_q() -> Iterator[CheckMessage]:
    settings = get_settings()
    if not apps.is_installed("django_q"):
        if settings.WAKE == type(settings).WAKE:
            yield message_of("W003", "django_q is not in INSTALLED_APPS.", 'INSTALLED_APPS += ["django_q", …]')
        return
    cluster = getattr(django_settings, "Q_CLUSTER", {})
    if settings.WAKE == type(settings).WAKE and "broker" not in settings.Q_OPTIONS:
        yield from _check_broker(cluster)
    named, known = settings.Q_OPTIONS.get("cluster"), (*cluster.get("ALT_CLUSTERS", ()), cluster.get("name", "default"))
    if cluster.get("ALT_CLUSTERS") and named and named not in known:
        hint = did_you_mean(named, known)
        yield message_of("W004", f"DFINERY['Q_OPTIONS'] names the cluster {named!r}, which is not configured.", hint)
    place, timeout = _drain_timeout(cluster, settings.Q_OPTIONS)
    needed = settings.longest_drain_seconds
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


def _check_broker(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    """Find a broker that is not named, that is no database of the site, or whose client is not installed."""
    key = next((each for each in _CLIENTS if cluster.get(each)), "")
    if not key:
        yield message_of(
            "W018",
            "Q_CLUSTER names no broker: django-q2 would look for a Redis on this machine.",
            'Q_CLUSTER = {"name": "shop", "orm": "default", "timeout": 60, "retry": 90}, which queues tasks in your '
            'database, or "redis": "redis://host:6379/0" in place of "orm".',
        )
    elif key == "orm" and cluster["orm"] not in connections:
        hint = did_you_mean(cluster["orm"], tuple(connections))
        yield message_of("W018", f"Q_CLUSTER['orm'] is {cluster['orm']!r}, which is not in DATABASES.", hint)
    else:
        module, package = _CLIENTS[key]
        module = module or (str(cluster[key]).rpartition(".")[0] if key == "broker_class" else "")
        if module and not _is_installed(module):
            yield message_of(
                "W019",
                f"Q_CLUSTER[{key!r}] needs {module}, which is not installed: no drain can be queued, no worker starts.",
                (f"pip install {package}" if package else "The dotted path of a class of django-q2's Broker")
                + ', or queue tasks in your database: "orm": "default".',
            )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of its parent package
        return False
