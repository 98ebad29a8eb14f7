"""A site that leaves the bodies of errors to drf-standardized-errors."""

from __future__ import annotations

from tests import settings as base
from tests.settings import *  # noqa: F403 - derived settings

INSTALLED_APPS = [*base.INSTALLED_APPS, "drf_standardized_errors"]
