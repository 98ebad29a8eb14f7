"""Prometheus metrics: ``metrics_view()`` to mount, or ``DfineryCollector`` to register. Needs the extra ``metrics``.

All values are read from the outbox's database at every scrape, so that any process exports those of all processes.
Nothing is counted or exported unless the setting ``METRICS`` is on.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.db import Error as DatabaseFault, connections, transaction
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseNotFound
from django.views.decorators.cache import never_cache
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from . import clock
from .conf import get_settings
from .db import outage
from .enums import UNFINISHED, DestinationState
from .exceptions import ConfigurationError
from .models import Destination, Event
from .outbox.databases import outbox_databases
from .telemetry import counters

logger = logging.getLogger("dfinery_django")

#: Name in the table of totals -> name of the counter, its help text, its labels.
COUNTERS = {
    "captured": ("dfinery_events_captured", "Events stored in the outbox.", ("event",)),
    "delivered": ("dfinery_events_delivered", "Events that DFINERY accepted.", ("destination", "event")),
    "failed": ("dfinery_events_failed", "Events that failed.", ("destination", "event", "reason")),
    "expired": ("dfinery_events_expired", "Events that expired before they arrived.", ("destination", "event")),
    "attempts": ("dfinery_attempts", "Requests by outcome.", ("destination", "outcome")),
}
DURATION = ("dfinery_request_duration_seconds", "How long requests took.", ("destination",))
GAUGES = {
    "waiting": ("dfinery_events_waiting", "Events on their way.", ("destination", "status")),
    "oldest": (
        "dfinery_oldest_waiting_seconds", "Age of the event that has waited longest; 0: none waits.", ("destination",)
    ),
    "state": ("dfinery_destination_state", "1 for the destination's current state.", ("destination", "state")),
    "drained": ("dfinery_last_drain_timestamp_seconds", "When a drain last began.", ("destination",)),
}  # fmt: skip

#: Gauge -> labels -> value.
Samples = dict[str, dict[tuple[str, ...], float]]


class DfineryCollector(Collector):
    """A collector for a registry of yours: ``prometheus_client.REGISTRY.register(DfineryCollector())``."""

    def __init__(self) -> None:
        self._highest: dict[counters.CounterKey, float] = {}

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registration must not query the database."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read all metrics; none if the setting is off or they can't be read."""
        try:
            return list(self._collect()) if get_settings().METRICS else ()
        except (ConfigurationError, DatabaseFault) as error:
            # Our failure must not take the site's own metrics in this registry with it.
            logger.warning("Metrics can't be read: %s", type(error).__name__)
            return ()

    def _collect(self) -> Iterator[Metric]:
        counted: dict[counters.CounterKey, float] = {}
        for using in outbox_databases():
            for key, value in counters.read_totals(Event.objects.using(using)).items():
                counted[key] = counted.get(key, 0) + value
        # Deleted events lower the totals, but a counter that falls would look like a restart.
        self._highest = {key: max(value, self._highest.get(key, 0)) for key, value in counted.items()}
        for metric, (name, words, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, words, labels=labels)
            for (of, values), value in sorted(self._highest.items()):
                if of == metric:
                    family.add_metric(values, value)
            yield family
        yield _duration_histogram(self._highest)
        yield from _gauges()


class _StrictCollector(DfineryCollector):
    """A collector for a registry of its own: errors of the database are raised."""

    def collect(self) -> Iterable[Metric]:
        return list(self._collect())


def _duration_histogram(counted: Mapping[counters.CounterKey, float]) -> Metric:
    family = HistogramMetricFamily(*DURATION[:2], labels=DURATION[2])
    metric = "request_duration_seconds"
    bounds = [*map(str, counters.BUCKETS), "+Inf"]
    for of, values in sorted(counted):
        if of == f"{metric}_sum":
            running, buckets = 0.0, []
            for bound in bounds:
                running += counted.get((f"{metric}_bucket", (*values, bound)), 0)
                buckets.append((bound, running))
            family.add_metric(values, buckets, counted[of, values])
    return family


def _gauges() -> Iterator[Metric]:
    now = clock.now()
    aliases = get_settings().TOKENS
    samples: Samples = {each: {} for each in GAUGES} | {"oldest": {(alias,): 0.0 for alias in aliases}}
    rows = [row for using in outbox_databases() for row in Destination.objects.using(using)]
    unknown = set(aliases) - {row.alias for row in rows}
    for row in [*rows, *(Destination(alias=alias) for alias in unknown)]:
        _sample_destination(samples, row, now)
    for using in outbox_databases():
        aliases_here = {*aliases, *(alias for alias, _ in samples["state"])}
        for alias, status, number, expires_at in _count_waiting(using, aliases_here):
            key = (alias, str(status))
            samples["waiting"][key] = samples["waiting"].get(key, 0) + number
            age = (now - expires_at + get_settings().max_age).total_seconds()
            samples["oldest"][alias,] = max(age, samples["oldest"].get((alias,), 0.0))
    for gauge, (name, words, labels) in GAUGES.items():
        family = GaugeMetricFamily(name, words, labels=labels)
        for values, value in sorted(samples[gauge].items()):
            family.add_metric(values, value)
        yield family


def _sample_destination(samples: Samples, row: Destination, now: Any) -> None:
    state = row.state(now)
    for each in DestinationState.values:
        # The state may differ between databases: each of the states is 1.
        samples["state"][row.alias, each] = max(float(each == state), samples["state"].get((row.alias, each), 0.0))
    if row.drained_at:
        before = samples["drained"].get((row.alias,), float("inf"))
        samples["drained"][row.alias,] = min(before, row.drained_at.timestamp())


def _count_waiting(using: str, aliases: Iterable[str]) -> Iterable[tuple[str, str, int, Any]]:
    """Count waiting events from the claim's index alone; their age follows from the earliest expiry."""
    unfinished = Event.objects.using(using).filter(destination__in=sorted(aliases), status__in=UNFINISHED)
    return list(unfinished.order_by().values_list("destination", "status").annotate(Count("pk"), Min("expires_at")))


def metrics_view(*, bearer_token: str | None = None) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view in Prometheus's text format.

    Mount it: ``path("metrics/dfinery", metrics_view(bearer_token=…))``. It admits signed-in users who may
    view events, and requests with ``Authorization: Bearer <bearer_token>``.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StrictCollector())

    @never_cache
    def dfinery_metrics(request: HttpRequest) -> HttpResponse:
        try:
            return _metrics_response(request, bearer_token, registry)
        except DatabaseFault as error:
            words = outage.outage_message(error)
            if not words:
                raise
            logger.exception("Metrics can't be read: the database failed")
            headers = {"Retry-After": str(outage.RETRY_AFTER_SECONDS)}
            return HttpResponse(words, status=503, content_type="text/plain; charset=utf-8", headers=headers)

    for alias in connections:
        transaction.non_atomic_requests(using=alias)(dfinery_metrics)
    return dfinery_metrics


def _metrics_response(request: HttpRequest, bearer_token: str | None, registry: CollectorRegistry) -> HttpResponse:
    if not _may_see(request, bearer_token):
        return HttpResponseForbidden("Forbidden: see docs/run/monitoring.md.", content_type="text/plain")
    if not get_settings().METRICS:
        return HttpResponseNotFound('Nothing is counted: set DFINERY["METRICS"] = True.', content_type="text/plain")
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_see(request: HttpRequest, bearer_token: str | None) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if bearer_token and scheme.lower() == "bearer":
        return hmac.compare_digest(given.encode(), bearer_token.encode())
    user = getattr(request, "user", None)
    return user is not None and user.has_perm("dfinery_django.view_event")
