"""The receivers of Django's signals: what a save, a deletion or a site's own signal makes true is captured.

Law: nothing here raises into the shop's code.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import models
from django.db.models.signals import pre_delete
from django.dispatch import Signal
from django.utils.module_loading import import_string

from . import conditions, registry
from .conf import get_settings
from .definitions import EventDefinition
from .exceptions import NotRegistered
from .outbox import database_of, insert

logger = logging.getLogger("dfinery_django")

#: Where an instance keeps, between its pre_save and post_save, what held before. A stack: saves nest.
_SAVES = "_dfinery_saves"


def before_save(
    sender: type[models.Model], instance: models.Model, using: str, raw: bool = False, **kwargs: Any
) -> None:
    """``pre_save``: note which dict conditions already hold."""
    held: dict[str, bool] = {}
    for definition in _watching(sender, raw):
        if conditions.lookups(definition) is not None:
            try:
                held[definition.name] = conditions.held_before(definition, instance, using, kwargs.get("update_fields"))
            except Exception:
                logger.exception("The condition of %s can't be judged", definition.name)
                held[definition.name] = True
    if held:
        instance.__dict__.setdefault(_SAVES, []).append(held)


def after_save(
    sender: type[models.Model],
    instance: models.Model,
    using: str = "",
    created: bool = False,
    raw: bool = False,
    **kwargs: Any,
) -> None:
    """``post_save``: capture what this save made true."""
    definitions = _watching(sender, raw)
    held = _pop_save(instance) if definitions else {}
    for definition in definitions:
        if definition.signal is not None:
            continue
        alias = using or database_of(instance)
        try:
            # A post_save that is sent by hand had no pre_save: what was not created counts as true before.
            if _fires(definition, instance, created, held.get(definition.name, not created), alias, kwargs):
                insert(definition, instance, using=alias)
        except Exception:
            logger.exception("%s was not captured", definition.name)


def _watching(sender: type[models.Model], raw: bool) -> tuple[EventDefinition, ...]:
    if raw:  # loaddata
        return ()
    try:
        return registry.watching(sender) if get_settings().ENABLED else ()
    except Exception:
        logger.exception("DFINERY captures nothing: its setting is wrong, see manage.py check")
        return ()


def _pop_save(instance: models.Model) -> Mapping[str, bool]:
    saves = instance.__dict__.get(_SAVES)
    held: Mapping[str, bool] = saves.pop() if saves else {}
    if not saves:
        instance.__dict__.pop(_SAVES, None)
    return held


def _fires(
    definition: EventDefinition,
    instance: Any,
    created: bool,
    held: bool,
    using: str,
    kwargs: Mapping[str, Any],
) -> bool:
    when = definition.condition
    if isinstance(when, Mapping):
        fires = not held and conditions.holds_after(definition, instance, using, kwargs.get("update_fields"))
    elif callable(when):
        with conditions.shielded(using):
            fires = bool(when(instance, created))
    else:
        fires = when == "saved" or (when == "created" and created)
    return fires and _should_capture(definition, instance, created, using)


def _should_capture(definition: EventDefinition, instance: Any, created: bool, using: str) -> bool:
    with conditions.shielded(using):
        return definition.should_capture(instance, created=created)


def before_delete(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """``pre_delete``: capture and build at once, since the row is about to go."""
    for definition in _watching(sender, raw=False):
        if definition.condition == "deleted" and definition.signal is None:
            try:
                if _should_capture(definition, instance, False, using):
                    insert(definition, instance, using=using, build_now=True)
            except Exception:
                logger.exception("%s was not captured", definition.name)


def connect_signals() -> dict[str, str]:
    """Listen to the signals that definitions name, and to deletions of the models that need it.

    :returns: definition name -> why its signal can't be listened to
    """
    faults = {}
    for definition in registry.definitions():
        if definition.condition == "deleted":
            _connect_deletions(definition)
        if definition.signal is not None:
            try:
                path, keyword = definition.signal
                signal: Signal = import_string(path)
                uid = f"dfinery_django.{definition.name}.{path}"
                signal.connect(_on_signal(definition.name, path, keyword), dispatch_uid=uid, weak=False)
            except Exception as error:  # noqa: BLE001 - some signals refuse foreign receivers; a check tells
                faults[definition.name] = f"{type(error).__name__}: {error}"
    return faults


def _connect_deletions(definition: EventDefinition) -> None:
    # By model: a receiver without a sender would take Django's fast deletes from every model of the site.
    concrete = definition.model_class._meta.concrete_model
    for model in apps.get_models():
        if model._meta.concrete_model is concrete:
            uid = f"dfinery_django.before_delete.{model._meta.label}"
            pre_delete.connect(before_delete, sender=model, dispatch_uid=uid, weak=False)


def _reconnect(*, setting: str, **kwargs: Any) -> None:
    if setting == "DFINERY":
        try:
            connect_signals()
        except ImproperlyConfigured:
            pass  # the system checks tell


setting_changed.connect(_reconnect, dispatch_uid="dfinery_django.receivers")


def _on_signal(name: str, path: str, keyword: str) -> Callable[..., None]:
    def capture_signal(sender: Any = None, **kwargs: Any) -> None:
        try:
            definition = _in_force(name, path)
            instance = sender if keyword == "sender" else kwargs[keyword]
            if definition and _fires_on_signal(definition, instance, bool(kwargs.get("created", False))):
                insert(definition, instance, using=database_of(instance))
        except Exception:
            logger.exception("%s was not captured", name)

    return capture_signal


def _in_force(name: str, path: str) -> EventDefinition | None:
    """The definition, if it still listens to that signal: settings may have changed since it was connected."""
    if not get_settings().ENABLED:
        return None
    try:
        definition = registry.get(name)
    except NotRegistered:
        return None
    return definition if definition.signal and definition.signal[0] == path else None


def _fires_on_signal(definition: EventDefinition, instance: Any, created: bool) -> bool:
    when, using = definition.condition, database_of(instance)
    if isinstance(when, Mapping):
        fires = conditions.holds_after(definition, instance, using, None)
    else:
        with conditions.shielded(using):
            fires = bool(when(instance, created)) if callable(when) else True
    return fires and _should_capture(definition, instance, created, using)
