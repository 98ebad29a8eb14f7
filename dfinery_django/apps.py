"""Connects the receivers. Nothing here reads the database."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, post_save, pre_save
from django.utils.translation import gettext_lazy as _


class DfineryConfig(AppConfig):
    name = "dfinery_django"
    verbose_name = _("DFINERY")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, outbox, registry, tasks  # noqa: F401 - checks register themselves

        # Without a sender: the receivers look at the concrete model, so that proxies and children count.
        pre_save.connect(outbox.before_save, dispatch_uid="dfinery_django.before_save", weak=False)
        post_save.connect(outbox.after_save, dispatch_uid="dfinery_django.after_save", weak=False)
        post_migrate.connect(tasks.schedule_after_migrate, sender=self, dispatch_uid="dfinery_django.schedules")
        registry.autodiscover()
