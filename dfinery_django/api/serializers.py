"""Serializers of the responses, and so the source of the schema."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.utils import translation
from rest_framework import serializers

from ..enums import ActionVerdict, DestinationState, EventStatus, Outcome, Reason
from ..models import DeliveryAttempt, Event
from ..operations.redaction import may_see_payload, redact

#: Only the latest attempts are listed.
MAX_ATTEMPTS = 50


class SerializerBase(serializers.Serializer):  # type: ignore[type-arg]
    """Base of all serializers."""


def word_field(values: Any, **options: Any) -> serializers.CharField:
    """Return a field of one of the values. The schema of a ChoiceField could clash with an enum of the site."""
    words = ", ".join(f"`{value}`" for value in values if value)
    return serializers.CharField(help_text=f"One of {words}.", **options)


def utc_datetime_field(**options: Any) -> serializers.DateTimeField:
    """Return a field in ISO 8601 and UTC, whatever format the site's settings give."""
    return serializers.DateTimeField(format="iso-8601", default_timezone=dt.timezone.utc, **options)


class EventSerializer(SerializerBase):
    """An event in a list."""

    event_id = serializers.UUIDField()
    event_name = serializers.CharField()
    status = word_field(EventStatus.values)
    destination = serializers.CharField()
    definition = serializers.CharField(help_text="Empty for events that no definition made.")
    source = serializers.CharField(help_text="Model of the source object: `shop.Order`.")  # type: ignore[assignment]
    source_pk = serializers.CharField()
    user_id = serializers.CharField()
    order_id = serializers.CharField()
    occurred_at = utc_datetime_field()
    expires_at = utc_datetime_field(help_text="DFINERY does not process it after that.")
    created_at = utc_datetime_field(help_text="When it was stored.")
    due_at = utc_datetime_field(allow_null=True, help_text="When it is next due; null if it is finished.")
    finished_at = utc_datetime_field(allow_null=True)
    attempt_count = serializers.IntegerField()
    reason_code = word_field(Reason.values)
    reason = serializers.CharField(
        help_text="Why it is not (yet) delivered; in full with the permission `view_payload` only."
    )

    def to_representation(self, instance: Any) -> Any:
        data = super().to_representation(instance)
        data["reason"] = redact(self.context["request"], data["reason"], english_label(Reason, data["reason_code"]))
        return data


class AttemptSerializer(SerializerBase):
    """One HTTP exchange with DFINERY."""

    number = serializers.IntegerField()
    started_at = utc_datetime_field()
    duration_ms = serializers.IntegerField()
    outcome = word_field(Outcome.values)
    status_code = serializers.IntegerField(allow_null=True)
    result_code = serializers.CharField()
    reason = serializers.CharField(
        help_text="Why it was not delivered; in full with the permission `view_payload` only."
    )
    error = serializers.CharField(
        help_text="Technical words, if no answer came; in full with the permission `view_payload` only."
    )
    response_body = serializers.CharField(required=False, help_text="With the permission `view_payload` only.")

    def to_representation(self, instance: Any) -> Any:
        data = super().to_representation(instance)
        for name in ("reason", "error"):
            data[name] = redact(self.context["request"], data[name], english_label(Outcome, data["outcome"]))
        if not may_see_payload(self.context["request"]):
            del data["response_body"]
        return data


class EventDetailSerializer(EventSerializer):
    """An event with its attempts and, for those who may see it, its payload."""

    attempts = AttemptSerializer(many=True)
    payload = serializers.DictField(
        required=False, allow_null=True,
        help_text="With the permission `view_payload` only; null while it is not built, or once it was dropped.",
    )  # fmt: skip


class ResentSerializer(EventDetailSerializer):
    """An event that will be sent again."""

    held_up_by = serializers.ListField(
        child=serializers.CharField(), help_text="Why it is not sent for now, as in `health`; empty if nothing does."
    )


def event_detail(event: Event, request: Any) -> dict[str, Any]:
    """Return an event with its attempts, as far as the user may see it."""
    context = {"request": request}
    data: dict[str, Any] = dict(EventSerializer(event, context=context).data)
    latest: list[DeliveryAttempt] = list(event.attempts.order_by("-started_at", "-pk")[:MAX_ATTEMPTS])
    data["attempts"] = AttemptSerializer(reversed(latest), many=True, context=context).data
    if may_see_payload(request):
        data["payload"] = _stored_payload(event)
    return data


def english_label(words: Any, code: str) -> str:
    """Return the English label of a code."""
    with translation.override("en"):
        return str(dict(words.choices).get(code, code))


def _stored_payload(event: Event) -> Any:
    try:
        payload = json.loads(event.payload) if event.payload else None
    except ValueError:  # damaged, or written by others
        return None
    return payload if isinstance(payload, dict) else None


class TakenSerializer(SerializerBase):
    """The result for one event that was sent."""

    index = serializers.IntegerField(help_text="Its index in the list, from 0.")
    event_id = serializers.UUIDField()
    is_new = serializers.BooleanField(help_text="False if the same event was stored before.")
    notes = serializers.ListField(child=serializers.CharField(), help_text="Probable mistakes in a stored event.")


class EventErrorSerializer(SerializerBase):
    """The error of one event that was refused."""

    index = serializers.IntegerField(allow_null=True, help_text="Its index in the list; null: the whole body.")
    path = serializers.CharField(help_text="Location in its body: `items[0].price`.")
    message = serializers.CharField(help_text="DFINERY's error text.")
    result_code = serializers.IntegerField(allow_null=True, help_text="DFINERY's code; null for a conflict of ids.")
    problem = serializers.CharField(help_text="The exact problem.")


class IngestedSerializer(SerializerBase):
    """The result for all events that were sent."""

    stored = serializers.IntegerField(help_text="Number of new events.")
    events = TakenSerializer(many=True)
    errors = EventErrorSerializer(many=True, help_text="With `partial`: the events that were refused.")  # type: ignore[assignment]


class ErrorSerializer(SerializerBase):
    """An error."""

    detail = serializers.CharField()


class IngestErrorSerializer(ErrorSerializer):
    """An error with the events that were refused."""

    errors = EventErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class ActionErrorSerializer(ErrorSerializer):
    """The reason why an action was not taken."""

    verdict = word_field(ActionVerdict.values)


class FindingSerializer(SerializerBase):
    """A problem found by the health check."""

    code = serializers.CharField(help_text="For machines; does not change.")
    level = word_field(("warning", "alarm"))
    destination = serializers.CharField(help_text="Empty if it concerns all of them.")
    text = serializers.CharField()


class DestinationSerializer(SerializerBase):
    """The state of one destination."""

    alias = serializers.CharField()
    state = word_field(DestinationState.values)
    code = word_field(Reason.values, allow_blank=True)
    since = utc_datetime_field(allow_null=True)
    next_try_at = utc_datetime_field(allow_null=True)
    drained_at = utc_datetime_field(allow_null=True, help_text="When a worker last looked for events.")
    waiting = serializers.IntegerField()
    at_risk = serializers.IntegerField(help_text="Events that have waited for more than half of the maximum age.")
    expires_next_at = utc_datetime_field(allow_null=True)


class HealthSerializer(SerializerBase):
    """The health of the outbox."""

    level = word_field(("ok", "warning", "alarm"))
    reasons = FindingSerializer(many=True)
    waiting = serializers.IntegerField()
    delivered = serializers.IntegerField(help_text="Within 24 hours, like the next two.")
    failed = serializers.IntegerField()
    expired = serializers.IntegerField()
    oldest_waiting_at = utc_datetime_field(allow_null=True, help_text="When the oldest waiting event happened.")
    expires_next_at = utc_datetime_field(allow_null=True)
    last_delivered_at = utc_datetime_field(allow_null=True)
    destinations = DestinationSerializer(many=True)
