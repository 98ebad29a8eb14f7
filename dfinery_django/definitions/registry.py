"""The registry of definitions: registered classes and the ``EVENTS`` setting, by name and by model."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from django.core.signals import setting_changed
from django.db.models import Model
from django.utils.module_loading import autodiscover_modules, import_string

from ..conf import did_you_mean, get_settings
from ..exceptions import AlreadyRegistered, ConfigurationError, NotRegistered
from .definition import ATTRIBUTES, EventDefinition

logger = logging.getLogger("dfinery_django")

#: The widths of their columns.
NAME_LENGTH, EVENT_NAME_LENGTH = 100, 255
#: Well below ``LONGEST_WAIT``, beyond which ``EventQuerySet.due`` assumes that the clock was set back.
LONGEST_SETTLE_SECONDS = 600

D = TypeVar("D", bound=type[EventDefinition])

#: The classes registered with the decorator. They stay when the settings change.
_registered: dict[str, type[EventDefinition]] = {}


def register(model: Any, *, name: str = "") -> Callable[[D], D]:
    """Return a class decorator: ``@register("shop.Order")``.

    :param model: ``"app.Model"`` or a model class
    :param name: name of the definition; default: its ``event_name``, else the class's name
    :raises AlreadyRegistered: if the name is taken
    """

    def decorate(definition_class: D) -> D:
        definition_class.model = model
        chosen = definition_class(name).name
        if chosen in _registered:
            raise AlreadyRegistered(f"There is an event definition named {chosen!r} already. Give it another name.")
        _registered[chosen] = definition_class
        _catalogue.cache_clear()
        return definition_class

    return decorate


def unregister(name: str) -> None:
    """Remove a registered class, or raise ``NotRegistered``."""
    if _registered.pop(name, None) is None:
        raise NotRegistered(f"No event definition named {name!r} is registered.")
    _catalogue.cache_clear()


def autodiscover() -> None:
    """Import ``dfinery_events`` of every installed app."""
    autodiscover_modules("dfinery_events")


class _Catalogue:
    """The valid definitions, and the faults of the others."""

    def __init__(self) -> None:
        self.by_name: dict[str, EventDefinition] = {name: each(name) for name, each in _registered.items()}
        self.faults: dict[str, str] = {}
        self._watchers: dict[type[Model], tuple[EventDefinition, ...]] = {}
        for name, content in get_settings().EVENTS.items():
            try:
                if name in self.by_name:
                    raise ConfigurationError(f"Event {name!r} is both registered as a class and in DFINERY['EVENTS'].")
                self.by_name[name] = _definition(name, content)
            except Exception as error:  # noqa: BLE001 - one definition's mistake must not stop the others
                self.faults[name] = str(error)
        for definition in list(self.by_name.values()):
            self._compile(definition)

    def _compile(self, definition: EventDefinition) -> None:
        try:
            compile_definition(definition)
        except Exception as error:  # noqa: BLE001 - as above
            self.faults[definition.name] = str(error)
            del self.by_name[definition.name]

    def watching(self, model: type[Model]) -> tuple[EventDefinition, ...]:
        """Return those that watch the saves of a model, of its parents or of the model that it is a proxy of."""
        if model not in self._watchers:
            concrete = model._meta.concrete_model or model
            self._watchers[model] = tuple(
                each
                for each in self.by_name.values()
                if each.signal is None
                and issubclass(concrete, each.model_class._meta.concrete_model or each.model_class)
            )
        return self._watchers[model]


def compile_definition(definition: EventDefinition) -> None:
    """Read all that a definition says, so that a mistake in it is raised here, and not in a save.

    :raises Exception: ``ConfigurationError`` for most mistakes; errors of the site's own code unchanged
    """
    definition.model_class, definition.condition, definition.paths(), definition.identity
    _check_limits(definition)


def _check_limits(definition: EventDefinition) -> None:
    for text, limit in ((definition.name, NAME_LENGTH), (definition.event_name, EVENT_NAME_LENGTH)):
        if len(text) > limit:
            raise ConfigurationError(f"Event {definition.name[:60]!r}: a name has more than {limit} characters.")
    wait = definition.settle_seconds
    if wait is not None and (not isinstance(wait, (int, float)) or not 0 <= wait <= LONGEST_SETTLE_SECONDS):
        range_text = f"a number from 0 to {LONGEST_SETTLE_SECONDS}"
        raise ConfigurationError(f"Event {definition.name!r}: settle_seconds={wait!r} is not {range_text}.")


def _definition(name: str, content: Any) -> EventDefinition:
    if isinstance(content, str):
        content = import_string(content)
    if isinstance(content, type) and issubclass(content, EventDefinition):
        return content(name)
    if isinstance(content, Mapping):
        return from_dict(name, content)
    raise ConfigurationError(f"Event {name!r} is neither a dict nor the dotted path of an EventDefinition.")


def from_dict(name: str, content: Mapping[str, Any]) -> EventDefinition:
    """Return the definition of an entry of ``DFINERY["EVENTS"]``, or raise ``ConfigurationError`` for a wrong key."""
    for key in content:
        if key not in ATTRIBUTES:
            raise ConfigurationError(f"Event {name!r} has an unknown key {key!r}. {did_you_mean(key, ATTRIBUTES)}")
    body = {key: staticmethod(value) if inspect.isfunction(value) else value for key, value in content.items()}
    definition: EventDefinition = type("SettingsDefinition", (EventDefinition,), body)(name)
    return definition


@lru_cache(maxsize=1)
def _catalogue() -> _Catalogue:
    catalogue = _Catalogue()
    if catalogue.faults:
        report = "; ".join(f"{name}: {fault}" for name, fault in catalogue.faults.items())
        logger.error("Event definitions skipped: %s (see manage.py check)", report)
    return catalogue


def definitions() -> Iterator[EventDefinition]:
    """Yield all valid definitions."""
    yield from _catalogue().by_name.values()


def definition_faults() -> Mapping[str, str]:
    """Return the fault of each definition that is not valid, by its name."""
    return _catalogue().faults


def definitions_watching(model: type[Model]) -> tuple[EventDefinition, ...]:
    """Return the definitions that watch the saves of a model."""
    return _catalogue().watching(model)


def get(name: str) -> EventDefinition:
    """Return the valid definition of that name, or raise ``NotRegistered``."""
    try:
        return _catalogue().by_name[name]
    except (KeyError, TypeError):
        known = tuple(_catalogue().by_name)
        raise NotRegistered(f"No event definition is named {name!r}. {did_you_mean(name, known)}") from None


def _clear_catalogue(*, setting: str, **kwargs: object) -> None:
    if setting in ("DFINERY", "INSTALLED_APPS"):
        _catalogue.cache_clear()


setting_changed.connect(_clear_catalogue, dispatch_uid="dfinery_django.definitions.registry")
