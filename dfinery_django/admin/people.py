"""Forget people: ask first, say what will be erased, do it in one transaction, log that it was done but not to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from ..forgetting import Forgotten, forget_all, people_of
from ..models import Event
from ..moments import number
from ..states import EventStatus
from ..wording import Line
from .actions import LISTED, RepairActions
from .base import site_language

SALT = "dfinery_django.forget"
#: All of them are erased in one transaction, in the request.
MOST_EVENTS, MOST_PEOPLE = 1000, 50


class PeopleActions(RepairActions):
    """For the admin of ``Event``: the people whom the chosen events are about, with all their events."""

    actions = (*RepairActions.actions, "forget")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.forget_user")

    @admin.action(
        description=gettext_lazy("Forget these people: erase all of their events"), permissions=["forget"]
    )  # fmt: skip
    def forget(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        using = router.db_for_write(Event)
        chosen = self._chosen(request, using)
        if chosen is None:
            return None
        events = list(chosen.narrow(Event.objects.using(using)).order_by("-pk")[: MOST_EVENTS + 1])
        people, unread = people_of(events[:MOST_EVENTS], using)
        if len(events) > MOST_EVENTS or len(people) > MOST_PEOPLE:
            text = _("Choose fewer: at most %(events)s events of %(people)s people at once. Nothing was done.")
            words = text % {"events": number(MOST_EVENTS), "people": number(MOST_PEOPLE)}
            self.message_user(request, words, messages.ERROR)
            return None
        return self._ask_to_forget(request, people, events, unread, using)

    def get_urls(self) -> Any:
        act = require_POST(self.admin_site.admin_view(self.forget_view))
        return [path("forget/", act, name="dfinery_django_event_forget"), *super().get_urls()]

    def forget_view(self, request: HttpRequest) -> HttpResponse:
        """Erase what was asked and confirmed."""
        asked = self._confirmed(request, salt=SALT)
        if asked is None:
            return HttpResponseRedirect(self.address("event_changelist"))
        if not self.has_view_permission(request) or not self.has_forget_permission(request):
            raise PermissionDenied
        using = router.db_for_write(Event)
        people, _unread = people_of(_events(asked["events"], using), using)
        if not constant_time_compare(_mark(people), asked["mark"]):
            text = _("These events are not about the same people any more. Nothing was done: choose again.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(asked["back"])
        found = forget_all(people, using=using)
        self._log_forgotten(request, found, using)
        self.message_user(request, done(found), messages.SUCCESS)
        for line in [*lines(found), *unsaid(found.unread)]:
            if line.kind != "done":
                self._warn(request, line)
        return HttpResponseRedirect(asked["back"])

    def _ask_to_forget(
        self, request: HttpRequest, people: list[str], events: list[Event], unread: int, using: str
    ) -> HttpResponse:
        found = forget_all(people, using=using, dry_run=True)
        context = {
            "lines": [*lines(found), *unsaid(unread)],
            "note": _("DFINERY itself keeps what arrived there: have it erased there, too.") if people else "",
            "button": button(len(people)) if people else "",
            "act": self.address("event_forget"),
            "listed": events[:LISTED],
            "unlisted": max(0, len(events) - LISTED),
            "action": "forget",
        }
        # Not the people: whoever may not see payloads could read their ids in the page.
        keys = [event.pk for event in events]
        asked = {"events": keys, "mark": _mark(people), "back": self._list_address(request)}
        return self._question(request, question(len(people)), asked, context, salt=SALT)

    def _log_forgotten(self, request: HttpRequest, found: Forgotten, using: str) -> None:
        """That it was done, and by whom; of whom it tells nothing."""
        if not request.user.pk:
            return
        with site_language():
            LogEntry.objects.create(
                user_id=request.user.pk, content_type_id=get_content_type_for_model(Event).pk, object_id=None,
                object_repr=str(self.opts.verbose_name_plural), action_flag=DELETION, change_message=done(found),
            )  # fmt: skip


def _events(pks: list[int], using: str) -> list[Event]:
    return list(Event.objects.using(using).filter(pk__in=pks).order_by("-pk"))


def _mark(people: list[str]) -> str:
    """By which the same people are known again; it tells nobody who they are."""
    return salted_hmac(SALT, json.dumps(sorted(people)), algorithm="sha256").hexdigest()


def question(count: int) -> str:
    """The title of the page that asks."""
    return ngettext("Forget %(count)s person?", "Forget %(count)s people?", count) % {"count": number(count)}


def button(count: int) -> str:
    """What the button that does it says."""
    return ngettext("Yes, forget them", "Yes, forget %(count)s people", count) % {"count": number(count)}


def done(found: Forgotten) -> str:
    """What was erased."""
    text = ngettext("Forgotten: %(count)s event was erased.", "Forgotten: %(count)s events were erased.", found.total)
    return text % {"count": number(found.total)}


def lines(found: Forgotten) -> Iterator[Line]:
    """What is erased, what stays of it, and what may arrive all the same."""
    if found.total:
        yield Line(found.total, _("erased: every event of theirs, with its content, its ids and its attempts"), "done")
    if found.traces:
        words = _("of these leave a trace without any id for about two days, so that they are not captured again")
        yield Line(found.traces, words, "done")
    if found.repairs + found.log_entries:
        yield Line(found.repairs + found.log_entries, _("entries of ledgers and logs lose the ids in them"), "done")
    if sending := found.events.get(EventStatus.SENDING, 0):
        yield Line(sending, _("being sent at this moment, which nothing can call back: may still arrive"), "doubtful")


def unsaid(count: int) -> Iterator[Line]:
    """What says of nobody whom it is about."""
    if count:
        yield Line(
            count, _("left alone: nobody can know whom they are about, since their source can't be read"), "left"
        )
