"""Amounts in the smallest unit of a currency: integers that count cents, pence or fen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import models

from .candidates import columns_of, fits, kind_of, texts_of
from .formulas import column_at, whole_units
from .guesses import Guess
from .samples import SampleRows
from .vocabulary.item_roles import CURRENCY, LINE_TOTAL, UNIT_PRICE
from .vocabulary.order_roles import DELIVERY, DISCOUNT, TOTAL
from .vocabulary.words import points_of, words_of

_AMOUNTS = (TOTAL, LINE_TOTAL, UNIT_PRICE, DISCOUNT, DELIVERY)
_IN_NAMES = {"cent", "minor", "pence", "penny"}
_IN_TEXTS = re.compile(
    r"\b(cents?|pence|penny|minor (currency )?units?|smallest (currency )?unit)\b"
    r"|单位[:\uff1a为是]*分|[(\uff08]分[)\uff09]"
)
#: Currencies that are counted whole, and those whose smallest unit is a thousandth.
_NO_CENTS = frozenset({
    "BIF", "CLP", "DJF", "GNF", "HUF", "IDR", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "TWD", "UGX", "VND", "VUV",
    "XAF", "XOF", "XPF", "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND",
})  # fmt: skip
#: A model, with rows and the path from them to it.
AmountsOf = tuple[type[models.Model], SampleRows, str]


def cents_reason(places: Sequence[AmountsOf]) -> str:
    """Return why the integer amounts of an order, its lines and products are in cents; "" if nothing says so."""
    amounts = [column for model, _, _ in places for column in columns_of(model) if fits(column, *_AMOUNTS)]
    if {kind_of(each) for each in amounts} != {"count"}:
        return ""
    if spoken := next((each.name for each in amounts if speaks_of_cents(each.name, each)), ""):
        return f"in cents, like {spoken}"
    codes = {code for place in places for code in _codes(*place)} or _codes_of_settings()
    has_cents = codes and not codes & _NO_CENTS
    return f"an integer in {' or '.join(sorted(codes)[:3])}, so in cents" if has_cents else ""


def speaks_of_cents(name: str, column: Any = None) -> bool:
    """Return whether a name says that it is in cents, or the texts of a column of integers."""
    if {*words_of(name)} & _IN_NAMES:
        return True
    texts = [column.verbose_name, column.help_text] if column is not None and kind_of(column) == "count" else []
    return any(_IN_TEXTS.search(text.casefold()) for each in texts for text in texts_of(each))


def _is_integer(column: Any, path: str, samples: SampleRows) -> bool:
    """Return whether an amount is an integer: by its column, for a method by what rows give."""
    if column is not None:
        return kind_of(column) == "count"
    values = [each for each in samples.values(path) if each is not None and not isinstance(each, Exception)]
    return all(type(each) is int for each in values)


def _codes(model: type[models.Model], samples: SampleRows, start: str) -> set[str]:
    """Return the currencies in the rows of a model; without rows its default, or else its choices."""
    found: set[str] = set()
    for each in columns_of(model):
        if kind_of(each) in ("text", "choice") and points_of([each.name], CURRENCY.words, CURRENCY.against) >= 70:
            default = [each.get_default()] if each.has_default() else [code for code, _ in each.flatchoices]
            found |= {*_as_codes(samples.values(f"{start}{each.name}"))} or {*_as_codes(default)}
    return found


def _as_codes(values: Sequence[Any]) -> Iterator[str]:
    return (each.upper() for each in values if isinstance(each, str) and re.fullmatch(r"[A-Za-z]{3}", each))


def _codes_of_settings() -> set[str]:
    return {*_as_codes([getattr(settings, name) for name in dir(settings) if "CURRENCY" in name])}


def in_whole_units(guess: Guess | None, model: type[models.Model], reason: str, samples: SampleRows) -> Guess | None:
    """Return an amount in cents, divided by 100.

    :param reason: why the integers of the order are in cents
    """
    if guess is None:
        return None
    others = tuple(filter(None, (in_whole_units(each, model, reason, samples) for each in guess.alternatives)))
    why = why_cents(guess.value, model, reason, samples) if isinstance(guess.value, str) else ""
    if not why:
        return replace(guess, alternatives=others)
    confidence = "low" if guess.confidence == "low" else "medium"
    return Guess(whole_units(model, guess.value), f"{guess.reason}; {why}", confidence, others)


def why_cents(path: str, model: type[models.Model], reason: str, samples: SampleRows) -> str:
    """Return why an amount is in cents; "" if it is not."""
    column = column_at(model, path)
    if speaks_of_cents(path, column):
        return "in cents"
    return reason if _is_integer(column, path, samples) else ""


def computed(value: Any, reason: str, confidence: str, why: str, others: tuple[Guess, ...] = ()) -> Guess:
    """Return an expression of amounts as a guess, divided by 100 if there is a reason why they are in cents."""
    return Guess(value / 100.0 if why else value, f"{reason}; {why}" if why else reason, confidence, others)
