"""The base view of the API: closed without a permission of this app, whatever the site's defaults."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from django.apps import apps
from django.db import Error as DatabaseFault
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from rest_framework.permissions import BasePermission
from rest_framework.renderers import (
    BaseRenderer,
    BrowsableAPIRenderer,
    HTMLFormRenderer,
    JSONRenderer,
    TemplateHTMLRenderer,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle
from rest_framework.views import APIView, exception_handler

from ..conf import did_you_mean
from ..db import outage
from ..exceptions import ConfigurationError
from .errors import ApiError, Unavailable, bad_request, restore_types
from .parsing import EventParser

logger = logging.getLogger("dfinery_django")

THROTTLE_SCOPE = "dfinery"

#: Alternatives: all permissions of one set are needed.
PermissionSets = tuple[frozenset[str], ...]


def permission_set(*codenames: str) -> frozenset[str]:
    """Return the full names of the permissions."""
    return frozenset(f"dfinery_django.{codename}" for codename in codenames)


class HasAppPermission(BasePermission):
    """Permission for authenticated users with one of the view's permission sets for the method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not getattr(user, "is_authenticated", False) or not hasattr(user, "has_perm"):
            return False
        by_method: Mapping[str, PermissionSets] = view.permissions
        method = "GET" if request.method == "HEAD" else str(request.method)
        # OPTIONS, or a method that the view lacks (405): any permission of the view will do.
        alternatives = by_method.get(method) or tuple(one for each in by_method.values() for one in each)
        return any(all(user.has_perm(permission) for permission in one) for one in alternatives)


class ScopeThrottle(ScopedRateThrottle):
    """A throttle of the scope "dfinery", off unless the site sets a rate; DRF's own would raise an error."""

    def allow_request(self, request: Request, view: Any) -> bool:
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES or {}
        if not rates.get(THROTTLE_SCOPE):
            return True
        self.THROTTLE_RATES = rates
        return bool(super().allow_request(request, view))


class DfineryView(APIView):
    """Base of all views. ``permissions`` and ``parameters``, the query parameters it knows, are by HTTP method."""

    permissions: Mapping[str, PermissionSets]
    parameters: Mapping[str, Collection[str]] = {}
    permission_classes = [HasAppPermission]
    parser_classes = [EventParser]
    throttle_scope = THROTTLE_SCOPE
    versioning_class = None  # the version is in the path

    def get_throttles(self) -> list[BaseThrottle]:
        site_classes: Any = api_settings.DEFAULT_THROTTLE_CLASSES
        return [*(each() for each in site_classes if not issubclass(each, ScopedRateThrottle)), ScopeThrottle()]

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the site's renderers; those that need templates of DRF only if it is in ``INSTALLED_APPS``."""
        renderers = super().get_renderers()
        if apps.is_installed("rest_framework"):
            return renderers
        needs_templates = (BrowsableAPIRenderer, TemplateHTMLRenderer, HTMLFormRenderer)
        return [each for each in renderers if not isinstance(each, needs_templates)] or [JSONRenderer()]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = "GET" if request.method == "HEAD" else str(request.method)
        known = tuple(self.parameters.get(method, ()))
        for name, value in request.query_params.items() if hasattr(self, method.lower()) else ():
            if name not in (*known, api_settings.URL_FORMAT_OVERRIDE):
                hint = did_you_mean(name, known) if known else "This endpoint has no parameters."
                raise bad_request(f"There is no parameter {name[:100]!r}. {hint}")
            # An empty variable of a caller's script must not select everything.
            if not value or "\x00" in value:
                raise bad_request(f"{name}: {'empty; leave it out' if not value else 'contains U+0000'}.")

    def get_exception_handler(self) -> Callable[..., Any]:
        return partial(_handle_or_default, super().get_exception_handler())

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ConfigurationError):
            logger.error("The API returns 503: %s", exc)
            exc = Unavailable("The DFINERY setting of this site is wrong: nothing was done.")
        elif isinstance(exc, DatabaseFault):
            exc = _outage_error(exc)
        answer: Any = super().handle_exception(exc)
        if isinstance(exc, ApiError) and hasattr(answer, "data"):
            answer.data = restore_types(answer.data)
        if (seconds := getattr(exc, "wait", None)) and not answer.has_header("Retry-After"):
            answer["Retry-After"] = str(int(seconds))
        return answer  # type: ignore[no-any-return]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        add_never_cache_headers(response)
        return response


def _outage_error(error: DatabaseFault) -> Exception:
    with translation.override("en"):
        words = outage.outage_message(error)
    if not words:
        return error
    logger.error("The API returns 503: the database failed", exc_info=error)
    return Unavailable(words)


def _handle_or_default(handler: Callable[..., Any], exc: Exception, context: Any) -> Any:
    """Return the response of the site's handler; of DRF's own if that returns none or raises."""
    try:
        answer = handler(exc, context)
    except Exception:  # with a 500, a client would resend the same request for ever
        logger.exception("The site's EXCEPTION_HANDLER can't handle %s", type(exc).__name__)
        answer = None
    return exception_handler(exc, context) if answer is None else answer
