"""Tables keyed by a hash: custom fields, incidents, totals."""

from __future__ import annotations

import hashlib

from django.db import models
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from ..db.columns import MomentField


class HashKeyed(models.Model):
    """Base of the tables keyed by a hash of what identifies a row.

    MariaDB and MySQL would compare the texts themselves without regard to case; DFINERY does not.
    """

    key = models.CharField(max_length=64, primary_key=True, editable=False)

    class Meta:
        abstract = True
        default_permissions = ()

    @staticmethod
    def key_of(*parts: str) -> str:
        return hashlib.sha256("\x1f".join(parts).encode(errors="replace")).hexdigest()


class CustomField(HashKeyed):
    """A custom field that was sent, with its type so far; or, without a scope, a custom event."""

    scope = models.CharField(pgettext_lazy("custom field", "scope"), max_length=20, blank=True)
    name = models.TextField(pgettext_lazy("custom field", "name"))
    type = models.CharField(pgettext_lazy("custom field", "type"), max_length=20, blank=True)
    first_seen_at = MomentField(_("first seen at"))
    last_seen_at = MomentField(_("last seen at"))
    # How often a value had another type, which DFINERY stores as another field; the last such type, and when.
    drift_count = models.PositiveIntegerField(pgettext_lazy("custom field", "drifts"), default=0)
    drift_type = models.CharField(_("other type"), max_length=20, blank=True)
    drifted_at = MomentField(_("drifted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")

    def __str__(self) -> str:
        return f"{self.scope} {self.name}".strip()


class Incident(HashKeyed):
    """A fault that goes on: events of one definition that fail for one reason, events that expire."""

    subject = models.TextField()
    last_at = MomentField()

    def __str__(self) -> str:
        return self.subject


class Total(HashKeyed):
    """The total of one metric with its labels (a JSON list)."""

    metric = models.CharField(max_length=40)
    labels = models.TextField()
    value = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"{self.metric} {self.labels}"
