"""The pages of the admin that an operator opens, each as a whole: permissions, queries, template."""

from __future__ import annotations

import datetime as dt
import time
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.growth.questions import explain
from dfinery_django.models import Event

LIST = "/admin/dfinery_django/event/"


def prepare() -> None:
    """Make what is rare, and what is searched for."""
    newest = Event.objects.order_by("-pk")
    Event.objects.filter(pk__in=list(newest.values_list("pk", flat=True)[20:25])).update(event_name="coupon")
    failed = Event.objects.filter(status="failed").order_by("pk").values_list("pk", flat=True)[:3]
    Event.objects.filter(pk__in=list(failed)).update(reason_code="rejected", reason="It said: HTTP 400")
    Event.objects.filter(pk=newest.values_list("pk", flat=True)[10]).update(order_id="needle-0001", user_id="needle")
    get_user_model().objects.create_superuser("operator", password="x")


def addresses() -> dict[str, str]:
    """Page -> its address."""
    now = timezone.now()
    day = {"from": now - dt.timedelta(days=30), "until": now - dt.timedelta(days=29)}
    needle = Event.objects.get(order_id="needle-0001")
    return {
        "list": LIST,
        "page 3": f"{LIST}?p=3",
        "status delivered": f"{LIST}?status__exact=delivered",
        "status failed": f"{LIST}?status__exact=failed",
        "status sending": f"{LIST}?status__exact=sending",
        "a rare event": f"{LIST}?event_name=coupon",
        "a rare reason": f"{LIST}?reason_code__exact=rejected",
        "last 48 hours": f"{LIST}?hours=48",
        "a day last month": f"{LIST}?occurred_at__gte={day['from']:%Y-%m-%d}&occurred_at__lt={day['until']:%Y-%m-%d}",
        "failed in 48 hours": f"{LIST}?status__exact=failed&hours=48",
        "by arrival": f"{LIST}?o=-6",
        "search event id": f"{LIST}?q={needle.event_id}",
        "search order id": f"{LIST}?q=needle-0001",
        "search beginning": f"{LIST}?q=needl",
        "search in vain": f"{LIST}?q=haystack",
        "an event's page": f"{LIST}{needle.pk}/change/",
        "overview": "/admin/dfinery_django/overview/",
    }


@lru_cache(maxsize=1)
def _client() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get())
    return client


@lru_cache(maxsize=1)
def _addresses() -> dict[str, str]:
    return addresses()


def milliseconds(name: str) -> float:
    """How long a page takes."""
    began = time.perf_counter()
    answer = _client().get(_addresses()[name])
    seconds = time.perf_counter() - began
    assert answer.status_code == 200, (name, answer.status_code)
    return seconds * 1000


def plans() -> dict[str, list[Any]]:
    """Page -> its numbers of queries and of events shown, and how the database goes about those of the outbox."""
    found = {}
    _client().get(LIST)  # the first page of a process has more to ask
    for name, address in _addresses().items():
        with CaptureQueriesContext(connection) as captured:
            page = _client().get(address)
        shown = len(page.context_data["cl"].result_list) if "cl" in page.context_data else 1
        asked = [
            each["sql"] for each in captured if "dfinery_django_event" in each["sql"] and "INTO" not in each["sql"]
        ]
        steps = [line for sql in asked for line in explain(sql.replace("%", "%%"), ())]
        found[name] = [len(captured), shown, *dict.fromkeys(steps)]
    return found
