from __future__ import annotations

from django.apps import AppConfig


class FieldsConfig(AppConfig):
    name = "tests.system.neighbours.fields"
    label = "neighbours"
    default_auto_field = "django.db.models.BigAutoField"
