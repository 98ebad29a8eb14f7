"""Consent of the people that events are about: the site's own callable, called at capture and again at build.

Without a proof of consent nothing is captured: an error of the callable counts as refused, and never reaches the shop.
"""

from __future__ import annotations

import inspect
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.module_loading import import_string

from ..conf import get_settings
from ..db.savepoints import retry_once, savepoint_guard, swallow
from ..text.reasons import ReasonText
from . import registry
from .definition import EventDefinition
from .source import Source

CONSENT_REFUSED = ReasonText("no_consent")


def consent_fault(consent: Any) -> str:
    """Return why a ``consent`` can't be called, or "". While it can't, it counts as refused: nothing is captured."""
    try:
        function = import_string(consent) if isinstance(consent, str) else consent
    except ImportError as error:
        return f"can't be imported: {error}"
    if not callable(function):
        return f"is {consent!r}, which is not callable"
    return "is an async function, which can't be awaited in a save" if inspect.iscoroutinefunction(function) else ""


def consent_faults() -> dict[str, str]:
    """Return, by definition, why its ``consent``, or the setting ``CONSENT``, can't be called."""
    setting = get_settings().CONSENT or None
    consents = ((each.name, setting if each.consent is None else each.consent) for each in registry.definitions())
    found = ((name, consent_fault(consent)) for name, consent in consents if consent is not None)
    return {name: f"Event {name!r}: consent {why}" for name, why in found if why}


def is_given(definition: EventDefinition, instance: Any) -> bool:
    """Return, or raise, what the definition's ``consent`` or the setting ``CONSENT`` does; without both ``True``."""
    consent = definition.consent_callable
    if consent is None:
        return True
    answer = consent(instance, user_of(definition, instance))
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("consent is an async function, which can't be awaited here")
    return bool(answer)


def user_of(definition: EventDefinition, instance: Any) -> Any:
    """Return the user of the event: the object of ``user``, or the instance itself if it is one of the site's users."""
    source = definition.get_user_source(instance)
    if source is instance and not isinstance(instance, get_user_model()):
        return None  # the user's attributes are read from the order, which may be a guest's
    return source


def _is_given_in_savepoint(source: Source) -> bool:
    with savepoint_guard(source.using, source.instance):
        return is_given(source.definition, source.instance)


def allows_capture(source: Source) -> bool:
    """Return ``is_given`` in the shop's transaction, where an error counts as refused."""
    definition, using = source.definition, source.using
    try:
        return definition.consent_callable is None or retry_once(using, _is_given_in_savepoint, source)
    except Exception as error:  # noqa: BLE001 - logged
        swallow(error, using, "%s is not captured: its consent failed, and counts as refused", definition.name)
        return False
