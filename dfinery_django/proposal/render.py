"""The proposal as the Python text of a settings block, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .guesses import Guess, Proposal, ProposedEvent, code_of, imports_of

_WIDTH = 119
#: Keys of a definition in the order in which they are written.
_ORDER = (
    "signal", "when", "once_per", "event_datetime", "reconcile_by", "settle_seconds", "event_attributes", "items",
    "item_attributes", "user", "user_attributes", "guests",
)  # fmt: skip


def python_text(proposal: Proposal, missing_apps: Iterable[str] = (), previews: Mapping[str, str] | None = None) -> str:
    """Return the block.

    :param missing_apps: names for ``INSTALLED_APPS``
    :param previews: text by definition, to follow as comments
    """
    lines = ["import os", ""]
    if imports := _imports(proposal):
        lines += [*imports, ""]
    lines += [f"# INSTALLED_APPS += {code_of([each])}  # it is missing" for each in missing_apps]
    lines += _comments(_head(proposal), 0)
    lines += [
        "DFINERY = {",
        '    "TOKENS": {"default": lambda: os.environ["DFINERY_API_TOKEN"]},  # read when it is needed',
    ]
    if proposal.user_attributes:
        lines += ['    "USER_ATTRIBUTES": {', *_field_lines(proposal.user_attributes, 8), "    },"]
    lines += ['    "EVENTS": {', *(line for each in proposal.events for line in _event_lines(each)), "    },", "}"]
    if previews:
        lines += ["", "# What the last rows would send. They are real: remove these lines before you commit."]
    for name, text in (previews or {}).items():
        lines += [
            "",
            f"# The last row, by the definition {name}:",
            *(f"# {line}".rstrip() for line in text.splitlines()),
        ]
    return "\n".join(lines) + "\n"


def _imports(proposal: Proposal) -> list[str]:
    guesses = list(proposal.user_attributes.values())
    for event in proposal.events:
        for each in event.keys.values() if not event.fault else ():
            guesses += [each] if isinstance(each, Guess) else each.values()
    return imports_of(each.code for each in guesses)


def _head(proposal: Proposal) -> Iterator[str]:
    yield f"Orders: {proposal.order} ({proposal.reason})."
    for label, reason in proposal.others:
        yield f"It could also be {label} ({reason}): manage.py dfinery init --model {label}"
    yield from proposal.notes
    yield "Reasons stand behind the values. Lines in comments are what was less likely: look at those, too."


def _event_lines(event: ProposedEvent) -> Iterator[str]:
    lines = [f"{code_of(event.name)}: {{", f'    "model": {code_of(event.model)},']
    for key in sorted(event.keys, key=_ORDER.index):
        guess = event.keys[key]
        if isinstance(guess, Guess):
            lines += _guess_lines(key, guess, 4)
        else:
            lines += [f"    {code_of(key)}: {{", *_field_lines(guess, 8), "    },"]
    for each in event.todo:
        lines += _comments([f"TODO {each}"], 4)
    lines.append("},")
    if event.fault:
        yield from _comments([f"TODO {event.name} can't be used as it is: {event.fault}"], 8)
        yield from (f"        # {line}" for line in lines)
    else:
        yield from (f"        {line}" for line in lines)


def _field_lines(guesses: Mapping[str, Guess], indent: int) -> list[str]:
    return [line for name, guess in guesses.items() for line in _guess_lines(name, guess, indent)]


def _guess_lines(key: str, guess: Guess, indent: int) -> list[str]:
    unsure = {"high": "", "medium": "", "low": "unsure, "}[guess.confidence]
    lines = _with_reason(f"{code_of(key)}: {guess.code},", f"{unsure}{guess.reason}" if guess.reason else "", indent)
    for each in guess.alternatives[:3]:
        lines += _with_reason(f"# {code_of(key)}: {each.code},", each.reason, indent)
    return lines


def _with_reason(code: str, reason: str, indent: int) -> list[str]:
    reason = " ".join(reason.split())
    line = f"{' ' * indent}{code}"
    if not reason:
        return [line]
    whole = f"{line}  # {reason}"
    return [whole] if len(whole) <= _WIDTH - 8 else [*_comments([reason], indent), line]


def _comments(texts: Iterable[str], indent: int) -> list[str]:
    start = f"{' ' * indent}# "
    return [
        line
        for text in texts
        for line in textwrap.wrap(text, _WIDTH - 8, initial_indent=start, subsequent_indent=start)
    ]


def json_form(proposal: Proposal, text: str, previews: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proposal for tools: each guess with its place, reason, confidence and alternatives."""
    return {
        "order": {"model": proposal.order, "reason": proposal.reason},
        "other_models": [{"model": label, "reason": reason} for label, reason in proposal.others],
        "notes": proposal.notes,
        "user_attributes": {name: _guess_form(each) for name, each in proposal.user_attributes.items()},
        "events": {each.name: _event_form(each) for each in proposal.events},
        "previews": dict(previews),
        "python": text,
    }


def _event_form(event: ProposedEvent) -> dict[str, Any]:
    keys = {
        key: _guess_form(guess)
        if isinstance(guess, Guess)
        else {name: _guess_form(each) for name, each in guess.items()}
        for key, guess in event.keys.items()
    }
    return {"model": event.model, "keys": keys, "todo": event.todo, "left_out_because": event.fault}


def _guess_form(guess: Guess) -> dict[str, Any]:
    others = [{"value": each.code, "reason": each.reason} for each in guess.alternatives]
    return {"value": guess.code, "reason": guess.reason, "confidence": guess.confidence, "alternatives": others}
