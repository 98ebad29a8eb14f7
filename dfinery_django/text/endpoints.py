"""The server that events are sent to, in words. A server that is not DFINERY's is always named as such. No ORM."""

from __future__ import annotations

from django.utils.translation import gettext as _, pgettext

from ..addresses import Endpoint
from ..conf import Settings


def endpoint_note(settings: Settings) -> str:
    """Return a sentence if events do not go to DFINERY; else, or if nothing is sent at all, an empty text."""
    endpoint = settings.endpoint
    if endpoint.is_dfinery or not settings.ENABLED or not settings.TOKENS:
        return ""
    if endpoint.kind == "sandbox":
        text = _("Events go to a sandbox on %(host)s, not to DFINERY.")
    else:
        text = _("Events go to %(host)s, which is not DFINERY's host.")
    return text % {"host": endpoint.host}


def endpoint_label(endpoint: Endpoint) -> str:
    """Return the label of a server that is not DFINERY's; empty for DFINERY."""
    if endpoint.is_dfinery:
        return ""
    return pgettext("endpoint", "sandbox") if endpoint.kind == "sandbox" else _("not DFINERY's host")


def server_name(endpoint: Endpoint) -> str:
    """Name a server that is not DFINERY's, to begin a sentence about its answer."""
    if endpoint.kind == "sandbox":
        return _("The sandbox at %(host)s") % {"host": endpoint.host}
    return _("%(host)s, which is not DFINERY's host,") % {"host": endpoint.host}
