"""Base classes and helpers of all admin pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..text.language import site_language as site_language
from ..text.times import local
from .guard import with_database_guard

if TYPE_CHECKING:
    AdminBase = admin.ModelAdmin[Any]
else:  # Django's classes are generic for type checkers only
    AdminBase = admin.ModelAdmin


def datetime_column(model: type[models.Model], name: str) -> Any:
    """Return a list column with a time in the reader's time zone; Django itself converts with ``USE_TZ`` only."""
    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name, ordering=name)
    def column(row: Any) -> str | None:
        moment = getattr(row, name)
        return str(localize(local(moment))) if moment else None

    column.__name__ = name
    return column


def is_key(text: str) -> bool:
    """Return whether the text is a whole number that fits a key column."""
    return text.isdecimal() and len(text) < 19


class ReadOnlyAdmin(AdminBase):
    """Base of all model admins: no adding, changing or deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

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

    def admin_url(self, page: str, *args: Any) -> str:
        """Return the URL of one of our pages in this admin site.

        :param page: such as ``event_changelist``
        """
        return reverse(f"admin:dfinery_django_{page}", args=args, current_app=self.admin_site.name)

    def redirect_missing(self, request: HttpRequest) -> HttpResponse:
        """Redirect to the list with a message; the row was probably pruned."""
        self.message_user(request, _("That does not exist. Perhaps it was old, and deleted."), messages.WARNING)
        return HttpResponseRedirect(self.admin_url(f"{self.model._meta.model_name}_changelist"))
