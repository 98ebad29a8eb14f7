"""``path("dfinery/", include("dfinery_django.api.urls"))``: ``dfinery/v1/events/`` and so on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.db import connections, transaction
from django.urls import include, path

from .actions import Cancel, Resend
from .events import EventDetail, Events
from .health import Health

if find_spec("drf_spectacular"):
    from . import openapi  # noqa: F401 - tells drf-spectacular of the views

app_name = "dfinery_django"


def _view(made: Any) -> Any:
    """In no transaction of the whole request (ATOMIC_REQUESTS).

    What is answered is committed, a deadlock is tried again, and a database that is down is a 503 of ours.
    """
    view = made.as_view()
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view


_v1 = [
    path("events/", _view(Events), name="events"),
    path("events/<str:event_id>/", _view(EventDetail), name="event"),
    path("events/<str:event_id>/resend/", _view(Resend), name="resend"),
    path("events/<str:event_id>/cancel/", _view(Cancel), name="cancel"),
    path("health/", _view(Health), name="health"),
]

urlpatterns = [path("v1/", include(_v1))]
