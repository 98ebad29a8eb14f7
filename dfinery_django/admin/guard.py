"""Pages of the admin while the database can't be used, or lacks our tables: 503 and a sentence instead of an error."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseFault
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers

from .. import outage

logger = logging.getLogger("dfinery_django")

View = Callable[..., Any]


def guarded(view: View) -> View:
    """The same view. What it says of a database that fails is said outside of the request's transaction."""

    @functools.wraps(view)
    def guarded_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        answer = _told(functools.partial(_as_the_site_has_it(view), request, *args, **kwargs))
        if hasattr(answer, "render") and not answer.is_rendered:
            answer.render = functools.partial(_told, answer.render)  # a list is read only then
        return answer

    for alias in connections:
        transaction.non_atomic_requests(using=alias)(guarded_view)
    return guarded_view


def _as_the_site_has_it(view: View) -> View:
    """In a transaction of the whole request where the site has one (ATOMIC_REQUESTS), and the view wants it."""
    unwanted = getattr(view, "_non_atomic_requests", ())
    for alias, each in connections.settings.items():
        if each["ATOMIC_REQUESTS"] and alias not in unwanted:
            view = transaction.atomic(using=alias)(view)
    return view


def _told(answer: Callable[[], Any]) -> Any:
    try:
        return answer()
    except DatabaseFault as error:
        words = outage.sentence(error)
        if not words:
            raise
        logger.exception("The admin can't answer: the database failed")
    # Nothing of the site's own pages, which would ask the database who looks at them.
    page = render_to_string("dfinery_django/unavailable.html", {"words": words})
    told = HttpResponse(page, status=503, headers={"Retry-After": str(outage.RETRY_AFTER_SECONDS)})
    add_never_cache_headers(told)
    return told
