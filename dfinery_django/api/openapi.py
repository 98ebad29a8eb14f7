"""What drf-spectacular says of the views. Imported only where it is installed; a schema is made only when asked for."""

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

from .. import schema
from ..protocols.s2s_body import EVENT, USER
from ..registry import EVENT_NAME_LENGTH
from ..schema import Scope
from ..values import LONG_MAX, LONG_MIN, WireType
from .events import MOST_EVENTS, NO, YES
from .filters import REASONS, STATUSES
from .paging import LARGEST_PAGE, EventPagination
from .parsing import MOST_BYTES
from .shapes import (
    ActionErrorShape,
    ErrorShape,
    EventDetailShape,
    EventShape,
    HealthShape,
    IngestedShape,
    IngestErrorShape,
    Shape,
)

TAGS = ["dfinery"]

_LONG = {"type": "integer", "format": "int64", "minimum": LONG_MIN, "maximum": LONG_MAX}
_DOUBLE = {"type": "number", "format": "double"}
_ANY = {"anyOf": [{"type": "string"}, _LONG, _DOUBLE, {"type": "boolean"}]}
#: Text is made of every kind of value; a number of no text.
_TAKEN: dict[WireType, dict[str, Any]] = {WireType.STRING: _ANY, WireType.LONG: _LONG, WireType.DOUBLE: _DOUBLE}


def _part(scope: Scope, required: tuple[str, ...], **more: Any) -> dict[str, Any]:
    own = {name: _TAKEN[entry.type] for name, entry in schema.PREDEFINED[scope].items()}
    whole = {"type": "object", "properties": {**own, **more}, "additionalProperties": _ANY}
    return whole | ({"required": list(required)} if required else {})


_NUMBERS = [_LONG, _DOUBLE, {"type": "boolean"}]
_USER = {"anyOf": [{"type": "string", "minLength": 1, "pattern": r"\S"}, *_NUMBERS]}
_NAME = {
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": EVENT_NAME_LENGTH, "pattern": r"^[^\u0000]+$"}, *_NUMBERS]
}
_ID = {"type": "string", "format": "uuid", "description": "The same id again stores nothing. Left out: one is made."}
_ITEMS = {"type": "array", "items": _part("item", ())}
_EVENT = {
    "type": "object",
    "required": [EVENT, USER],
    "properties": {
        EVENT: _part(
            "event", (schema.EVENT_NAME, schema.EVENT_DATETIME),
            **{schema.EVENT_ID: _ID, schema.EVENT_NAME: _NAME, schema.ITEMS: _ITEMS},
        ),
        USER: _part("user", (schema.USER_ID,), **{schema.USER_ID: _USER}),
    },
}  # fmt: skip
BODY = {"oneOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": MOST_EVENTS}]}

EXAMPLE = {
    EVENT: {
        schema.EVENT_ID: "0166a71c-caf4-462d-8201-9c30c40f2354",
        schema.EVENT_NAME: "purchase",
        schema.EVENT_DATETIME: 1685672905000,
        schema.ORDER_ID: "123456789",
        "order_sales": 4000000.0,
        schema.ITEMS: [{"product_id": "123456789", "quantity": 1, "price": 4000000.0}],
        "source_type": "POS",
    },
    USER: {schema.USER_ID: "user1"},
}

_TEXT = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$"}
_TIME = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
_BAD = OpenApiResponse(ErrorShape, "A parameter that is none, or has no such value.")
#: Of every address; most are refused by Django REST framework, before anything of ours runs.
_CLOSED = {
    401: OpenApiResponse(ErrorShape, "Nobody is known."),
    403: OpenApiResponse(ErrorShape, "The permission is missing."),
    406: OpenApiResponse(ErrorShape, "There is no such form of answer."),
    429: OpenApiResponse(ErrorShape, "Too many requests (throttle scope `dfinery`)."),
    503: OpenApiResponse(
        ErrorShape, "DFINERY is switched off on this site, its setting is wrong, or its database fails."
    ),
}


def _query(name: str, about: str, *, words: Any = None, kind: Any = None) -> OpenApiParameter:
    return OpenApiParameter(name, kind or _TEXT, OpenApiParameter.QUERY, description=about, enum=words)


_FILTERS = [
    _query("status", "Where it stands.", words=STATUSES),
    _query("reason_code", "Why it is not delivered.", words=REASONS),
    _query("event_name", "Its name, e.g. `purchase`."),
    _query("destination", "Alias of a destination."),
    _query("definition", "What made it; several with commas."),
    _query("source_pk", "Key of the object that it came from."),
    _query("since", "It happened then or later.", kind=_TIME),
    _query("until", "It happened before.", kind=_TIME),
    _query("event_id", "Its id.", kind=OpenApiTypes.UUID),
    _query("order_id", "Its order."),
    _query("user_id", "Its user."),
    _query("search", "An event id, order id or user id; if there is none such, what begins like it."),
    _query("cursor", "From `next` or `previous` of an answer."),
    OpenApiParameter(
        "page_size", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, OpenApiParameter.QUERY,
        description="How many events at most.",
    ),
]  # fmt: skip
_ID_IN_PATH = OpenApiParameter("event_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The event's id.")
_NOT_FOUND = {404: OpenApiResponse(ErrorShape, "There is no event of this id.")}


for _shape in Shape.__subclasses__() + EventShape.__subclasses__() + ErrorShape.__subclasses__():
    # A site may have an Event of its own.
    if _shape.__module__ == EventShape.__module__:
        extend_schema_serializer(component_name=f"Dfinery{_shape.__name__.removesuffix('Shape')}")(_shape)


class _Described(OpenApiViewExtension):
    """:cvar methods: HTTP method -> what is said of it"""

    methods: dict[str, Any]

    def view_replacement(self) -> Any:
        view = type(self.target.__name__, (self.target,), {"pagination_class": EventPagination})
        return extend_schema_view(**self.methods)(view)


def _told(name: str, summary: str, responses: dict[int, Any], **more: Any) -> Any:
    return extend_schema(
        operation_id=f"dfinery_{name}", summary=summary, tags=TAGS, responses={**_CLOSED, **responses}, **more
    )


class EventsDescribed(_Described):
    target_class = "dfinery_django.api.events.Events"
    methods = {
        "get": _told(
            "events_list",
            "List events, newest first",
            {200: EventShape(many=True), 400: _BAD},
            parameters=_FILTERS,
        ),
        "post": _told(
            "events_ingest",
            "Take events, one or a list",
            {
                202: OpenApiResponse(IngestedShape, "Stored; they are delivered like any other."),
                200: OpenApiResponse(IngestedShape, "All of them were stored before: nothing is changed."),
                400: OpenApiResponse(IngestErrorShape, "Not as DFINERY takes them: nothing is stored."),
                409: OpenApiResponse(IngestErrorShape, "Ids that are other events' ids: nothing is stored."),
                413: OpenApiResponse(ErrorShape, f"More than {MOST_BYTES} bytes."),
                415: OpenApiResponse(ErrorShape, "No application/json."),
            },
            description=(
                "The body is that of DFINERY's S2S Event API. One mistake in a list keeps all of it out, "
                "unless `partial` says otherwise."
            ),
            request={"application/json": OpenApiRequest(BODY, examples=[OpenApiExample("A purchase", EXAMPLE)])},
            parameters=[
                _query("destination", "Alias of a destination; left out: the default one."),
                _query("partial", "`1`: store what is in order, though others are not.", words=[*YES, *NO]),
            ],
        ),
    }


class EventDescribed(_Described):
    target_class = "dfinery_django.api.events.EventDetail"
    methods = {
        "get": _told(
            "event",
            "One event, with its attempts",
            {200: EventDetailShape, 400: _BAD, **_NOT_FOUND},
            parameters=[_ID_IN_PATH],
        )
    }


_DONE = {
    200: OpenApiResponse(EventDetailShape, "Done: the event as it stands now."),
    400: _BAD,
    **_NOT_FOUND,
    409: OpenApiResponse(ActionErrorShape, "Nothing was done, and why."),
}


class ResendDescribed(_Described):
    target_class = "dfinery_django.api.actions.Resend"
    methods = {
        "post": _told("event_resend", "Send it again", _DONE, parameters=[_ID_IN_PATH], request=None),
    }


class CancelDescribed(_Described):
    target_class = "dfinery_django.api.actions.Cancel"
    methods = {
        "post": _told("event_cancel", "Never send it", _DONE, parameters=[_ID_IN_PATH], request=None),
    }


class HealthDescribed(_Described):
    target_class = "dfinery_django.api.health.Health"
    methods = {
        "get": _told(
            "health",
            "Is all well?",
            {
                200: OpenApiResponse(HealthShape, "All is well, or something is worth a look."),
                400: _BAD,
                503: OpenApiResponse(
                    {
                        "oneOf": [
                            {"$ref": "#/components/schemas/DfineryHealth"},
                            {"$ref": "#/components/schemas/DfineryError"},
                        ]
                    },
                    "A person is needed, or the outbox can't be read.",
                ),
            },
        )
    }
