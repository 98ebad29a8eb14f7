"""Extensions that describe the views to drf-spectacular. Imported only if it is installed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
    extend_schema_view,
)

from ..definitions.registry import EVENT_NAME_LENGTH
from ..protocols.s2s_inbound import EVENT_PATH, USER_PATH
from ..schema import properties
from ..schema.types import LONG_MAX, LONG_MIN, WireType
from .events import FALSE_WORDS, MAX_EVENTS_PER_REQUEST, TRUE_WORDS
from .filters import REASONS, STATUSES
from .pagination import MAX_PAGE_SIZE, EventPagination
from .parsing import MAX_REQUEST_BYTES
from .serializers import (
    ActionErrorSerializer,
    ErrorSerializer,
    EventDetailSerializer,
    EventSerializer,
    HealthSerializer,
    IngestedSerializer,
    IngestErrorSerializer,
    ResentSerializer,
    SerializerBase,
)

TAGS = ["dfinery"]

_LONG = {"type": "integer", "format": "int64", "minimum": LONG_MIN, "maximum": LONG_MAX}
_DOUBLE = {"type": "number", "format": "double"}
_ANY = {"anyOf": [{"type": "string"}, _LONG, _DOUBLE, {"type": "boolean"}]}
#: A predefined text property takes every scalar; a number property takes numbers only.
_ACCEPTED: dict[WireType, dict[str, Any]] = {WireType.STRING: _ANY, WireType.LONG: _LONG, WireType.DOUBLE: _DOUBLE}


def _object_schema(scope: properties.Scope, required: tuple[str, ...], **more: Any) -> dict[str, Any]:
    own = {name: _ACCEPTED[entry.type] for name, entry in properties.PREDEFINED[scope].items()}
    whole = {"type": "object", "properties": {**own, **more}, "additionalProperties": _ANY}
    return whole | ({"required": list(required)} if required else {})


_NUMERIC = [_LONG, _DOUBLE, {"type": "boolean"}]
_USER = {"anyOf": [{"type": "string", "minLength": 1, "pattern": r"\S"}, *_NUMERIC]}
_NAME = {
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": EVENT_NAME_LENGTH, "pattern": r"^[^\u0000]+$"}, *_NUMERIC]
}
_ID = {"type": "string", "format": "uuid", "description": "A known id stores nothing. Left out: one is generated."}
_ITEMS = {"type": "array", "items": _object_schema("item", ())}
_EVENT = {
    "type": "object",
    "required": [EVENT_PATH, USER_PATH],
    "properties": {
        EVENT_PATH: _object_schema(
            "event", (properties.EVENT_NAME, properties.EVENT_DATETIME),
            **{properties.EVENT_ID: _ID, properties.EVENT_NAME: _NAME, properties.ITEMS: _ITEMS},
        ),
        USER_PATH: _object_schema("user", (properties.USER_ID,), **{properties.USER_ID: _USER}),
    },
}  # fmt: skip
BODY = {"oneOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": MAX_EVENTS_PER_REQUEST}]}

EXAMPLE = {
    EVENT_PATH: {
        properties.EVENT_ID: "0166a71c-caf4-462d-8201-9c30c40f2354",
        properties.EVENT_NAME: "purchase",
        properties.EVENT_DATETIME: 1685672905000,
        properties.ORDER_ID: "123456789",
        "order_sales": 4000000.0,
        properties.ITEMS: [{"product_id": "123456789", "quantity": 1, "price": 4000000.0}],
        "source_type": "POS",
    },
    USER_PATH: {properties.USER_ID: "user1"},
}

_TEXT = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$"}
_TIME = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
_BAD_PARAMETER = OpenApiResponse(ErrorSerializer, "An unknown parameter, or a bad value.")
#: For every operation; most come from Django REST framework before our code runs.
_COMMON_RESPONSES = {
    401: OpenApiResponse(ErrorSerializer, "Not authenticated."),
    403: OpenApiResponse(ErrorSerializer, "The permission is missing."),
    406: OpenApiResponse(ErrorSerializer, "This response format is not available."),
    429: OpenApiResponse(ErrorSerializer, "Too many requests (throttle scope `dfinery`)."),
    503: OpenApiResponse(
        ErrorSerializer, "DFINERY is switched off on this site, its setting is wrong, or its database fails."
    ),
}


def _query(name: str, about: str, *, words: Any = None, kind: Any = None) -> OpenApiParameter:
    return OpenApiParameter(name, kind or _TEXT, OpenApiParameter.QUERY, description=about, enum=words)


_FILTERS = [
    _query("status", "Status.", words=STATUSES),
    _query("reason_code", "Reason code.", words=REASONS),
    _query("event_name", "Event name, e.g. `purchase`."),
    _query("destination", "Alias of a destination."),
    _query("definition", "Name of a definition; several separated by commas."),
    _query("source_pk", "Key of the source object."),
    _query("since", "Happened at this time or later.", kind=_TIME),
    _query("until", "Happened before this time.", kind=_TIME),
    _query("event_id", "Event id.", kind=OpenApiTypes.UUID),
    _query("order_id", "Order id."),
    _query("user_id", "User id."),
    _query("search", "An event id, order id or user id; without an exact match, the beginning of one."),
    _query("cursor", "From `next` or `previous` of a response."),
    _query("page_size", "Maximum number of events.", kind={"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}),
]
_ID_IN_PATH = OpenApiParameter("event_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The event's id.")
_NOT_FOUND = {404: OpenApiResponse(ErrorSerializer, "There is no event of this id.")}


_BASES = (SerializerBase, EventSerializer, EventDetailSerializer, ErrorSerializer)
for _each in (subclass for base in _BASES for subclass in base.__subclasses__()):
    # A site may have an Event component of its own.
    if _each.__module__ == EventSerializer.__module__:
        extend_schema_serializer(component_name=f"Dfinery{_each.__name__.removesuffix('Serializer')}")(_each)


def _document(view: str, **methods: Any) -> None:
    """Register the descriptions of a view by HTTP method with drf-spectacular."""

    class Extension(OpenApiViewExtension):
        target_class = f"dfinery_django.api.{view}"

        def view_replacement(self) -> Any:
            paginated = type(self.target.__name__, (self.target,), {"pagination_class": EventPagination})
            return extend_schema_view(**methods)(paginated)


def _operation(name: str, summary: str, responses: dict[int, Any], **more: Any) -> Any:
    return extend_schema(
        operation_id=f"dfinery_{name}", summary=summary, tags=TAGS, responses={**_COMMON_RESPONSES, **responses}, **more
    )


_document(
    "events.EventsView",
    get=_operation(
        "events_list",
        "List events, newest first",
        {200: EventSerializer(many=True), 400: _BAD_PARAMETER},
        parameters=_FILTERS,
    ),
    post=_operation(
        "events_ingest",
        "Ingest events, one or a list",
        {
            202: OpenApiResponse(IngestedSerializer, "Stored; delivered like any other event."),
            200: OpenApiResponse(IngestedSerializer, "All were stored before: nothing changed."),
            400: OpenApiResponse(IngestErrorSerializer, "Refused as DFINERY would: nothing was stored."),
            409: OpenApiResponse(IngestErrorSerializer, "Ids of other events: nothing was stored."),
            413: OpenApiResponse(ErrorSerializer, f"More than {MAX_REQUEST_BYTES} bytes."),
            415: OpenApiResponse(ErrorSerializer, "Not application/json."),
        },
        description=(
            "The body is that of DFINERY's S2S Event API. One bad event in a list refuses the whole list, "
            "unless `partial` is set."
        ),
        request={"application/json": OpenApiRequest(BODY, examples=[OpenApiExample("A purchase", EXAMPLE)])},
        parameters=[
            _query("destination", "Alias of a destination; left out: the default one."),
            _query("partial", "`1`: store the good events only.", words=[*TRUE_WORDS, *FALSE_WORDS]),
        ],
    ),
)

_EVENT_RESPONSES = {200: EventDetailSerializer, 400: _BAD_PARAMETER, **_NOT_FOUND}
_document(
    "events.EventDetailView",
    get=_operation("event", "One event, with its attempts", _EVENT_RESPONSES, parameters=[_ID_IN_PATH]),
)

_ACTION_RESPONSES = {
    200: OpenApiResponse(EventDetailSerializer, "Done: the current state of the event."),
    400: _BAD_PARAMETER,
    **_NOT_FOUND,
    409: OpenApiResponse(ActionErrorSerializer, "Nothing was done, and the reason."),
}
_ON_ONE: dict[str, Any] = {"responses": _ACTION_RESPONSES, "parameters": [_ID_IN_PATH], "request": None}
_RESENT = OpenApiResponse(ResentSerializer, "It will be sent again: its current state, and what holds it up.")
_document(
    "actions.ResendView",
    post=_operation("event_resend", "Send it again", **{**_ON_ONE, "responses": {**_ACTION_RESPONSES, 200: _RESENT}}),
)
_document("actions.CancelView", post=_operation("event_cancel", "Never send it", **_ON_ONE))

_HEALTH_SCHEMA = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("DfineryHealth", "DfineryError")]}
_HEALTH_RESPONSES = {
    200: OpenApiResponse(HealthSerializer, "All is well, or worth a look."),
    400: _BAD_PARAMETER,
    503: OpenApiResponse(_HEALTH_SCHEMA, "A person is needed, or the outbox can't be read."),
}
_document("health.HealthView", get=_operation("health", "Health of the outbox", _HEALTH_RESPONSES))
