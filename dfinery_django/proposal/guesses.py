"""The proposal as data: guesses with reasons and alternatives, and the Python text of a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Func, Value as DBValue
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Cast

from ..mapping.expressions import Coalesce, Hashed, Path, Value
from ..mapping.rows import Joined, Rows

_MODULES = {
    "dfinery_django": "Coalesce Hashed Joined Rows Value",
    "django.db.models": "F FloatField Sum",
    "django.db.models.functions": "Cast NullIf",
}


@dataclass(frozen=True, repr=False)
class Function:
    """A callable value, with its Python text: for what no path and no expression can say."""

    code: str
    function: Callable[[Any], Any]

    def __call__(self, instance: Any) -> Any:
        return self.function(instance)

    def __repr__(self) -> str:
        return self.code


@dataclass(frozen=True)
class Guess:
    """A value of a definition.

    :ivar confidence: "high", "medium" or "low"
    :ivar alternatives: what else it could be, the best first, each with its reason
    """

    value: Any
    reason: str = ""
    confidence: str = "high"
    alternatives: tuple[Guess, ...] = ()

    @property
    def code(self) -> str:
        return code_of(self.value)


@dataclass
class ProposedEvent:
    """A definition whose values are guesses: one for a key, or a dict of them for a mapping of fields.

    :ivar todo: what could not be found or used, in sentences
    """

    name: str
    model: str
    keys: dict[str, Guess | dict[str, Guess]] = field(default_factory=dict)
    todo: list[str] = field(default_factory=list)
    fault: str = ""  # why the whole definition is commented out

    def content(self) -> dict[str, Any]:
        """Return the dict of the setting."""
        content: dict[str, Any] = {"model": self.model}
        for key, guess in self.keys.items():
            if isinstance(guess, Guess):
                content[key] = guess.value
            else:
                content[key] = {name: each.value for name, each in guess.items()}
        return content


@dataclass
class Proposal:
    """All of it.

    :ivar order: label of the model of orders
    :ivar others: labels of further models that could be it, each with a reason
    """

    order: str
    reason: str
    events: list[ProposedEvent]
    user_attributes: dict[str, Guess] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def setting(self) -> dict[str, Any]:
        """Return what the block says, but for the tokens."""
        attributes = {name: each.value for name, each in self.user_attributes.items()}
        events = {each.name: each.content() for each in self.events if not each.fault}
        return {"USER_ATTRIBUTES": attributes, "EVENTS": events}


def confidence_of(points: int) -> str:
    """Return a word for points."""
    return "high" if points >= 80 else "medium" if points >= 58 else "low"


def code_of(value: Any) -> str:
    """Return the Python text of a value, as the house writes it: with double quotes."""
    if isinstance(value, Path):
        return code_of(value.path)
    if isinstance(value, Value):
        return f"Value({code_of(value.value)})"
    if isinstance(value, (Coalesce, Hashed)):
        return f"{type(value).__name__}({', '.join(map(code_of, value.sources))})"
    if isinstance(value, Joined):
        return f"Joined({code_of(value.rows)}, {code_of(value.source)})"
    if isinstance(value, Rows):
        return f"Rows({_rows_code(value)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{code_of(key)}: {code_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (F, CombinedExpression, Func, DBValue)):
        return _expression_code(value)
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(code_of, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return _text_code(value) if isinstance(value, str) else repr(value)


def _rows_code(rows: Rows) -> str:
    lookups = [f"{name}={code_of(value)}" for name, value in rows.selection.conditions.children]  # type: ignore[misc]
    return ", ".join([code_of(rows.selection.path), *lookups])


def _expression_code(value: Any) -> str:
    """Return the text of an expression of Django; in the arguments of a function, a column is its name."""
    if name := column_named(value):
        return f"F({code_of(name)})"
    if isinstance(value, CombinedExpression):
        return f"{code_of(value.lhs)} {value.connector} {code_of(value.rhs)}"
    if isinstance(value, DBValue):
        return code_of(value.value)
    sources = [each for each in value.get_source_expressions() if each is not None]
    texts = [code_of(column_named(each) or each) for each in sources]
    texts += [f"{type(value.output_field).__name__}()"] if isinstance(value, Cast) else []
    return f"{type(value).__name__}({', '.join(texts)})"


def column_named(value: Any) -> str:
    """Return the name in an ``F``; "" for anything else."""
    return value.name if type(value) is F else ""  # type: ignore[attr-defined]


def _text_code(text: str) -> str:
    code = repr(str(text))
    return f'"{code[1:-1]}"' if code[0] == "'" and '"' not in code else code


def imports_of(codes: Iterable[str]) -> list[str]:
    """Return the lines of imports that texts of values need."""
    used = {name for code in codes for name in re.findall(r"\b([A-Z]\w*)\(", code)}
    found = {module: sorted(used.intersection(names.split())) for module, names in _MODULES.items()}
    return [f"from {module} import {', '.join(names)}" for module, names in found.items() if names]
