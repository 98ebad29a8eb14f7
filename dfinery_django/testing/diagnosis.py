"""Reasons why an event that a test expects was not captured: the objects that were saved, and why none fired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models.signals import post_save

from ..conf import did_you_mean, get_settings
from ..definitions import registry
from ..definitions.definition import EventDefinition
from ..diagnostics.explain import explain

#: Maximum number of saved objects that are explained.
MOST_EXPLAINED = 5


class SaveRecorder:
    """A context manager that records the saved objects that definitions watch."""

    def __init__(self) -> None:
        self._saved: dict[tuple[str, Any, str], Any] = {}

    def __enter__(self) -> SaveRecorder:
        post_save.connect(self._record, dispatch_uid=f"dfinery_django.testing.{id(self)}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        post_save.disconnect(dispatch_uid=f"dfinery_django.testing.{id(self)}")

    def _record(self, sender: Any, instance: Any, using: str = "default", **kwargs: Any) -> None:
        for definition in registry.definitions_watching(sender) if get_settings().ENABLED else ():
            self._saved[definition.name, instance.pk, using] = instance

    def diagnose(self, name: str) -> Iterator[str]:
        """Yield lines that say why no event with this name, or of the definition with this name, was captured."""
        definitions = [each for each in registry.definitions() if name in (each.name, each.event_name)]
        known = tuple({word for each in registry.definitions() for word in (each.name, each.event_name)})
        if not definitions and get_settings().ENABLED:
            yield f"No definition has this name, nor an event with this name. {did_you_mean(name, known)}"
        if fault := registry.definition_faults().get(name):
            yield f"{name}: it is disabled: {fault}"
        for definition in definitions if get_settings().ENABLED else ():
            yield from self._explain(definition)

    def _explain(self, definition: EventDefinition) -> Iterator[str]:
        saved = [(instance, using) for (name, _, using), instance in self._saved.items() if name == definition.name]
        if definition.signal is not None:
            yield f"{definition.name}: did not fire: it listens to {definition.signal[0]}, not to saves."
        elif not saved:
            cause = f"no {definition.source_label} was saved (update() and bulk_create() send no signals)"
            yield f"{definition.name}: did not fire: {cause}."
        for instance, using in saved[:MOST_EXPLAINED]:
            try:
                why = explain(definition, instance, using=using).why
            except LookupError as error:
                why = str(error)
            yield f"{definition.name}: did not fire for {definition.source_label} {instance.pk}: {why}"
