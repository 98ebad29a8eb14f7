"""A Korean shop that is built from the packages that many have."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import DFINERY, INSTALLED_APPS

INSTALLED_APPS = [
    "modeltranslation",
    *INSTALLED_APPS,
    "polymorphic",
    "taggit",
    "django_countries",
    "phonenumber_field",
    "djmoney",
    "tests.system.neighbours.fields",
]
DFINERY = {**DFINERY, "WAKE": "tests.support.doubles.no_wake"}
LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", "Korean"), ("en", "English")]
PHONENUMBER_DEFAULT_REGION = "KR"
PHONENUMBER_DEFAULT_FORMAT = "NATIONAL"  # how people see them; they are stored as E.164
# No migrations but ours: an app without any can point only to tables that are made with it.
MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in INSTALLED_APPS if app != "dfinery_django"}
