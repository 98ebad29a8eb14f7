"""``path("dfinery/", include("dfinery_django.api.urls"))``: ``dfinery/v1/events/`` and so on."""

from __future__ import annotations

from importlib.util import find_spec

from django.db import connections, transaction
from django.urls import include, path

from .actions import Cancel, Resend
from .events import EventDetail, Events
from .health import Health

if find_spec("drf_spectacular"):
    from . import openapi  # noqa: F401 - tells drf-spectacular of the views

app_name = "dfinery_django"

# In no transaction of the whole request (ATOMIC_REQUESTS): what is answered is committed, a deadlock is tried again.
_events, _resend, _cancel = (view.as_view() for view in (Events, Resend, Cancel))
for _alias in connections:
    for _view in (_events, _resend, _cancel):
        transaction.non_atomic_requests(using=_alias)(_view)

_v1 = [
    path("events/", _events, name="events"),
    path("events/<str:event_id>/", EventDetail.as_view(), name="event"),
    path("events/<str:event_id>/resend/", _resend, name="resend"),
    path("events/<str:event_id>/cancel/", _cancel, name="cancel"),
    path("health/", Health.as_view(), name="health"),
]

urlpatterns = [path("v1/", include(_v1))]
