"""What all views here have in common: closed unless a permission of this app opens them, whatever the site sets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from django.db import Error as DatabaseFault
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle
from rest_framework.views import APIView, exception_handler

from .. import outage
from ..conf import did_you_mean
from ..exceptions import ConfigurationError
from .errors import ApiError, as_values, bad_request, unavailable
from .parsing import EventParser

logger = logging.getLogger("dfinery_django")

APP = "dfinery_django"
THROTTLE_SCOPE = "dfinery"

#: Ways in: all permissions of one of them are needed.
Ways = tuple[frozenset[str], ...]


def needs(*codenames: str) -> frozenset[str]:
    """One way in."""
    return frozenset(f"{APP}.{codename}" for codename in codenames)


class HasAppPermission(BasePermission):
    """Somebody who is known, and has the permissions that the view names for the method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not getattr(user, "is_authenticated", False) or not hasattr(user, "has_perm"):
            return False
        by_method: Mapping[str, Ways] = view.permissions
        method = "GET" if request.method == "HEAD" else str(request.method)
        # A method that the view hasn't (405), or OPTIONS: for those who may do anything here.
        ways = by_method.get(method) or tuple(way for each in by_method.values() for way in each)
        return any(all(user.has_perm(permission) for permission in way) for way in ways)


class ScopeThrottle(ScopedRateThrottle):
    """Limits the scope "dfinery" if the site sets a rate for it; DRF's own raises an error if it doesn't."""

    def allow_request(self, request: Request, view: Any) -> bool:
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES or {}
        if not rates.get(THROTTLE_SCOPE):
            return True
        self.THROTTLE_RATES = rates
        return bool(super().allow_request(request, view))


class DfineryView(APIView):
    """
    :cvar permissions: HTTP method -> ways in
    :cvar parameters: HTTP method -> the query parameters that it knows
    """

    permissions: Mapping[str, Ways]
    parameters: Mapping[str, Collection[str]] = {}
    permission_classes = [HasAppPermission]
    parser_classes = [EventParser]
    throttle_scope = THROTTLE_SCOPE
    versioning_class = None  # the path says the version

    def get_throttles(self) -> list[BaseThrottle]:
        of_site: Any = api_settings.DEFAULT_THROTTLE_CLASSES
        return [*(each() for each in of_site if not issubclass(each, ScopedRateThrottle)), ScopeThrottle()]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = "GET" if request.method == "HEAD" else str(request.method)
        known = tuple(self.parameters.get(method, ()))
        for name, value in request.query_params.items() if hasattr(self, method.lower()) else ():
            if name not in (*known, api_settings.URL_FORMAT_OVERRIDE):
                hint = did_you_mean(name, known) if known else "This address knows none."
                raise bad_request(f"There is no parameter {name[:100]!r}. {hint}")
            # An empty variable of somebody's script is no wish for everything.
            if not value or "\x00" in value:
                raise bad_request(f"{name}: {'it is empty: leave it out' if not value else 'it has a U+0000'}.")

    def get_exception_handler(self) -> Callable[..., Any]:
        return partial(_handled, super().get_exception_handler())

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ConfigurationError):
            logger.error("The API can't answer: %s", exc)
            exc = unavailable("The DFINERY setting of this site is wrong: nothing was done.")
        elif isinstance(exc, DatabaseFault):
            exc = _outage(exc)
        answer: Any = super().handle_exception(exc)
        if isinstance(exc, ApiError) and hasattr(answer, "data"):
            answer.data = as_values(answer.data)
        if (seconds := getattr(exc, "wait", None)) and not answer.has_header("Retry-After"):
            answer["Retry-After"] = str(int(seconds))
        return answer  # type: ignore[no-any-return]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        add_never_cache_headers(response)
        return response


def _outage(error: DatabaseFault) -> Exception:
    """What is answered while the database can't be used. An error of the code stays what it is."""
    with translation.override("en"):
        words = outage.outage_message(error)
    if not words:
        return error
    logger.error("The API can't answer: the database failed", exc_info=error)
    return unavailable(words)


def _handled(handler: Callable[..., Any], exc: Exception, context: Any) -> Any:
    """The answer of the site's handler; of Django REST framework's own where that gives none."""
    try:
        answer = handler(exc, context)
    except Exception:  # a till that is told of our fault sends the same for ever
        logger.exception("The site's EXCEPTION_HANDLER can't handle %s", type(exc).__name__)
        answer = None
    return exception_handler(exc, context) if answer is None else answer
