"""What is answered, as serializers: the answers are made with them, and the schema is made of them."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from django.utils import translation
from rest_framework import serializers

from ..models import DeliveryAttempt, Event
from ..rights import may_see_payload, redact
from ..states import ActionVerdict, DestinationState, EventStatus, Outcome, Reason

if TYPE_CHECKING:
    Shape = serializers.Serializer[Any]
else:  # generic for type checkers only
    Shape = serializers.Serializer

#: More attempts than this are not listed: those made last are.
MOST_ATTEMPTS = 50


def one_of(values: Any, **options: Any) -> serializers.CharField:
    """A word of several. No ChoiceField: its schema would compete with the site's own for the name of an enum."""
    words = ", ".join(f"`{value}`" for value in values if value)
    return serializers.CharField(help_text=f"One of {words}.", **options)


def moment(**options: Any) -> serializers.DateTimeField:
    """ISO 8601 in UTC, whatever format the site gives its own."""
    return serializers.DateTimeField(format="iso-8601", default_timezone=dt.timezone.utc, **options)


class EventShape(Shape):
    """An event as a list has it."""

    event_id = serializers.UUIDField()
    event_name = serializers.CharField()
    status = one_of(EventStatus.values)
    destination = serializers.CharField()
    definition = serializers.CharField(help_text="Empty for events that no definition made.")
    source = serializers.CharField(help_text="The model it came from: `shop.Order`.")  # type: ignore[assignment]
    source_pk = serializers.CharField()
    user_id = serializers.CharField()
    order_id = serializers.CharField()
    occurred_at = moment()
    expires_at = moment(help_text="DFINERY processes nothing after that.")
    created_at = moment(help_text="When it was stored.")
    due_at = moment(allow_null=True, help_text="Nobody need look at it before; null when it is finished.")
    finished_at = moment(allow_null=True)
    attempt_count = serializers.IntegerField()
    reason_code = one_of(Reason.values)
    reason = serializers.CharField(
        help_text="Why it is not (yet) delivered; in full with the permission `view_payload` only."
    )  # fmt: skip

    def to_representation(self, instance: Any) -> Any:
        told = super().to_representation(instance)
        told["reason"] = redact(self.context["request"], told["reason"], _label(Reason, told["reason_code"]))
        return told


class AttemptShape(Shape):
    """One HTTP exchange with DFINERY."""

    number = serializers.IntegerField()
    started_at = moment()
    duration_ms = serializers.IntegerField()
    outcome = one_of(Outcome.values)
    status_code = serializers.IntegerField(allow_null=True)
    result_code = serializers.CharField()
    error = serializers.CharField(help_text="In full with the permission `view_payload` only.")
    response_body = serializers.CharField(required=False, help_text="With the permission `view_payload` only.")

    def to_representation(self, instance: Any) -> Any:
        told = super().to_representation(instance)
        told["error"] = redact(self.context["request"], told["error"], _label(Outcome, told["outcome"]))
        if not may_see_payload(self.context["request"]):
            del told["response_body"]
        return told


class EventDetailShape(EventShape):
    """An event with its attempts and, for those who may see it, its payload."""

    attempts = AttemptShape(many=True)
    payload = serializers.DictField(
        required=False, allow_null=True,
        help_text="With the permission `view_payload` only; null while it is not built, or once it was dropped.",
    )  # fmt: skip


def detailed(event: Event, request: Any) -> dict[str, Any]:
    """An event as whoever asks may see it."""
    context = {"request": request}
    told: dict[str, Any] = dict(EventShape(event, context=context).data)
    latest: list[DeliveryAttempt] = list(event.attempts.order_by("-started_at", "-pk")[:MOST_ATTEMPTS])
    told["attempts"] = AttemptShape(reversed(latest), many=True, context=context).data
    if may_see_payload(request):
        told["payload"] = _payload(event)
    return told


def _label(words: Any, code: str) -> str:
    """What a code says, in the language of the API."""
    with translation.override("en"):
        return str(dict(words.choices).get(code, code))


def _payload(event: Event) -> Any:
    try:
        payload = json.loads(event.payload) if event.payload else None
    except ValueError:  # not ours, or damaged
        return None
    return payload if isinstance(payload, dict) else None


class TakenShape(Shape):
    """What became of one event that was sent."""

    index = serializers.IntegerField(help_text="Its place among those sent, from 0.")
    event_id = serializers.UUIDField()
    is_new = serializers.BooleanField(help_text="False if the same event was stored before.")
    notes = serializers.ListField(child=serializers.CharField(), help_text="What is probably a mistake all the same.")


class EventErrorShape(Shape):
    """Why one event can't be taken."""

    index = serializers.IntegerField(allow_null=True, help_text="Its place among those sent; null: all of them.")
    path = serializers.CharField(help_text="Where in its body: `items[0].price`.")
    message = serializers.CharField(help_text="In DFINERY's words.")
    result_code = serializers.IntegerField(allow_null=True, help_text="DFINERY's code; null for a conflict of ids.")
    problem = serializers.CharField(help_text="What exactly.")


class IngestedShape(Shape):
    """What became of the events that were sent."""

    stored = serializers.IntegerField(help_text="How many are new.")
    events = TakenShape(many=True)
    errors = EventErrorShape(many=True, help_text="With `partial`: those left out.")  # type: ignore[assignment]


class ErrorShape(Shape):
    detail = serializers.CharField()


class IngestErrorShape(ErrorShape):
    errors = EventErrorShape(many=True, required=False)  # type: ignore[assignment]


class ActionErrorShape(ErrorShape):
    verdict = one_of(ActionVerdict.values)


class FindingShape(Shape):
    """One thing that is not as it should be."""

    code = serializers.CharField(help_text="For machines; does not change.")
    level = one_of(("warning", "alarm"))
    destination = serializers.CharField(help_text="Empty where it is about all of them.")
    text = serializers.CharField()


class DestinationShape(Shape):
    """How one destination stands."""

    alias = serializers.CharField()
    state = one_of(DestinationState.values)
    code = one_of(Reason.values, allow_blank=True)
    since = moment(allow_null=True)
    next_try_at = moment(allow_null=True)
    drained_at = moment(allow_null=True, help_text="When a worker last looked for events.")
    waiting = serializers.IntegerField()
    at_risk = serializers.IntegerField(help_text="How many have waited for more than half of their time.")
    expires_next_at = moment(allow_null=True)


class HealthShape(Shape):
    """Is all well?"""

    level = one_of(("ok", "warning", "alarm"))
    reasons = FindingShape(many=True)
    waiting = serializers.IntegerField()
    delivered = serializers.IntegerField(help_text="Within 24 hours, like the next two.")
    failed = serializers.IntegerField()
    expired = serializers.IntegerField()
    oldest_waiting_at = moment(allow_null=True, help_text="When that happened which waits for the longest time.")
    expires_next_at = moment(allow_null=True)
    last_delivered_at = moment(allow_null=True)
    destinations = DestinationShape(many=True)
