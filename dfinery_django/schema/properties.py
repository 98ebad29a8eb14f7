"""DFINERY's predefined properties, their types and console names. No other module has these names.

Sources: the S2S Event API page (help.dfinery.io, article 19327613409305) and the type-information page (article
21156482522521), the latter for ``delivery_charge``, ``sales``, ``currency``, ``user_id_hash``, ``age``, ``gender``.
Whatever is not listed is a custom field: any name, any of the four types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..conf import get_settings
from ..text.reasons import ReasonText
from .types import WireType

Scope = Literal["event", "item", "user"]

_S, _L, _D = WireType.STRING, WireType.LONG, WireType.DOUBLE


@dataclass(frozen=True)
class Property:
    """A predefined property. DFINERY's console shows the prefix before the name."""

    name: str
    type: WireType
    prefix: str = "abx"


EVENT_ID, EVENT_NAME, EVENT_DATETIME = "event_id", "event_name", "event_datetime"
ITEMS, USER_ID, ORDER_ID = "items", "user_id", "order_id"


def _properties(*entries: Property) -> dict[str, Property]:
    return {entry.name: entry for entry in entries}


#: By scope, in the order of DFINERY's page; a payload keeps this order.
PREDEFINED: Mapping[Scope, Mapping[str, Property]] = {
    "event": _properties(
        Property(EVENT_ID, _S),
        Property(EVENT_NAME, _S),
        Property(EVENT_DATETIME, _L),  # epoch milliseconds, UTC
        Property(ORDER_ID, _S),
        Property("order_sales", _D),
        Property("payment_method", _S),
        Property("discount", _D),
        Property("delivery_charge", _D),
    ),
    "item": _properties(
        Property("product_id", _S),
        Property("product_name", _S),
        *(Property(f"category{level}", _S) for level in range(1, 6)),
        Property("quantity", _L),
        Property("price", _D),
        Property("sales", _D),
        Property("discount", _D),
        Property("currency", _S),
        Property("coupon_id", _S),
    ),
    "user": _properties(
        Property(USER_ID, _S),
        # Listed as an attribute, yet the page's own example of a custom field: user_name -> c:user_name.
        Property("user_name", _S, prefix="c"),
        Property("user_id_hash", _S),
        Property("age", _S),
        Property("gender", _S),
    ),
}

#: Properties that the definition supplies, so that they can't be mapped.
RESERVED: Mapping[tuple[Scope, str], str] = {
    ("event", EVENT_ID): ReasonText("made_at_capture"),
    ("event", EVENT_NAME): ReasonText("set_on_definition", name="'event_name'"),
    ("event", EVENT_DATETIME): ReasonText("set_on_definition", name="'event_datetime'"),
    ("event", ITEMS): ReasonText("set_on_definition", name="'items', 'item_attributes'"),
}

#: The part of a payload that has each scope's properties, as error paths name it.
PATHS: Mapping[Scope, str] = {"event": "event_attributes", "item": "items", "user": "user_attributes"}


#: DFINERY's predefined events (type-information page); every other name is a custom event.
PREDEFINED_EVENTS = frozenset({"purchase"})


def predefined_type(scope: Scope, name: str) -> WireType | None:
    """Return the type of a predefined property, or ``None`` for a custom field."""
    entry = PREDEFINED[scope].get(name)
    return entry.type if entry else None


def console_event_name(name: str) -> str:
    """Return the name under which DFINERY's console shows an event: ``abx:purchase``, ``c:sign_up``."""
    return f"{'abx' if name in PREDEFINED_EVENTS else 'c'}:{name}"


def console_name(scope: Scope, name: str) -> str:
    """Return the name under which DFINERY's console shows a property: ``abx:discount``, ``c:source_type``."""
    entry = PREDEFINED[scope].get(name)
    prefix = entry.prefix if entry else "abx" if (scope, name) == ("event", ITEMS) else "c"
    return f"{prefix}:{name}"


def declared_type(scope: Scope, name: str) -> WireType | None:
    """Return the type of a custom field according to ``CUSTOM_FIELDS``."""
    declared = get_settings().CUSTOM_FIELDS.get(scope, {}).get(name)
    return WireType(declared) if declared else None
