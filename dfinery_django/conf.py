"""The ``DFINERY`` setting as one frozen, typed object: ``get_settings()``.

It is read at use, never at import, and follows ``override_settings``. ``problems`` finds the mistakes in it for the
system checks; ``get_settings()`` raises ``ConfigurationError`` for the first of them.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from .addresses import LOOPBACK_HOSTS, NO_PROXY, Endpoint, Proxy, base_url_fault, endpoint_of
from .exceptions import ConfigurationError
from .tokens import Token


def _rule(fits: Callable[[Any], bool], words: str) -> Mapping[str, Any]:
    """Return metadata of a field: the test of a value, and the words about one that fails."""
    return {"fits": fits, "words": words}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return _is_number(value) and isinstance(value, int)


_MAPPING = _rule(lambda value: isinstance(value, Mapping), "is a {kind}, not a dict")
_FLAG = _rule(lambda value: isinstance(value, bool), "is {value!r}, not True or False")
_DRIFT = _rule(lambda value: value in ("warn", "fail"), "is {value!r}, not one of 'warn', 'fail'")
_BUILD = _rule(lambda value: value in ("worker", "commit"), "is {value!r}, not one of 'worker', 'commit'")
_IMPORT = _rule(lambda value: isinstance(value, str) and "." in value, "is {value!r}, not a dotted path")
_IMPORT_OR_NONE = _rule(lambda value: value == "" or _IMPORT["fits"](value), _IMPORT["words"])
_FILE = _rule(lambda value: isinstance(value, (str, os.PathLike)), "is {value!r}, not a path")
_PROXY = _rule(lambda value: bool(value.is_text), "is not a text, nor a callable that returns one")
_ABOVE_0 = _rule(lambda value: _is_number(value) and value > 0, "is {value!r}, not a number above 0")
_ABOVE_0_OR_NONE = _rule(lambda value: value is None or _ABOVE_0["fits"](value), _ABOVE_0["words"] + " or None")
# The events of a dead worker wait until their lease lapses.
_LEASE = _rule(lambda value: _ABOVE_0["fits"](value) and value <= 1800, _ABOVE_0["words"] + " and up to 1800")
_FROM_0 = _rule(lambda value: _is_number(value) and value >= 0, "is {value!r}, not a number of at least 0")
# A drain is scheduled every minute, and two of them need not watch at once.
_WATCH = _rule(lambda value: _is_number(value) and 0 <= value <= 60, "is {value!r}, not a number from 0 to 60")
_WHOLE = _rule(lambda value: _is_whole(value) and value >= 0, "is {value!r}, not a whole number of at least 0")
_THREADS = _rule(lambda value: _is_whole(value) and 1 <= value <= 256, "is {value!r}, not a whole number from 1 to 256")


#: Seconds in which a drain may still record results after its last answer, retries included.
DRAIN_TAIL_SECONDS = 6


@dataclass(frozen=True)
class Settings:
    """The setting with its defaults. Names of durations end in their unit."""

    TOKENS: Mapping[str, Token] = field(default_factory=dict)
    EVENTS: Mapping[str, Any] = field(default_factory=dict, metadata=_MAPPING)
    USER_ATTRIBUTES: Mapping[str, Any] = field(default_factory=lambda: {"user_id": "pk"}, metadata=_MAPPING)
    CUSTOM_FIELDS: Mapping[str, Mapping[str, str]] = field(default_factory=dict, metadata=_MAPPING)
    TYPE_DRIFT: str = field(default="warn", metadata=_DRIFT)
    ENABLED: bool = field(default=True, metadata=_FLAG)
    BASE_URL: str = "https://openapi.dfinery.io"
    PROXY: Proxy = field(default=NO_PROXY, metadata=_PROXY)
    CA_BUNDLE: str | os.PathLike[str] = field(default="", metadata=_FILE)
    PROTOCOL: str = field(default="dfinery_django.protocols.s2s.S2SEventAPI", metadata=_IMPORT)
    CONCURRENCY: int = field(default=16, metadata=_THREADS)
    CONNECT_TIMEOUT: float = field(default=3, metadata=_ABOVE_0)
    READ_TIMEOUT: float = field(default=10, metadata=_ABOVE_0)
    MAX_AGE_HOURS: float = field(default=48, metadata=_ABOVE_0)
    DRAIN_SECONDS: float = field(default=45, metadata=_ABOVE_0)
    WATCH_SECONDS: float = field(default=0, metadata=_WATCH)
    LEASE_SECONDS: float = field(default=60, metadata=_LEASE)
    SETTLE_SECONDS: float = field(default=5, metadata=_FROM_0)
    READY_SECONDS: float = field(default=120, metadata=_FROM_0)
    BUILD: str = field(default="worker", metadata=_BUILD)
    RECONCILE_MINUTES: int = field(default=10, metadata=_WHOLE)
    RETENTION_DAYS: float | None = field(default=30, metadata=_ABOVE_0_OR_NONE)
    KEEP_PAYLOADS: bool = field(default=True, metadata=_FLAG)
    CONSENT: str = field(default="", metadata=_IMPORT_OR_NONE)
    Q_OPTIONS: Mapping[str, Any] = field(default_factory=dict, metadata=_MAPPING)
    WAKE: str = field(default="dfinery_django.tasks.wake", metadata=_IMPORT)
    METRICS: bool = field(default=False, metadata=_FLAG)

    @property
    def max_age(self) -> dt.timedelta:
        """The age at which DFINERY accepts an event no more."""
        return dt.timedelta(hours=self.MAX_AGE_HOURS)

    @property
    def risk_age(self) -> dt.timedelta:
        """The age from which a waiting event is at risk: half of its time is over."""
        return self.max_age / 2

    @property
    def request_seconds(self) -> float:
        """The longest time that a request may take."""
        return self.CONNECT_TIMEOUT + self.READ_TIMEOUT

    def beginning_seconds(self, budget: float) -> float:
        """Return for how long a drain of so many seconds begins requests: all but that of one, but half at least."""
        return budget - min(self.request_seconds, budget / 2)

    @property
    def longest_drain_seconds(self) -> float:
        """The longest time that a drain may take."""
        return self.beginning_seconds(self.DRAIN_SECONDS) + self.request_seconds + DRAIN_TAIL_SECONDS

    @property
    def endpoint(self) -> Endpoint:
        """The server that events are sent to."""
        return endpoint_of(self.BASE_URL, self.PROXY)


@dataclass(frozen=True)
class Problem:
    """One mistake in the setting, and the line to write instead."""

    id: str
    message: str
    hint: str


SCOPES = ("event", "item", "user")
FIELD_TYPES = ("string", "long", "double", "boolean")
KEYS = tuple(Settings.__dataclass_fields__)
#: The least likeness for names of fields: they are short, and a lower one finds "user" for "number".
FIELD_LIKENESS = 0.71


def nearest(word: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known word that is most like ``word``, the first of equals, in any case; "" if none is."""
    wanted = str(word).casefold()
    likeness = {each: difflib.SequenceMatcher(None, each.casefold(), wanted).ratio() for each in known}
    best = max(likeness, key=likeness.__getitem__, default="")
    return best if likeness.get(best, 0) >= cutoff else ""


def did_you_mean(word: str, known: tuple[str, ...], *, cutoff: float = 0.6) -> str:
    """Return a sentence with the nearest known word, or with all of them."""
    near = nearest(word, known, cutoff=cutoff)
    return f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}."


def problems(raw: object) -> list[Problem]:
    """Return all mistakes of a masked setting that can be found without models. Reads the tokens' sources."""
    return [*setting_problems(raw), *(_token_problems(raw) if isinstance(raw, Mapping) else ())]


def setting_problems(raw: object) -> Iterator[Problem]:
    """Yield all mistakes except those of tokens: with one of these the setting can't be used at all."""
    if not isinstance(raw, Mapping):
        yield Problem("E001", "DFINERY is not a dict.", 'DFINERY = {"TOKENS": {"default": "<API token>"}}')
        return
    for key in raw:
        if key not in KEYS:
            yield Problem("E002", f"DFINERY has an unknown key {key!r}.", did_you_mean(key, KEYS))
    yield from _shape_problems(raw)
    yield from _url_problems(raw)
    yield from _field_type_problems(raw)


def _token_problems(raw: Mapping[str, Any]) -> list[Problem]:
    hint = (
        'DFINERY = {"TOKENS": {"default": os.environ.get("DFINERY_API_TOKEN")}, …}. '
        'Where nothing is to be captured: "ENABLED": False.'
    )
    tokens = raw.get("TOKENS")
    if not raw.get("ENABLED", True) and not tokens:
        return []
    if not isinstance(tokens, Mapping) or not tokens:
        return [Problem("E003", "DFINERY['TOKENS'] is missing: an alias and an API token each.", hint)]
    return [
        Problem("E003", f"DFINERY['TOKENS'][{alias!r}] is {fault}.", hint)
        for alias, token in tokens.items()
        if (fault := token.fault_at_start if _is_alias(alias) else "not named by a text of 1 to 64 characters")
    ]


def _is_alias(alias: object) -> bool:
    return isinstance(alias, str) and 0 < len(alias) <= 64


def _shape_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in raw.items():
        rule = Settings.__dataclass_fields__[key].metadata if key in KEYS else {}
        if rule and not rule["fits"](value):
            fault = rule["words"].format(value=value, kind=type(value).__name__)
            default = getattr(Settings(), key)
            yield Problem("E004", f"DFINERY[{key!r}] {fault}.", f'The default is "{key}": {default!r}.')


def _url_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    url, proxy = raw.get("BASE_URL", Settings.BASE_URL), raw.get("PROXY", Settings.PROXY)
    hint = '"PROXY": "http://proxy.example:3128"'
    if url != Settings.BASE_URL and (fault := base_url_fault(url)):
        yield Problem("E005", f"DFINERY['BASE_URL'] {fault}.", f'"BASE_URL": "{Settings.BASE_URL}"')
    elif not proxy.is_text:
        pass  # E004
    elif fault := proxy.fault:
        yield Problem("E005", f"DFINERY['PROXY'] {fault}.", hint)
    elif proxy and url.lower().startswith("http:") and proxy.host not in LOOPBACK_HOSTS:
        yield Problem("E005", f"DFINERY['PROXY'] gets the token in clear text: BASE_URL is {url}.", hint)


def _field_type_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    declared = raw.get("CUSTOM_FIELDS", {})
    for scope, fields in declared.items() if isinstance(declared, Mapping) else ():
        place = f"DFINERY['CUSTOM_FIELDS'][{scope!r}]"
        if scope not in SCOPES:
            yield Problem("E006", f"{place} is no scope.", did_you_mean(scope, SCOPES))
        elif not isinstance(fields, Mapping):
            yield Problem("E006", f"{place} is not a dict of field names and types.", 'e.g. {"grade": "string"}')
        else:
            for name, kind in fields.items():
                if kind not in FIELD_TYPES:
                    hint = did_you_mean(kind, FIELD_TYPES)
                    yield Problem("E006", f"{place}[{name!r}] is {kind!r}, no type.", hint)


def masked_setting() -> Any:
    """Return the setting as written, with its secrets wrapped: tracebacks show the local variables of our frames."""
    setting = getattr(django_settings, "DFINERY", {})
    if not isinstance(setting, Mapping):
        return setting
    if "PROXY" in setting:
        setting = {**setting, "PROXY": Proxy(setting["PROXY"])}
    if not (tokens := setting.get("TOKENS")):
        return setting
    is_mapping = isinstance(tokens, Mapping)
    return {**setting, "TOKENS": {each: Token(tokens[each]) for each in tokens} if is_mapping else Token(tokens)}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the setting in force. A token that can't be used stops its own destination only.

    :raises ConfigurationError: for the first mistake; ``manage.py check`` lists them all.
    """
    setting = masked_setting()
    for problem in setting_problems(setting):
        raise ConfigurationError(f"{problem.message} {problem.hint}")
    return Settings(**{**setting, "TOKENS": _named_tokens(setting)})


def _named_tokens(setting: Mapping[str, Any]) -> dict[str, Token]:
    tokens = setting.get("TOKENS")
    named = {each: tokens[each] for each in tokens if _is_alias(each)} if isinstance(tokens, Mapping) else {}
    # Without any token, events are stored for the usual destination and wait there.
    return named if named or not setting.get("ENABLED", True) else {"default": Token(None)}


def default_destination() -> str:
    """Return ``"default"``, or the alias if there is only one."""
    aliases = list(get_settings().TOKENS)
    return aliases[0] if len(aliases) == 1 else "default"


def _forget_settings(*, setting: str, **kwargs: object) -> None:
    if setting == "DFINERY":
        get_settings.cache_clear()


setting_changed.connect(_forget_settings, dispatch_uid="dfinery_django.conf")
