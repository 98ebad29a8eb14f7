"""The ``DFINERY`` setting as one frozen, typed object: ``get_settings()``.

It is read at use, never at import, and follows ``override_settings``. ``problems`` finds the mistakes in it for the
system checks; ``get_settings()`` raises ``ConfigurationError`` for the first of them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from .addresses import LOOPBACK_HOSTS, NO_PROXY, Proxy, base_url_fault
from .exceptions import ConfigurationError
from .tokens import Token


@dataclass(frozen=True)
class Settings:
    """The setting with its defaults. Names of durations end in their unit."""

    TOKENS: Mapping[str, Token] = field(default_factory=dict)
    EVENTS: Mapping[str, Any] = field(default_factory=dict)
    USER_ATTRIBUTES: Mapping[str, Any] = field(default_factory=lambda: {"user_id": "pk"})
    CUSTOM_FIELDS: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    TYPE_DRIFT: str = "warn"
    ENABLED: bool = True
    BASE_URL: str = "https://openapi.dfinery.io"
    PROXY: Proxy = NO_PROXY
    CA_BUNDLE: str | os.PathLike[str] = ""
    PROTOCOL: str = "dfinery_django.protocols.s2s.S2SEventAPI"
    CONCURRENCY: int = 16
    CONNECT_TIMEOUT: float = 3
    READ_TIMEOUT: float = 10
    MAX_AGE_HOURS: float = 48
    DRAIN_SECONDS: float = 45
    LEASE_SECONDS: float = 60
    SETTLE_SECONDS: float = 5
    READY_SECONDS: float = 120
    BUILD: str = "worker"
    RECONCILE_MINUTES: int = 10
    RETENTION_DAYS: float | None = 30
    KEEP_PAYLOADS: bool = True
    CONSENT: str = ""
    Q_OPTIONS: Mapping[str, Any] = field(default_factory=dict)
    WAKE: str = "dfinery_django.tasks.wake"
    METRICS: bool = False


@dataclass(frozen=True)
class Problem:
    """One mistake in the setting, and the line to write instead."""

    id: str
    message: str
    hint: str


#: Keys with a fixed set of values.
CHOICES = {"TYPE_DRIFT": ("warn", "fail"), "BUILD": ("worker", "commit")}
POSITIVE = ("CONNECT_TIMEOUT", "READ_TIMEOUT", "MAX_AGE_HOURS", "DRAIN_SECONDS", "LEASE_SECONDS")
NOT_NEGATIVE = ("SETTLE_SECONDS", "READY_SECONDS")
LONGEST = {"LEASE_SECONDS": 1800}  # the events of a dead worker wait until their lease lapses
MAPPINGS = ("EVENTS", "USER_ATTRIBUTES", "CUSTOM_FIELDS", "Q_OPTIONS")
#: Tests of values, and the message for a value that fails.
VALUE_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(MAPPINGS, (lambda value: isinstance(value, Mapping), "is a {kind}, not a dict")),
    "PROXY": (lambda value: value.is_text, "is not a text, nor a callable that returns one"),
    "CA_BUNDLE": (lambda value: isinstance(value, (str, os.PathLike)), "is {value!r}, not a path"),
}
SCOPES = ("event", "item", "user")
FIELD_TYPES = ("string", "long", "double", "boolean")
KEYS = tuple(Settings.__dataclass_fields__)


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """Return a sentence with the nearest known word, or with all of them."""
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


def problems(raw: object) -> list[Problem]:
    """Return all mistakes of a masked setting that can be found without models. Reads the tokens' sources."""
    found = setting_problems(raw)
    return found + _token_problems(raw) if isinstance(raw, Mapping) else found


def setting_problems(raw: object) -> list[Problem]:
    """Return all mistakes except those of tokens: with one of these the setting can't be used at all."""
    if not isinstance(raw, Mapping):
        return [Problem("E001", "DFINERY is not a dict.", 'DFINERY = {"TOKENS": {"default": "<API token>"}}')]
    unknown = [key for key in raw if key not in KEYS]
    found = [Problem("E002", f"DFINERY has an unknown key {key!r}.", did_you_mean(key, KEYS)) for key in unknown]
    return found + _shape_problems(raw) + _url_problems(raw) + _field_type_problems(raw)


def _token_problems(raw: Mapping[str, Any]) -> list[Problem]:
    hint = 'DFINERY = {"TOKENS": {"default": env("DFINERY_API_TOKEN")}, …}'
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


def _shape_problems(raw: Mapping[str, Any]) -> list[Problem]:
    found = []
    for key, value in raw.items():
        fault = _shape_fault(key, value) if key in KEYS else ""
        if fault:
            default = getattr(Settings(), key)
            found.append(Problem("E004", f"DFINERY[{key!r}] {fault}.", f'The default is "{key}": {default!r}.'))
    return found


def _shape_fault(key: str, value: Any) -> str:
    if key in CHOICES and value not in CHOICES[key]:
        return f"is {value!r}, not one of {', '.join(map(repr, CHOICES[key]))}"
    if key in POSITIVE and not (_is_number(value) and 0 < value <= LONGEST.get(key, float("inf"))):
        return f"is {value!r}, not a number above 0" + (f" and up to {LONGEST[key]}" if key in LONGEST else "")
    if key in NOT_NEGATIVE and not (_is_number(value) and value >= 0):
        return f"is {value!r}, not a number of at least 0"
    if key == "CONCURRENCY" and not (_is_whole(value) and 1 <= value <= 256):
        return f"is {value!r}, not a whole number from 1 to 256"
    if key == "RECONCILE_MINUTES" and not (_is_whole(value) and value >= 0):
        return f"is {value!r}, not a whole number of at least 0"
    if key == "RETENTION_DAYS" and not (value is None or (_is_number(value) and value > 0)):
        return f"is {value!r}, not a number above 0 or None"
    if key in ("ENABLED", "METRICS", "KEEP_PAYLOADS") and not isinstance(value, bool):
        return f"is {value!r}, not True or False"
    if key in VALUE_CHECKS and not VALUE_CHECKS[key][0](value):
        return VALUE_CHECKS[key][1].format(value=value, kind=type(value).__name__)
    is_left_out = key == "CONSENT" and value == ""
    if key in ("PROTOCOL", "WAKE", "CONSENT") and not is_left_out and not (isinstance(value, str) and "." in value):
        return f"is {value!r}, not a dotted path"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _url_problems(raw: Mapping[str, Any]) -> list[Problem]:
    url, proxy = raw.get("BASE_URL", Settings.BASE_URL), raw.get("PROXY", Settings.PROXY)
    if url != Settings.BASE_URL and (fault := base_url_fault(url)):
        return [Problem("E005", f"DFINERY['BASE_URL'] {fault}.", f'"BASE_URL": "{Settings.BASE_URL}"')]
    if not proxy.is_text:
        return []  # E004
    hint = '"PROXY": "http://proxy.example:3128"'
    if fault := proxy.fault:
        return [Problem("E005", f"DFINERY['PROXY'] {fault}.", hint)]
    if proxy and url.lower().startswith("http:") and proxy.host not in LOOPBACK_HOSTS:
        return [Problem("E005", f"DFINERY['PROXY'] gets the token in clear text: BASE_URL is {url}.", hint)]
    return []


def _field_type_problems(raw: Mapping[str, Any]) -> list[Problem]:
    declared = raw.get("CUSTOM_FIELDS", {})
    found = []
    for scope, fields in declared.items() if isinstance(declared, Mapping) else ():
        place = f"DFINERY['CUSTOM_FIELDS'][{scope!r}]"
        if scope not in SCOPES:
            found.append(Problem("E006", f"{place} is no scope.", did_you_mean(scope, SCOPES)))
        elif not isinstance(fields, Mapping):
            problem = f"{place} is not a dict of field names and types."
            found.append(Problem("E006", problem, 'e.g. {"grade": "string"}'))
        else:
            found += [
                Problem("E006", f"{place}[{name!r}] is {kind!r}, no type.", did_you_mean(kind, FIELD_TYPES))
                for name, kind in fields.items()
                if kind not in FIELD_TYPES
            ]
    return found


def masked_setting() -> Any:
    """Return the setting as written, with its secrets wrapped: tracebacks show the local variables of our frames."""
    setting = getattr(django_settings, "DFINERY", {})
    if not isinstance(setting, Mapping):
        return setting
    if "PROXY" in setting:
        setting = {**setting, "PROXY": Proxy(setting["PROXY"])}
    tokens = setting.get("TOKENS")
    if not tokens:
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
