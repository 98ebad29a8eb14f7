"""Forget people: confirm with a forecast, erase in one transaction, log who did it but not whom it erased."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_POST

from ..enums import EventStatus
from ..models import Event
from ..operations.messages import describe_forgotten, forget_button, forget_outcome, forget_question
from ..operations.redaction import redact
from ..text.times import number
from .base import site_language
from .bulk_actions import BulkActionsAdmin
from .filters import SEARCH

if TYPE_CHECKING:
    from ..operations.forget import Forgotten

FORGET_SALT = "dfinery_django.forget"
#: Limits, since all is erased in one transaction in the request.
MAX_FORGOTTEN_EVENTS, MAX_FORGOTTEN_PEOPLE = 1000, 50
#: The confirmation page lists no more of the events that are erased than this, and says how many more there are.
MAX_ERASED_LISTED = 100


class ForgetActionAdmin(BulkActionsAdmin):
    """Base of the admin of ``Event``: forget the people whom the selected events are about."""

    actions = (*BulkActionsAdmin.actions, "forget")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.forget_user")

    def get_action_choices(self, request: HttpRequest, default_choices: Any = None, action_location: Any = None) -> Any:
        """Move the erasure to the end, into a group of its own."""
        given = {"default_choices": default_choices, "action_location": action_location}  # the latter: Django 6.1
        options = {name: value for name, value in given.items() if value is not None}
        choices = super().get_action_choices(request, **options)
        apart = [choice for choice in choices if choice[0] == "forget"]
        others = [choice for choice in choices if choice[0] != "forget"]
        return [*others, (_("Personal data"), apart)] if apart else others

    @admin.action(description=gettext_lazy("Erase all events of these people"), permissions=["forget"])
    def forget(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        from ..operations.forget import people_of

        using = router.db_for_write(Event)
        selection = self._selection(request, using)
        if selection is None:
            return None
        events = list(selection.narrow(Event.objects.using(using)).order_by("-pk")[: MAX_FORGOTTEN_EVENTS + 1])
        people, unread = people_of(events[:MAX_FORGOTTEN_EVENTS], using)
        if len(events) > MAX_FORGOTTEN_EVENTS or len(people) > MAX_FORGOTTEN_PEOPLE:
            text = _("Choose fewer: at most %(events)s events of %(people)s people at once. Nothing was done.")
            words = text % {"events": number(MAX_FORGOTTEN_EVENTS), "people": number(MAX_FORGOTTEN_PEOPLE)}
            self.message_user(request, words, messages.ERROR)
            return None
        return self._confirm_forget(request, people, events, unread, using)

    def get_urls(self) -> Any:
        act = require_POST(self.admin_site.admin_view(self.forget_view))
        return [path("forget/", act, name="dfinery_django_event_forget"), *super().get_urls()]

    def forget_view(self, request: HttpRequest) -> HttpResponse:
        """Erase the people that were confirmed."""
        from ..operations.forget import forget_all, people_of

        confirmation = self._load_confirmation(request, FORGET_SALT)
        if confirmation is None:
            return HttpResponseRedirect(self.admin_url("event_changelist"))
        if not self.has_view_permission(request) or not self.has_forget_permission(request):
            raise PermissionDenied
        using = router.db_for_write(Event)
        events = Event.objects.using(using).filter(pk__in=confirmation["events"]).order_by("-pk")
        people, _unread = people_of(list(events), using)
        if not constant_time_compare(_people_digest(people), confirmation["people_digest"]):
            text = _("These events are not about the same people any more. Nothing was done: choose again.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(confirmation["back"])
        erased = forget_all(people, using=using)
        self._log_forgotten(request, erased)
        self.message_user(request, forget_outcome(erased), messages.SUCCESS)
        for line in describe_forgotten(erased, erased.unread):
            if line.kind != "done":
                self._warn_about(request, line)
        return HttpResponseRedirect(confirmation["back"])

    def _confirm_forget(
        self, request: HttpRequest, people: list[str], events: list[Event], unread: int, using: str
    ) -> HttpResponse:
        from ..operations.forget import forecast_erasure

        erased, pks = forecast_erasure(people, using)
        listed = Event.objects.using(using).filter(pk__in=pks[-MAX_ERASED_LISTED:]).defer("payload").order_by("-pk")
        list_url = self.admin_url("event_changelist")
        links = [(each, f"{list_url}?{urlencode({SEARCH: each})}") for each in redact(request, people, [])]
        context = {
            "action": "forget", "act": self.admin_url("event_forget"), "is_erasure": True,
            "button": forget_button(erased.total) if people else "",
            "people": links, "people_count": len(people),
            "lines": list(describe_forgotten(erased, unread)),
            "statuses": [(each.label, str(each), erased.events[each]) for each in EventStatus if each in erased.events],
            "listed": list(listed), "unlisted": max(0, erased.total - MAX_ERASED_LISTED),
        }  # fmt: skip
        # Not the people: users without view_payload could read their ids in the page.
        keys = [event.pk for event in events]
        confirmation = {"events": keys, "people_digest": _people_digest(people), "back": self._list_url(request)}
        title = forget_question(len(people))
        return self._confirmation_page(request, title, confirmation, context, salt=FORGET_SALT, template="event/forget")

    def _log_forgotten(self, request: HttpRequest, erased: Forgotten) -> None:
        """Log the erasure and its user, not the people."""
        if not request.user.pk:
            return
        with site_language():
            LogEntry.objects.create(
                user_id=request.user.pk, content_type_id=get_content_type_for_model(Event).pk, object_id=None,
                object_repr=str(self.opts.verbose_name_plural), action_flag=DELETION,
                change_message=forget_outcome(erased),
            )  # fmt: skip


def _people_digest(people: list[str]) -> str:
    """Return a digest that identifies the same people without revealing them."""
    return salted_hmac(FORGET_SALT, json.dumps(sorted(people)), algorithm="sha256").hexdigest()
