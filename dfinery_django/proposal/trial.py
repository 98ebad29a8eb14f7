"""Each guess tried as a definition: what the checks refuse becomes the next alternative, or a remark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from django.core.checks import WARNING

from ..definitions.definition import EventDefinition
from ..definitions.registry import from_dict
from ..mapping.expressions import Value
from .guesses import Guess, ProposedEvent

#: Returns the messages about a definition. The checks are a door, so the caller hands them in.
Check = Callable[[EventDefinition], Iterable[Any]]


def keep_valid(event: ProposedEvent, check: Check) -> None:
    """Replace or remove each guess that can't be used."""
    for key, guess in list(event.keys.items()):
        if isinstance(guess, Guess):
            _keep(event.keys, key, guess, event, _key_test(event, key, check))
        elif key == "item_attributes" and "items" not in event.keys:
            del event.keys[key]
        else:
            for name, each in list(guess.items()):
                _keep(guess, name, each, event, _field_test(event, key, name, check))
    if not event.fault:
        event.fault = "; ".join(_faults(event.model, event.content(), check))


def _key_test(event: ProposedEvent, key: str, check: Check) -> Callable[[Any], list[str]]:
    return lambda value: _faults(event.model, {key: value}, check)


def _field_test(event: ProposedEvent, key: str, name: str, check: Check) -> Callable[[Any], list[str]]:
    items = event.keys.get("items") if key == "item_attributes" else None
    start = {"items": items.value} if isinstance(items, Guess) else {}
    return lambda value: _faults(event.model, {**start, key: {name: value}}, check)


def _keep(
    holder: dict[str, Any], key: str, guess: Guess, event: ProposedEvent, faults_of: Callable[[Any], list[str]]
) -> None:
    tried: list[tuple[Guess, list[str]]] = [(each, faults_of(each.value)) for each in (guess, *guess.alternatives)]
    usable = [each for each, faults in tried if not faults]
    unusable = [f'"{key}": {each.code} was tried. {faults[0]}' for each, faults in tried if faults]
    event.todo += unusable[:1] if not usable or usable[0] is not guess else []
    if usable:
        best = usable[0]
        holder[key] = replace(best, alternatives=tuple(usable[1:]), reason=best.reason)
    else:
        del holder[key]


def _faults(model: Any, content: dict[str, Any], check: Check) -> list[str]:
    """Return the messages about a definition that has no more than these keys."""
    users = {"user_attributes": {"user_id": Value("1")}}
    try:
        definition = from_dict("proposal", {"model": model, **users, **content})
        definition.model_class, definition.condition, definition.paths(), definition.identity
        return [f"{each.msg} {each.hint or ''}".strip() for each in check(definition) if each.level >= WARNING]
    except Exception as error:  # noqa: BLE001 - strange models, and the site's own code
        return [str(error) or type(error).__name__]
