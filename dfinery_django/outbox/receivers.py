"""The receivers of signals: they capture events on saves, deletions and a site's own signals.

Rule: nothing here raises into the shop's code, unless the database has ended the shop's transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import models
from django.db.models.signals import pre_delete
from django.dispatch import Signal
from django.utils.module_loading import import_string

from ..conf import get_settings
from ..db import savepoints
from ..db.outage import log_failure
from ..definitions import conditions, consent, registry
from ..definitions.definition import EventDefinition
from ..definitions.source import Source, is_source
from ..exceptions import NotRegistered
from ..models import Event
from ..text.log_fields import log_rate_limited
from .capture import capture_source

logger = logging.getLogger("dfinery_django")

#: The attribute in which an instance keeps its ``_SaveState`` between pre_save and post_save. A stack: saves nest.
_SAVE_STACK = "_dfinery_saves"
#: Definition -> whether its condition was true before the save, or the id of the event that a nested save has captured.
_SaveState = dict[str, bool | UUID]


# A site may send these signals by hand, with any arguments: none is required.
def before_save(sender: Any = None, instance: Any = None, using: str = "", raw: bool = False, **kwargs: Any) -> None:
    """Remember at ``pre_save`` which conditions (a dict, a ``Q``) already hold."""
    state: _SaveState = {}
    for definition in _definitions_for(sender, instance, raw):
        if conditions.condition_query(definition) is not None:
            source, names = Source(definition, instance, using), kwargs.get("update_fields")
            try:
                was_true = savepoints.retry_once(source.using, conditions.held_before, source, names)
            except Exception as error:  # noqa: BLE001 - logged; the shop goes on
                savepoints.swallow(error, source.using, "The condition of %s can't be evaluated", definition.name)
                was_true = True
            state[definition.name] = was_true
    if state:
        instance.__dict__.setdefault(_SAVE_STACK, []).append(state)


def after_save(
    sender: Any = None, instance: Any = None, using: str = "", created: bool = False, raw: bool = False, **kwargs: Any
) -> None:
    """Capture at ``post_save`` the events whose condition this save made true."""
    definitions = _definitions_for(sender, instance, raw)
    state = _pop_state(instance) if definitions else {}
    for definition in definitions:
        source = Source(definition, instance, using)
        try:
            # Without a pre_save (the site sends post_save by hand) a condition counts as true before, unless created.
            was_true = state.get(definition.name, not created)
            if isinstance(was_true, UUID):  # a nested save has captured it, and may have been rolled back since
                was_true = Event.objects.using(source.using).filter(event_id=was_true).exists()
            if savepoints.retry_once(source.using, _fires, source, created, was_true, kwargs.get("update_fields")):
                event_id = capture_source(source)
                for outer in instance.__dict__.get(_SAVE_STACK, ()):  # nested saves: the outer ones capture it no more
                    outer[definition.name] = event_id
        except Exception as error:  # noqa: BLE001 - logged; the shop goes on
            savepoints.swallow(error, source.using, "%s was not captured", definition.name)


def _definitions_for(sender: Any, instance: Any, raw: bool) -> tuple[EventDefinition, ...]:
    if raw or not isinstance(instance, models.Model):  # raw: loaddata
        return ()
    try:
        return registry.definitions_watching(sender) if get_settings().ENABLED else ()
    except Exception as error:  # noqa: BLE001 - any mistake in the setting
        log_rate_limited("DFINERY captures nothing: the setting is wrong, see manage.py check", error=error)
        return ()


def _pop_state(instance: models.Model) -> _SaveState:
    saves = instance.__dict__.get(_SAVE_STACK)
    state: _SaveState = saves.pop() if saves else {}
    if not saves:
        instance.__dict__.pop(_SAVE_STACK, None)
    return state


def _fires(source: Source, created: bool | None, was_true: bool = False, update_fields: Any = None) -> bool:
    when = source.definition.condition
    if conditions.condition_query(source.definition) is not None:
        fires = not was_true and conditions.holds_after(source, update_fields)
    elif callable(when):
        with savepoints.savepoint_guard(source.using, source.instance):
            fires = bool(when(source.instance, bool(created)))
    elif source.definition.signal is None:
        fires = when == "saved" or (when == "created" and bool(created))
    else:  # one without the keyword "created" (order_placed) is taken to announce a new object
        fires = when != "created" or created is not False
    return fires and _should_capture(source, bool(created))


def _should_capture(source: Source, created: bool) -> bool:
    if source.definition.overrides("should_capture"):
        with savepoints.savepoint_guard(source.using, source.instance):
            if not source.definition.should_capture(source.instance, created=created):
                return False
    return consent.allows_capture(source)


def before_delete(sender: Any = None, instance: Any = None, using: str = "", **kwargs: Any) -> None:
    """Capture at ``pre_delete`` the events of an instance that is about to be deleted."""
    for definition in _definitions_for(sender, instance, raw=False):
        if definition.condition == "deleted":
            source = Source(definition, instance, using)
            try:
                if savepoints.retry_once(source.using, _should_capture, source, False):
                    capture_source(source)
            except Exception as error:  # noqa: BLE001 - logged; the shop goes on
                savepoints.swallow(error, source.using, "%s was not captured", definition.name)


def connect_signals() -> dict[str, str]:
    """Connect the signals that definitions name, and ``pre_delete`` of the models that need it.

    :returns: definition name -> why its signal can't be connected
    """
    faults = {}
    for definition in registry.definitions():
        if definition.signal is None and definition.condition == "deleted":
            _connect_deletions(definition)
        elif definition.signal is not None:
            try:
                path, _ = definition.signal
                signal: Signal = import_string(path)
                uid = f"dfinery_django.{definition.name}.{path}"
                signal.connect(_on_signal(definition.name, path), dispatch_uid=uid, weak=False)
            except Exception as error:  # noqa: BLE001 - some signals refuse foreign receivers; E014 reports it
                faults[definition.name] = f"{type(error).__name__}: {error}"
    return faults


def _connect_deletions(definition: EventDefinition) -> None:
    # Per model: a receiver without a sender would disable Django's fast deletes for every model of the site. While
    # ENABLED is false none is connected.
    concrete = definition.model_class._meta.concrete_model
    for model in apps.get_models():
        if model._meta.concrete_model is concrete:
            uid = f"dfinery_django.before_delete.{model._meta.label}"
            if get_settings().ENABLED:
                pre_delete.connect(before_delete, sender=model, dispatch_uid=uid, weak=False)
            else:
                pre_delete.disconnect(sender=model, dispatch_uid=uid)


def _reconnect(*, setting: str, **kwargs: Any) -> None:
    if setting == "DFINERY":
        try:
            connect_signals()
        except ImproperlyConfigured:
            pass  # the system checks report it


setting_changed.connect(_reconnect, dispatch_uid="dfinery_django.outbox.receivers")


def _on_signal(name: str, path: str) -> Callable[..., None]:
    def capture_signal(sender: Any = None, **kwargs: Any) -> None:
        source = None
        try:
            source = _carried_source(name, path, sender, kwargs) if get_settings().ENABLED else None
            if source and savepoints.retry_once(source.using, _fires, source, kwargs.get("created")):
                capture_source(source)
        except Exception as error:  # noqa: BLE001 - logged; the shop goes on
            if source:
                savepoints.raise_or_recover(error, source.using)
            log_failure("%s was not captured", name, error=error)

    return capture_signal


def _carried_source(name: str, path: str, sender: Any, kwargs: Mapping[str, Any]) -> Source | None:
    """Return the object that a signal carries; ``None`` if it is of another model.

    :raises LookupError: if it has no such keyword
    """
    try:
        definition = registry.get(name)
    except NotRegistered:
        return None
    if not definition.signal or definition.signal[0] != path:  # settings have changed since it was connected
        return None
    keyword = definition.signal[1]
    if keyword != "sender" and keyword not in kwargs:
        raise LookupError(f"{path} carries no {keyword!r}, but: sender, {', '.join(kwargs)}.")
    instance = sender if keyword == "sender" else kwargs[keyword]
    if is_source(definition, instance):
        return Source(definition, instance)
    if instance is not None:
        logger.debug("%s: %s carried a %s", definition.name, path, type(instance).__name__)
    return None
