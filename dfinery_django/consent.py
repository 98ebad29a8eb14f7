"""Did somebody agree to events about them? The site's own callable, asked at capture and once more at build.

Without a proof of consent nothing is captured: an error of the callable is a no, and never the shop's.
"""

from __future__ import annotations

import inspect
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.module_loading import import_string

from . import registry
from .conf import get_settings
from .definitions import EventDefinition
from .transactions import retry_once, savepoint_guard, swallow

REFUSED = "There is no consent to it: consent said no when it was to be built."


def fault(consent: Any) -> str:
    """Why a ``consent`` can't be asked, or nothing. Until it can, it counts as refused, and nothing is captured."""
    try:
        function = import_string(consent) if isinstance(consent, str) else consent
    except ImportError as error:
        return f"can't be imported: {error}"
    if not callable(function):
        return f"is {consent!r}, which is no callable"
    is_async = inspect.iscoroutinefunction(function)
    return "is an async function, whose answer can't be waited for in a save" if is_async else ""


def faults() -> dict[str, str]:
    """Definition -> why its ``consent``, or the setting ``CONSENT``, can't be asked."""
    setting = get_settings().CONSENT or None
    asked = ((each.name, setting if each.consent is None else each.consent) for each in registry.definitions())
    found = ((name, fault(consent)) for name, consent in asked if consent is not None)
    return {name: f"Event {name!r}: consent {why}" for name, why in found if why}


def is_given(definition: EventDefinition, instance: Any) -> bool:
    """What the definition's ``consent``, or the setting ``CONSENT``, says; yes where nobody is asked.

    :raises Exception: whatever it raises
    """
    ask = definition.asks_consent
    if ask is None:
        return True
    answer = ask(instance, user_of(definition, instance))
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("consent is an async function, whose answer can't be waited for here")
    return bool(answer)


def user_of(definition: EventDefinition, instance: Any) -> Any:
    """Whom the event is about: what ``user`` leads to, or the instance itself if it is one of the site's users."""
    source = definition.get_user_source(instance)
    if source is instance and not isinstance(instance, get_user_model()):
        return None  # the user's attributes are read from the order: a guest's, perhaps
    return source


def _ask(definition: EventDefinition, instance: Any, using: str) -> bool:
    with savepoint_guard(using, instance):
        return is_given(definition, instance)


def allows_capture(definition: EventDefinition, instance: Any, using: str) -> bool:
    """The same in the shop's transaction, where an error is a no."""
    try:
        if definition.asks_consent is None:
            return True
        return retry_once(using, _ask, definition, instance, using)
    except Exception as error:  # noqa: BLE001 - told
        swallow(error, using, "%s is not captured: its consent can't be asked, and counts as refused", definition.name)
        return False
