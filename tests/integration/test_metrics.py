"""Metrics for Prometheus: totals that never fall, whoever counts, whoever is scraped; and what docs/ has of them."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dfinery_django import track
from dfinery_django.delivery.circuit import pause
from dfinery_django.delivery.worker import drain
from dfinery_django.metrics import COUNTERS, DURATION, GAUGES, DfineryCollector, metrics_view
from dfinery_django.models import Destination, Event, Total
from dfinery_django.sandbox import Sandbox
from dfinery_django.telemetry import counters as totals
from tests.shop.models import User
from tests.support.doubles import PURCHASE, FarSide, answer
from tests.support.log_fields import LOG_FIELDS
from tests.support.processes import Workers, ended

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]
MINUTE = dt.timedelta(minutes=1)

urlpatterns = [
    path("open/", metrics_view(bearer_token="scrape-me")),
    path("closed/", metrics_view()),
    path("empty/", metrics_view(bearer_token="")),
]


@pytest.fixture(autouse=True)
def _counted_here(configured: Any) -> Any:
    """METRICS is on, and the process has counted nothing yet."""
    configured(METRICS=True)
    totals.reset()
    yield
    totals.reset()


Samples = dict[tuple[str, tuple[str, ...]], float]


def scrape(collector: DfineryCollector | None = None) -> Samples:
    """Name and values of labels -> value, through Prometheus's own text format and back."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector or DfineryCollector())
    found: Samples = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found[sample.name, tuple(sample.labels.values())] = sample.value
    return found


def test_a_story_in_numbers(far_side: FarSide, configured: Any, shop: Any) -> None:
    """Captured, delivered, failed, expired, attempts by outcome, duration: each counted once where it happens."""
    configured(METRICS=True, EVENTS={"purchase": PURCHASE})
    drain(send=far_side)
    for number in range(3):
        track("coupon", user_id=f"u{number}")
    track("wrong", user_id="")
    shop.place(status="paid")  # a guest: it fails at build
    late = track("late", user_id="u")
    Event.objects.filter(pk=late.pk).update(expires_at=timezone.now())
    far_side.answers = [answer(400, 4002), answer(503)]
    configured(METRICS=True, EVENTS={"purchase": PURCHASE}, CONCURRENCY=1)
    drain(send=far_side)
    found = scrape()
    assert {key: value for key, value in found.items() if key[0].startswith("dfinery_events_") and value} == {
        ("dfinery_events_captured_total", ("coupon",)): 3,
        ("dfinery_events_captured_total", ("wrong",)): 1,
        ("dfinery_events_captured_total", ("purchase",)): 1,
        ("dfinery_events_captured_total", ("late",)): 1,
        ("dfinery_events_delivered_total", ("default", "coupon")): 1,
        ("dfinery_events_failed_total", ("default", "coupon", "rejected")): 1,
        ("dfinery_events_failed_total", ("default", "wrong", "payload")): 1,
        ("dfinery_events_failed_total", ("default", "purchase", "no_user")): 1,
        ("dfinery_events_expired_total", ("default", "late")): 1,
        ("dfinery_events_waiting", ("default", "pending")): 1,
    }
    for outcome in ("accepted", "rejected", "transient"):
        assert found["dfinery_attempts_total", ("default", outcome)] == 1
    assert found["dfinery_request_duration_seconds_count", ("default",)] == 3
    assert found["dfinery_request_duration_seconds_bucket", ("default", "+Inf")] == 3
    assert found["dfinery_request_duration_seconds_bucket", ("default", "1.0")] == 3
    assert 0 <= found["dfinery_request_duration_seconds_sum", ("default",)] < 3
    assert abs(found["dfinery_last_drain_timestamp_seconds", ("default",)] - timezone.now().timestamp()) < 60


def test_what_workers_count_the_web_process_tells(configured: Any) -> None:
    """Two other processes deliver; nothing but the database is between them and the scrape."""
    with Sandbox(tokens=["test-token"]) as sandbox:
        configured(METRICS=True, BASE_URL=sandbox.url)
        drain(send=FarSide())
        for number in range(40):
            track("coupon", user_id=f"u{number}")
        with Workers() as workers:
            for process in [workers.start() for _ in range(2)]:
                ended(process, 60)
    found = scrape()
    assert found["dfinery_events_delivered_total", ("default", "coupon")] == 40
    assert found["dfinery_attempts_total", ("default", "accepted")] == 40
    assert found["dfinery_events_captured_total", ("coupon",)] == 40


def test_counters_never_fall(far_side: FarSide, configured: Any) -> None:
    """Pruned, sent again, erased, absorbed: what was counted stays counted, and each event once."""
    collector, now = DfineryCollector(), timezone.now()
    drain(send=far_side)
    seen: list[float] = []
    for minutes in range(0, 60, 4):
        track("coupon", user_id="u")
        drain(send=far_side)
        totals.absorb(Event.objects.all(), now=now + minutes * MINUTE)
        seen.append(scrape(collector)["dfinery_events_captured_total", ("coupon",)])
        assert seen[-1] == len(seen)
        if minutes > 12:  # what is older than the wait for long transactions may go
            Event.objects.order_by("pk").first().delete()
    track("coupon", user_id="u")
    assert scrape(collector)["dfinery_events_captured_total", ("coupon",)] == len(seen) + 1
    Event.objects.all().delete()
    found = scrape(collector)
    assert found["dfinery_events_captured_total", ("coupon",)] == len(seen) + 1
    assert found["dfinery_events_delivered_total", ("default", "coupon")] == len(seen)


def test_what_was_there_before_is_not_counted(far_side: FarSide, configured: Any) -> None:
    """Switched on in a shop of long standing, nothing is read but the latest events."""
    old = timezone.now() - dt.timedelta(hours=1)
    for _ in range(3):
        track("old", user_id="u")
    Event.objects.update(created_at=old)
    track("new", user_id="u")
    drain(send=far_side)
    found = scrape()
    assert ("dfinery_events_captured_total", ("old",)) not in found
    assert found["dfinery_events_captured_total", ("new",)] == 1


def test_absorbing_at_once_counts_once(far_side: FarSide) -> None:
    """Another process that absorbs the same events finds them absorbed."""
    drain(send=far_side)
    track("x", user_id="u")
    later = timezone.now() + 11 * MINUTE
    for _ in range(3):
        totals.reset()  # as in another process
        totals.absorb(Event.objects.all(), now=later)
        assert scrape()["dfinery_events_captured_total", ("x",)] == 1
    assert Total.objects.get(metric="captured").value == 1


def test_gauges_tell_what_is_now(far_side: FarSide, configured: Any) -> None:
    """What waits, since when, and the state of each destination, also of one that nothing was sent to."""
    configured(METRICS=True, TOKENS={"default": "a", "brand": "b"})
    event = track("x", user_id="u")
    Event.objects.filter(pk=event.pk).update(
        occurred_at=event.occurred_at - 90 * MINUTE, expires_at=event.expires_at - 90 * MINUTE
    )
    pause("default", by="Kim", using="default")
    found = scrape()
    assert found["dfinery_events_waiting", ("default", "pending")] == 1
    assert 5400 <= found["dfinery_oldest_waiting_seconds", ("default",)] < 5500
    assert found["dfinery_oldest_waiting_seconds", ("brand",)] == 0
    states = {values: value for (name, values), value in found.items() if name == "dfinery_destination_state"}
    assert {values for values, value in states.items() if value} == {("default", "paused"), ("brand", "open")}
    assert len(states) == 8, "each state of each destination has a sample, so that none is missing when it changes"


def test_a_scrape_is_a_fixed_number_of_queries(far_side: FarSide, django_assert_num_queries: Any) -> None:
    """However many events there are: the totals, the young events, the destinations, what waits."""
    for count in (1, 30):
        for number in range(count):
            track("x", user_id=f"u{number}")
        drain(send=far_side)
        track("y", user_id="u")
        with django_assert_num_queries(4):
            list(DfineryCollector().collect())


def test_off_it_costs_nothing(configured: Any, far_side: FarSide, django_assert_num_queries: Any) -> None:
    """As it is by default: nothing is counted, read or told."""
    configured(METRICS=False)
    track("x", user_id="u")
    track("wrong", user_id="")
    drain(send=far_side)
    with django_assert_num_queries(0):
        assert list(DfineryCollector().collect()) == []
    assert not Total.objects.exists()


def test_registering_asks_no_database(django_assert_num_queries: Any) -> None:
    """It may be done while Django starts, in the registry that the site's own metrics are in."""
    with django_assert_num_queries(0):
        CollectorRegistry(auto_describe=True).register(DfineryCollector())


@pytest.mark.parametrize("model", [Total, Destination])
def test_a_missing_table_harms_no_scrape_and_no_drain(model: type[Model], far_side: FarSide, caplog: Any) -> None:
    """The site's own metrics in the same registry are told, and a drain goes on without counting."""
    with connection.schema_editor() as editor:
        editor.delete_model(model)
    try:
        assert scrape() == {}
        if model is Total:
            track("x", user_id="u")
            assert drain(send=far_side) == {"delivered": 1}
            assert "the next flush retries them" in caplog.text
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(model)
    if model is Total:
        drain(send=far_side)
        assert scrape()["dfinery_events_delivered_total", ("default", "x")] == 1


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("/open/", {}, 403),
        ("/open/", {"Authorization": "Bearer scrape-me"}, 200),
        ("/open/", {"Authorization": "bearer scrape-me"}, 200),
        ("/open/", {"Authorization": "Bearer scrape-me-not"}, 403),
        ("/open/", {"Authorization": "Bearer é"}, 403),
        ("/open/", {"Authorization": "Basic scrape-me"}, 403),
        ("/closed/", {"Authorization": "Bearer scrape-me"}, 403),
        ("/closed/", {"Authorization": "Bearer "}, 403),
        ("/empty/", {"Authorization": "Bearer "}, 403),
    ],
)
@override_settings(ROOT_URLCONF=__name__)
def test_the_view_is_closed_unless_opened(url: str, headers: dict[str, str], status: int) -> None:
    """A token of its own, compared in constant time, or a permission; an empty token opens nothing."""
    given = Client().get(url, headers=headers)
    assert given.status_code == status
    if status == 200:
        assert given["Content-Type"].startswith("text/plain")
        assert b"dfinery_destination_state" in given.content
        assert "no-store" in given["Cache-Control"]


@override_settings(ROOT_URLCONF=__name__)
def test_who_may_view_events_may_see_them() -> None:
    """Signed in, with the permission; staff alone is not enough."""
    user = User.objects.create(username="kim", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get("/closed/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_event"))
    assert client.get("/closed/").status_code == 200


@override_settings(ROOT_URLCONF=__name__)
def test_the_view_says_that_metrics_are_off(configured: Any) -> None:
    """404 with the line to write, to whoever may see it."""
    configured(METRICS=False)
    given: HttpResponse = Client().get("/open/", headers={"Authorization": "Bearer scrape-me"})  # type: ignore[assignment]
    assert given.status_code == 404
    assert b'DFINERY["METRICS"] = True' in given.content


def test_nothing_else_needs_prometheus_client() -> None:
    """Without the extra everything works but this module, also with METRICS on."""
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import django; django.setup()\n"
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from django.test import override_settings; from django.conf import settings\n"
        "from dfinery_django import track; from dfinery_django.delivery.worker import drain\n"
        "with override_settings(DFINERY={**settings.DFINERY, 'METRICS': True}):\n"
        "    track('x', user_id='u'); print(*drain(budget_seconds=5).values())\n"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT), "DATABASE": "sqlite"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"


# ── the page, the dashboard, the rules ─────────────────────────────────────────────────────────────────────────────


def told_metrics() -> set[str]:
    """Names as Prometheus shows them: counters end in _total, a histogram has three."""
    counters = {f"{name}_total" for name, _, _ in COUNTERS.values()}
    histogram = {f"{DURATION[0]}_{part}" for part in ("bucket", "sum", "count")}
    return counters | histogram | {name for name, _, _ in GAUGES.values()}


def named(text: str) -> set[str]:
    return set(re.findall(r"\bdfinery_[a-z_]+\b", text))


def test_the_page_lists_each_metric_with_its_labels() -> None:
    """docs/reference/metrics.md has a row for each, and for no other; and one for each attribute of a log record."""
    page = (ROOT / "docs/reference/metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(dfinery_\w+)` \| ([^|]*) \|", page, re.MULTILINE))
    expected = {f"{name}_total": labels for name, _, labels in COUNTERS.values()}
    expected |= {name: labels for name, _, labels in (DURATION, *GAUGES.values())}
    assert set(rows) == set(expected) | LOG_FIELDS
    for name, labels in expected.items():
        assert re.findall(r"`(\w+)`", rows[name]) == list(labels), name


def test_the_dashboard_is_valid_and_asks_for_what_is_there() -> None:
    """JSON that Grafana takes: each panel has a title and queries, panels don't overlap, each metric exists."""
    dashboard = json.loads((ROOT / "docs/run/monitoring/dashboard.json").read_text())
    assert dashboard["uid"]
    taken: set[tuple[int, int]] = set()
    expressions = []
    for panel in dashboard["panels"]:
        assert panel["title"]
        place = panel["gridPos"]
        across, down = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in across for y in down}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        expressions += [target["expr"] for target in panel["targets"]]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert named(" ".join(expressions)) - told_metrics() == set()
    shown = {name for name in told_metrics() if not name.endswith(("_sum", "_count"))}
    assert shown - named(" ".join(expressions)) == set(), "each metric is on it"


def test_the_alert_rules_are_valid_and_ask_for_what_is_there() -> None:
    """YAML with a summary and a severity for each, and metrics that exist."""
    rules = yaml.safe_load((ROOT / "docs/run/monitoring/alerts.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 5
    for rule in alerts:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert named(rule["expr"]) <= told_metrics()
        assert rule["expr"].count("(") == rule["expr"].count(")")
        for label in re.findall(r"\{\{ \$labels\.(\w+) \}\}", rule["annotations"]["summary"]):
            assert label in ("destination", "event", "reason", "state")
