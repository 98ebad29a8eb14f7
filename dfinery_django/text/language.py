"""The language in which values are read and logs are written, whoever is at work."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.conf import settings
from django.utils import translation


def site_language() -> AbstractContextManager[None]:
    """Activate the site's language."""
    return translation.override(settings.LANGUAGE_CODE)
