"""Names taken apart into words, and the points that a table of patterns gives to them.

A name is an identifier (``total_price``, ``orderNumber``, ``totalamount``) or a text for people in any language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

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


@cache
def _patterns(entries: tuple[tuple[int, str], ...]) -> tuple[_Pattern, ...]:
    pairs = [(points, each.strip()) for points, texts in entries for each in texts.split("|")]
    return tuple(
        _Pattern(points, frozenset(_same(word) for word in text.split()) if text.isascii() else frozenset(), text)
        for points, text in pairs
    )


def _same(word: str) -> str:
    found = _SAME.get(word)
    if found is None and len(word) > 4 and word.endswith("ies"):
        found = f"{word[:-3]}y"
    elif found is None and len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found = _SAME.get(word[:-1], word[:-1])
    return found or word


_known: set[str] = set()


def table(text: str) -> Table:
    """Return the table of lines such as ``90: total price | grand total``; a line without points goes on.

    Its words are remembered: ``totalamount`` is taken apart into words that are known.
    """
    _known.update(re.findall(r"[a-z]+", text), _SAME, _SAME.values())
    return {int(points): " ".join(words.split()) for points, words in re.findall(r"(-?\d+):([^:]*?)(?=-?\d+:|$)", text)}


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

    :param against: patterns whose points are taken off, unless the fitting pattern has their words
    :param neutral: further words that say nothing, such as those of the model's name
    """
    entries, opposed = tuple(table.items()), tuple((against or {}).items())
    found = [_text_points(each, entries, opposed, frozenset(neutral)) for each in texts]
    best = max((points for points, _ in found), default=0)
    return best - sum(each.points for each in frozenset().union(*(faults for _, faults in found))) if best > 0 else 0


_Entries = tuple[tuple[int, str], ...]


@lru_cache(maxsize=100_000)
def _text_points(
    text: str, entries: _Entries, opposed: _Entries, neutral: frozenset[str]
) -> tuple[int, frozenset[_Pattern]]:
    """Return the points of the pattern that fits best, and the patterns that speak against it."""
    words, plain = frozenset(words_of(text)), re.sub(r"[\s_·()/-]", "", text)
    faults = [each for each in _patterns(opposed) if _is_in(each, words, plain) and not _is_neutral(each, neutral)]
    best, best_net, kept = 0, 0, frozenset(faults)
    for each in _patterns(entries):
        if not _is_in(each, words, plain):
            continue
        points = each.points - _cost(each, words, plain, neutral)
        unexplained = frozenset(fault for fault in faults if not _explains(each, fault))
        net = points - sum(fault.points for fault in unexplained)
        if points > 0 and (not best or net > best_net):
            best, best_net, kept = points, net, unexplained
    return best, kept


def _cost(pattern: _Pattern, words: frozenset[str], plain: str, neutral: frozenset[str]) -> int:
    if pattern.words:
        return _EXTRA_WORD * len(words - pattern.words - _NEUTRAL - neutral)
    return _EXTRA_CHARACTER * (len(plain) - len(pattern.text))


def _is_in(pattern: _Pattern, words: frozenset[str], plain: str) -> bool:
    return pattern.words <= words if pattern.words else pattern.text in plain


def _is_neutral(pattern: _Pattern, neutral: frozenset[str]) -> bool:
    return bool(pattern.words) and pattern.words <= neutral


def _explains(pattern: _Pattern, fault: _Pattern) -> bool:
    return fault.words <= pattern.words if fault.words else fault.text in pattern.text
