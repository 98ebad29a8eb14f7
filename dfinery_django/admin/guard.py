"""Answer admin pages with 503 and a sentence while the database is down or lacks our tables."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection
from typing import Any

from django.db import Error as DatabaseFault, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers

from ..db import outage

logger = logging.getLogger("dfinery_django")

View = Callable[..., Any]


def with_database_guard(view: View) -> View:
    """Return the view, answering 503 if the database fails, outside of the request's transaction."""
    opted_out = frozenset(getattr(view, "_non_atomic_requests", ()))

    @functools.wraps(view)
    def guarded_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        call = functools.partial(_with_atomic_requests(view, opted_out), request, *args, **kwargs)
        answer = _call_or_503(call)
        if hasattr(answer, "render") and not answer.is_rendered:
            # A change list queries the database while it renders.
            answer.render = functools.partial(_render_guarded, answer)
        return answer

    guarded_view.__dict__["_non_atomic_requests"] = set(connections)
    return guarded_view


def _with_atomic_requests(view: View, opted_out: Collection[str]) -> View:
    """Return the view, atomic for each database with ATOMIC_REQUESTS unless the view opted out."""
    for alias, each in connections.settings.items():
        if each["ATOMIC_REQUESTS"] and alias not in opted_out:
            view = transaction.atomic(using=alias)(view)
    return view


def _render_guarded(answer: Any) -> Any:
    del answer.render  # uncovers the method of the class
    return _call_or_503(answer.render)


def _call_or_503(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except DatabaseFault as error:
        words = outage.outage_message(error)
        if not words:
            raise
        logger.exception("The admin returns 503: the database failed")
    # Not based on the site's templates, which would query the database for the user.
    page = render_to_string("dfinery_django/unavailable.html", {"words": words})
    response = HttpResponse(page, status=503, headers={"Retry-After": str(outage.RETRY_AFTER_SECONDS)})
    add_never_cache_headers(response)
    return response
