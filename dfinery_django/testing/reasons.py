"""Why an event that a test waited for was not captured: what was saved meanwhile, and what definitions made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models.signals import post_save

from .. import registry
from ..conf import did_you_mean, get_settings
from ..definitions import EventDefinition
from ..explain import explain

#: Of so many saved objects it is told why they fired nothing.
MOST_TOLD = 5


class Witness:
    """Remembers, while it is entered, which objects were saved that definitions watch."""

    def __init__(self) -> None:
        self._saved: dict[tuple[str, Any, str], Any] = {}

    def __enter__(self) -> Witness:
        post_save.connect(self._note, dispatch_uid=f"dfinery_django.testing.{id(self)}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        post_save.disconnect(dispatch_uid=f"dfinery_django.testing.{id(self)}")

    def _note(self, sender: Any, instance: Any, using: str = "default", **kwargs: Any) -> None:
        for definition in registry.definitions_watching(sender) if get_settings().ENABLED else ():
            self._saved[definition.name, instance.pk, using] = instance

    def why_not(self, name: str) -> Iterator[str]:
        """Lines that say why no event of that name, or of the definition of that name, was captured."""
        definitions = [each for each in registry.definitions() if name in (each.name, each.event_name)]
        known = tuple({word for each in registry.definitions() for word in (each.name, each.event_name)})
        if not definitions and get_settings().ENABLED:
            yield f"No definition is named so, nor has an event of that name. {did_you_mean(name, known)}"
        for fault in (registry.definition_faults().get(name),):
            if fault:
                yield f"{name}: it is not in force: {fault}"
        for definition in definitions if get_settings().ENABLED else ():
            yield from self._why(definition)

    def _why(self, definition: EventDefinition) -> Iterator[str]:
        saved = [(instance, using) for (name, _, using), instance in self._saved.items() if name == definition.name]
        if definition.signal is not None:
            yield f"{definition.name}: did not fire: it listens to {definition.signal[0]}, not to saves."
        elif not saved:
            yield (
                f"{definition.name}: did not fire: no {definition.source_label} was saved "
                "(update() and bulk_create() send no signals)."
            )
        for instance, using in saved[:MOST_TOLD]:
            try:
                why = explain(definition, instance, using=using).why
            except LookupError as error:
                why = str(error)
            yield f"{definition.name}: did not fire for {definition.source_label} {instance.pk}: {why}"
