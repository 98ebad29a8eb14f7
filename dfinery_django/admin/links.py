"""The mixin that shows the events of an object on the page of its own model's admin."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import Error as DatabaseFault
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from ..db import outage
from ..db.savepoints import savepoint_guard
from ..definitions import registry
from ..definitions.source import Source
from ..exceptions import ConfigurationError
from ..models import Event
from ..text.escape import badge, escaped
from .filters import DEFINITIONS, SOURCE

if TYPE_CHECKING:
    ModelAdminBase = admin.ModelAdmin[Any]
else:
    ModelAdminBase = object

logger = logging.getLogger("dfinery_django")

#: An object's page shows no more events than this, and links to all.
LATEST_SHOWN = 5
EVENTS_FIELD = "dfinery_events"


class DfineryEventsMixin(ModelAdminBase):
    """Mixin for the admin of a watched model: the status of the object's events, and a link to them.

    It is a read-only field, so that any template shows it, and only for users who may view events::

        class OrderAdmin(DfineryEventsMixin, admin.ModelAdmin): ...
    """

    @admin.display(description=_("DFINERY events"))
    def dfinery_events(self, obj: Any) -> str:
        """Show the latest events of the object."""
        definitions = registry.definitions_watching(type(obj))
        keys = {Source(each, obj).key or "" for each in definitions}
        names = [each.name for each in definitions]
        if not names:
            return str(_("No definition watches this model."))
        events = Event.objects.filter(definition__in=names, source_pk__in=keys).defer("payload").order_by("-pk")
        try:
            with savepoint_guard(events.db):
                latest = list(events[:LATEST_SHOWN])
        except DatabaseFault as error:  # must not break the site's page
            logger.exception("Events of %s can't be read", type(obj).__name__)
            return outage.outage_message(error) or str(_("The events can't be read: see the log."))
        lines = format_html_join("", "<li>{} {} {}</li>", (self._dfinery_line(event) for event in latest))
        address = urlencode({DEFINITIONS: ",".join(names), SOURCE: next(iter(keys))})
        site = self.admin_site.name
        return format_html(
            '<ul class="dfinery-events">{}</ul><a href="{}?{}">{}</a>',
            lines or format_html("<li>{}</li>", _("none yet")),
            reverse("admin:dfinery_django_event_changelist", current_app=site), address, _("All its DFINERY events"),
        )  # fmt: skip

    def _dfinery_line(self, event: Event) -> tuple[str, str, str]:
        page = reverse("admin:dfinery_django_event_change", args=[event.pk], current_app=self.admin_site.name)
        name = format_html('<a href="{}">{}</a>', page, escaped(event.event_name))
        return badge(event.status, event.get_status_display()), name, event.get_reason_code_display()

    def _shows_dfinery_events(self, request: HttpRequest, obj: Any) -> bool:
        if obj is None or not request.user.has_perm("dfinery_django.view_event"):
            return False
        try:
            reverse("admin:dfinery_django_event_changelist", current_app=self.admin_site.name)
            return bool(registry.definitions_watching(type(obj)))
        except (NoReverseMatch, ConfigurationError):
            return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return [*fields, EVENTS_FIELD] if self._shows_dfinery_events(request, obj) else fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Move the field into a fieldset of its own at the end."""
        fieldsets = super().get_fieldsets(request, obj)
        if not self._shows_dfinery_events(request, obj):
            return fieldsets
        others = [(title, {**options, "fields": _without(options["fields"])}) for title, options in fieldsets]
        return [*others, (_("DFINERY"), {"fields": [EVENTS_FIELD]})]

    @property
    def media(self) -> Any:
        from django.forms import Media

        return super().media + Media(css={"all": ["dfinery_django/events.css"]})


def _without(fields: Any) -> list[Any]:
    return [each for each in fields if each != EVENTS_FIELD]
