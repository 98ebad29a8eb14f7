"""Mapping expressions: dotted path, callable, ``Value``, ``Coalesce``, ``Hashed``, ``Display``, and Django's own.

An expression reads one value from an instance; it does not convert it. ``None`` means "leave the field out".
Importable from a settings module: nothing here touches models or the app registry at import.
"""

from __future__ import annotations

import hashlib
import unicodedata
from abc import ABC, abstractmethod
from collections import UserString
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from ..db.retry import is_transient
from ..exceptions import PayloadError, error_text
from ..schema.model_fields import plain_value
from ..schema.types import WireType, convert
from ..text.reasons import ReasonText
from .annotations import Annotation, is_djangos, loaded
from .reading import Read


class Expression(ABC):
    """Base class: reads one value from an instance."""

    @abstractmethod
    def resolve(self, instance: Any) -> Any:
        """Return the value, or ``None`` where there is none.

        :raises PayloadError: if the path does not exist; errors of the site's own code are raised unchanged
        """

    def paths(self) -> Sequence[str]:
        """Return the dotted paths that it reads, for checks and prefetching."""
        return ()

    def reads(self) -> Sequence[Read]:
        """Return all that it reads, seen from the instance: paths, and what the database computes."""
        return [Read((path,)) for path in self.paths()]


def expression(spec: Any) -> Expression:
    """Return a dotted path, a callable ``(instance) -> value`` or an expression, of ours or Django's, as ours."""
    if isinstance(spec, Expression):
        return spec
    if is_djangos(spec):
        return Computed(spec)
    if isinstance(spec, str):
        return Path(spec)
    if callable(spec):
        return Call(spec)
    raise TypeError(f"{spec!r} is not a dotted path, callable or expression. For a constant write Value({spec!r}).")


class Path(Expression):
    """A dotted path over attributes, dict keys, places in a list and callables: ``product.category.name``.

    ``None``, a missing related object, dict key or place in a list anywhere on the way means ``None``. Callables are
    called without arguments; related managers are not: ``lines.first.product`` works. A name that an object
    does not have is an error. An object of a column (a phone number, money) is read as the column's plain value.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.parts = path.split(".")
        if not all(self.parts):
            raise TypeError(f"{path!r} is not a dotted path: it has an empty part.")

    def resolve(self, instance: Any) -> Any:
        holder, value = None, instance
        for part in self.parts:
            holder, value = value, self._step(value, part)
            if value is None:
                return None
        return plain_value(holder, self.parts[-1], value)

    def _step(self, holder: Any, part: str) -> Any:
        if isinstance(holder, Mapping):
            return holder.get(part)
        if is_index(part) and is_list(holder):
            return _at_index(holder, int(part))
        try:
            value = getattr(holder, part)
        except ObjectDoesNotExist:
            return None
        except AttributeError as error:
            raise PayloadError(self.path, _missing(holder, error), ReasonText("fix_path", part=repr(part))) from error
        if callable(value) and not isinstance(value, (BaseManager, type)):
            return self._call(value, part)
        return value

    def _call(self, method: Callable[[], Any], part: str) -> Any:
        if getattr(method, "alters_data", False):
            raise PayloadError(self.path, ReasonText("changes_data", name=part), ReasonText("map_reader"))
        try:
            return method()
        except ObjectDoesNotExist:
            return None

    def paths(self) -> Sequence[str]:
        return (self.path,)

    def __repr__(self) -> str:
        return repr(self.path)


def is_index(part: str) -> bool:
    """Return whether a part of a path is a place in a list: ``0``, ``-1``."""
    digits = part.removeprefix("-")  # no regular expression: asked for each step of each value
    return digits.isdecimal() and digits.isascii() and len(digits) <= 9


def is_list(value: Any) -> bool:
    """Return whether a value has places: a list, a tuple or the rows of a query, but no text."""
    is_text = isinstance(value, (str, bytes, bytearray, memoryview, UserString))
    return isinstance(value, (Sequence, QuerySet)) and not is_text


def _at_index(values: Any, index: int) -> Any:
    rows = list(values) if index < 0 and isinstance(values, QuerySet) else values  # a query has no last row
    try:
        return rows[index]
    except IndexError:
        return None


def _missing(holder: Any, error: AttributeError) -> str:
    """Return that an object has no such attribute; the error's own text if its own code raised it."""
    if error.obj is holder and error.name:
        return ReasonText("no_attribute", kind=type(holder).__name__, name=error.name)
    return str(error)


class Call(Expression):
    """A callable ``(instance) -> value``."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def resolve(self, instance: Any) -> Any:
        return self.function(instance)

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))


class Computed(Expression):
    """An expression of Django, which the database computes: ``Sum("lines__discount")``."""

    def __init__(self, source: Any) -> None:
        self.annotation = Annotation(source)

    def resolve(self, instance: Any) -> Any:
        return self.annotation.value_of(instance)

    def reads(self) -> Sequence[Read]:
        return [Read((), self.annotation)]

    def __repr__(self) -> str:
        return repr(self.annotation)


def annotations_of(expressions: Iterable[Expression]) -> list[Annotation]:
    """Return what the database computes for the very object that these expressions are read from."""
    reads = [read for each in expressions if not isinstance(each, Path) for read in each.reads()]  # most are paths
    return [read.annotation for read in reads if read.annotation and not read.steps]


class Value(Expression):
    """A constant: ``Value("WEB")``."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def resolve(self, instance: Any) -> Any:
        return self.value

    def __repr__(self) -> str:
        return f"Value({self.value!r})"


class _Composite(Expression):
    def __init__(self, *sources: Any) -> None:
        if not sources:
            raise TypeError(f"{type(self).__name__}() needs something to read.")
        self.sources = [expression(source) for source in sources]

    def paths(self) -> Sequence[str]:
        return [path for source in self.sources for path in source.paths()]

    def reads(self) -> Sequence[Read]:
        return [read for source in self.sources for read in source.reads()]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.sources))})"


class Coalesce(_Composite):
    """The first value that is not ``None`` or ``""``: ``Coalesce("customer.pk", Hashed("guest_email"))``."""

    def resolve(self, instance: Any) -> Any:
        for source in self.sources:
            value = source.resolve(instance)
            if not is_empty(value):
                return value
        return None


class Hashed(_Composite):
    """SHA-256 of the normalised value (UTF-8, see ``normalised``) as 64 hex digits.

    The same e-mail address gives the same identity however a guest typed it. An empty value gives ``None``.
    """

    def __init__(self, source: Any) -> None:
        super().__init__(source)

    def resolve(self, instance: Any) -> Any:
        value = self.sources[0].resolve(instance)
        text = "" if is_empty(value) else normalised(_hashed_text(value, self.sources[0]))
        # Lone surrogates can't be encoded; their replacement is stable, and only a hash is sent.
        return hashlib.sha256(text.encode(errors="replace")).hexdigest() if text else None


def normalised(text: str) -> str:
    """Return a text in NFC and lower case, without blanks and invisible characters at its ends."""
    text = unicodedata.normalize("NFC", text)
    seen = [index for index, character in enumerate(text) if not _is_invisible(character)]
    text = text[seen[0] : seen[-1] + 1] if seen else ""
    return unicodedata.normalize("NFC", text.lower())


#: (first, last): joiners, fillers of Hangul and Khmer, Mongolian selectors, an empty Braille cell, variation selectors.
_INVISIBLE_RANGES = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF),
)  # fmt: skip


def _is_invisible(character: str) -> bool:
    is_format = unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")  # blanks, BOM, soft hyphen
    return is_format or any(first <= ord(character) <= last for first, last in _INVISIBLE_RANGES)


def _hashed_text(value: Any, source: Expression) -> str:
    if isinstance(value, str):  # convert() would refuse lone surrogates
        return str.__str__(value) if issubclass(type(value), str) else str(value)
    return str(convert(value, WireType.STRING, repr(source)))


class Display(_Composite):
    """The human name of a choice, in the site's language: ``Display("status")``, ``Display("customer.grade")``."""

    def __init__(self, path: str) -> None:
        holder, _, name = path.rpartition(".")
        super().__init__(f"{holder}.get_{name}_display" if holder else f"get_{name}_display")
        self.source = path

    def resolve(self, instance: Any) -> Any:
        return self.sources[0].resolve(instance)

    def __repr__(self) -> str:
        return f"Display({self.source!r})"


def is_empty(value: Any) -> bool:
    """Return whether a value counts as absent. Zero and ``False`` do not."""
    return value is None or value == ""


def read_all(expressions: Mapping[str, Expression], instance: Any, place: str) -> dict[str, Any]:
    """Return field name -> Python value; see ``read_value``."""
    with loaded([instance], annotations_of(expressions.values())):
        return {name: read_value(f"{place}.{name}", each, instance) for name, each in expressions.items()}


def read_value(place: str, source: Expression, instance: Any) -> Any:
    """Return a value; an error of the mapping becomes a ``PayloadError`` that names its place and its source."""
    try:
        return source.resolve(instance)
    except PayloadError as error:
        problem = ReasonText("bad_path", path=repr(error.path), problem=error.problem)
        raise PayloadError(place, problem, error.remedy) from error
    except Exception as error:
        if is_transient(error):
            raise  # the database's fault, not the mapping's: the build is retried
        problem = ReasonText("source_raised", source=repr(source), error=error_text(error).rstrip("."))
        raise PayloadError(place, problem, ReasonText("fix_and_rebuild")) from error
