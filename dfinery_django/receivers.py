"""The receivers of Django's signals: what a save, a deletion or a site's own signal makes true is captured.

Law: nothing here raises into the shop's code, unless the database has ended its transaction.
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

from . import conditions, consent, registry, transactions
from .conf import get_settings
from .definitions import EventDefinition
from .exceptions import NotRegistered
from .logs import tell_now_and_then
from .models import Event
from .outbox import insert
from .sources import database_of, is_source

logger = logging.getLogger("dfinery_django")

_ALWAYS = EventDefinition.should_capture
#: Where an instance keeps, between its pre_save and post_save, what held before. A stack: saves nest.
_SAVES = "_dfinery_saves"
#: Definition -> whether its condition held before; or the event that a save within this one has captured since.
_Held = dict[str, bool | UUID]


# Signals may be sent by hand, with whatever arguments: none is required.
def before_save(sender: Any = None, instance: Any = None, using: str = "", raw: bool = False, **kwargs: Any) -> None:
    """``pre_save``: note which dict conditions already hold."""
    held: _Held = {}
    for definition in _watching(sender, instance, raw):
        if conditions.lookups(definition) is not None:
            alias = using or database_of(instance)
            held[definition.name] = _held_before(definition, instance, alias, kwargs.get("update_fields"))
    if held:
        instance.__dict__.setdefault(_SAVES, []).append(held)


def _held_before(definition: EventDefinition, instance: Any, using: str, update_fields: Any) -> bool:
    try:
        return transactions.once_more(using, conditions.held_before, definition, instance, using, update_fields)
    except Exception as error:  # noqa: BLE001 - told
        transactions.swallow(error, using, "The condition of %s can't be judged", definition.name)
        return True


def after_save(
    sender: Any = None,
    instance: Any = None,
    using: str = "",
    created: bool = False,
    raw: bool = False,
    **kwargs: Any,
) -> None:
    """``post_save``: capture what this save made true."""
    definitions = _watching(sender, instance, raw)
    held = _pop_save(instance) if definitions else {}
    for definition in definitions:
        alias = using or database_of(instance)
        try:
            # A post_save that is sent by hand had no pre_save: what was not created counts as true before.
            held_before = _is_settled(held.get(definition.name, not created), alias)
            if transactions.once_more(alias, _fires, definition, instance, created, held_before, alias, kwargs):
                event_id = insert(definition, instance, using=alias)
                for outer in instance.__dict__.get(_SAVES, ()):  # what the saves around this one need not tell again
                    outer[definition.name] = event_id
        except Exception as error:  # noqa: BLE001 - told
            transactions.swallow(error, alias, "%s was not captured", definition.name)


def _is_settled(held: bool | UUID, using: str) -> bool:
    """Whether nothing became true: it was before, or a save within this one has told, and was not rolled back."""
    return Event.objects.using(using).filter(event_id=held).exists() if isinstance(held, UUID) else held


def _watching(sender: Any, instance: Any, raw: bool) -> tuple[EventDefinition, ...]:
    if raw or not isinstance(instance, models.Model):  # raw: loaddata
        return ()
    try:
        return registry.definitions_watching(sender) if get_settings().ENABLED else ()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it
        tell_now_and_then("DFINERY captures nothing: its setting is wrong, see manage.py check", error=error)
        return ()


def _pop_save(instance: models.Model) -> _Held:
    saves = instance.__dict__.get(_SAVES)
    held: _Held = saves.pop() if saves else {}
    if not saves:
        instance.__dict__.pop(_SAVES, None)
    return held


def _fires(
    definition: EventDefinition, instance: Any, created: bool, held: bool, using: str, kwargs: Mapping[str, Any]
) -> bool:
    is_met = _is_met(definition, instance, created, held, using, kwargs)
    return is_met and _should_capture(definition, instance, created, using)


def _is_met(
    definition: EventDefinition, instance: Any, created: bool, held: bool, using: str, kwargs: Mapping[str, Any]
) -> bool:
    when = definition.condition
    if isinstance(when, Mapping):
        return not held and conditions.holds_after(definition, instance, using, kwargs.get("update_fields"))
    if callable(when):
        with transactions.shielded(using, instance):
            return bool(when(instance, created))
    return when == "saved" or (when == "created" and created)


def _should_capture(definition: EventDefinition, instance: Any, created: bool, using: str) -> bool:
    asks = definition.should_capture
    if getattr(asks, "__func__", None) is not _ALWAYS:  # the site's own code
        with transactions.shielded(using, instance):
            if not asks(instance, created=created):
                return False
    return consent.allows_capture(definition, instance, using)


def before_delete(sender: Any = None, instance: Any = None, using: str = "", **kwargs: Any) -> None:
    """``pre_delete``: capture what is about to go."""
    for definition in _watching(sender, instance, raw=False):
        if definition.condition == "deleted":
            alias = using or database_of(instance)
            try:
                if transactions.once_more(alias, _should_capture, definition, instance, False, alias):
                    insert(definition, instance, using=alias)
            except Exception as error:  # noqa: BLE001 - told
                transactions.swallow(error, alias, "%s was not captured", definition.name)


def connect_signals() -> dict[str, str]:
    """Listen to the signals that definitions name, and to deletions of the models that need it.

    :returns: definition name -> why its signal can't be listened to
    """
    faults = {}
    for definition in registry.definitions():
        if definition.signal is None:
            if definition.condition == "deleted":
                _connect_deletions(definition, is_wanted=get_settings().ENABLED)
        else:
            try:
                path, _ = definition.signal
                signal: Signal = import_string(path)
                uid = f"dfinery_django.{definition.name}.{path}"
                signal.connect(_on_signal(definition.name, path), dispatch_uid=uid, weak=False)
            except Exception as error:  # noqa: BLE001 - some signals refuse foreign receivers; a check tells
                faults[definition.name] = f"{type(error).__name__}: {error}"
    return faults


def _connect_deletions(definition: EventDefinition, *, is_wanted: bool) -> None:
    # By model: a receiver without a sender would take Django's fast deletes from every model of the site. Switched off,
    # it takes them from none.
    concrete = definition.model_class._meta.concrete_model
    for model in apps.get_models():
        if model._meta.concrete_model is concrete:
            uid = f"dfinery_django.before_delete.{model._meta.label}"
            if is_wanted:
                pre_delete.connect(before_delete, sender=model, dispatch_uid=uid, weak=False)
            else:
                pre_delete.disconnect(sender=model, dispatch_uid=uid)


def _reconnect(*, setting: str, **kwargs: Any) -> None:
    if setting == "DFINERY":
        try:
            connect_signals()
        except ImproperlyConfigured:
            pass  # the system checks tell


setting_changed.connect(_reconnect, dispatch_uid="dfinery_django.receivers")


def _on_signal(name: str, path: str) -> Callable[..., None]:
    def capture_signal(sender: Any = None, **kwargs: Any) -> None:
        using = ""
        try:
            definition = _in_force(name, path)
            instance = _carried(definition, sender, kwargs) if definition else None
            if definition and instance is not None:
                using = database_of(instance)
                created = kwargs.get("created")
                if transactions.once_more(using, _fires_on_signal, definition, instance, created, using):
                    insert(definition, instance, using=using)
        except Exception as error:  # noqa: BLE001 - told
            if using:
                transactions.before_swallowing(error, using)
            tell_now_and_then("%s was not captured", name, error=error)

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


def _carried(definition: EventDefinition, sender: Any, kwargs: Mapping[str, Any]) -> Any:
    """The instance that a signal carries; ``None`` if it carries none, or one of another model: many signals serve all.

    :raises LookupError: if it has no such keyword
    """
    path, keyword = definition.signal or ("", "")
    if keyword != "sender" and keyword not in kwargs:
        raise LookupError(f"{path} carries no {keyword!r}, but: sender, {', '.join(kwargs)}.")
    instance = sender if keyword == "sender" else kwargs[keyword]
    if is_source(definition, instance):
        return instance
    if instance is not None:
        logger.debug("%s: %s carried a %s", definition.name, path, type(instance).__name__)
    return None


def _fires_on_signal(definition: EventDefinition, instance: Any, created: bool | None, using: str) -> bool:
    when = definition.condition
    if isinstance(when, Mapping):
        fires = conditions.holds_after(definition, instance, using, None)
    elif callable(when):
        with transactions.shielded(using, instance):
            fires = bool(when(instance, bool(created)))
    else:
        # A signal that says nothing of it (order_placed) is sent for what is new.
        fires = when != "created" or created is not False
    return fires and _should_capture(definition, instance, bool(created), using)
