"""Names taken apart into words, and the points that a table of patterns gives to them.

A name is an identifier (``total_price``, ``orderNumber``, ``totalamount``) or a text for people in any language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

#: Points → patterns, with "|" between them. A pattern's words must all be in the name, in any order.
Table = Mapping[int, str]

#: Spellings of one word.
_SAME = {
    **dict.fromkeys(("delivery", "postage", "freight", "ship", "deliver"), "shipping"),
    **dict.fromkeys(("qty", "quantities"), "quantity"),
    **dict.fromkeys(("no", "num", "nr", "numbers"), "number"),
    **dict.fromkeys(("cancelled", "cancelation", "cancellation", "cancel", "void", "voided"), "canceled"),
    **dict.fromkeys(("pay", "pmt", "payed", "payments"), "payment"),
    **dict.fromkeys(("client", "purchaser", "orderer", "shopper", "consumer"), "buyer"),
    **dict.fromkeys(("mobile", "tel", "telephone", "cellphone"), "phone"),
    **dict.fromkeys(("mail", "emailaddress"), "email"),
    **dict.fromkeys(("amt", "amounts"), "amount"),
    **dict.fromkeys(("reference",), "ref"),
    **dict.fromkeys(("including", "inclusive", "gross", "taxful", "inc"), "incl"),
    **dict.fromkeys(("excluding", "exclusive", "net", "taxless", "exc", "ex"), "excl"),
    **dict.fromkeys(("vat", "gst"), "tax"),
    **dict.fromkeys(("datetime", "time", "timestamp", "on", "at"), "date"),
    **dict.fromkeys(("complete", "completion", "done", "finished", "finish", "finalized"), "completed"),
    **dict.fromkeys(("confirm", "confirmation"), "confirmed"),
    **dict.fromkeys(("success", "successful"), "succeeded"),
    **dict.fromkeys(("refund", "refunds"), "refunded"),
    **dict.fromkeys(("awaiting", "wait", "await"), "waiting"),
    **dict.fromkeys(("goods", "article", "articles"), "product"),
    **dict.fromkeys(("charges",), "charge"),
}
#: They say nothing, so that a name may have them besides its pattern.
_NEUTRAL = frozenset({"get", "is", "has", "the", "of", "value", "order", "was", "s", "display"})
#: What each word costs that a pattern does not explain.
_EXTRA_WORD = 6
_EXTRA_CHARACTER = 2


@dataclass(frozen=True)
class _Pattern:
    points: int
    words: frozenset[str]
    text: str  # of a pattern in Chinese characters, Hangul or Kana, which has no words


@lru_cache(maxsize=None)
def _patterns(entries: tuple[tuple[int, str], ...]) -> tuple[_Pattern, ...]:
    pairs = [(points, each.strip()) for points, texts in entries for each in texts.split("|")]
    return tuple(
        _Pattern(points, frozenset(_same(word) for word in text.split()) if text.isascii() else frozenset(), text)
        for points, text in pairs
    )


def _same(word: str) -> str:
    found = _SAME.get(word)
    if found is None and len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found = _SAME.get(word[:-1], word[:-1])
    return found or word


_known: set[str] = set()


def learn(tables: Iterable[Table]) -> None:
    """Remember the words of tables: ``totalamount`` is taken apart into words that are known."""
    for table in tables:
        _known.update(word for text in table.values() for word in re.findall(r"[a-z]+", text))
    _known.update(_SAME, _SAME.values())


@lru_cache(maxsize=5000)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of an identifier or a text, in lower case and one spelling."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    raw = re.findall(r"[a-z]+", name.casefold())
    return tuple(_same(part) for word in raw for part in _taken_apart(word))


def _taken_apart(word: str) -> list[str]:
    if word in _known or _same(word) in _known:
        return [word]
    for end in range(len(word) - 2, 2, -1):
        if word[:end] in _known and (word[end:] in _known):
            return [word[:end], word[end:]]
    return [word]


def points_of(texts: Iterable[str], table: Table, against: Table | None = None, neutral: Iterable[str] = ()) -> int:
    """Return the most points that a table gives to one of several names of the same thing; 0 if none fits.

    :param against: patterns whose points are taken off
    :param neutral: further words that say nothing, such as those of the model's name
    """
    return max((_text_points(each, table, against or {}, frozenset(neutral)) for each in texts), default=0)


@lru_cache(maxsize=50_000)
def _best(text: str, entries: tuple[tuple[int, str], ...], neutral: frozenset[str]) -> int:
    words, plain = frozenset(words_of(text)), re.sub(r"[\s_·()/-]", "", text)
    best = 0
    for each in _patterns(entries):
        if each.words and each.words <= words:
            best = max(best, each.points - _EXTRA_WORD * len(words - each.words - _NEUTRAL - neutral))
        elif not each.words and each.text in plain:
            best = max(best, each.points - _EXTRA_CHARACTER * (len(plain) - len(each.text)))
    return best


def _text_points(text: str, table: Table, against: Table, neutral: frozenset[str]) -> int:
    best = _best(text, tuple(table.items()), neutral)
    words, plain = frozenset(words_of(text)), text.replace(" ", "")
    fits = [each for each in _patterns(tuple(against.items())) if _is_in(each, words, plain)]
    return best - sum(each.points for each in fits) if best else 0


def _is_in(pattern: _Pattern, words: frozenset[str], plain: str) -> bool:
    return pattern.words <= words if pattern.words else pattern.text in plain
