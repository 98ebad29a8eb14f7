"""The whole proposal of a shop: search, guess, and keep what the checks accept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from django.core.checks import WARNING
from django.db import models

from ..definitions.definition import EventDefinition
from ..definitions.registry import compile_definition, from_dict
from ..mapping.expressions import Value
from ..mapping.model_paths import installed_model
from .events import propose
from .guesses import Guess, Proposal, ProposedEvent
from .orders import LEAST_ORDER, order_model, order_models
from .oscar import ORDER, is_oscar, propose_oscar
from .samples import newest

#: Returns the messages about a definition. The checks are a door, so the caller hands them in.
Check = Callable[[EventDefinition], Iterable[Any]]


def whole_proposal(chosen: type[models.Model] | None, check: Check) -> Proposal | None:
    """Return a proposal whose every value passes the checks; ``None`` if no model looks like orders.

    :param chosen: the model of orders; default: the one that looks most like it
    :param check: returns the messages about a definition
    """
    if is_oscar() and (chosen is None or chosen._meta.label == ORDER):
        proposal = propose_oscar()
    else:
        found = order_models()
        best = order_model(chosen) if chosen else next((each for each in found if each.points >= LEAST_ORDER), None)
        if best is None:
            return None
        proposal = propose(best, found)
    for event in proposal.events:
        keep_valid(event, check)
    _keep_user_attributes(proposal, check)
    return proposal


def _keep_user_attributes(proposal: Proposal, check: Check) -> None:
    """Try the setting ``USER_ATTRIBUTES`` on the event that uses it."""
    for event in proposal.events:
        if event.name == "sign_up":
            trial = type(event)("sign_up", event.model, {"user_attributes": dict(proposal.user_attributes)})
            keep_valid(trial, check)
            kept = trial.keys["user_attributes"]
            assert isinstance(kept, dict)  # noqa: S101 - it was put in as one
            proposal.user_attributes = kept


def leave_out(proposal: Proposal, messages: Iterable[Any]) -> None:
    """Comment out the definitions that messages of the whole setting speak of: together they may not do.

    What the site itself has to change becomes a note.
    """
    for message in messages:
        text = " ".join(f"{message.msg} {message.hint or ''}".split())
        named = [each for each in proposal.events if f"{each.name!r}" in message.msg]
        if message.id == "dfinery.I001":
            proposal.notes.append(
                f"manage.py check prints dfinery.I001 for {', '.join(each.name for each in named)}, which is no error: "
                "rows that update() or bulk_create() writes are not found, since no column says when it happened."
            )
        elif message.level < WARNING:
            continue
        elif named:
            for event in named:
                event.fault = text
        else:
            proposal.notes.append(f"manage.py check says, whatever the mapping: {text}")


def last_row(event: ProposedEvent) -> models.Model | None:
    """Return the newest row of a definition's model, one that matches it if there is any; ``None`` without rows."""
    model, when = installed_model(event.model), event.keys.get("when")
    lookups = when.value if isinstance(when, Guess) and isinstance(when.value, dict) else None
    rows = (newest(model, lookups).rows if lookups else []) or newest(model).rows
    return rows[0] if rows else None


# ── each guess tried as a definition ─────────────────────────────────────────────────────────────────────────────────


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
        compile_definition(definition)
        return [f"{each.msg} {each.hint or ''}".strip() for each in check(definition) if each.level >= WARNING]
    except Exception as error:  # noqa: BLE001 - strange models, and the site's own code
        return [str(error) or type(error).__name__]
