"""What each field of an event would say of one object: source -> Python value -> wire value -> console name.

Read field by field through the same functions as building, so that one bad field hides no other. Stores nothing.
"""

from __future__ import annotations

import datetime as dt
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import schema
from .custom_fields import SeenFields
from .definitions import EventDefinition, declared_type
from .exceptions import PayloadError, in_one_line
from .expressions import Call, Expression, Path, read_value
from .patience import is_passing
from .payloads import properties
from .schema import Scope
from .values import Wire, WireType, epoch_milliseconds, infer

#: Longest text of a Python value, and of an expression.
SHOWN_LENGTH, SOURCE_LENGTH = 100, 300
MOMENT_OF_SAVE = "the moment of the save"


@dataclass(frozen=True)
class Fault:
    """Why something can't be read or sent: an error as a value."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.remedy}"


@dataclass(frozen=True)
class Reading:
    """One field.

    :ivar source: the path or expression that it is read from
    :ivar value: the Python value as a short text; empty if it can't be read
    :ivar value_type: the name of its Python type
    :ivar wire: what is sent; ``None``: the field is left out, or fails
    :ivar wire_type: the type on the wire, also of a field that is left out, where it is known
    :ivar type_from: what decides the type: "predefined", "declared", "model field",
        "remembered" or "value"
    """

    name: str
    console_name: str
    source: str
    value: str = ""
    value_type: str = ""
    wire: Wire | None = None
    wire_type: WireType | None = None
    type_from: str = ""
    fault: Fault | None = None


@dataclass(frozen=True)
class Part:
    """The fields of the event, of the user or of one item.

    :ivar path: its place in the payload: ``items[0]``
    :ivar start: where the paths of its fields start, unless at the instance: ``customer``
    :ivar fault: why it can't be read at all
    """

    path: str
    start: str = ""
    readings: tuple[Reading, ...] = ()
    fault: Fault | None = None


def envelope_part(definition: EventDefinition, instance: Any, now: dt.datetime) -> Part:
    """What the definition itself supplies."""
    moment, fault = attempt(schema.EVENT_DATETIME, lambda: definition.get_event_datetime(instance))
    moment = now if moment is None else moment
    milliseconds, refused = (None, fault) if fault else attempt("", lambda: epoch_milliseconds(moment))
    return Part(
        schema.PATHS["event"],
        readings=(
            _supplied(schema.EVENT_ID, "made at capture"),
            _supplied(schema.EVENT_NAME, "event_name", definition.event_name, definition.event_name),
            _supplied(
                schema.EVENT_DATETIME, moment_source(definition), None if fault else moment, milliseconds, refused
            ),
        ),
    )


def event_part(definition: EventDefinition, instance: Any, seen: SeenFields) -> Part:
    """The event's attributes."""
    reader = _Reader(definition, seen, "event", schema.PATHS["event"], definition.event_expressions)
    return reader.hooked("get_event_attributes", instance) or reader.mapped(instance)


def user_part(definition: EventDefinition, instance: Any, seen: SeenFields) -> Part:
    """The user's attributes; without readings where there is no user."""
    path, start = schema.PATHS["user"], source_text(definition.user)
    reader = _Reader(definition, seen, "user", path, definition.user_expressions)
    hooked = reader.hooked("get_user_attributes", instance)
    if hooked:
        return hooked
    user, fault = attempt("user", lambda: definition.get_user_source(instance))
    return Part(path, start, (), fault) if fault or user is None else reader.mapped(user, start)


def item_parts(
    definition: EventDefinition, instance: Any, seen: SeenFields, limit: int
) -> tuple[int | None, tuple[Part, ...]]:
    """How many items there are, ``None`` for an event that has none by definition; and the first of them."""
    path, is_own = schema.PATHS["item"], has_own(definition, "get_items")
    if definition.items is None and not is_own:
        return None, ()
    get_items: Callable[[Any], Any] = definition.get_items if is_own else definition.get_item_sources
    found, fault = attempt(path, lambda: None if (items := get_items(instance)) is None else list(items))
    if fault:
        return 0, (Part(path, source_text(definition.items), (), fault),)
    if found is None:
        return None, ()
    readers = [_Reader(definition, seen, "item", f"{path}[{i}]", definition.item_expressions) for i in range(limit)]
    shown_items = list(zip(readers, found, strict=False))
    if is_own:
        return len(found), tuple(reader.returned("get_items", item) for reader, item in shown_items)
    start = source_text(definition.items)
    return len(found), tuple(reader.mapped(item, start) for reader, item in shown_items)


def attempt(place: str, function: Callable[[], Any]) -> tuple[Any, Fault | None]:
    """What a piece of the site's own code returns, or why it does not."""
    try:
        return function(), None
    except PayloadError as error:
        return None, Fault(error.path, error.problem, error.remedy)
    except Exception as error:  # noqa: BLE001 - to be told is what it is asked for
        if is_passing(error):
            return None, Fault(
                place, f"the database failed: {in_one_line(error)}", "Building would wait and try again."
            )
        return None, Fault(place, f"it raised {in_one_line(error)}", "Mend the definition.")


def has_own(definition: EventDefinition, hook: str) -> bool:
    """Whether a definition has a hook of its own, of which its mapping says nothing."""
    return getattr(getattr(definition, hook), "__func__", None) is not getattr(EventDefinition, hook)


def moment_source(definition: EventDefinition) -> str:
    """Where the moment it happened comes from."""
    if has_own(definition, "get_event_datetime"):
        return "get_event_datetime()"
    return source_text(definition.event_datetime) or MOMENT_OF_SAVE


def source_text(spec: Any) -> str:
    """A mapping value as it is written; a lambda by the line it stands in; nothing for ``None``."""
    spec = spec.path if isinstance(spec, Path) else spec.function if isinstance(spec, Call) else spec
    if spec is None or isinstance(spec, str):
        return spec or ""
    name = str(getattr(spec, "__qualname__", None) or shown(spec, SOURCE_LENGTH))
    code = getattr(spec, "__code__", None)
    if code is None or "<lambda>" not in name:
        return name
    return f"lambda in {code.co_filename.replace(chr(92), '/').rpartition('/')[2]}:{code.co_firstlineno}"


def shown(value: Any, length: int = SHOWN_LENGTH) -> str:
    """A Python value as a short text in one line."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "seconds").replace("+00:00", "Z")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = length
    return " ".join(short.repr(value).split())


def _supplied(
    name: str, source: str, value: Any = None, wire: Wire | None = None, fault: Fault | None = None
) -> Reading:
    entry = schema.PREDEFINED["event"][name]
    text, kind = ("", "") if value is None else (shown(value), type(value).__name__)
    return Reading(name, schema.console_name("event", name), source, text, kind, wire, entry.type, "predefined", fault)


@dataclass(frozen=True)
class _Reader:
    """Reads the fields of one place of the payload."""

    definition: EventDefinition
    seen: SeenFields
    scope: Scope
    path: str
    expressions: Mapping[str, Expression]

    def mapped(self, source: Any, start: str = "") -> Part:
        """By the mapping, each field for itself."""
        return Part(self.path, start, tuple(self._each(source)))

    def hooked(self, hook: str, instance: Any) -> Part | None:
        """By a hook of the definition's own, if it has one."""
        if not has_own(self.definition, hook):
            return None
        values, fault = attempt(self.path, lambda: getattr(self.definition, hook)(instance))
        return Part(self.path, fault=fault) if fault else self.returned(hook, values)

    def returned(self, hook: str, values: Any) -> Part:
        """What a hook returned, which has no sources."""
        pairs, fault = attempt(self.path, lambda: list(values.items()))
        return Part(
            self.path, "", tuple(self._reading(name, f"{hook}()", value, {}) for name, value in pairs or ()), fault
        )

    def _each(self, source: Any) -> Iterator[Reading]:
        for name, each in self.expressions.items():
            value, fault = attempt("", partial(read_value, f"{self.path}.{name}", each, source))
            if fault:
                wire_type, type_from = self._known_type(name)
                yield Reading(
                    name, schema.console_name(self.scope, name), source_text(each),
                    wire_type=wire_type, type_from=type_from, fault=fault,
                )  # fmt: skip
            else:
                yield self._reading(name, source_text(each), value, self.expressions)

    def _reading(self, name: str, origin: str, value: Any, sources: Mapping[str, Expression]) -> Reading:
        known, type_from = self._known_type(name)
        convert = partial(properties, {name: value}, self.scope, self.definition.type_of, self.path, sources, self.seen)
        sent, fault = attempt(f"{self.path}.{name}", convert)
        wire = (sent or {}).get(name)
        found = known if wire is None else infer(wire)
        if known and found != known:  # TYPE_DRIFT is "warn"
            type_from = f"value; was {known.label} so far"
        return Reading(
            str(name), schema.console_name(self.scope, name), origin, shown(value), type(value).__name__,
            wire, found, type_from, fault,
        )  # fmt: skip

    def _known_type(self, name: str) -> tuple[WireType | None, str]:
        """The type that a field has whatever its value, and what says so."""
        for found, said_by in (
            (schema.predefined_type(self.scope, name), "predefined"),
            (declared_type(self.scope, name), "declared"),
            (self.definition.type_of(self.scope, name), "model field"),
            (self.seen.remembered(self.scope, name), "remembered"),
        ):
            if found:
                return found, said_by
        return None, "value"
