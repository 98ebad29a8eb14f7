"""The proposal as data: guesses with reasons and alternatives, and the Python text of a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..mapping.expressions import Coalesce, Expression, Hashed, Path, Value
from ..mapping.rows import Joined


@dataclass(frozen=True, repr=False)
class Function:
    """A callable value, with its Python text."""

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


def read_at(row: Any, path: str) -> Any:
    """Return what attributes and methods give, as a function of the site would read them."""
    for part in filter(None, path.split(".")):
        row = getattr(row, part)
        row = row() if callable(row) and not hasattr(row, "all") else row
    return row


def confidence_of(points: int) -> str:
    """Return a word for points."""
    return "high" if points >= 80 else "medium" if points >= 58 else "low"


def code_of(value: Any) -> str:
    """Return the Python text of a value, as the house writes it: with double quotes."""
    if isinstance(value, (Function, Path)):
        return value.code if isinstance(value, Function) else code_of(value.path)
    if isinstance(value, Value):
        return f"Value({code_of(value.value)})"
    if isinstance(value, (Coalesce, Hashed)):
        return f"{type(value).__name__}({', '.join(map(code_of, value.sources))})"
    if isinstance(value, Joined):
        return f"Joined({code_of(value.rows)}, {code_of(value.source)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{code_of(key)}: {code_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(code_of, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return _text_code(value) if isinstance(value, str) else repr(value)


def _text_code(text: str) -> str:
    code = repr(str(text))
    return f'"{code[1:-1]}"' if code[0] == "'" and '"' not in code else code


def names_used(value: Any) -> set[str]:
    """Return the names of dfinery_django that a value's text needs."""
    own = {type(value).__name__} if isinstance(value, Expression) and not isinstance(value, Path) else set()
    parts = [*getattr(value, "sources", ()), *filter(None, [getattr(value, "source", None)])]
    return own.union(*map(names_used, parts))
