"""The DFINERY setting: defaults, mistakes, secrecy."""

from __future__ import annotations

import pickle
import subprocess
import sys
import traceback
from typing import Any

import pytest

from dfinery_django import ConfigurationError, DfineryError
from dfinery_django.conf import KEYS, Settings, get_settings, masked_setting, problems
from dfinery_django.tokens import Token

GOOD = {"TOKENS": {"default": "secret-token-1"}}


def test_defaults_are_the_documented_ones(settings: Any) -> None:
    """A token is all that a site must set."""
    settings.DFINERY = GOOD
    current = get_settings()
    assert (current.CONCURRENCY, current.MAX_AGE_HOURS, current.BASE_URL) == (16, 48, "https://openapi.dfinery.io")
    assert current.USER_ATTRIBUTES == {"user_id": "pk"}


def test_it_is_live_under_override_settings(settings: Any) -> None:
    """Settings are read at use, not at import."""
    settings.DFINERY = {**GOOD, "CONCURRENCY": 3}
    assert get_settings().CONCURRENCY == 3
    settings.DFINERY = {**GOOD, "CONCURRENCY": 4}
    assert get_settings().CONCURRENCY == 4


@pytest.mark.parametrize(
    ("raw", "number", "words"),
    [
        (None, "E001", "not a dict"),
        ({**GOOD, "TOKEN": "x"}, "E002", "'TOKENS'"),
        ({}, "E003", "TOKENS"),
        ({"TOKENS": "abc"}, "E003", "TOKENS"),
        ({"TOKENS": {"default": ""}}, "E003", "empty"),
        ({"TOKENS": {"default": None}}, "E003", "empty"),
        ({"TOKENS": {"default": "secret token-1"}}, "E003", "HTTP header"),
        ({"TOKENS": {"default": "비밀"}}, "E003", "HTTP header"),
        ({"TOKENS": {"default": b"secret"}}, "E003", "a bytes"),
        ({"TOKENS": {"default": lambda: " "}}, "E003", "empty"),
        ({"TOKENS": ["secret"]}, "E003", "TOKENS"),
        ({"TOKENS": {"": "x"}}, "E003", "64 characters"),
        ({**GOOD, "CONCURRENCY": "16"}, "E004", "whole number"),
        ({**GOOD, "CONCURRENCY": 0}, "E004", "1 to 256"),
        ({**GOOD, "READ_TIMEOUT": 0}, "E004", "above 0"),
        ({**GOOD, "SETTLE_SECONDS": -1}, "E004", "at least 0"),
        ({**GOOD, "WATCH_SECONDS": 61}, "E004", "from 0 to 60"),
        ({**GOOD, "WATCH_SECONDS": None}, "E004", "from 0 to 60"),
        ({**GOOD, "ENABLED": "yes"}, "E004", "True or False"),
        ({**GOOD, "BUILD": "later"}, "E004", "'worker', 'commit'"),
        ({**GOOD, "TYPE_DRIFT": None}, "E004", "'warn', 'fail'"),
        ({**GOOD, "EVENTS": []}, "E004", "not a dict"),
        ({**GOOD, "RETENTION_DAYS": 0}, "E004", "None"),
        ({**GOOD, "RECONCILE_MINUTES": 1.5}, "E004", "whole number"),
        ({**GOOD, "WAKE": "wake"}, "E004", "dotted path"),
        ({**GOOD, "BASE_URL": "http://openapi.dfinery.io"}, "E005", "clear text"),
        ({**GOOD, "BASE_URL": "openapi.dfinery.io"}, "E005", "not an http"),
        ({**GOOD, "BASE_URL": "https://user:pw@openapi.dfinery.io"}, "E005", "more than"),
        ({**GOOD, "BASE_URL": 7}, "E005", "not a"),
        ({**GOOD, "CUSTOM_FIELDS": {"events": {}}}, "E006", "'event'"),
        ({**GOOD, "CUSTOM_FIELDS": {"event": {"x": "str"}}}, "E006", "'string'"),
        ({**GOOD, "CUSTOM_FIELDS": {"event": ["x"]}}, "E006", "not a dict"),
    ],
)
def test_every_mistake_is_named_with_its_remedy(settings: Any, raw: Any, number: str, words: str) -> None:
    """An id, what is wrong, and the line to write; reading the setting raises the same, but for tokens."""
    settings.DFINERY = raw
    (problem,) = problems(masked_setting())
    assert problem.id == number
    assert words in f"{problem.message} {problem.hint}"
    if number == "E003":  # capture needs none
        assert get_settings().TOKENS
        return
    with pytest.raises(ConfigurationError, match="DFINERY") as caught:
        get_settings()
    assert not isinstance(caught.value, DfineryError), "except DfineryError must not hide a mistake in the settings"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8089", "http://localhost:8089", "http://[::1]:1", "https://x.example/p"]
)
def test_plain_http_only_to_loopback(settings: Any, url: str) -> None:
    """The sandbox needs no certificate."""
    settings.DFINERY = {**GOOD, "BASE_URL": url}
    assert url == get_settings().BASE_URL


def test_disabled_needs_no_token(settings: Any) -> None:
    """A staging site without a token can be switched off."""
    settings.DFINERY = {"ENABLED": False}
    assert get_settings().TOKENS == {}


def test_a_token_shows_itself_nowhere(settings: Any) -> None:
    """Not in a repr, a text, a traceback with its locals, or a pickle."""
    settings.DFINERY = {**GOOD, "CONCURRENCY": "wrong"}
    try:
        get_settings()
    except ConfigurationError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert "secret-token-1" not in shown
    settings.DFINERY = GOOD
    token = get_settings().TOKENS["default"]
    assert "secret-token-1" not in f"{token} {token!r} {get_settings()!r}"
    assert token.reveal() == "secret-token-1"
    assert token == Token("secret-token-1")
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_it_can_be_imported_from_a_settings_module() -> None:
    """``from dfinery_django import Value`` needs neither settings nor the app registry."""
    code = "from dfinery_django import Coalesce, Display, EventDefinition, Hashed, Value, register; print(Value(1))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "Value(1)"), done.stderr


def test_every_key_of_the_contract_is_known() -> None:
    """The keys of the public contract, no more and no less."""
    assert set(KEYS) == {
        *("TOKENS", "EVENTS", "USER_ATTRIBUTES", "CUSTOM_FIELDS", "TYPE_DRIFT", "ENABLED", "BASE_URL", "PROTOCOL"),
        *("CONCURRENCY", "CONNECT_TIMEOUT", "READ_TIMEOUT", "MAX_AGE_HOURS", "DRAIN_SECONDS", "LEASE_SECONDS"),
        *("SETTLE_SECONDS", "READY_SECONDS", "BUILD", "RECONCILE_MINUTES", "RETENTION_DAYS", "Q_OPTIONS", "WAKE"),
        *("METRICS", "KEEP_PAYLOADS", "CONSENT", "PROXY", "CA_BUNDLE", "WATCH_SECONDS"),
    }
    assert Settings().WAKE == "dfinery_django.tasks.wake"
