"""Base classes and helpers of all admin pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..text.language import site_language as site_language
from ..text.times import time_element
from .guard import with_database_guard


def datetime_column(model: type[models.Model], name: str) -> Any:
    """Return a column with a time, in the format of every page."""
    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name, ordering=name)
    def column(row: Any) -> str | None:
        moment = getattr(row, name)
        return time_element(moment) if moment else None

    column.__name__ = name
    return column


def is_key(text: str) -> bool:
    """Return whether the text is a whole number that fits a key column."""
    return text.isdecimal() and len(text) < 19


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Base of all model admins: no adding, changing or deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission

    @property
    def urls(self) -> Any:
        patterns = super().urls
        for each in patterns:
            if isinstance(each, URLPattern):  # a theme's own class may include others
                each.callback = with_database_guard(each.callback)
        return patterns

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # PostgreSQL refuses U+0000, which Django does not check.
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Django's title "Select … to change" is wrong here, and not all of its translations fit every name.
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def template_page(
        self, request: HttpRequest, template: str, context: dict[str, Any], extra_context: Any = None
    ) -> HttpResponse:
        """Return a page of our own template, with the context of every page of the admin site."""
        common = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        page = {**common, **context, **(extra_context or {})}
        return TemplateResponse(request, f"admin/dfinery_django/{template}.html", page)

    def admin_url(self, page: str, *args: Any) -> str:
        """Return the URL of one of our pages, such as ``event_changelist``, in this admin site."""
        return reverse(f"admin:dfinery_django_{page}", args=args, current_app=self.admin_site.name)

    def redirect_missing(self, request: HttpRequest) -> HttpResponse:
        """Redirect to the list with a message; the row was probably pruned."""
        self.message_user(request, _("That does not exist. Perhaps it was old, and deleted."), messages.WARNING)
        return HttpResponseRedirect(self.admin_url(f"{self.model._meta.model_name}_changelist"))
