"""The neutral content of an event, frozen, to and from canonical JSON text.

"Canonical": predefined properties in the order of DFINERY's page, then custom fields in the order of the mapping,
no blanks. The text is stored and sent byte for byte: a jsonb column would turn ``1e22`` into an integer. Knows no
models, no mapping and no wire envelope.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from . import schema
from .exceptions import PayloadError
from .schema import Scope
from .values import Wire, WireType, convert

Properties = dict[str, Wire]
TypeOf = Callable[[Scope, str], WireType | None]


class TypeMemory(Protocol):
    """What is known of custom fields from the values that they had before."""

    def fit(self, scope: Scope, name: str, value: Any, wire_type: WireType | None, path: str) -> Wire:
        """``value`` in the type of its field, which is ``wire_type`` if anything says so.

        :raises PayloadError: if it can't be sent so
        """


class _NoTypeMemory:
    def fit(self, scope: Scope, name: str, value: Any, wire_type: WireType | None, path: str) -> Wire:
        return convert(value, wire_type, path)


NO_MEMORY = _NoTypeMemory()


@dataclass(frozen=True)
class Payload:
    """What one event says, in wire values. ``event_attributes`` holds no items; ``user_attributes`` has a user_id."""

    event_attributes: Properties
    user_attributes: Properties
    items: tuple[Properties, ...] | None = None

    @property
    def user_id(self) -> str:
        return str(self.user_attributes[schema.USER_ID])

    @property
    def order_id(self) -> str:
        return str(self.event_attributes.get(schema.ORDER_ID, ""))

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def as_dict(self) -> dict[str, Any]:
        """The content as one nested dict, predefined properties first."""
        event: dict[str, Any] = dict(self.event_attributes)
        if self.items is not None:
            event[schema.ITEMS] = [_ordered("item", item) for item in self.items]
        return {
            schema.PATHS["event"]: _ordered("event", event),
            schema.PATHS["user"]: _ordered("user", self.user_attributes),
        }

    @classmethod
    def from_json(cls, text: str) -> Payload:
        content = json.loads(text)
        event = content[schema.PATHS["event"]]
        items = event.pop(schema.ITEMS, None)
        return cls(event, content[schema.PATHS["user"]], None if items is None else tuple(items))


def convert_properties(
    values: Mapping[str, Any],
    scope: Scope,
    type_of: TypeOf,
    path: str,
    sources: Mapping[str, object] = {},
    memory: TypeMemory = NO_MEMORY,
) -> Properties:
    """Python values as wire values; ``None`` is left out.

    :param type_of: the type of a custom field, or ``None`` where nothing says it
    :param path: where these stand in the payload: ``items[0]``
    :param sources: field name -> what it was read from, for the error
    :param memory: the types that custom fields had before
    :raises PayloadError: naming ``path.field``
    """
    converted: Properties = {}
    for name, value in values.items():
        _validate_name(name, scope, path)
        if value is not None:
            try:
                converted[name] = _converted(value, scope, name, type_of, f"{path}.{name}", memory)
            except PayloadError as error:
                source = f" (from {sources[name]!r})" if name in sources else ""
                raise PayloadError(error.path, error.problem + source, error.remedy) from None
    return converted


def _converted(value: Any, scope: Scope, name: str, type_of: TypeOf, path: str, memory: TypeMemory) -> Wire:
    predefined = schema.predefined_type(scope, name)
    if predefined is not None:
        return convert(value, predefined, path)
    return memory.fit(scope, name, value, type_of(scope, name), path)


def _validate_name(name: Any, scope: Scope, path: str) -> None:
    if (
        not isinstance(name, str)
        or not name.strip()
        or "\x00" in name
        or name != name.encode(errors="replace").decode()
    ):
        raise PayloadError(f"{path}.{name!r}", "a field's name must be a text that is not empty", "Rename it.")
    reserved = schema.RESERVED[scope].get(name)
    if reserved:
        raise PayloadError(f"{path}.{name}", f"{name} can't be mapped", f"Leave it out: {reserved}.")


def _ordered(scope: Scope, values: Mapping[str, Any]) -> dict[str, Any]:
    names: Iterable[str] = (*schema.PREDEFINED[scope], *([schema.ITEMS] if scope == "event" else []))
    known = {name: values[name] for name in names if name in values}
    return known | {name: value for name, value in values.items() if name not in known}
