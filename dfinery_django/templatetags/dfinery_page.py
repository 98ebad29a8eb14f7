"""Template tags of the frame of a page: the nonce of a Content-Security-Policy, and the breadcrumbs."""

from __future__ import annotations

from typing import Any

import django
from django import template
from django.db.models import Model
from django.forms import Media
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import pgettext

register = template.Library()

#: From here on Django's admin marks up its breadcrumbs as a list, and its files with the nonce.
IS_DJANGO_61 = django.VERSION >= (6, 1)


@register.simple_tag(takes_context=True)
def dfinery_nonce(context: template.Context, media: Media | None = None) -> str:
    """Return the attribute ``nonce``, or ``media`` with it; do what ``csp_nonce_attr`` of Django 6.1 does.

    The nonce is that of Django's middleware (6.0 and later) or of django-csp; without one the attribute is left out.
    """
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)  # django-csp
    if media is None:
        return "" if nonce is None else format_html('nonce="{}"', nonce)
    if nonce is None or not IS_DJANGO_61:
        return mark_safe(media.render())  # noqa: S308 - Django's own markup  # nosec B308 B703
    return media.render(attrs={"nonce": nonce})


@register.inclusion_tag("admin/dfinery_django/breadcrumbs.html", takes_context=True)
def dfinery_breadcrumbs(context: template.Context, step: str = "") -> dict[str, Any]:
    """Show the way to a page as Django's own admin pages do.

    :param step: a page behind that of the object, such as a confirmation
    """
    request, opts, original = context["request"], context["opts"], context.get("original")
    match = request.resolver_match
    site = getattr(request, "current_app", None) or (match.namespace if match else None)

    def url(page: str, *args: Any, **kwargs: Any) -> str:
        return reverse(f"admin:{page}", args=args, kwargs=kwargs, current_app=site)

    model = f"{opts.app_label}_{opts.model_name}"
    trail = [
        (pgettext("admin", "Home"), url("index")),
        (opts.app_config.verbose_name, url("app_list", app_label=opts.app_label)),
    ]
    if original or step:
        trail.append((capfirst(opts.verbose_name_plural), url(f"{model}_changelist")))
    if isinstance(original, Model):
        trail.append((str(original), url(f"{model}_change", original.pk)))
    if step or not isinstance(original, Model):
        trail.append((step or context["title"], ""))
    return {"is_list": IS_DJANGO_61, "links": trail[:-1], "here": trail[-1][0]}
