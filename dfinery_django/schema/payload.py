"""The content of an event, independent of any API, and its canonical JSON text.

Canonical JSON has the predefined properties in the order of DFINERY's page, then the custom fields in the order of the
mapping, and no blanks. The text is stored and sent byte for byte: a jsonb column would turn ``1e22`` into an integer.
This module knows neither models, mappings nor APIs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..exceptions import PayloadError
from ..text.reasons import ReasonText
from . import properties
from .properties import Scope
from .types import Wire, WireType, convert

Properties = dict[str, Wire]
TypeOf = Callable[[Scope, str], WireType | None]


class TypeMemory(Protocol):
    """The types of custom fields, as known from their earlier values."""

    def fit(self, scope: Scope, name: str, value: Any, wire_type: WireType | None, path: str) -> Wire:
        """Convert a value to the type of its field (``wire_type`` if it is declared), or raise ``PayloadError``."""


@dataclass(frozen=True)
class Payload:
    """The content of one event, in wire values. ``event_attributes`` has no items, ``user_attributes`` a user_id."""

    event_attributes: Properties
    user_attributes: Properties
    items: tuple[Properties, ...] | None = None

    @property
    def user_id(self) -> str:
        return str(self.user_attributes[properties.USER_ID])

    @property
    def order_id(self) -> str:
        return str(self.event_attributes.get(properties.ORDER_ID, ""))

    def to_json(self) -> str:
        """Return the canonical JSON text."""
        return json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def as_dict(self) -> dict[str, Any]:
        """Return the content as one nested dict, predefined properties first."""
        event: dict[str, Any] = dict(self.event_attributes)
        if self.items is not None:
            event[properties.ITEMS] = [_ordered("item", item) for item in self.items]
        return {
            properties.PATHS["event"]: _ordered("event", event),
            properties.PATHS["user"]: _ordered("user", self.user_attributes),
        }

    @classmethod
    def from_json(cls, text: str) -> Payload:
        """Read the canonical JSON text."""
        content = json.loads(text)
        event = content[properties.PATHS["event"]]
        items = event.pop(properties.ITEMS, None)
        return cls(event, content[properties.PATHS["user"]], None if items is None else tuple(items))


def convert_properties(
    values: Mapping[str, Any],
    scope: Scope,
    type_of: TypeOf,
    path: str,
    sources: Mapping[str, object] = {},
    memory: TypeMemory | None = None,
) -> Properties:
    """Convert Python values to wire values, and leave out ``None``.

    :param path: their place in the payload: ``items[0]``
    :param sources: field name -> the source of its value, for the error
    :param memory: the earlier types of custom fields, which new values are fitted to
    :raises PayloadError: naming ``path.field``
    """
    converted: Properties = {}
    for name, value in values.items():
        _validate_name(name, scope, path)
        if value is None:
            continue
        predefined, place = properties.predefined_type(scope, name), f"{path}.{name}"
        try:
            if predefined or memory is None:
                converted[name] = convert(value, predefined or type_of(scope, name), place)
            else:
                converted[name] = memory.fit(scope, name, value, type_of(scope, name), place)
        except PayloadError as error:
            problem = error.problem
            if name in sources:
                problem = ReasonText("from_source", problem=problem, source=repr(sources[name]))
            raise PayloadError(error.path, problem, error.remedy) from None
    return converted


def _validate_name(name: Any, scope: Scope, path: str) -> None:
    is_text = isinstance(name, str) and name.strip() and name == name.encode(errors="replace").decode()
    if not is_text or "\x00" in name:
        raise PayloadError(f"{path}.{name!r}", ReasonText("bad_field_name"), ReasonText("rename_field"))
    if reserved := properties.RESERVED.get((scope, name)):
        problem, remedy = ReasonText("reserved_field", name=name), ReasonText("leave_reserved_out", why=reserved)
        raise PayloadError(f"{path}.{name}", problem, remedy)


def _ordered(scope: Scope, values: Mapping[str, Any]) -> dict[str, Any]:
    names: Iterable[str] = (*properties.PREDEFINED[scope], *([properties.ITEMS] if scope == "event" else []))
    known = {name: values[name] for name in names if name in values}
    return known | {name: value for name, value in values.items() if name not in known}
