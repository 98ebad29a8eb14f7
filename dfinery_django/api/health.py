"""The health view for uptime monitors: numbers and codes, no personal data."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from django.db import Error as DatabaseFault
from django.utils import translation
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..db.outage import is_unmigrated
from ..enums import EventStatus
from ..monitoring.findings import Finding
from ..monitoring.health import assess
from ..monitoring.overview import Snapshot, look
from .base import DfineryView, permission_set
from .errors import Unavailable
from .serializers import HealthSerializer

logger = logging.getLogger("dfinery_django")


class HealthView(DfineryView):
    """Return 200 if all is well or worth a look, 503 if a person is needed."""

    permissions = {"GET": (permission_set("view_destination"), permission_set("view_event"))}

    def get(self, request: Request) -> Response:
        try:
            overview = look()
        except DatabaseFault as error:
            if is_unmigrated(error):
                raise
            logger.exception("The outbox can't be read")
            raise Unavailable("The outbox can't be read: see the log.") from None
        with translation.override("en"):  # whatever language the request's headers ask for
            health = assess(without_usernames(overview))
        shape = HealthSerializer({
            "level": health.level.name.lower(), "reasons": list(map(_finding_data, health.findings)),
            **_health_counts(overview), "destinations": overview.destinations,
        })  # fmt: skip
        code = status.HTTP_503_SERVICE_UNAVAILABLE if health.needs_a_person else status.HTTP_200_OK
        return Response(shape.data, code)


def without_usernames(overview: Snapshot) -> Snapshot:
    """Return the snapshot for callers that need not know who paused a destination."""
    nameless = [dataclasses.replace(each, paused_by=each.paused_by and "somebody") for each in overview.destinations]
    return dataclasses.replace(overview, destinations=tuple(nameless))


def _finding_data(finding: Finding) -> dict[str, Any]:
    # Without the quoted text: a mapping's error or DFINERY's message may contain a value.
    level = finding.level.name.lower()
    return {"code": finding.code, "level": level, "destination": finding.destination, "text": finding.text}


def _health_counts(overview: Snapshot) -> dict[str, Any]:
    first = overview.first_to_expire
    final = (EventStatus.DELIVERED, EventStatus.FAILED, EventStatus.EXPIRED)
    return {
        "waiting": overview.waiting, **{str(status): overview.lately.get(status, 0) for status in final},
        "oldest_waiting_at": overview.oldest_waiting_at, "last_delivered_at": overview.last_delivered_at,
        "expires_next_at": first.expires_next_at if first else None,
    }  # fmt: skip
