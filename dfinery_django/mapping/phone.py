"""``Phone``: a phone number as digits with its country code, read by the package ``phonenumbers`` (extra ``phone``).

Importable from a settings module. The first ``Phone(…)`` imports ``phonenumbers``, which may be missing until an event
is built.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from ..exceptions import ConfigurationError, PayloadError
from ..schema.types import WireType, convert
from ..text.reasons import ReasonText
from .expressions import Expression, expression, is_empty
from .reading import Read

INSTALL = 'pip install "dfinery-django[phone]"'
#: A remark behind the digits: 자택, 내선 12. Latin letters may belong to a number, and "ー" is a dash.
_REMARK = re.compile(r"(?<=\d)\D*?(?![a-zA-Zー])[^\W\d_].*", re.DOTALL)


class Phone(Expression):
    """The digits of a phone number in E.164, without ``+``: ``Phone("customer.phone", "KR")`` gives ``821012345678``.

    Reads a number as people type it, without its extension. A number that can't exist gives ``None``, so that the field
    is left out: a mistyped number fails no event.

    :param source: path or expression
    :param region: ISO code of the country of numbers without a country code: ``"KR"``
    :raises ConfigurationError: if there is no such country
    """

    def __init__(self, source: Any, region: str) -> None:
        self.source, self.region = expression(source), _known_region(region)

    def resolve(self, instance: Any) -> str | None:
        value = self.source.resolve(instance)
        if is_empty(value):
            return None
        library = phone_library()
        if library is None:
            raise PayloadError(repr(self), ReasonText("no_phonenumbers"), ReasonText("install_phone", command=INSTALL))
        for number in self._readings(value, library):
            if library.is_valid_number(number):
                return str(library.format_number(number, library.PhoneNumberFormat.E164)).removeprefix("+")
        return None

    def _readings(self, value: Any, library: Any) -> Iterator[Any]:
        """Yield the numbers that a value may mean."""
        if isinstance(value, library.PhoneNumber):
            yield value
            return
        text = value if isinstance(value, str) else str(convert(value, WireType.STRING, repr(self.source)))
        for spelling in _spellings(text):
            try:
                yield library.parse(spelling, self.region)
            except library.NumberParseException:
                continue

    def paths(self) -> Sequence[str]:
        return self.source.paths()

    def reads(self) -> Sequence[Read]:
        return self.source.reads()

    def __repr__(self) -> str:
        return f"Phone({self.source!r}, {self.region!r})"


def phone_library() -> Any:
    """Return the package ``phonenumbers``; ``None`` if it is not installed."""
    try:
        return import_module("phonenumbers")
    except ImportError:
        return None


def _known_region(region: Any) -> str:
    library = phone_library()
    known = library.SUPPORTED_REGIONS if library else ()
    if isinstance(region, str) and (region in known if known else re.fullmatch("[A-Z]{2}", region)):
        return region
    upper = region.upper() if isinstance(region, str) else ""
    hint = f'Write "{upper}".' if upper in known else 'Write its ISO code: "KR", "JP", "US".'
    raise ConfigurationError(f"Phone(): no country has the code {region!r}. {hint}")


def _spellings(text: str) -> Iterator[str]:
    """Yield a text without remarks and without characters that nobody sees, as a copied contact has them."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(each for each in plain if unicodedata.category(each) != "Cf").strip()
    plain = _REMARK.sub("", plain)
    if plain.startswith("00"):  # the international prefix of most countries, but Korea's has three digits
        yield f"+{plain[2:]}"
    yield plain
