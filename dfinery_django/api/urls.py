"""``path("dfinery/", include("dfinery_django.api.urls"))``: ``dfinery/v1/events/`` and so on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.db import connections, transaction
from django.urls import include, path

from .actions import CancelView, ResendView
from .events import EventDetailView, EventsView
from .health import HealthView

if find_spec("drf_spectacular"):
    from . import openapi  # noqa: F401 - registers its extensions with drf-spectacular

app_name = "dfinery_django"


def _non_atomic(view_class: Any) -> Any:
    """Return the view outside of any transaction of the whole request (ATOMIC_REQUESTS).

    What is answered must be committed, a deadlock retried, and a database that is down answered with our 503.
    """
    view = view_class.as_view()
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view


_v1 = [
    path("events/", _non_atomic(EventsView), name="events"),
    path("events/<str:event_id>/", _non_atomic(EventDetailView), name="event"),
    path("events/<str:event_id>/resend/", _non_atomic(ResendView), name="resend"),
    path("events/<str:event_id>/cancel/", _non_atomic(CancelView), name="cancel"),
    path("health/", _non_atomic(HealthView), name="health"),
]

urlpatterns = [path("v1/", include(_v1))]
