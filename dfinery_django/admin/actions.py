"""Resend, rebuild, cancel: ask first, say what will happen, do it, log who did.

The page that asks carries what was looked at in a signed form field. What is few is done in the request; what is many
is left to whoever drains (``repair``), with a page that shows how far it is.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from .. import clock, repair, wording
from ..models import Event, Repair
from ..patience import retry_transient
from ..rights import redact
from ..selection import Selection
from ..states import Action
from .base import ReadOnly, is_key, site_language
from .event_page import rebuild_context
from .filters import selected

SALT = "dfinery_django.repair"
#: A page that asks is good for so long.
ASKED_FOR_SECONDS = 3600
#: More events than this are not done in the request, but for a first chunk.
AT_ONCE = 1000
#: How long a request waits out a fault of the database.
PATIENCE_SECONDS = 2.0
#: With more events than this, Django's log has one entry for the whole action.
LOGGED_ONE_BY_ONE = 100
LISTED = 10


class RepairActions(ReadOnly):
    """For the admin of ``Event``: the three actions, on the list and on an event's page."""

    actions: tuple[str, ...] = ("resend", "rebuild", "cancel")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.resend_event")

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.rebuild_event")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.cancel_event")

    @admin.action(description=gettext_lazy("Resend: the same content again"), permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._ask_for_chosen(request, Action.RESEND)

    @admin.action(
        description=gettext_lazy("Rebuild and resend: after a mapping was mended"), permissions=["rebuild"]
    )  # fmt: skip
    def rebuild(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._ask_for_chosen(request, Action.REBUILD)

    @admin.action(description=gettext_lazy("Cancel: never send them"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._ask_for_chosen(request, Action.CANCEL)

    def get_urls(self) -> Any:
        ask, act = self.admin_site.admin_view(self.ask_view), self.admin_site.admin_view(self.act_view)
        own = [
            path("<int:pk>/ask/<slug:action>/", require_GET(ask), name="dfinery_django_event_ask"),
            path("act/", require_POST(act), name="dfinery_django_event_act"),
        ]
        return [*own, *super().get_urls()]

    def allowed(self, request: HttpRequest) -> list[Action]:
        """The actions that this person may take."""
        return [action for action in Action if getattr(self, f"has_{action}_permission")(request)]

    # ── ask ────────────────────────────────────────────────────────────────────────────────────────────────────

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **options: Any) -> HttpResponse | None:
        # Django's own filter raises for what is no key.
        form = request.POST.copy()
        form.setlist(ACTION_CHECKBOX_NAME, list(map(str, _ticked(request))))
        request.POST = form  # type: ignore[assignment]
        return super().response_action(request, queryset, *args, **options)

    def _ask_for_chosen(self, request: HttpRequest, action: Action) -> HttpResponse | None:
        selection = self._chosen(request, router.db_for_write(Event))
        return self._ask(request, action, selection, back=self._list_address(request)) if selection else None

    def _chosen(self, request: HttpRequest, using: str) -> Selection | None:
        """What the list's action form asks for: rows that were ticked, or all that the filters leave."""
        if request.POST.get("select_across") == "1":
            return selected(request.GET.dict()).resolved(Event.objects.using(using))
        pks = _ticked(request)
        return Selection(pks=pks) if pks else None

    def _list_address(self, request: HttpRequest) -> str:
        """Of the list as it was filtered."""
        return f"{self.address('event_changelist')}?{request.GET.urlencode()}"

    def ask_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """The question on an event's own page."""
        if action not in Action.values:
            raise Http404
        self._check(request, Action(action))
        event = get_object_or_404(Event.objects.defer("payload"), pk=pk)
        back = self.address("event_change", pk)
        return self._ask(request, Action(action), Selection(pks=(event.pk,)), back=back, event=event)

    def _ask(
        self, request: HttpRequest, action: Action, selection: Selection, *, back: str, event: Event | None = None
    ) -> HttpResponse:
        using = router.db_for_write(Event)
        wish = repair.wish(action, selection, by=request.user.get_username(), using=using)
        forecast = repair.Forecast(wish)
        asked = {
            "action": action, "selection": wish.selection, "seen_at": wish.seen_at.isoformat(),
            "last_pk": wish.last_pk, "last_attempt_pk": wish.last_attempt_pk, "count": forecast.total, "back": back,
        }  # fmt: skip
        first = selection.narrow(Event.objects.using(using)).defer("payload").order_by("-pk")[:LISTED]
        context = {
            "lines": list(wording.lines(action, forecast.tally)),
            "note": wording.unlooked(forecast, action),
            "button": wording.button(action, forecast.done) if forecast.done else "",
            "act": self.address("event_act"),
            "listed": list(first),
            "unlisted": max(0, forecast.total - LISTED),
            "event": event,
            "action": str(action),
            **(rebuild_context(request, event) if event and action == Action.REBUILD and forecast.done else {}),
        }
        return self._question(request, wording.question(action, forecast.total), asked, context)

    def _question(
        self, request: HttpRequest, title: str, asked: dict[str, Any], context: dict[str, Any], *, salt: str = SALT
    ) -> HttpResponse:
        """The page that asks.

        :param asked: what ``_confirmed`` gives back; its ``back`` is where a no leads
        """
        common = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.model._meta,
            "media": self.media,
            "original": context.get("event") or title,
            "asked": signing.dumps(asked, salt=_own(salt, request)),
            "back": asked["back"],
        }
        return TemplateResponse(request, "admin/dfinery_django/event/question.html", common | context)

    # ── act ────────────────────────────────────────────────────────────────────────────────────────────────────

    def act_view(self, request: HttpRequest) -> HttpResponse:
        """Do what was asked and confirmed."""
        asked = self._confirmed(request)
        if asked is None:
            return HttpResponseRedirect(self.address("event_changelist"))
        self._check(request, Action(asked["action"]))
        using = router.db_for_write(Event)
        wish = repair.wish(
            Action(asked["action"]), Selection.from_json(asked["selection"]),
            by=request.user.get_username(), using=using,
        )  # fmt: skip
        wish.seen_at = dt.datetime.fromisoformat(asked["seen_at"])
        wish.last_pk, wish.last_attempt_pk = asked["last_pk"], asked["last_attempt_pk"]
        wish.event_count = asked["count"]
        until = clock.monotonic() + PATIENCE_SECONDS
        wish = retry_transient(functools.partial(self._begin, request, wish, using), using=using, until=until)
        while not wish.is_finished and wish.event_count <= AT_ONCE:
            found = retry_transient(functools.partial(repair.advance, using, pk=wish.pk), using=using, until=until)
            if found is None:
                break  # a worker has it in hand
            wish = found[0]
        repair.wake(using)
        if not wish.is_finished:
            return HttpResponseRedirect(self.address("repair_change", wish.pk))
        self._tell(request, wish)
        return HttpResponseRedirect(asked["back"])

    def _confirmed(self, request: HttpRequest, *, salt: str = SALT) -> dict[str, Any] | None:
        """What this person was asked; ``None``, and a message, if that was long ago or not this person."""
        try:
            asked: dict[str, Any] = signing.loads(
                request.POST.get("asked", ""), salt=_own(salt, request), max_age=ASKED_FOR_SECONDS
            )
        except signing.BadSignature:
            self.message_user(request, _("That page was too old. Nothing was done: choose again."), messages.ERROR)
            return None
        return asked

    def _begin(self, request: HttpRequest, wish: Repair, using: str) -> Repair:
        """Store the wish, do its first chunk and log it: all or nothing."""
        with transaction.atomic(using=using):
            wish.pk = None
            wish.save(using=using, force_insert=True)
            found = repair.advance(using, pk=wish.pk)
            assert found is not None  # noqa: S101 - nobody else can see it yet
            begun, done = found
            with site_language():
                if begun.is_finished and len(done) <= LOGGED_ONE_BY_ONE:
                    events = Event.objects.using(using).filter(pk__in=done).defer("payload")
                    self._log(request, list(events), wording.logged(begun.action))
                else:
                    words = wording.described(Selection.from_json(wish.selection).without_ids())
                    self._log(request, [begun], f"{begun}: {words}")
        return begun

    def _log(self, request: HttpRequest, objects: list[Any], message: str) -> None:
        if objects and (user_pk := request.user.pk):
            LogEntry.objects.log_actions(
                user_id=user_pk, queryset=objects, action_flag=CHANGE, change_message=message
            )  # fmt: skip

    def _tell(self, request: HttpRequest, done: Repair) -> None:
        if done.error:
            words = _("That can't be done: %(why)s") % {"why": done.error}
            self.message_user(request, redact(request, words, _("It can't be done: see the log.")), messages.ERROR)
            return
        found = list(wording.lines(done.action, done.tally))
        changed = sum(line.count for line in found if line.kind != "left")
        if changed:
            self.message_user(request, wording.outcome(done.action, changed), messages.SUCCESS)
        for line in found:
            if line.kind == "left":
                self._warn(request, line)

    def _warn(self, request: HttpRequest, line: wording.Line) -> None:
        text = _("%(number)s %(text)s.") % {"number": line.number, "text": line.text}
        self.message_user(request, text, messages.WARNING)

    def _check(self, request: HttpRequest, action: Action) -> None:
        """
        :raises PermissionDenied: to whoever may not see events, or not take this action
        """
        if not self.has_view_permission(request) or action not in self.allowed(request):
            raise PermissionDenied


def _ticked(request: HttpRequest) -> tuple[int, ...]:
    """The rows that were ticked in a list. What is no key is none of them."""
    given = dict.fromkeys(filter(is_key, request.POST.getlist(ACTION_CHECKBOX_NAME)))
    return tuple(dict.fromkeys(map(int, given)))


def _own(salt: str, request: HttpRequest) -> str:
    """Nobody confirms what another was asked."""
    return f"{salt}.{request.user.pk}"
