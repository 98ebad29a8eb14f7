"""Views of events: ingest, list, retrieve."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import Event
from ..models.queryset import EventQuerySet
from ..outbox.ingest import SwitchedOff, UnknownDestination, ingest
from ..protocols.s2s_inbound import MALFORMED, Refused
from .base import DfineryView, permission_set
from .errors import Unavailable, bad_request, error_entry, events_refused, malformed_body
from .filters import QUERY_PARAMETERS, filter_events
from .pagination import EventPagination
from .serializers import EventSerializer, IngestedSerializer, event_detail

#: Limits the transaction, which locks for about a second.
MAX_EVENTS_PER_REQUEST = 500
TRUE_WORDS, FALSE_WORDS = ("1", "true"), ("0", "false")


class EventsView(DfineryView):
    """Ingest events in the body of DFINERY's own API, one or a list (POST); list the outbox (GET)."""

    permissions = {"GET": (permission_set("view_event"),), "POST": (permission_set("add_event"),)}
    parameters = {"GET": QUERY_PARAMETERS, "POST": ("destination", "partial")}

    def get(self, request: Request) -> Response:
        events: EventQuerySet = Event.objects.defer("payload", "dedup_key")
        pages = EventPagination()
        page = pages.paginate_queryset(filter_events(events, request.query_params.dict()), request, view=self)
        return pages.get_paginated_response(EventSerializer(page, many=True, context={"request": request}).data)

    def post(self, request: Request) -> Response:
        is_list = isinstance(request.data, list)
        bodies: Any = request.data if is_list else [request.data]
        if not 1 <= len(bodies) <= MAX_EVENTS_PER_REQUEST:
            raise malformed_body(Refused(MALFORMED, "", f"a list has 1 to {MAX_EVENTS_PER_REQUEST} events"))
        destination = request.query_params.get("destination")
        try:
            result = ingest(bodies, destination=destination, partial=_parse_flag(request, "partial"))
        except SwitchedOff:
            raise Unavailable("DFINERY is switched off on this site (ENABLED): nothing was stored.") from None
        except UnknownDestination:
            raise bad_request("destination: unknown alias, or left out although there is no default one.") from None
        if not result.accepted:
            raise events_refused(result.rejected, len(bodies) if is_list else None)
        stored = sum(each.is_new for each in result.accepted)
        errors = [error_entry(each.index, each.error) for each in result.rejected]
        answer = IngestedSerializer({"stored": stored, "events": result.accepted, "errors": errors})
        return Response(answer.data, status.HTTP_202_ACCEPTED if stored else status.HTTP_200_OK)


def _parse_flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, FALSE_WORDS[0])
    if text not in (*TRUE_WORDS, *FALSE_WORDS):
        raise bad_request(f"{name}: 1 or 0.")
    return text in TRUE_WORDS


class EventDetailView(DfineryView):
    """Retrieve one event with its attempts."""

    permissions = {"GET": (permission_set("view_event"),)}

    def get(self, request: Request, event_id: str) -> Response:
        return Response(event_detail(get_event_or_404(Event.objects.all(), event_id), request))


def get_event_or_404(events: Any, event_id: str) -> Event:
    """Return the event of this id; of several destinations, that of the first."""
    try:
        return events.filter(event_id=UUID(event_id)).earliest("pk")  # type: ignore[no-any-return]
    except (ValueError, Event.DoesNotExist):
        raise Http404 from None
