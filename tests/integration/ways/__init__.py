"""How shops write their orders, way by way. docs/contributing/ways-tested.md names each test."""

from __future__ import annotations

import json
from typing import Any

from django.dispatch import Signal
from django.utils import timezone

from dfinery_django.building.build import build_due
from dfinery_django.models import Event

#: A signal of the site's own, sent before a customer's row goes.
about_to_leave = Signal()


def keys(definition: str = "purchase", using: str = "default") -> list[str]:
    """The keys of the sources whose events were captured, in order."""
    events = Event.objects.using(using).filter(definition=definition).order_by("pk")
    return list(events.values_list("source_pk", flat=True))


def built(using: str = "default") -> list[Any]:
    """All events are built; what they say, in order. A failed one gives its reason."""
    Event.objects.using(using).filter(status="captured").update(due_at=timezone.now())
    while build_due(Event.objects.using(using).all()):
        pass
    events = Event.objects.using(using).order_by("pk")
    return [json.loads(event.payload) if event.payload else event.reason for event in events]
