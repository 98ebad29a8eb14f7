"""What every page of the admin shares."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import translation
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..moments import local
from .guard import guarded

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object


def site_language() -> AbstractContextManager[None]:
    """For Django's log: others read it than whoever was logged."""
    return translation.override(settings.LANGUAGE_CODE)


def moment_of(model: type[models.Model], name: str) -> Any:
    """A column with a moment of ours in the reader's time zone, as Django itself shows it with ``USE_TZ`` only."""

    field: Any = model._meta.get_field(name)

    @admin.display(description=field.verbose_name, ordering=name)
    def column(row: Any) -> str | None:
        moment = getattr(row, name)
        return str(localize(local(moment))) if moment else None

    column.__name__ = name
    return column


def is_key(text: str) -> bool:
    """Whether it is a whole number that a column of keys can hold."""
    return text.isdecimal() and len(text) < 19


class ReadOnly(Base):
    """The row is the truth, and nobody types the truth."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @property
    def urls(self) -> Any:
        found = super().urls
        for each in found:
            if isinstance(each, URLPattern):  # a theme's own class may include others
                each.callback = guarded(each.callback)
        return found

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # PostgreSQL takes no U+0000, of which Django knows nothing.
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Django asks to select something, which nobody need do here; not all of its translations fit any name.
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def address(self, page: str, *args: Any) -> str:
        """The address of a page of ours in this admin site: ``event_changelist``."""
        return reverse(f"admin:dfinery_django_{page}", args=args, current_app=self.admin_site.name)

    def not_there(self, request: HttpRequest) -> HttpResponse:
        """Back to the list, with a word: what is old is deleted in time."""
        self.message_user(request, _("That does not exist. Perhaps it was old, and deleted."), messages.WARNING)
        return HttpResponseRedirect(self.address(f"{self.model._meta.model_name}_changelist"))
