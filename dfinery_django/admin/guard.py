"""Pages of the admin while the database can't be used, or lacks our tables: 503 and a sentence instead of an error."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection
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
    unwanted = frozenset(getattr(view, "_non_atomic_requests", ()))

    @functools.wraps(view)
    def guarded_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        asked = functools.partial(_as_the_site_has_it(view, unwanted), request, *args, **kwargs)
        answer = _told(asked)
        if hasattr(answer, "render") and not answer.is_rendered:
            answer.render = functools.partial(_rendered, answer)  # a list is read only then
        return answer

    guarded_view.__dict__["_non_atomic_requests"] = set(connections)
    return guarded_view


def _as_the_site_has_it(view: View, unwanted: Collection[str]) -> View:
    """In a transaction of the whole request where the site has one (ATOMIC_REQUESTS), and the view wants it."""
    for alias, each in connections.settings.items():
        if each["ATOMIC_REQUESTS"] and alias not in unwanted:
            view = transaction.atomic(using=alias)(view)
    return view


def _rendered(answer: Any) -> Any:
    del answer.render  # the class has its own
    return _told(answer.render)


def _told(answer: Callable[[], Any]) -> Any:
    try:
        return answer()
    except DatabaseFault as error:
        words = outage.outage_message(error)
        if not words:
            raise
        logger.exception("The admin can't answer: the database failed")
    # Nothing of the site's own pages, which would ask the database who looks at them.
    page = render_to_string("dfinery_django/unavailable.html", {"words": words})
    told = HttpResponse(page, status=503, headers={"Retry-After": str(outage.RETRY_AFTER_SECONDS)})
    add_never_cache_headers(told)
    return told
