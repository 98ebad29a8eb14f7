"""The app's configuration, which connects the receivers. It reads no database."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, post_save, pre_save
from django.utils.translation import gettext_lazy as _

from .exceptions import ConfigurationError


class DfineryConfig(AppConfig):
    """The configuration of the app."""

    name = "dfinery_django"
    verbose_name = _("DFINERY")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, django_q2, queues  # noqa: F401 - the checks register themselves
        from .db import forks
        from .definitions import registry
        from .outbox import receivers, wakeup

        # Without a sender: the receivers use the concrete model, so that proxies and children count.
        for signal, receiver in ((pre_save, receivers.before_save), (post_save, receivers.after_save)):
            signal.connect(receiver, dispatch_uid=f"dfinery_django.{receiver.__name__}", weak=False)
        post_migrate.connect(django_q2.schedule_after_migrate, sender=self, dispatch_uid="dfinery_django.schedules")
        # Tests that empty their tables send this signal, too.
        post_migrate.connect(_clear_known_fields, sender=self, dispatch_uid="dfinery_django.fields")
        post_migrate.connect(wakeup.clear_seen_flags, sender=self, dispatch_uid="dfinery_django.notices")
        forks.use_own_pools()
        queues.register_tasks()
        registry.autodiscover()
        try:
            receivers.connect_signals()
        except ConfigurationError:
            pass  # the system checks report it


def _clear_known_fields(**kwargs: Any) -> None:
    from .building.custom_fields import clear_known_fields  # web processes seldom build

    clear_known_fields()
