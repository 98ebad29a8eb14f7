"""The row of a bulk action; the class keeps its first name, ``Repair``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from .. import clock
from ..db.columns import MomentField
from ..enums import Action


class Repair(models.Model):
    """A bulk action: an operator's action on a selection of events, with its progress. It is done in chunks."""

    action = models.CharField(pgettext_lazy("repair", "action"), max_length=10, choices=Action.as_choices)
    selection = models.TextField(pgettext_lazy("repair", "selection"), help_text=_("which events, as JSON"))
    asked_by = models.CharField(_("asked by"), max_length=255)
    asked_at = MomentField(_("asked at"), default=clock.now)
    # Events that changed after this time are skipped, so that repeating a chunk does nothing.
    seen_at = MomentField(_("as seen at"))
    last_pk = models.BigIntegerField(editable=False)
    last_attempt_pk = models.BigIntegerField(editable=False)
    reached_pk = models.BigIntegerField(default=0, editable=False)
    event_count = models.PositiveIntegerField(_("events selected"), default=0)
    tally = models.JSONField(_("so far"), default=dict)
    # Keys of the events that it changed, so that one can see what became of them; null when they are too many.
    changed_pks = models.JSONField(default=list, null=True, editable=False)
    error = models.TextField(pgettext_lazy("repair", "error"), blank=True)
    finished_at = MomentField(_("finished at"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = pgettext_lazy("model", "repair")
        verbose_name_plural = pgettext_lazy("model", "repairs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.event_count})"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def seen_count(self) -> int:
        return sum(self.tally.values())
