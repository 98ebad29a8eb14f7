"""The fields of the event that one object would give: source -> Python value -> wire value -> console name.

Reads field by field through the same functions as building, so that one bad field hides no other. Stores nothing.
"""

from __future__ import annotations

import datetime as dt
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..building.custom_fields import SeenFields
from ..db.retry import is_transient
from ..definitions.definition import EventDefinition
from ..exceptions import PayloadError, error_line
from ..mapping.annotations import loaded
from ..mapping.expressions import Call, Expression, Path, annotations_of, read_value
from ..schema import properties
from ..schema.payload import convert_properties
from ..schema.properties import Scope
from ..schema.types import Wire, WireType, epoch_milliseconds, infer

#: The maximum lengths of the text of a Python value and of an expression.
SHOWN_LENGTH, EXPRESSION_LENGTH = 100, 300
SAVE_TIME = "the moment of the save"


@dataclass(frozen=True)
class FieldFault:
    """The error for which something can't be read or sent, as a value."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.remedy}"


@dataclass(frozen=True)
class FieldReading:
    name: str
    console_name: str
    source: str  # the path or expression that it is read from
    value: str = ""  # the Python value as a short text; empty if it can't be read
    value_type: str = ""  # the name of its Python type
    wire: Wire | None = None  # the value that is sent; ``None`` if the field is left out or fails
    wire_type: WireType | None = None  # where it is known, also of a field that is left out
    type_from: str = ""  # "predefined", "declared", "model field", "remembered" or "value"
    fault: FieldFault | None = None
    is_awaited: bool = False  # empty, and it has to be set only when the definition fires


@dataclass(frozen=True)
class PayloadPart:
    """The fields of the event, of the user or of one item."""

    path: str  # its place in the payload: ``items[0]``
    start: str = ""  # the path at which its fields' paths start, unless at the instance: ``customer``
    readings: tuple[FieldReading, ...] = ()
    fault: FieldFault | None = None  # the error for which none of its fields can be read


def envelope_part(definition: EventDefinition, instance: Any, now: dt.datetime, *, is_matched: bool) -> PayloadPart:
    """Read the fields that the definition itself supplies.

    :param is_matched: whether the instance matches ``when``; until it does, an empty ``event_datetime`` is no fault
    """
    readings = (
        _supplied(properties.EVENT_ID, "made at capture"),
        _supplied(properties.EVENT_NAME, "event_name", definition.event_name, definition.event_name),
        _datetime_reading(definition, instance, now, is_matched=is_matched),
    )
    return PayloadPart(properties.PATHS["event"], readings=readings)


def _datetime_reading(
    definition: EventDefinition, instance: Any, now: dt.datetime, *, is_matched: bool
) -> FieldReading:
    moment, fault = try_call(properties.EVENT_DATETIME, lambda: definition.get_event_datetime(instance))
    supplied = partial(_supplied, properties.EVENT_DATETIME, datetime_source(definition))
    if fault:
        is_awaited = not is_matched and getattr(fault.problem, "code", "") == "empty_moment"
        return replace(supplied(), value="None", is_awaited=True) if is_awaited else supplied(fault=fault)
    moment = now if moment is None else moment
    milliseconds, refused = try_call("", lambda: epoch_milliseconds(moment))
    return supplied(moment, milliseconds, refused)


def event_part(definition: EventDefinition, instance: Any, seen: SeenFields) -> PayloadPart:
    """Read the event's attributes."""
    reader = _Reader(definition, seen, "event", properties.PATHS["event"], definition.event_expressions)
    return reader.hooked("get_event_attributes", instance) or reader.mapped(instance)


def user_part(definition: EventDefinition, instance: Any, seen: SeenFields) -> PayloadPart:
    """Read the user's attributes; without readings if there is no user."""
    path, start = properties.PATHS["user"], source_text(definition.user)
    reader = _Reader(definition, seen, "user", path, definition.user_expressions)
    if hooked := reader.hooked("get_user_attributes", instance):
        return hooked
    user, fault = try_call("user", lambda: definition.get_user_source(instance))
    return PayloadPart(path, start, (), fault) if fault or user is None else reader.mapped(user, start)


def item_parts(
    definition: EventDefinition, instance: Any, seen: SeenFields, limit: int
) -> tuple[int | None, tuple[PayloadPart, ...]]:
    """Read the first items.

    :returns: the number of all items, ``None`` for an event that has no items by definition; and the first items
    """
    path, is_own = properties.PATHS["item"], definition.overrides("get_items")
    if definition.items is None and not is_own:
        return None, ()
    get_items: Callable[[Any], Any] = definition.get_items if is_own else definition.get_item_sources
    found, fault = try_call(path, lambda: None if (items := get_items(instance)) is None else list(items))
    if fault:
        return 0, (PayloadPart(path, source_text(definition.items), (), fault),)
    if found is None:
        return None, ()
    readers = [_Reader(definition, seen, "item", f"{path}[{i}]", definition.item_expressions) for i in range(limit)]
    shown_items = list(zip(readers, found, strict=False))
    if is_own:
        return len(found), tuple(reader.returned("get_items", item) for reader, item in shown_items)
    start = source_text(definition.items)
    return len(found), tuple(reader.mapped(item, start) for reader, item in shown_items)


def try_call(place: str, function: Callable[[], Any]) -> tuple[Any, FieldFault | None]:
    """Call the site's own code and return its result, or the error that it raised."""
    try:
        return function(), None
    except PayloadError as error:
        return None, FieldFault(error.path, error.problem, error.remedy)
    except Exception as error:  # noqa: BLE001 - errors of the site's code are reported
        if is_transient(error):
            problem = f"the database failed: {error_line(error)}"
            return None, FieldFault(place, problem, "Building would wait and retry.")
        return None, FieldFault(place, f"it raised {error_line(error)}", "Fix the definition.")


def datetime_source(definition: EventDefinition) -> str:
    """Return the source of the event's time as text."""
    if definition.overrides("get_event_datetime"):
        return "get_event_datetime()"
    return source_text(definition.moment) or SAVE_TIME


def source_text(spec: Any) -> str:
    """Return a mapping value as it is written; a lambda as its file and line; an empty text for ``None``."""
    spec = spec.path if isinstance(spec, Path) else spec.function if isinstance(spec, Call) else spec
    if spec is None or isinstance(spec, str):
        return spec or ""
    name = str(getattr(spec, "__qualname__", None) or short_repr(spec, EXPRESSION_LENGTH))
    code = getattr(spec, "__code__", None)
    if code is None or "<lambda>" not in name:
        return name
    return f"lambda in {code.co_filename.replace(chr(92), '/').rpartition('/')[2]}:{code.co_firstlineno}"


def short_repr(value: Any, length: int = SHOWN_LENGTH) -> str:
    """Return a Python value as a short text in one line."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "seconds").replace("+00:00", "Z")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = length
    return " ".join(short.repr(value).split())


def _supplied(
    name: str, source: str, value: Any = None, wire: Wire | None = None, fault: FieldFault | None = None
) -> FieldReading:
    entry = properties.PREDEFINED["event"][name]
    text, kind = ("", "") if value is None else (short_repr(value), type(value).__name__)
    console = properties.console_name("event", name)
    return FieldReading(name, console, source, text, kind, wire, entry.type, "predefined", fault)


@dataclass(frozen=True)
class _Reader:
    definition: EventDefinition
    seen: SeenFields
    scope: Scope
    path: str
    expressions: Mapping[str, Expression]

    def mapped(self, source: Any, start: str = "") -> PayloadPart:
        readings, fault = try_call(self.path, lambda: tuple(self._each(source)))
        return PayloadPart(self.path, start, readings or (), fault)

    def hooked(self, hook: str, instance: Any) -> PayloadPart | None:
        if not self.definition.overrides(hook):
            return None
        values, fault = try_call(self.path, lambda: getattr(self.definition, hook)(instance))
        return PayloadPart(self.path, fault=fault) if fault else self.returned(hook, values)

    def returned(self, hook: str, values: Any) -> PayloadPart:
        """Return the fields of a hook's result, which have no sources."""
        pairs, fault = try_call(self.path, lambda: list(values.items()))
        readings = tuple(self._reading(name, f"{hook}()", value, {}) for name, value in pairs or ())
        return PayloadPart(self.path, "", readings, fault)

    def _each(self, source: Any) -> Iterator[FieldReading]:
        with loaded([source], annotations_of(self.expressions.values())):
            yield from self._each_loaded(source)

    def _each_loaded(self, source: Any) -> Iterator[FieldReading]:
        for name, each in self.expressions.items():
            value, fault = try_call("", partial(read_value, f"{self.path}.{name}", each, source))
            if fault:
                wire_type, type_from = self._known_type(name)
                yield FieldReading(
                    name, properties.console_name(self.scope, name), source_text(each),
                    wire_type=wire_type, type_from=type_from, fault=fault,
                )  # fmt: skip
            else:
                yield self._reading(name, source_text(each), value, self.expressions)

    def _reading(self, name: str, origin: str, value: Any, sources: Mapping[str, Expression]) -> FieldReading:
        known, type_from = self._known_type(name)
        convert = partial(
            convert_properties, {name: value}, self.scope, self.definition.type_of, self.path, sources, self.seen
        )
        sent, fault = try_call(f"{self.path}.{name}", convert)
        wire = (sent or {}).get(name)
        found = known if wire is None else infer(wire)
        if known and found != known:  # TYPE_DRIFT is "warn"
            type_from = f"value; was {known.label} so far"
        return FieldReading(
            str(name), properties.console_name(self.scope, name), origin, short_repr(value), type(value).__name__,
            wire, found, type_from, fault,
        )  # fmt: skip

    def _known_type(self, name: str) -> tuple[WireType | None, str]:
        known = (
            (properties.predefined_type(self.scope, name), "predefined"),
            (properties.declared_type(self.scope, name), "declared"),
            (self.definition.type_of(self.scope, name), "model field"),
            (self.seen.remembered(self.scope, name), "remembered"),
        )
        return next((each for each in known if each[0]), (None, "value"))
