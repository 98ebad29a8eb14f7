"""Resend, rebuild and cancel events: confirm with a forecast, run, log who did it.

The confirmation page carries the selection in a signed form field. A small bulk action is done in the request; a large
one is left to the workers (``operations.bulk_action``), with a page that shows its progress.
"""

from __future__ import annotations

import datetime as dt
import functools
from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, path
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _, gettext_lazy, pgettext
from django.views.decorators.http import require_GET, require_POST

from .. import clock
from ..db.retry import retry
from ..enums import Action
from ..models import Event, Repair
from ..operations.bulk_action import Forecast, advance, new_bulk_action, wake_all_on_commit
from ..operations.messages import (
    Line,
    action_button,
    action_lines,
    action_log_message,
    action_result,
    action_title,
    describe_selection,
    unchecked_note,
)
from ..operations.redaction import redact
from ..operations.selection import Selection
from .base import ReadOnlyAdmin, is_key, site_language
from .filters import read_selection
from .progress import holdups_now

ACTION_SALT = "dfinery_django.operations.bulk_action"
#: A confirmation page expires after this.
CONFIRMATION_SECONDS = 3600
#: With more events than this, only the first chunk is done in the request.
MAX_EVENTS_IN_REQUEST = 1000
#: How long a request retries on a database fault.
ACTION_RETRY_SECONDS = 2.0
#: With more events than this, Django's log gets one entry for the whole bulk action.
MAX_LOG_ENTRIES = 100
MAX_LISTED_EVENTS = 10


class BulkActionsAdmin(ReadOnlyAdmin):
    """Base of the admin of ``Event``: the three bulk actions, on the list and on an event's page."""

    actions: tuple[str, ...] = ("resend", "rebuild", "cancel")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.resend_event")

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.rebuild_event")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dfinery_django.cancel_event")

    @admin.action(description=gettext_lazy("Resend: the same content again"), permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._confirm_selection(request, Action.RESEND)

    @admin.action(description=gettext_lazy("Rebuild and resend: after a mapping was fixed"), permissions=["rebuild"])
    def rebuild(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._confirm_selection(request, Action.REBUILD)

    @admin.action(description=gettext_lazy("Cancel: never send them"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._confirm_selection(request, Action.CANCEL)

    def get_urls(self) -> Any:
        confirm, run = self.admin_site.admin_view(self.confirm_view), self.admin_site.admin_view(self.run_view)
        own = [
            path("<int:pk>/ask/<slug:action>/", require_GET(confirm), name="dfinery_django_event_ask"),
            path("act/", require_POST(run), name="dfinery_django_event_act"),
        ]
        return [*own, *super().get_urls()]

    def allowed_actions(self, request: HttpRequest) -> list[Action]:
        """Return the actions that the user may take."""
        return [action for action in Action if getattr(self, f"has_{action}_permission")(request)]

    # ── confirm ────────────────────────────────────────────────────────────────────────────────────────────────────

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **options: Any) -> HttpResponse | None:
        # Django's filter raises for a value that is not a key.
        form = request.POST.copy()
        form.setlist(ACTION_CHECKBOX_NAME, list(map(str, _checked_pks(request))))
        request.POST = form  # type: ignore[assignment]
        return super().response_action(request, queryset, *args, **options)

    def _confirm_selection(self, request: HttpRequest, action: Action) -> HttpResponse | None:
        selection = self._selection(request, router.db_for_write(Event))
        return self._confirm(request, action, selection, back=self._list_url(request)) if selection else None

    def _selection(self, request: HttpRequest, using: str) -> Selection | None:
        """Return the selection of the list's action form: the checked rows, or all that match the filters."""
        if request.POST.get("select_across") == "1":
            return read_selection(request.GET.dict()).resolved(Event.objects.using(using))
        pks = _checked_pks(request)
        return Selection(pks=pks) if pks else None

    def _list_url(self, request: HttpRequest) -> str:
        return f"{self.admin_url('event_changelist')}?{request.GET.urlencode()}"

    def confirm_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Show the confirmation page for one event."""
        if action not in Action.values:
            raise Http404
        self._check_permission(request, Action(action))
        event = get_object_or_404(Event.objects.defer("payload"), pk=pk)
        back = self.admin_url("event_change", pk)
        return self._confirm(request, Action(action), Selection(pks=(event.pk,)), back=back, event=event)

    def _confirm(
        self, request: HttpRequest, action: Action, selection: Selection, *, back: str, event: Event | None = None
    ) -> HttpResponse:
        from .event_page import rebuild_context

        using = router.db_for_write(Event)
        bulk_action = new_bulk_action(action, selection, by=request.user.get_username(), using=using)
        forecast = Forecast(bulk_action)
        confirmation = {
            "action": action, "selection": bulk_action.selection, "seen_at": bulk_action.seen_at.isoformat(),
            "last_pk": bulk_action.last_pk, "last_attempt_pk": bulk_action.last_attempt_pk,
            "count": forecast.total, "back": back, "destinations": sorted(forecast.destinations),
        }  # fmt: skip
        listed = forecast.first_changed(MAX_LISTED_EVENTS)
        context = {
            "event": event, "action": str(action), "act": self.admin_url("event_act"),
            "lines": list(action_lines(action, forecast.tally)), "note": unchecked_note(forecast, action),
            "holdups": holdups_now(forecast.destinations) if action != Action.CANCEL and forecast.done else [],
            "button": action_button(action, forecast.done) if forecast.done else "",
            "listed": listed, "unlisted": max(0, forecast.done - len(listed)),
            **(rebuild_context(request, event) if event and action == Action.REBUILD and forecast.done else {}),
        }  # fmt: skip
        title = action_title(action, forecast.done, forecast.total)
        return self._confirmation_page(request, title, confirmation, context)

    def _confirmation_page(
        self,
        request: HttpRequest,
        title: str,
        signed: dict[str, Any],
        context: dict[str, Any],
        *,
        salt: str = ACTION_SALT,
        template: str = "event/question",
    ) -> HttpResponse:
        """Return the confirmation page, which posts ``signed``; its ``back`` is the URL of the cancel link."""
        common = {
            "title": title, "original": context.get("event") or title, "back": signed["back"],
            "confirmation": signing.dumps(signed, salt=_user_salt(salt, request)),
        }  # fmt: skip
        return self.template_page(request, template, common, context)

    # ── run ────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_view(self, request: HttpRequest) -> HttpResponse:
        """Run the bulk action that was confirmed."""
        confirmation = self._load_confirmation(request)
        if confirmation is None:
            return HttpResponseRedirect(self.admin_url("event_changelist"))
        self._check_permission(request, Action(confirmation["action"]))
        using = router.db_for_write(Event)
        bulk_action = new_bulk_action(
            Action(confirmation["action"]), Selection.from_json(confirmation["selection"]),
            by=request.user.get_username(), using=using,
        )  # fmt: skip
        bulk_action.seen_at = dt.datetime.fromisoformat(confirmation["seen_at"])
        bulk_action.last_pk, bulk_action.last_attempt_pk = confirmation["last_pk"], confirmation["last_attempt_pk"]
        bulk_action.event_count = confirmation["count"]
        until = clock.monotonic() + ACTION_RETRY_SECONDS
        bulk_action = retry(functools.partial(self._start, request, bulk_action, using), using=using, until=until)
        while not bulk_action.is_finished and bulk_action.event_count <= MAX_EVENTS_IN_REQUEST:
            advanced = retry(functools.partial(advance, using, pk=bulk_action.pk), using=using, until=until)
            if advanced is None:
                break  # a worker is running it
            bulk_action = advanced[0]
        wake_all_on_commit(using)
        if not bulk_action.is_finished:
            return HttpResponseRedirect(self.admin_url("repair_change", bulk_action.pk))
        self._report(request, bulk_action, confirmation["destinations"])
        return HttpResponseRedirect(confirmation["back"])

    def _load_confirmation(self, request: HttpRequest, salt: str = ACTION_SALT) -> dict[str, Any] | None:
        """Return the signed confirmation; ``None``, and a message, if it expired or is another user's."""
        try:
            confirmation: dict[str, Any] = signing.loads(
                request.POST.get("confirmation", ""), salt=_user_salt(salt, request), max_age=CONFIRMATION_SECONDS
            )
        except signing.BadSignature:
            self.message_user(request, _("That page was too old. Nothing was done: choose again."), messages.ERROR)
            return None
        return confirmation

    def _start(self, request: HttpRequest, bulk_action: Repair, using: str) -> Repair:
        """Store the bulk action, do its first chunk and log it, in one transaction."""
        with transaction.atomic(using=using):
            bulk_action.pk = None
            bulk_action.save(using=using, force_insert=True)
            advanced = advance(using, pk=bulk_action.pk)
            assert advanced is not None  # noqa: S101 - not committed yet: no other worker sees it
            started, done = advanced
            with site_language():
                if started.is_finished and len(done) <= MAX_LOG_ENTRIES:
                    events = Event.objects.using(using).filter(pk__in=done).defer("payload")
                    self._log(request, list(events), action_log_message(started.action))
                else:
                    words = describe_selection(Selection.from_json(bulk_action.selection).without_ids())
                    self._log(request, [started], f"{started}: {words}")
        return started

    def _log(self, request: HttpRequest, objects: list[Any], message: str) -> None:
        if objects and (user_pk := request.user.pk):
            LogEntry.objects.log_actions(user_pk, objects, CHANGE, change_message=message)

    def _report(self, request: HttpRequest, bulk_action: Repair, destinations: list[str]) -> None:
        if bulk_action.error:
            words = _("That can't be done: %(why)s") % {"why": bulk_action.error}
            self.message_user(request, redact(request, words, _("It can't be done: see the log.")), messages.ERROR)
            return
        described = list(action_lines(bulk_action.action, bulk_action.tally))
        changed = sum(line.count for line in described if line.kind != "left")
        if changed:
            self._report_changed(request, bulk_action, changed, destinations)
        for line in described:
            if line.kind == "left":
                self._warn_about(request, line)

    def _report_changed(self, request: HttpRequest, bulk_action: Repair, changed: int, destinations: list[str]) -> None:
        """Say what was begun, what holds it up, and where to see what became of it."""
        from ..monitoring.findings import join_sentences

        result = action_result(bulk_action.action, changed)
        if bulk_action.action == Action.CANCEL:
            self.message_user(request, result, messages.SUCCESS)
            return
        holdups = holdups_now(destinations)
        links = [(self.admin_url("repair_change", bulk_action.pk), _("See what becomes of them"))]
        with suppress(NoReverseMatch):  # a site that does not register the overview
            links += [(self.admin_url("overview_changelist"), pgettext("model", "Overview"))] if holdups else []
        said = join_sentences(result, *(each.text for each in holdups))
        words = format_html("{} {}", said, format_html_join(" · ", '<a href="{}">{}</a>', links))
        self.message_user(request, words, messages.WARNING if holdups else messages.SUCCESS)

    def _warn_about(self, request: HttpRequest, line: Line) -> None:
        text = _("%(number)s %(text)s.") % {"number": line.number, "text": line.text}
        self.message_user(request, text, messages.WARNING)

    def _check_permission(self, request: HttpRequest, action: Action) -> None:
        if not self.has_view_permission(request) or action not in self.allowed_actions(request):
            raise PermissionDenied


def _checked_pks(request: HttpRequest) -> tuple[int, ...]:
    """Return the keys of the rows checked in the list; values that are no keys are dropped."""
    return tuple(dict.fromkeys(map(int, filter(is_key, request.POST.getlist(ACTION_CHECKBOX_NAME)))))


def _user_salt(salt: str, request: HttpRequest) -> str:
    """Return a salt of the user's own, so that nobody confirms another's confirmation page."""
    return f"{salt}.{request.user.pk}"
