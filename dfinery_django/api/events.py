"""Events: take, list, retrieve."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..ingest import SwitchedOff, UnknownDestination, ingest
from ..models import Event
from ..protocols.s2s_body import MALFORMED, Refused
from ..queries import EventQuerySet
from .base import DfineryView, needs
from .errors import bad_request, malformed, refused, told, unavailable
from .filters import PARAMETERS, narrowed
from .paging import EventPagination
from .shapes import EventShape, IngestedShape, detailed

#: So many in one request: a transaction that locks for a second or so.
MOST_EVENTS = 500
YES, NO = ("1", "true"), ("0", "false")


class Events(DfineryView):
    """POST takes events as DFINERY's own API does, one or a list; GET lists what is in the outbox."""

    permissions = {"GET": (needs("view_event"),), "POST": (needs("add_event"),)}
    parameters = {"GET": PARAMETERS, "POST": ("destination", "partial")}

    def get(self, request: Request) -> Response:
        events: EventQuerySet = Event.objects.defer("payload", "dedup_key")
        pages = EventPagination()
        page = pages.paginate_queryset(narrowed(events, request.query_params.dict()), request, view=self)
        return pages.get_paginated_response(EventShape(page, many=True, context={"request": request}).data)

    def post(self, request: Request) -> Response:
        bodies = request.data if isinstance(request.data, list) else [request.data]
        is_alone = not isinstance(request.data, list)
        if not 1 <= len(bodies) <= MOST_EVENTS:
            raise malformed(Refused(MALFORMED, "", f"a list has 1 to {MOST_EVENTS} events"))
        destination = request.query_params.get("destination")
        try:
            found = ingest(bodies, destination=destination, partial=_flag(request, "partial"))
        except SwitchedOff:
            raise unavailable("DFINERY is switched off on this site (ENABLED): nothing was stored.") from None
        except UnknownDestination:
            raise bad_request(
                "destination: there is none of this name, or none was named and none is the default."
            ) from None
        if not found.accepted:
            raise refused(found.rejected, None if is_alone else len(bodies))
        stored = sum(each.is_new for each in found.accepted)
        answer = IngestedShape(
            {
                "stored": stored,
                "events": found.accepted,
                "errors": [told(each.index, each.error) for each in found.rejected],
            }
        )
        return Response(answer.data, status.HTTP_202_ACCEPTED if stored else status.HTTP_200_OK)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, NO[0])
    if text not in (*YES, *NO):
        raise bad_request(f"{name}: 1 or 0.")
    return text in YES


class EventDetail(DfineryView):
    """One event, with what became of it."""

    permissions = {"GET": (needs("view_event"),)}

    def get(self, request: Request, event_id: str) -> Response:
        return Response(detailed(found(Event.objects.all(), event_id), request))


def found(events: Any, event_id: str) -> Event:
    """
    :raises Http404: if there is no event of this id
    """
    try:
        event: Event | None = events.filter(event_id=UUID(event_id)).first()
    except ValueError:
        event = None
    if event is None:
        raise Http404
    return event
