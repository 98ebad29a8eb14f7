"""The wire protocol that the settings name."""

from __future__ import annotations

from django.utils.module_loading import import_string

from ..conf import Settings
from .base import WireProtocol


def protocol_for(alias: str, settings: Settings) -> WireProtocol:
    """Return the wire protocol, with the destination's current token."""
    token = settings.TOKENS[alias].resolved()
    protocol: WireProtocol = import_string(settings.PROTOCOL)(base_url=settings.BASE_URL, token=token)
    return protocol


def protocol_label(settings: Settings) -> str:
    """Return the name of the wire protocol for people; its dotted path if it can't be imported."""
    try:
        protocol = import_string(settings.PROTOCOL)
        return str(protocol.label or protocol.__name__)
    except Exception:  # noqa: BLE001 - the site's own module; a check reports it
        return settings.PROTOCOL
