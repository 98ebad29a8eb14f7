"""The parser of request bodies: JSON up to a limit, whatever parsers the site has."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.parsers import BaseParser

from ..protocols.s2s_inbound import Refused, parse_json
from .errors import ApiError, malformed_body

#: 500 events of 10 KB each; an order with 20 lines has about 4 KB.
MAX_REQUEST_BYTES = 5 * 2**20


class EventParser(BaseParser):
    """Parse a body strictly, as DFINERY does."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        # Django's own limit does not apply: it is for forms only, not for a stream.
        try:
            raw = stream.read(MAX_REQUEST_BYTES + 1)
        except OSError:
            raise ApiError(status.HTTP_400_BAD_REQUEST, "The body is incomplete.") from None
        if len(raw) > MAX_REQUEST_BYTES:
            detail = f"The body has more than {MAX_REQUEST_BYTES} bytes: send fewer events at once."
            raise ApiError(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, detail)
        try:
            return parse_json(raw)
        except Refused as error:
            raise malformed_body(error) from None
