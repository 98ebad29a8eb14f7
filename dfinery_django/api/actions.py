"""Resend and cancel one event through a bulk action, as the admin does, whose checks are safe against races."""

from __future__ import annotations

import functools
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.utils import translation
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from .. import clock
from ..db.retry import retry
from ..enums import ACTIONABLE, Action, ActionVerdict
from ..models import Event
from ..monitoring.holdups import find_holdups
from ..monitoring.overview import look
from ..operations.bulk_action import advance, new_bulk_action, wake_all_on_commit
from ..operations.selection import Selection
from .base import DfineryView, permission_set
from .errors import ApiError, Unavailable
from .events import get_event_or_404
from .health import without_usernames
from .serializers import english_label, event_detail

#: How long a request retries on a database fault.
API_RETRY_SECONDS = 2.0


class EventActionView(DfineryView):
    """Base of the views that take an action on one event."""

    action: Action

    def post(self, request: Request, event_id: str) -> Response:
        using = router.db_for_write(Event)
        event = get_event_or_404(Event.objects.using(using).defer("payload"), event_id)
        step = functools.partial(self._carry_out, request, event, using)
        verdict = retry(step, using=using, until=clock.monotonic() + API_RETRY_SECONDS)
        if verdict not in ACTIONABLE:
            detail = f"Nothing was done: {english_label(ActionVerdict, verdict)}."
            raise ApiError(status.HTTP_409_CONFLICT, detail, verdict=str(verdict))
        wake_all_on_commit(using)
        return Response(self.answer(Event.objects.using(using).get(pk=event.pk), request))

    def answer(self, event: Event, request: Request) -> dict[str, Any]:
        """Return the body of the response: the event after the action."""
        return event_detail(event, request)

    def _carry_out(self, request: Request, event: Event, using: str) -> ActionVerdict:
        """Store the bulk action, run it and log it, in one transaction."""
        by = request.user.get_username()
        with transaction.atomic(using=using):
            bulk_action = new_bulk_action(self.action, Selection(pks=(event.pk,)), by=by, using=using)
            bulk_action.event_count = 1
            bulk_action.save(using=using, force_insert=True)
            done = advance(using, pk=bulk_action.pk)
            assert done is not None  # noqa: S101 - not committed yet: no worker sees it
            if done[0].error:
                raise Unavailable("It can't be done: see the log.")  # rolls the transaction back
            if done[1]:
                _log_action(request.user, event, f"{self.action} (API)")
        verdicts = [ActionVerdict(each) for each, count in done[0].tally.items() if count]
        return verdicts[0] if verdicts else ActionVerdict.CHANGED


def _log_action(user: Any, event: Event, message: str) -> None:
    """Log the action in Django's admin log, if the site has one."""
    if apps.is_installed("django.contrib.admin") and isinstance(user, get_user_model()):
        from django.contrib.admin.models import CHANGE, LogEntry

        LogEntry.objects.log_actions(user.pk, [event], CHANGE, change_message=message)


class ResendView(EventActionView):
    """Send a finished event again: the same content, the same event_id."""

    action = Action.RESEND
    permissions = {"POST": (permission_set("view_event", "resend_event"),)}

    def answer(self, event: Event, request: Request) -> dict[str, Any]:
        """Return the event, which is not sent yet, and what keeps it from being sent for now."""
        with translation.override("en"):  # whatever language the request's headers ask for
            holdups = find_holdups(
                without_usernames(look(with_schedules=False, with_events=False)), [event.destination]
            )
            return {**event_detail(event, request), "held_up_by": [each.text for each in holdups]}


class CancelView(EventActionView):
    """Cancel a waiting event: it is never sent."""

    action = Action.CANCEL
    permissions = {"POST": (permission_set("view_event", "cancel_event"),)}
