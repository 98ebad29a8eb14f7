"""Checks of custom fields, over all definitions: types that differ, names that look misspelt."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage

from ..conf import nearest
from ..definitions import registry
from ..schema import properties
from . import message_of

#: "orderid" and "product_nam" are above it, "product_ssd" and "coupon_code" below.
_PROPERTY_LIKENESS = 0.9


def check_custom_types() -> Iterator[CheckMessage]:
    """Find custom fields that have one type in a definition and another type in another one."""
    types: dict[tuple[properties.Scope, str], dict[str, str]] = {}
    for definition in registry.definitions():
        for scope, name in definition.custom_names():
            if found := definition.type_of(scope, name):
                types.setdefault((scope, name), {}).setdefault(found.value, definition.name)
    for (scope, name), users in types.items():
        if len(users) > 1:
            words = ", ".join(f"{type_name} in {user!r}" for type_name, user in users.items())
            yield message_of(
                "W006",
                f"The custom field {name!r} ({scope}) has several types, so DFINERY stores it as several: {words}.",
                f'Choose one: "CUSTOM_FIELDS": {{"{scope}": {{"{name}": "{next(iter(users))}"}}}}.',
            )


def check_custom_names() -> Iterator[CheckMessage]:
    """Find custom fields whose names are nearly a predefined one: each is told once, with its definitions."""
    users: dict[tuple[properties.Scope, str], dict[str, None]] = {}
    for definition in registry.definitions():
        for each in definition.custom_names():
            users.setdefault(each, {})[definition.name] = None
    for (scope, name), names in users.items():
        near = _near_property(scope, name)
        if near and not properties.declared_type(scope, name):
            yield message_of(
                "W022",
                f"Event {', '.join(map(repr, names))} maps {name!r}, which is not predefined: it would be sent as the "
                f"custom field {properties.console_name(scope, name)}.",
                f"Did you mean {near!r}? If it is a custom field of yours, declare it in CUSTOM_FIELDS.",
            )


def _near_property(scope: properties.Scope, name: str) -> str:
    """Return the predefined property that a name nearly is, whatever its underscores."""
    known = {
        each.replace("_", ""): each
        for each in properties.PREDEFINED[scope]
        if (scope, each) not in properties.RESERVED and properties.console_name(scope, each).startswith("abx:")
    }
    return known.get(nearest(str(name).replace("_", ""), known, cutoff=_PROPERTY_LIKENESS), "")
