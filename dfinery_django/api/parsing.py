"""The body of a request: JSON, no more than so much of it, whatever else the site parses."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.parsers import BaseParser

from ..protocols.s2s_body import Refused, parse_json
from .errors import ApiError, malformed

#: 500 events of 10 KB each; an order with 20 lines has about 4 KB.
MOST_BYTES = 5 * 2**20


class EventParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        # Django's own limit holds for forms alone: it is not asked for a stream.
        try:
            raw = stream.read(MOST_BYTES + 1)
        except OSError:
            raise ApiError(status.HTTP_400_BAD_REQUEST, "The body broke off.") from None
        if len(raw) > MOST_BYTES:
            detail = f"The body has more than {MOST_BYTES} bytes: send fewer events at once."
            raise ApiError(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, detail)
        try:
            return parse_json(raw)
        except Refused as error:
            raise malformed(error) from None
