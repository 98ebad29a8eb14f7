"""A site that uses Django REST framework, with tokens for tills and a schema for people."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import DFINERY, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework.authtoken", "drf_spectacular"]
DFINERY = {**DFINERY, "WAKE": "tests.system.schema.settings.no_wake"}
ALLOWED_HOSTS = ["localhost", "testserver"]
ROOT_URLCONF = "tests.system.schema.urls"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {"TITLE": "A shop", "VERSION": "1"}


def no_wake(destination: str) -> None:
    """Nobody delivers here."""
