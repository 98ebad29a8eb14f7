"""Resend and cancel one event, as the admin does it: through a repair, whose guard holds whatever else goes on."""

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

from .. import clock, repair
from ..models import Event
from ..patience import retry_transient
from ..selection import Selection
from ..states import ACTIONABLE, Action, ActionVerdict
from .base import DfineryView, needs
from .errors import ApiError, unavailable
from .events import found
from .shapes import detailed

#: How long a request waits out a fault of the database.
PATIENCE_SECONDS = 2.0


class EventAction(DfineryView):
    action: Action

    def post(self, request: Request, event_id: str) -> Response:
        using = router.db_for_write(Event)
        event = found(Event.objects.using(using).defer("payload"), event_id)
        step = functools.partial(self._carry_out, request, event, using)
        verdict = retry_transient(step, using=using, until=clock.monotonic() + PATIENCE_SECONDS)
        if verdict not in ACTIONABLE:
            with translation.override("en"):
                detail = f"Nothing was done: {verdict.label}."
            raise ApiError(status.HTTP_409_CONFLICT, detail, verdict=str(verdict))
        repair.wake(using)
        return Response(detailed(Event.objects.using(using).get(pk=event.pk), request))

    def _carry_out(self, request: Request, event: Event, using: str) -> ActionVerdict:
        """Store the wish, do it and log it: all or nothing."""
        by = request.user.get_username()
        with transaction.atomic(using=using):
            wish = repair.wish(self.action, Selection(pks=(event.pk,)), by=by, using=using)
            wish.event_count = 1
            wish.save(using=using, force_insert=True)
            done = repair.advance(using, pk=wish.pk)
            assert done is not None  # noqa: S101 - nobody else can see it yet
            if done[0].error:
                raise unavailable("It can't be done: see the log.")  # and nothing of it stays
            if done[1]:
                _log(request.user, event, f"{self.action} (API)")
        verdicts = [ActionVerdict(each) for each, count in done[0].tally.items() if count]
        return verdicts[0] if verdicts else ActionVerdict.CHANGED


def _log(user: Any, event: Event, message: str) -> None:
    """In Django's log, where the site keeps one."""
    if apps.is_installed("django.contrib.admin") and isinstance(user, get_user_model()):
        from django.contrib.admin.models import CHANGE, LogEntry

        LogEntry.objects.log_actions(user.pk, [event], CHANGE, change_message=message)


class Resend(EventAction):
    """Send a finished event again: the same content, the same event_id."""

    action = Action.RESEND
    permissions = {"POST": (needs("view_event", "resend_event"),)}


class Cancel(EventAction):
    """Take an event that waits off the way: it is never sent."""

    action = Action.CANCEL
    permissions = {"POST": (needs("view_event", "cancel_event"),)}
